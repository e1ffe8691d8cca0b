//! Applications and service principals: what Graph writes and Entra reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// The directory of the lab's tenant. Always asked through its methods, because a `scale` seed
/// makes most of its objects up when they are looked at.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Directory {
    applications: BTreeMap<Uuid, Application>,
    service_principals: BTreeMap<Uuid, ServicePrincipal>,
}

/// An application registration.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Application {
    pub(crate) id: Uuid,
    pub(crate) app_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) credentials: Credentials,
    pub(crate) federated: Vec<FederatedCredential>,
    pub(crate) owners: BTreeSet<Uuid>,
    /// All other members as Graph shows them: displayName, signInAudience, web, spa …
    pub(crate) members: Map<String, Value>,
}

/// An application's identity in the tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ServicePrincipal {
    pub(crate) id: Uuid,
    pub(crate) app_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) credentials: Credentials,
    pub(crate) owners: BTreeSet<Uuid>,
    /// Application roles granted to it: (resource service principal, role value, role id).
    pub(crate) roles: Vec<RoleAssignment>,
    pub(crate) members: Map<String, Value>,
}

/// The two credential collections of an object.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Credentials {
    pub(crate) keys: Vec<KeyCredential>,
    pub(crate) passwords: Vec<PasswordCredential>,
}

/// A certificate that may sign for its owner.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KeyCredential {
    pub(crate) key_id: Uuid,
    /// DER of the certificate; for `Symmetric` the key.
    pub(crate) key: Vec<u8>,
    pub(crate) custom_key_identifier: Option<String>,
    pub(crate) display_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) end: OffsetDateTime,
    /// `AsymmetricX509Cert`, `X509CertAndPassword`, `Symmetric`.
    pub(crate) kind: String,
    /// `Verify`, `Sign`, `Encrypt`.
    pub(crate) usage: String,
    /// When it was added: the token endpoint learns of it only later.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) added_at: OffsetDateTime,
}

/// A shared secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PasswordCredential {
    pub(crate) key_id: Uuid,
    pub(crate) secret_text: String,
    pub(crate) display_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) end: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) added_at: OffsetDateTime,
}

/// A foreign issuer whose tokens may stand in for a credential.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct FederatedCredential {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) description: Option<String>,
    pub(crate) audiences: Vec<String>,
}

/// An application role that a service principal holds on a resource.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct RoleAssignment {
    pub(crate) id: String,
    /// Object id of the resource's service principal.
    pub(crate) resource: Uuid,
    pub(crate) role_id: Uuid,
    /// The role's `value`, as it stands in a token: `Application.Read.All`.
    pub(crate) value: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

impl Directory {
    /// The registration with this client id.
    pub(crate) fn application_by_app_id(&self, app_id: Uuid) -> Option<&Application> {
        self.applications.values().find(|app| app.app_id == app_id)
    }

    /// The service principal of this client id.
    pub(crate) fn service_principal_by_app_id(&self, app_id: Uuid) -> Option<&ServicePrincipal> {
        self.service_principals.values().find(|principal| principal.app_id == app_id)
    }
}
