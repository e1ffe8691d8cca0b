//! Application registrations and service principals, reduced to what rules read.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::credential::{FederatedCredential, KeyCredential, Moment, PasswordCredential};
use super::seen::{Seen, exact};
use super::word::Word;
use crate::domain::{AppId, ObjectId};

/// An application registration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Box<str>,
    /// When it was registered.
    #[serde(default, with = "super::compact::moment::option")]
    pub created_at: Option<OffsetDateTime>,
    /// `AzureADMyOrg`, `AzureADMultipleOrgs`, `AzureADandPersonalMicrosoftAccount`, `PersonalMicrosoftAccount`.
    #[serde(default)]
    pub sign_in_audience: Option<Word>,
    /// Hostile text.
    #[serde(default)]
    pub tags: Box<[Box<str>]>,
    /// Whether somebody wrote notes.
    #[serde(default)]
    pub has_notes: bool,
    /// `serviceManagementReference`. Hostile text.
    #[serde(default)]
    pub service_management_reference: Option<Box<str>>,
    /// `isFallbackPublicClient`; absent means false.
    #[serde(default)]
    pub is_fallback_public_client: Option<bool>,
    /// Where users may be sent back to.
    #[serde(default)]
    pub redirect_uris: RedirectUris,
    /// Tokens handed out without a code.
    #[serde(default)]
    pub implicit: Implicit,
    /// What it asks for.
    #[serde(default)]
    pub required: Box<[RequiredAccess]>,
    /// `servicePrincipalLockConfiguration`; read and empty when there is none.
    #[serde(default)]
    pub lock: Seen<Option<Lock>>,
    /// Whether it offers scopes of its own: such an application acts for users.
    #[serde(default)]
    pub exposes_scopes: bool,
    /// Whether its publisher is verified.
    #[serde(default)]
    pub has_verified_publisher: bool,
    /// Shared secrets.
    #[serde(default)]
    pub passwords: Box<[PasswordCredential]>,
    /// Certificates and other keys.
    #[serde(default)]
    pub keys: Box<[KeyCredential]>,
    /// Federated identity credentials.
    #[serde(default, deserialize_with = "exact")]
    pub federated: Seen<Vec<FederatedCredential>>,
    /// Who may change it.
    #[serde(default, deserialize_with = "exact")]
    pub owners: Seen<Vec<Owner>>,
}

/// Redirect URIs by platform, as they were written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RedirectUris {
    /// Web.
    pub web: Box<[Box<str>]>,
    /// Single-page applications.
    pub spa: Box<[Box<str>]>,
    /// Mobile and desktop.
    pub public_client: Box<[Box<str>]>,
}

/// `web.implicitGrantSettings`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Implicit {
    /// `enableAccessTokenIssuance`.
    pub access_token: bool,
    /// `enableIdTokenIssuance`.
    pub id_token: bool,
}

/// One permission that an application asks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredAccess {
    /// Client id of the resource.
    pub resource: AppId,
    /// Id of the scope or role.
    pub id: Uuid,
    /// Delegated or application permission.
    pub kind: RequiredKind,
}

/// Kinds of permissions that applications ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum RequiredKind {
    /// A delegated permission.
    Scope,
    /// An application permission.
    Role,
}

/// Which properties of its service principals in other tenants cannot be changed there.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lock {
    /// Whether the lock holds at all.
    pub is_enabled: bool,
    /// `allProperties`.
    pub all_properties: bool,
    /// `credentialsWithUsageSign`.
    pub credentials_with_usage_sign: bool,
    /// `credentialsWithUsageVerify`.
    pub credentials_with_usage_verify: bool,
}

/// An owner.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Object id.
    pub id: ObjectId,
    /// What it is.
    #[serde(default)]
    pub kind: OwnerKind,
    /// `Member` or `Guest`; absent when it may not be read.
    #[serde(default)]
    pub user_type: Option<Word>,
    /// Absent when it may not be read.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// Whether it is a service principal of another tenant; absent when that is not known.
    #[serde(default)]
    pub is_external: Option<bool>,
}

