//! Applications and service principals as Microsoft Graph describes them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{AppId, CredentialId, ObjectId};
use super::thumbprint::Thumbprint;

/// An application registration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// What its owner called it. Hostile text: pass it through [`super::printable`].
    #[serde(default)]
    pub display_name: Option<String>,
    /// Who may sign in: `AzureADMyOrg` and its kin.
    #[serde(default)]
    pub sign_in_audience: Option<String>,
    /// When it was registered. App management policies look at it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_date_time: Option<OffsetDateTime>,
    /// Certificates and other asymmetric keys.
    #[serde(default)]
    pub key_credentials: Vec<KeyCredential>,
    /// Shared secrets, without their text.
    #[serde(default)]
    pub password_credentials: Vec<PasswordCredential>,
}

/// An application's identity in one tenant. Its credentials are a collection of their own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// Object id, and `oid` of its tokens.
    pub id: ObjectId,
    /// Client id of the application behind it.
    pub app_id: AppId,
    /// Hostile text, as above.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Certificates and other asymmetric keys.
    #[serde(default)]
    pub key_credentials: Vec<KeyCredential>,
    /// Shared secrets, without their text.
    #[serde(default)]
    pub password_credentials: Vec<PasswordCredential>,
}

/// A certificate that may sign for an application.
///
/// Everything that Graph sent is kept in `rest`, so that an entry can be sent back as it was.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    /// Identifies the entry.
    pub key_id: CredentialId,
    /// SHA-1 thumbprint in hex, or in one of the other encodings, or whatever a client once wrote.
    #[serde(default)]
    pub custom_key_identifier: Option<String>,
    /// The certificate's subject, or what a client wrote. Hostile text.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Start of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub start_date_time: Option<OffsetDateTime>,
    /// End of validity; not later than the certificate's.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub end_date_time: Option<OffsetDateTime>,
    /// base64 DER; present only when one object is read with `$select=keyCredentials`.
    #[serde(default)]
    pub key: Option<String>,
    /// `AsymmetricX509Cert`, `X509CertAndPassword`, `Symmetric`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// `Verify` for sign-in, `Sign` for SAML, `Encrypt` for tokens.
    #[serde(default)]
    pub usage: Option<String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl KeyCredential {
    /// The SHA-1 thumbprint that the directory states, if it is one.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.custom_key_identifier.as_deref()?.parse().ok()
    }

    /// Whether the entry lets somebody sign in as the application. SAML signing keys and token
    /// encryption keys do not, and kvops never touches those.
    pub fn is_for_sign_in(&self) -> bool {
        self.usage.as_deref().is_some_and(|usage| usage.eq_ignore_ascii_case("Verify"))
            && self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("AsymmetricX509Cert"))
    }

    /// Whether the entry is valid at `now`. Without dates it counts as valid.
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.start_date_time.is_none_or(|start| start <= now) && self.end_date_time.is_none_or(|end| now < end)
    }
}

/// A shared secret of an application. Its text is never readable.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordCredential {
    /// Identifies the entry.
    pub key_id: CredentialId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Ties the password of a SAML signing key to its key.
    #[serde(default)]
    pub custom_key_identifier: Option<String>,
    /// First three characters of the secret.
    #[serde(default)]
    pub hint: Option<String>,
    /// Start of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub start_date_time: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub end_date_time: Option<OffsetDateTime>,
}

/// The restrictions of a tenant, or of one application, on adding credentials.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppManagementPolicy {
    /// The policy's name or id, for messages.
    pub name: String,
    /// What it restricts for certificates.
    pub key_credentials: Vec<CredentialRestriction>,
    /// What it restricts for secrets.
    pub password_credentials: Vec<CredentialRestriction>,
}

/// One restriction of an app management policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialRestriction {
    /// What is restricted.
    pub kind: RestrictionKind,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// ISO 8601 duration of a lifetime restriction, as the service wrote it.
    pub max_lifetime: Option<String>,
    /// Only applications registered after this moment are restricted.
    pub applies_to_apps_created_after: Option<OffsetDateTime>,
}

/// Kinds of restrictions in Graph v1.0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RestrictionKind {
    /// `asymmetricKeyLifetime`: the longest validity of a certificate.
    AsymmetricKeyLifetime,
    /// Any other, as the service spells it.
    Other(String),
}
