//! What holds for the tenant as a whole: when it was made, its policies, its directory roles.

use serde::Deserialize;
use time::OffsetDateTime;

use super::client::Client;
use super::error::Error;
use super::list::List;
use super::registration::or_default;
use super::relation::Known;
use crate::domain::ObjectId;
use crate::http::{Operation, Service};

const fn safe(name: &'static str, permission: &'static str) -> Operation {
    Operation::safe(Service::Graph, name, permission)
}

const ORGANIZATION: Operation = safe("reading the tenant", "Organization.Read.All");
const DEFAULT: Operation = safe("reading the tenant's app management policy", "Policy.Read.All");
const CUSTOM: Operation = safe("listing the app management policies", "Policy.Read.All");
const AUTHORIZATION: Operation = safe("reading the authorization policy", "Policy.Read.All");
const ROLES: Operation = safe("listing who has roles in the directory", "RoleManagement.Read.Directory");
const ELIGIBLE: Operation =
    safe("listing who may activate roles in the directory", "RoleEligibilitySchedule.Read.Directory");
const MEMBERS: Operation = safe("listing the members of a group", "GroupMember.Read.All");

/// The tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its GUID.
    pub id: Box<str>,
    /// When it was made: nothing in it is older.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_date_time: Option<OffsetDateTime>,
}

/// The default app management policy, both halves.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultPolicy {
    /// Whether any of it is enforced.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// For applications.
    #[serde(default, deserialize_with = "or_default")]
    pub application_restrictions: Restricted,
    /// For service principals.
    #[serde(default, deserialize_with = "or_default")]
    pub service_principal_restrictions: Restricted,
}

/// A policy for some objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomPolicy {
    /// Its id.
    pub id: Box<str>,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Whether it is enforced.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// What it restricts.
    #[serde(default, deserialize_with = "or_default")]
    pub restrictions: Restricted,
    /// What it applies to: up to twenty come along.
    #[serde(default, deserialize_with = "or_default")]
    pub applies_to: Vec<Known>,
}

/// Restrictions by kind of credential.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restricted {
    /// For shared secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub password_credentials: Vec<Restriction>,
    /// For certificates.
    #[serde(default, deserialize_with = "or_default")]
    pub key_credentials: Vec<Restriction>,
}

/// One restriction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restriction {
    /// `passwordAddition`, `asymmetricKeyLifetime` …
    #[serde(default)]
    pub restriction_type: Option<Box<str>>,
    /// `enabled` or `disabled`.
    #[serde(default)]
    pub state: Option<Box<str>>,
    /// ISO 8601 duration.
    #[serde(default)]
    pub max_lifetime: Option<Box<str>>,
    /// Older applications are let off.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub restrict_for_apps_created_after_date_time: Option<OffsetDateTime>,
    /// Who is let off, in a shape that the service still changes.
    #[serde(default)]
    pub exclude_actors: Option<serde_json::Value>,
}

impl Restriction {
    /// Every text in the exclusion: ids of attributes, and their values.
    pub fn excluded_actors(&self) -> Vec<Box<str>> {
        fn texts(value: &serde_json::Value, found: &mut Vec<Box<str>>) {
            match value {
                serde_json::Value::String(text) => found.push(text.as_str().into()),
                serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
                serde_json::Value::Object(members) => {
                    members.iter().filter(|(name, _)| !name.starts_with('@')).for_each(|(_, value)| texts(value, found))
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        texts(self.exclude_actors.as_ref().unwrap_or(&serde_json::Value::Null), &mut found);
        found
    }
}

/// What people may do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPolicy {
    /// Of ordinary members.
    #[serde(default, deserialize_with = "or_default")]
    pub default_user_role_permissions: DefaultUserRole,
}

/// Permissions of ordinary members.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultUserRole {
    /// Whether anybody may register applications.
    #[serde(default)]
    pub allowed_to_create_apps: Option<bool>,
}

/// A principal's role in the directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssigned {
    /// Who.
    pub principal_id: ObjectId,
    /// Which: for built-in roles the same in every tenant.
    pub role_definition_id: ObjectId,
    /// `/` for everything.
    #[serde(default)]
    pub directory_scope_id: Option<Box<str>>,
}

impl Client {
    /// The tenant.
    pub async fn organization(&self) -> Result<Option<Organization>, Error> {
        let url = self.url("organization", &[("$select", "id,createdDateTime")]);
        let read: Vec<Organization> = self.all(&ORGANIZATION, url).await?;
        Ok(read.into_iter().next())
    }

    /// The default app management policy, in force or not.
    pub async fn default_policy(&self) -> Result<DefaultPolicy, Error> {
        self.get(&DEFAULT, self.url("policies/defaultAppManagementPolicy", &[])).await
    }

    /// The app management policies for some objects, with those objects.
    pub fn custom_policies(&self) -> List<'_, CustomPolicy> {
        self.listed(self.url("policies/appManagementPolicies", &[("$expand", "appliesTo")]), CUSTOM)
    }

    /// Everything that a policy applies to.
    pub fn policy_targets(&self, policy: &str) -> List<'_, Known> {
        let id: String = url::form_urlencoded::byte_serialize(policy.as_bytes()).collect();
        self.listed(self.url(&format!("policies/appManagementPolicies/{id}/appliesTo"), &[("$top", "999")]), CUSTOM)
    }

    /// What people may do.
    pub async fn authorization_policy(&self) -> Result<AuthorizationPolicy, Error> {
        self.get(&AUTHORIZATION, self.url("policies/authorizationPolicy", &[])).await
    }

    /// Who has roles in the directory.
    pub fn directory_roles(&self) -> List<'_, RoleAssigned> {
        self.listed(self.url("roleManagement/directory/roleAssignments", &[("$top", "999")]), ROLES)
    }

    /// Who may activate roles in the directory.
    pub fn eligible_roles(&self) -> List<'_, RoleAssigned> {
        self.listed(self.url("roleManagement/directory/roleEligibilityScheduleInstances", &[]), ELIGIBLE)
    }

    /// All members of a group, through groups within groups.
    pub fn members(&self, group: ObjectId) -> List<'_, Known> {
        let path = format!("groups/{group}/transitiveMembers");
        self.listed(self.url(&path, &[("$select", "id"), ("$top", "999")]), MEMBERS)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exclusion_is_read_whatever_its_shape() {
        let read: Restriction = serde_json::from_value(json!({
            "restrictionType": "passwordAddition",
            "excludeActors": { "customSecurityAttributes": [
                { "@odata.type": "#microsoft.graph.customSecurityAttributeStringValueExemption",
                  "id": "PolicyExemptions_AppManagement", "operator": "equals", "value": "ExemptFromRestrictions" },
            ] },
        }))
        .unwrap();
        assert_eq!(read.excluded_actors().concat(), "PolicyExemptions_AppManagementequalsExemptFromRestrictions",);
        let none: Restriction = serde_json::from_value(json!({ "excludeActors": null })).unwrap();
        assert!(none.excluded_actors().is_empty());
    }
}
