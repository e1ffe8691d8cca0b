//! Applications and service principals as the lists of a tenant show them: the parts that an audit
//! judges, and nothing that would weigh a million times.

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;

use crate::domain::{AppId, CredentialId, ObjectId, Thumbprint};

/// An application registration.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text, like all text here.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// When it was registered; old ones do not say.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_date_time: Option<OffsetDateTime>,
    /// `AzureADMyOrg` and its kin.
    #[serde(default)]
    pub sign_in_audience: Option<Box<str>>,
    /// What its owner wrote on it.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<Box<str>>,
    /// The same at length.
    #[serde(default)]
    pub notes: Option<Box<str>>,
    /// Whom to call, in the words of the company's own register.
    #[serde(default)]
    pub service_management_reference: Option<Box<str>>,
    /// Whether it may sign in without a credential.
    #[serde(default)]
    pub is_fallback_public_client: Option<bool>,
    /// Redirects of web applications, and the implicit flow.
    #[serde(default, deserialize_with = "or_default")]
    pub web: Web,
    /// Redirects of single-page applications.
    #[serde(default, deserialize_with = "or_default")]
    pub spa: Redirects,
    /// Redirects of installed applications.
    #[serde(default, deserialize_with = "or_default")]
    pub public_client: Redirects,
    /// Settings as an API of its own.
    #[serde(default, deserialize_with = "or_default")]
    pub api: Api,
    /// The permissions that it asks for.
    #[serde(default, deserialize_with = "or_default")]
    pub required_resource_access: Vec<RequiredAccess>,
    /// What other tenants may not change on its service principals.
    #[serde(default)]
    pub service_principal_lock_configuration: Option<Lock>,
    /// Who Microsoft knows to have published it.
    #[serde(default, deserialize_with = "or_default")]
    pub verified_publisher: Publisher,
    /// Shared secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub password_credentials: Vec<ListedPassword>,
    /// Certificates and other keys, mostly without their bytes.
    #[serde(default, deserialize_with = "or_default")]
    pub key_credentials: Vec<ListedKey>,
    /// When it was put into the recycle bin.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub deleted_date_time: Option<OffsetDateTime>,
}

/// A service principal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Object id.
    pub id: ObjectId,
    /// Client id of the application behind it.
    pub app_id: AppId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Whether it may sign in.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// `Application`, `ManagedIdentity`, `Legacy` …
    #[serde(default)]
    pub service_principal_type: Option<Box<str>>,
    /// The tenant in which its application is registered.
    #[serde(default)]
    pub app_owner_organization_id: Option<Box<str>>,
    /// The gallery's template that it was made from.
    #[serde(default)]
    pub application_template_id: Option<Box<str>>,
    /// `saml`, `oidc` …
    #[serde(default)]
    pub preferred_single_sign_on_mode: Option<Box<str>>,
    /// The SAML signing key in use.
    #[serde(default)]
    pub preferred_token_signing_key_thumbprint: Option<Box<str>>,
    /// Where answers may be sent.
    #[serde(default, deserialize_with = "or_default")]
    pub reply_urls: Vec<Box<str>>,
    /// Who Microsoft knows to have published it.
    #[serde(default, deserialize_with = "or_default")]
    pub verified_publisher: Publisher,
    /// Shared secrets of the service principal itself.
    #[serde(default, deserialize_with = "or_default")]
    pub password_credentials: Vec<ListedPassword>,
    /// Keys of the service principal itself, SAML signing keys among them.
    #[serde(default, deserialize_with = "or_default")]
    pub key_credentials: Vec<ListedKey>,
}

/// A certificate or symmetric key in a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// Identifies the entry.
    pub key_id: CredentialId,
    /// What the directory, or whoever added the key, calls it. A thumbprint only by custom.
    #[serde(default)]
    pub custom_key_identifier: Option<Box<str>>,
    /// The certificate's subject, or what a client wrote.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Start of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub start_date_time: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub end_date_time: Option<OffsetDateTime>,
    /// base64 of the certificate, where the reading asked for it.
    #[serde(default)]
    pub key: Option<Box<str>>,
    /// `AsymmetricX509Cert`, `X509CertAndPassword`, `Symmetric`.
    #[serde(rename = "type", default)]
    pub kind: Option<Box<str>>,
    /// `Verify`, `Sign`, `Encrypt`.
    #[serde(default)]
    pub usage: Option<Box<str>>,
}

impl ListedKey {
    /// The label as a SHA-1 thumbprint, if it looks like one.
    pub fn label(&self) -> Option<[u8; 20]> {
        match self.custom_key_identifier.as_deref()?.parse() {
            Ok(Thumbprint::Sha1(digest)) => Some(digest),
            _ => None,
        }
    }

