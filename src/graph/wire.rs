//! The JSON of Graph where it differs from the domain's types.

use serde::Deserialize;
use time::OffsetDateTime;

use crate::domain::{AppManagementPolicy, CredentialRestriction, KeyCredential, PasswordCredential, RestrictionKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyCredentials {
    #[serde(default)]
    pub(super) key_credentials: Vec<KeyCredential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordCredentials {
    #[serde(default)]
    pub(super) password_credentials: Vec<PasswordCredential>,
}

/// The tenant's default policy and an application's own, which name their parts differently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    pub(super) is_enabled: bool,
    #[serde(default, alias = "applicationRestrictions")]
    restrictions: Option<Restrictions>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restrictions {
    #[serde(default)]
    key_credentials: Option<Vec<Restriction>>,
    #[serde(default)]
    password_credentials: Option<Vec<Restriction>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restriction {
    #[serde(default)]
    restriction_type: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    max_lifetime: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    restrict_for_apps_created_after_date_time: Option<OffsetDateTime>,
}

impl From<Policy> for AppManagementPolicy {
    fn from(wire: Policy) -> Self {
        let restrictions = wire.restrictions.unwrap_or_default();
        let read = |list: Option<Vec<Restriction>>| list.unwrap_or_default().into_iter().map(Into::into).collect();
        Self {
            name: wire.display_name.or(wire.id).unwrap_or_else(|| "app management policy".to_owned()),
            key_credentials: read(restrictions.key_credentials),
            password_credentials: read(restrictions.password_credentials),
        }
    }
}

impl From<Restriction> for CredentialRestriction {
    fn from(wire: Restriction) -> Self {
        let kind = match wire.restriction_type {
            Some(kind) if kind == "asymmetricKeyLifetime" => RestrictionKind::AsymmetricKeyLifetime,
            kind => RestrictionKind::Other(kind.unwrap_or_default()),
        };
        Self {
            kind,
            // `state` is younger than the restrictions: without it they are in force.
            is_enabled: wire.state.is_none_or(|state| !state.eq_ignore_ascii_case("disabled")),
            max_lifetime: wire.max_lifetime,
            applies_to_apps_created_after: wire.restrict_for_apps_created_after_date_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_policy_are_read() {
        let restrictions = json!({
            "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "maxLifetime": "P90D", "state": "enabled",
                                "restrictForAppsCreatedAfterDateTime": "2019-10-19T10:37:00Z"}],
            "passwordCredentials": [{"restrictionType": "passwordAddition", "state": "disabled", "maxLifetime": null}],
        });
        for member in ["restrictions", "applicationRestrictions"] {
            let policy: Policy =
                serde_json::from_value(json!({"displayName": "p", "isEnabled": true, member: restrictions})).unwrap();
            assert!(policy.is_enabled);
            let policy = AppManagementPolicy::from(policy);
            assert_eq!(policy.key_credentials[0].kind, RestrictionKind::AsymmetricKeyLifetime);
            assert_eq!(policy.key_credentials[0].max_lifetime.as_deref(), Some("P90D"));
            assert!(policy.key_credentials[0].is_enabled && !policy.password_credentials[0].is_enabled);
        }
    }
}
