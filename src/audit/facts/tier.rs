//! How much of the tenant an identity can take.

use serde::Serialize;

use crate::audit::data::Data;
use crate::inventory::{DirectoryRole, Reason, Seen, ServicePrincipal};

/// How much of the tenant an identity can take.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// All of it: it can make itself Global Administrator.
    Zero {
        /// By which permission or role.
        by: String,
    },
    /// Less.
    Other,
    /// Its permissions were not read.
    Unknown {
        /// Why not.
        reason: Reason,
    },
}

impl Tier {
    /// Whether it is tier 0 for certain.
    pub const fn is_zero(&self) -> bool {
        matches!(self, Self::Zero { .. })
    }

    /// The tier of a service principal: by what it was granted, and by its roles in the directory.
    pub(super) fn of(principal: Option<&ServicePrincipal>, roles: &Seen<Vec<DirectoryRole>>, data: &Data) -> Self {
        // Without a service principal in this tenant nothing can have been granted here.
        let Some(principal) = principal else { return Self::Other };
        let tiers = &data.tiers;
        if let Some(granted) = principal.app_roles.read() {
            let on_graph = granted.iter().filter(|grant| grant.resource == tiers.graph);
            if let Some(name) = on_graph.filter_map(|grant| tiers.tier0_app_roles.get(&grant.role)).next() {
                return Self::Zero { by: name.clone() };
            }
        }
        if let Some(roles) = roles.read() {
            let own = roles.iter().filter(|role| {
                role.principal == principal.id && &*role.scope == "/"
                    || role.principal == principal.id && role.scope.is_empty()
            });
            if let Some(name) = own.filter_map(|role| tiers.tier0_directory_roles.get(&role.role)).next() {
                return Self::Zero { by: name.clone() };
            }
        }
        match principal.app_roles.reason() {
            Some(reason) => Self::Unknown { reason },
            None => Self::Other,
        }
    }
}
