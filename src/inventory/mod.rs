//! What was seen of a tenant and its vaults, and what could not be seen.
//!
//! An inventory is evidence, not judgement: it holds what the services answered, reduced to what
//! rules read, and a [`Gap`] for every answer that did not come. It never holds key bytes, secrets
//! or hints of them. The same records are collected, exported, read back and judged.

mod application;
mod collect;
mod compact;
mod convert;
mod coverage;
mod credential;
mod digest;
mod directory;
mod records;
mod seen;
mod state;
mod vault;
mod word;
mod x509;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use application::{
    Application, DelegatedGrant, DeletedApplication, Implicit, Lock, Owner, OwnerKind, RedirectUris, RequiredAccess,
    RequiredKind, RoleGrant, ServicePrincipal,
};
pub use collect::{Activity, Clients, Error, InvalidSought, Plan, Sought, Unwatched, Watcher, collect};
pub use coverage::{Count, Coverage, Evidence, Gap};
pub use credential::{FederatedCredential, KeyCredential, Moment, PasswordCredential};
pub use digest::{Digest, TooLong};
pub use directory::{
    AppManagementPolicy, AuthorizationPolicy, CustomAppManagementPolicy, DirectoryRole, Policies, Restriction,
    Restrictions,
};
pub use records::Records;
pub use seen::{Reason, Seen};
pub use state::{State, Unusable, atomically};
pub use vault::{
    AccessPolicy, Assignment, BackingKey, Certificate, DeletedCertificate, Policy, RoleDefinition, RolePermissions,
    Vault, VaultProperties, VersionRecord,
};
pub use word::Word;
pub use x509::X509;

use crate::domain::{AppId, TenantId};

/// Version of the records: the first number changes when a reader of the old ones would be wrong.
pub const SCHEMA_VERSION: &str = "1.0";

/// A tenant and its vaults at one moment.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inventory {
    /// What it is of, and when.
    pub header: Header,
    /// Application registrations, by object id.
    #[serde(default)]
    pub applications: Records<Application>,
    /// Service principals, by object id: own, foreign and managed identities.
    #[serde(default)]
    pub service_principals: Records<ServicePrincipal>,
    /// Applications in the recycle bin.
    #[serde(default)]
    pub deleted_applications: Seen<Vec<DeletedApplication>>,
    /// Who has which role in the directory.
    #[serde(default)]
    pub directory_roles: Seen<Vec<DirectoryRole>>,
    /// Client ids of the APIs whose holders of application permissions were looked at: of any other it
    /// is not known who holds what.
    #[serde(default)]
    pub role_resources: Seen<Vec<AppId>>,
    /// Policies of the tenant.
    #[serde(default)]
    pub policies: Policies,
    /// Vaults, by name.
    #[serde(default)]
    pub vaults: Vec<Vault>,
    /// Role assignments that reach vaults, at whatever scope.
    #[serde(default)]
    pub assignments: Seen<Vec<Assignment>>,
    /// The roles that those assignments name.
    #[serde(default)]
    pub role_definitions: Vec<RoleDefinition>,
    /// What was read, and what was not.
    #[serde(default)]
    pub coverage: Coverage,
}

/// What an inventory is of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// The tenant's GUID.
    pub tenant: TenantId,
    /// When the tenant was created: restrictions for later applications leave out the earlier ones.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub tenant_created_at: Option<OffsetDateTime>,
    /// Name of the cloud.
    pub cloud: String,
    /// When collecting began. It is the *now* of every judgement on this inventory.
    #[serde(with = "time::serde::rfc3339")]
    pub collected_at: OffsetDateTime,
    /// Whether only some applications were asked for.
    #[serde(default)]
    pub is_narrowed_to_applications: bool,
    /// Whether only some vaults were asked for: then a key that is in none of them is in no *asked* vault.
    #[serde(default)]
    pub is_narrowed_to_vaults: bool,
}

impl Inventory {
    /// An inventory of nothing yet, in which nothing has been read.
    pub fn empty(header: Header) -> Self {
        Self {
            header,
            applications: Records::new(),
            service_principals: Records::new(),
            deleted_applications: Seen::default(),
            directory_roles: Seen::default(),
            role_resources: Seen::default(),
            policies: Policies::default(),
            vaults: Vec::new(),
            assignments: Seen::default(),
            role_definitions: Vec::new(),
            coverage: Coverage::default(),
        }
    }
}
