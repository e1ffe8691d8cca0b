//! Applications and service principals with their credentials, as the directory stores them.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Directory;
use super::scale::Scale;
use super::table::Table;

/// The two kinds of objects that carry credentials.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Kind {
    Application,
    ServicePrincipal,
}

impl Kind {
    /// As in messages of the directory and, after `Microsoft.DirectoryServices.`, in `Location`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::ServicePrincipal => "ServicePrincipal",
        }
    }

    /// The name of the entity set.
    pub(crate) const fn collection(self) -> &'static str {
        match self {
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
        }
    }

    /// The type's name in `microsoft.graph`.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ServicePrincipal => "servicePrincipal",
        }
    }
}

/// What Graph can do with either kind without knowing which it is.
pub(crate) trait Object: Clone + DeserializeOwned + Serialize + 'static {
    const KIND: Kind;

    fn id(&self) -> Uuid;
    fn app_id(&self) -> Uuid;
    fn created_at(&self) -> OffsetDateTime;
    fn credentials(&self) -> &Credentials;
    fn credentials_mut(&mut self) -> &mut Credentials;
    fn owners(&self) -> &BTreeSet<Uuid>;
    fn owners_mut(&mut self) -> &mut BTreeSet<Uuid>;
    fn members(&self) -> &Map<String, Value>;
    fn members_mut(&mut self) -> &mut Map<String, Value>;

    fn table(directory: &Directory) -> &Table<Self>;
    fn table_mut(directory: &mut Directory) -> &mut Table<Self>;

    /// The object that a `scale` seed has at `index`.
    fn generated(scale: &Scale, index: u32) -> Self;

    /// Its federated credentials. Service principals have none here.
    fn federated(&self) -> &[FederatedCredential] {
        &[]
    }

    /// Its `displayName`, which everybody asks for.
    fn display_name(&self) -> Option<&str> {
        self.members().get("displayName")?.as_str()
    }
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
    /// All other members as Graph shows them: displayName, signInAudience, web, spa … What is not
    /// here has the default of a new application.
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
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct KeyCredential {
    pub(crate) key_id: Uuid,
    /// DER of the certificate; for `Symmetric` the key. Empty in objects that a `scale` seed makes up.
    #[serde(with = "base64_text")]
    pub(crate) key: Vec<u8>,
    pub(crate) custom_key_identifier: Option<String>,
    pub(crate) display_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) end: OffsetDateTime,
    /// `AsymmetricX509Cert`, `X509CertAndPassword`, `Symmetric`.
    pub(crate) kind: String,
    /// `Verify`, `Sign`, `Encrypt`, in the case in which it was sent.
    pub(crate) usage: String,
    /// When it was added: the token endpoint learns of it only later.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) added_at: OffsetDateTime,
}

impl KeyCredential {
    /// May sign assertions and proofs.
    pub(crate) fn verifies(&self) -> bool {
        self.usage.eq_ignore_ascii_case("Verify") && self.kind.eq_ignore_ascii_case("AsymmetricX509Cert")
    }

    /// Within its own dates, which may be narrower than the certificate's.
    pub(crate) fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.start <= now && now < self.end
    }
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

impl Object for Application {
    const KIND: Kind = Kind::Application;

    fn id(&self) -> Uuid {
        self.id
    }
    fn app_id(&self) -> Uuid {
        self.app_id
    }
    fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }
    fn credentials(&self) -> &Credentials {
        &self.credentials
    }
    fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }
    fn owners(&self) -> &BTreeSet<Uuid> {
        &self.owners
    }
    fn owners_mut(&mut self) -> &mut BTreeSet<Uuid> {
        &mut self.owners
    }
    fn members(&self) -> &Map<String, Value> {
        &self.members
    }
    fn members_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.members
    }
    fn table(directory: &Directory) -> &Table<Self> {
        &directory.applications
    }
    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.applications
    }
    fn generated(scale: &Scale, index: u32) -> Self {
        scale.application(index)
    }
    fn federated(&self) -> &[FederatedCredential] {
        &self.federated
    }
}

impl Object for ServicePrincipal {
    const KIND: Kind = Kind::ServicePrincipal;

    fn id(&self) -> Uuid {
        self.id
    }
    fn app_id(&self) -> Uuid {
        self.app_id
    }
    fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }
    fn credentials(&self) -> &Credentials {
        &self.credentials
    }
    fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }
    fn owners(&self) -> &BTreeSet<Uuid> {
        &self.owners
    }
    fn owners_mut(&mut self) -> &mut BTreeSet<Uuid> {
        &mut self.owners
    }
    fn members(&self) -> &Map<String, Value> {
        &self.members
    }
    fn members_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.members
    }
    fn table(directory: &Directory) -> &Table<Self> {
        &directory.service_principals
    }
    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.service_principals
    }
    fn generated(scale: &Scale, index: u32) -> Self {
        scale.service_principal(index)
    }
}

/// Bytes as base64 in a saved state, where a list of numbers would be four times as long.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