/// What owns an application.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OwnerKind {
    /// A person.
    #[default]
    User,
    /// A service principal.
    ServicePrincipal,
    /// Anything else.
    Other,
}

/// An application's identity in this tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// Object id.
    pub id: ObjectId,
    /// Client id of the application behind it.
    pub app_id: AppId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Box<str>,
    /// Whether anybody can sign in as it.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// `Application`, `ManagedIdentity`, `Legacy`, `SocialIdp`.
    #[serde(rename = "type", default)]
    pub kind: Option<Word>,
    /// The tenant of the application behind it.
    #[serde(default)]
    pub owner_tenant: Option<Uuid>,
    /// `saml`, `oidc`, `password`, `notSupported`.
    #[serde(default)]
    pub single_sign_on_mode: Option<Word>,
    /// `applicationTemplateId`: what it was made from in the gallery.
    #[serde(default)]
    pub template: Option<Uuid>,
    /// Label of the SAML certificate in use.
    #[serde(default)]
    pub preferred_signing_key: Option<Box<str>>,
    /// Reply URLs.
    #[serde(default)]
    pub reply_urls: Box<[Box<str>]>,
    /// Whether its publisher is verified.
    #[serde(default)]
    pub has_verified_publisher: bool,
    /// Shared secrets.
    #[serde(default)]
    pub passwords: Box<[PasswordCredential]>,
    /// Certificates and other keys.
    #[serde(default)]
    pub keys: Box<[KeyCredential]>,
    /// Application permissions that it was granted, on the resources that were looked at.
    #[serde(default, deserialize_with = "exact")]
    pub app_roles: Seen<Vec<RoleGrant>>,
    /// Delegated permissions that it was granted.
    #[serde(default, deserialize_with = "exact")]
    pub delegated: Seen<Vec<DelegatedGrant>>,
    /// Who may change it.
    #[serde(default, deserialize_with = "exact")]
    pub owners: Seen<Vec<Owner>>,
    /// When it last signed in by itself; read and empty when the report has no sign-in.
    #[serde(default)]
    pub last_sign_in: Seen<Option<Moment>>,
    /// When users last signed in to it.
    #[serde(default)]
    pub last_user_sign_in: Seen<Option<Moment>>,
}

/// An application permission that was granted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrant {
    /// Client id of the resource.
    pub resource: AppId,
    /// Id of the role.
    pub role: Uuid,
}

/// Delegated permissions that were granted together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegatedGrant {
    /// Object id of the resource's service principal.
    pub resource: ObjectId,
    /// Names of the scopes, such as `User.Read`.
    pub scopes: Box<[Word]>,
    /// Whether it is for every user.
    #[serde(default)]
    pub is_for_all: bool,
}

/// An application in the recycle bin: it can be restored for 30 days, with its credentials.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedApplication {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Box<str>,
    /// When it was deleted.
    #[serde(default, with = "super::compact::moment::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// Shared secrets.
    #[serde(default)]
    pub passwords: Box<[PasswordCredential]>,
    /// Certificates and other keys.
    #[serde(default)]
    pub keys: Box<[KeyCredential]>,
}

impl Application {
    /// Whether other tenants can have a service principal of it.
    pub fn is_multi_tenant(&self) -> bool {
        self.sign_in_audience.as_deref().is_some_and(|audience| {
            audience.eq_ignore_ascii_case("AzureADMultipleOrgs")
                || audience.eq_ignore_ascii_case("AzureADandPersonalMicrosoftAccount")
        })
    }
}

impl Lock {
    /// Whether nobody can add a credential to a service principal in another tenant.
    pub const fn keeps_credentials(self) -> bool {
        self.is_enabled
            && (self.all_properties || (self.credentials_with_usage_sign && self.credentials_with_usage_verify))
    }
}

impl RedirectUris {
    /// Every one of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.web.iter().chain(&self.spa).chain(&self.public_client).map(AsRef::as_ref)
    }
}
