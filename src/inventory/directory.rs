//! Policies and roles of the tenant.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::seen::Seen;
use crate::domain::ObjectId;

/// Policies that decide what applications may be.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policies {
    /// `defaultAppManagementPolicy`.
    pub app_management: Seen<AppManagementPolicy>,
    /// `appManagementPolicies`, with the objects that they apply to.
    pub custom_app_management: Seen<Vec<CustomAppManagementPolicy>>,
    /// `authorizationPolicy`.
    pub authorization: Seen<AuthorizationPolicy>,
}

/// The tenant's default app management policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppManagementPolicy {
    /// Whether any of it is in force.
    pub is_enabled: bool,
    /// For applications.
    pub applications: Restrictions,
    /// For service principals.
    pub service_principals: Restrictions,
}

/// A policy for some applications or service principals, in place of the default one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomAppManagementPolicy {
    /// Id.
    pub id: Box<str>,
    /// Hostile text.
    pub display_name: Box<str>,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// What it restricts.
    pub restrictions: Restrictions,
    /// Object ids of what it applies to.
    pub applies_to: Box<[ObjectId]>,
}

/// What may not be added.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restrictions {
    /// `passwordCredentials`.
    pub passwords: Box<[Restriction]>,
    /// `keyCredentials`.
    pub keys: Box<[Restriction]>,
}

/// One restriction.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restriction {
    /// `passwordAddition`, `passwordLifetime`, `symmetricKeyAddition`, `asymmetricKeyLifetime` …
    pub kind: Box<str>,
    /// `enabled` or `disabled`; absent in older tenants, which enforce it.
    #[serde(default)]
    pub state: Option<Box<str>>,
    /// ISO 8601 duration, as the service wrote it.
    #[serde(default)]
    pub max_lifetime: Option<Box<str>>,
    /// Only applications that were registered later are restricted.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_after: Option<OffsetDateTime>,
    /// Who is let off, by whatever the service names it.
    #[serde(default)]
    pub excluded_actors: Box<[Box<str>]>,
}

/// What users may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizationPolicy {
    /// `defaultUserRolePermissions.allowedToCreateApps`; absent when the answer lacks it.
    pub users_may_register_applications: Option<bool>,
}

/// A principal's role in the directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryRole {
    /// Who has it.
    pub principal: ObjectId,
    /// Template id of the role, the same in every tenant.
    pub role: Uuid,
    /// `/` for the whole directory.
    #[serde(default)]
    pub scope: Box<str>,
    /// Whether it has to be activated first.
    #[serde(default)]
    pub is_eligible: bool,
}

impl Restriction {
    /// Whether it is in force.
    pub fn is_enabled(&self) -> bool {
        self.state.as_deref().is_none_or(|state| state.eq_ignore_ascii_case("enabled"))
    }
}

impl Restrictions {
    /// The restriction of a kind, in force or not.
    pub fn of_kind(&self, kind: &str) -> Option<&Restriction> {
        self.passwords.iter().chain(&self.keys).find(|restriction| restriction.kind.eq_ignore_ascii_case(kind))
    }
}
