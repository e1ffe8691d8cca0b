//! Facts about the world that rules compare with: what makes an identity a tier-0 one, who
//! Microsoft is, whose federated tokens are usual. They stand in `policies/data`, each with source and date.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::AppId;

/// The data files, read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Data {
    /// Permissions and roles that lead to the whole tenant.
    pub tiers: Tiers,
    /// Microsoft's tenants.
    pub first_party: FirstParty,
    /// Issuers of federated tokens.
    pub issuers: Issuers,
    /// Names of application permissions.
    pub permissions: Permissions,
}

/// `permissions.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Permissions {
    /// Application permissions on Graph that have a delegated one of the same name, by id.
    pub graph_app_roles: BTreeMap<Uuid, String>,
}

/// `tiers.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tiers {
    /// Client id of Microsoft Graph.
    pub graph: AppId,
    /// Application permissions on Graph, by id.
    pub tier0_app_roles: BTreeMap<Uuid, String>,
    /// Directory roles, by template id.
    pub tier0_directory_roles: BTreeMap<Uuid, String>,
}

/// `first_party.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FirstParty {
    /// Tenants of Microsoft.
    pub tenants: BTreeMap<Uuid, String>,
    /// First-party applications that hold credentials on purpose.
    pub allowed_app_ids: BTreeMap<AppId, String>,
}

/// `issuers.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Issuers {
    /// Hosts of issuers.
    pub hosts: Vec<String>,
    /// Ends of hosts, each with its dot.
    pub suffixes: Vec<String>,
    /// Hosts of Entra itself.
    pub entra: Vec<String>,
    /// Audiences for token exchange, one a cloud.
    pub audiences: Vec<String>,
}

impl Data {
    /// What is compiled in.
    pub fn shipped() -> Self {
        #[expect(clippy::expect_used, reason = "the files are compiled in, and a test reads them")]
        fn read<T: for<'a> Deserialize<'a>>(text: &str) -> T {
            serde_json::from_str(text).expect("a data file that a test has read")
        }
        Self {
            tiers: read(include_str!("../../policies/data/tiers.json")),
            first_party: read(include_str!("../../policies/data/first_party.json")),
            issuers: read(include_str!("../../policies/data/issuers.json")),
            permissions: read(include_str!("../../policies/data/permissions.json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_can_be_read_and_are_not_empty() {
        let data = Data::shipped();
        assert!(data.tiers.tier0_app_roles.values().any(|name| name == "RoleManagement.ReadWrite.Directory"));
        assert!(data.first_party.tenants.len() >= 3);
        assert!(data.permissions.graph_app_roles.values().any(|name| name == "Mail.Read"));
        assert!(data.issuers.hosts.iter().all(|host| !host.contains('/')));
    }
}