    /// Whether the entry is a certificate that somebody may sign in with.
    pub fn is_for_sign_in(&self) -> bool {
        let is =
            |text: &Option<Box<str>>, wanted| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        is(&self.usage, "Verify") && is(&self.kind, "AsymmetricX509Cert")
    }
}

/// A shared secret in a list, without the hint at its text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListedPassword {
    /// Identifies the entry.
    pub key_id: CredentialId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Ties the password of a SAML signing key to its key.
    #[serde(default)]
    pub custom_key_identifier: Option<Box<str>>,
    /// Start of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub start_date_time: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub end_date_time: Option<OffsetDateTime>,
}

/// The certificates of one object, with their bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Object id.
    pub id: ObjectId,
    /// All keys, of whatever use.
    #[serde(default, deserialize_with = "or_default")]
    pub key_credentials: Vec<ListedKey>,
}

/// Redirects of one kind of client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redirects {
    /// Where answers may be sent.
    #[serde(default, deserialize_with = "or_default")]
    pub redirect_uris: Vec<Box<str>>,
}

/// Settings of web applications.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Web {
    /// Where answers may be sent.
    #[serde(default, deserialize_with = "or_default")]
    pub redirect_uris: Vec<Box<str>>,
    /// Tokens in the address bar.
    #[serde(default, deserialize_with = "or_default")]
    pub implicit_grant_settings: Implicit,
}

/// The implicit flow.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Implicit {
    /// For access tokens.
    #[serde(default)]
    pub enable_access_token_issuance: Option<bool>,
    /// For ID tokens.
    #[serde(default)]
    pub enable_id_token_issuance: Option<bool>,
}

/// An application as an API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// The scopes that it offers.
    #[serde(default, deserialize_with = "or_default")]
    pub oauth2_permission_scopes: Vec<Scope>,
}

/// A scope that an application offers, of which nothing more is asked.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Scope {}

/// Permissions of one API that an application asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredAccess {
    /// Client id of the API.
    #[serde(default)]
    pub resource_app_id: Option<Box<str>>,
    /// Which.
    #[serde(default, deserialize_with = "or_default")]
    pub resource_access: Vec<Access>,
}

/// One permission that is asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct Access {
    /// Id of the role or scope.
    #[serde(default)]
    pub id: Option<Box<str>>,
    /// `Role` for applications, `Scope` for people.
    #[serde(rename = "type", default)]
    pub kind: Option<Box<str>>,
}

/// The lock on the service principals of a multi-tenant application.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Whether it is in force at all.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// Everything at once.
    #[serde(default)]
    pub all_properties: Option<bool>,
    /// Credentials for signing in.
    #[serde(default)]
    pub credentials_with_usage_verify: Option<bool>,
    /// Credentials for signing.
    #[serde(default)]
    pub credentials_with_usage_sign: Option<bool>,
}

/// A verified publisher, or an empty one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publisher {
    /// Its number at Microsoft.
    #[serde(default)]
    pub verified_publisher_id: Option<Box<str>>,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
}

/// An explicit `null` is as good as nothing.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_members_of_tomorrow_are_no_fault() {
        let read: Registration = serde_json::from_str(
            r#"{"id":"7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10","appId":"7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f11","tags":null,
                "web":null,"keyCredentials":null,"verifiedPublisher":null,"tomorrow":{"a":[1]},"createdDateTime":null,
                "servicePrincipalLockConfiguration":{"isEnabled":true,"allProperties":null}}"#,
        )
        .unwrap();
        assert!(read.key_credentials.is_empty() && read.created_date_time.is_none());
        assert_eq!(read.service_principal_lock_configuration.unwrap().is_enabled, Some(true));
    }

    #[test]
    fn a_label_is_read_in_hex_and_in_base64_and_may_be_none_at_all() {
        let with = |label: &str| {
            let text = format!(
                r#"{{"keyId":"7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10","customKeyIdentifier":"{label}","type":"AsymmetricX509Cert","usage":"Verify"}}"#
            );
            serde_json::from_str::<ListedKey>(&text).unwrap()
        };
        assert_eq!(with("9F4E0A8AA0D4C4F5B1D4D33B5C2F6B9A4C8E7D10").label().unwrap()[0], 0x9f);
        assert_eq!(with("n04KiqDUxPWx1NM7XC9rmkyOfRA=").label().unwrap()[0], 0x9f);
        assert_eq!(with("my key").label(), None);
        assert!(with("x").is_for_sign_in());
    }
}
