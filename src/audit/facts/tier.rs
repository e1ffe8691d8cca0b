//! How much of the tenant an identity can take.

use serde::Serialize;

use super::Facts;
use crate::inventory::{Reason, ServicePrincipal};

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

    /// Names of the permissions that it was granted and that lead to the whole tenant, or why they are not known.
    pub fn permissions_of<'f>(principal: &ServicePrincipal, facts: &'f Facts<'_>) -> Result<Vec<&'f str>, Reason> {
        let tiers = &facts.data.tiers;
        let on_graph = principal.app_roles.get()?.iter().filter(|grant| grant.resource == tiers.graph);
        Ok(on_graph.filter_map(|grant| tiers.tier0_app_roles.get(&grant.role)).map(String::as_str).collect())
    }

    /// Why it is not known.
    pub const fn unread(&self) -> Option<Reason> {
        match self {
            Self::Unknown { reason } => Some(*reason),
            Self::Zero { .. } | Self::Other => None,
        }
    }

    /// The tier of a service principal: by what it was granted, and by its roles in the directory.
    pub(super) fn of(principal: Option<&ServicePrincipal>, facts: &Facts<'_>) -> Self {
        let Some(principal) = principal else {
            // Without a service principal in this tenant nothing can have been granted here; one that
            // was not read may be there all the same.
            return facts.principals_unread().map_or(Self::Other, |reason| Self::Unknown { reason });
        };
        let tiers = &facts.data.tiers;
        if let Some(granted) = principal.app_roles.read() {
            let mut on_graph = granted.iter().filter(|grant| grant.resource == tiers.graph);
            if let Some(name) = on_graph.find_map(|grant| tiers.tier0_app_roles.get(&grant.role)) {
                return Self::Zero { by: name.clone() };
            }
        }
        let mut held = facts.roles_of(principal.id).iter();
        if let Some(name) = held.find_map(|role| tiers.tier0_directory_roles.get(role)) {
            return Self::Zero { by: name.clone() };
        }
        match principal.app_roles.reason() {
            Some(reason) => Self::Unknown { reason },
            None => Self::Other,
        }
    }
}
