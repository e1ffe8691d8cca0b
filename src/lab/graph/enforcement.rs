//! What app management policies and the lock of a multi-tenant application forbid.
//!
//! Policies act when a credential is added. What is already there stays valid, whatever they say.

use http::StatusCode;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::fault::Fault;
use super::policies;
use crate::lab::directory::{KeyCredential, Kind, Object};
use crate::lab::world::World;

/// Refuses a change of credentials that a policy or a lock forbids.
pub(super) fn check_change<T: Object>(world: &World, before: &T, after: &T) -> Result<(), Fault> {
    if T::KIND == Kind::ServicePrincipal {
        check_lock(world, before, after)?;
    }
    let Some(policy) = Policy::of(world, before) else { return Ok(()) };
    let old = before.credentials();
    let new = after.credentials();
    for key in new.keys.iter().filter(|key| old.keys.iter().all(|other| other.key_id != key.key_id)) {
        if key.kind.eq_ignore_ascii_case("Symmetric") {
            policy.forbid_type("passwordCredentials", "symmetricKeyAddition")?;
            policy.limit("passwordCredentials", "symmetricKeyLifetime", key.end - key.start, "InvalidKeyEndDate")?;
        } else {
            policy.limit("keyCredentials", "asymmetricKeyLifetime", key.end - key.start, "InvalidKeyEndDate")?;
        }
    }
    for added in new.passwords.iter().filter(|added| old.passwords.iter().all(|other| other.key_id != added.key_id)) {
        policy.forbid_type("passwordCredentials", "passwordAddition")?;
        policy.limit("passwordCredentials", "passwordLifetime", added.end - added.start, "InvalidPasswordEndDate")?;
    }
    Ok(())
}

/// The restrictions that hold for one object.
struct Policy {
    /// Its id, or the name of the tenant's default.
    name: String,
    restrictions: Value,
    created_at: OffsetDateTime,
}

impl Policy {
    /// A custom policy overrides the tenant's default; one that is off does not.
    fn of<T: Object>(world: &World, object: &T) -> Option<Self> {
        let custom = world.directory.policies.assigned.get(&object.id()).and_then(|id| {
            let policy = world.directory.policies.custom.get(id)?;
            let is_on = policy["isEnabled"] == json!(true);
            is_on.then(|| (id.to_string(), policy["restrictions"].clone()))
        });
        let (name, restrictions) = custom.or_else(|| {
            let default = policies::default_policy(world);
            let scope = match T::KIND {
                Kind::Application => "applicationRestrictions",
                Kind::ServicePrincipal => "servicePrincipalRestrictions",
            };
            let name = default["displayName"].as_str().unwrap_or_default().to_owned();
            (default["isEnabled"] == json!(true)).then(|| (name, default[scope].clone()))
        })?;
        Some(Self { name, restrictions, created_at: object.created_at() })
    }

    fn limit(&self, collection: &str, kind: &str, lifetime: Duration, code: &str) -> Result<(), Fault> {
        let Some(restriction) = self.active(collection, kind) else { return Ok(()) };
        let Some(longest) = restriction["maxLifetime"].as_str().and_then(iso_duration) else { return Ok(()) };
        if lifetime <= longest {
            return Ok(());
        }
        let message =
            format!("Credential lifetime exceeds the max value allowed as per assigned policy '{}'.", self.name);
        let details = json!([{ "code": code, "message": message, "target": "EndDate" }]);
        Err(Fault::new(StatusCode::BAD_REQUEST, "CredentialInvalidLifetimeAsPerAppPolicy", message)
            .with_details(details))
    }

    fn forbid_type(&self, collection: &str, kind: &str) -> Result<(), Fault> {
        if self.active(collection, kind).is_none() {
            return Ok(());
        }
        let message = format!("Credential type not allowed as per assigned policy '{}'.", self.name);
        Err(Fault::new(StatusCode::BAD_REQUEST, "CredentialTypeNotAllowedAsPerAppPolicy", message))
    }

    /// A restriction that is enabled and covers an application of this age.
    fn active(&self, collection: &str, kind: &str) -> Option<&Value> {
        let restriction = self.restrictions[collection].as_array()?.iter().find(|restriction| {
            restriction["restrictionType"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(kind))
        })?;
        let is_on = restriction["state"].as_str().is_none_or(|state| state.eq_ignore_ascii_case("enabled"));
        let after = restriction["restrictForAppsCreatedAfterDateTime"]
            .as_str()
            .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let is_covered = after.is_none_or(|after| self.created_at >= after);
        (is_on && is_covered).then_some(restriction)
    }
}

/// The lock that a multi-tenant application puts on its service principals.
fn check_lock<T: Object>(world: &World, before: &T, after: &T) -> Result<(), Fault> {
    let Some(application) = world.directory.application_by_app_id(before.app_id()) else { return Ok(()) };
    let lock = application.members.get("servicePrincipalLockConfiguration").unwrap_or(&Value::Null);
    if lock["isEnabled"] != json!(true) || application.members.get("signInAudience") == Some(&json!("AzureADMyOrg")) {
        return Ok(());
    }
    let is_locked = |name: &str| lock["allProperties"] == json!(true) || lock[name] == json!(true);
    let (old, new) = (before.credentials(), after.credentials());
    let of_usage = |usage: &str| {
        let ids = |keys: &[KeyCredential]| -> Vec<Uuid> {
            keys.iter().filter(|key| key.usage.eq_ignore_ascii_case(usage)).map(|key| key.key_id).collect()
        };
        ids(&old.keys) != ids(&new.keys)
    };
    let passwords_change = old.passwords.len() != new.passwords.len();
    let locked = |property: &str| {
        Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "CannotUpdateLockedServicePrincipalProperty",
            format!("Property {property} on the service principal is locked."),
        ))
    };
    if is_locked("credentialsWithUsageVerify") && (of_usage("Verify") || passwords_change) {
        return locked(if passwords_change { "passwordCredentials" } else { "keyCredentials" });
    }
    if is_locked("credentialsWithUsageSign") && of_usage("Sign") {
        return locked("keyCredentials");
    }
    Ok(())
}

/// `P90D`, `P1Y6M`, `P3DT4H`: with years of 365 days and months of 30, as .NET reads them.
fn iso_duration(text: &str) -> Option<Duration> {
    let (date, clock) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, clock)) => (date, clock),
        None => (text.strip_prefix('P')?, ""),
    };
    let units = |part: &str, seconds: fn(char) -> Option<i64>| -> Option<i64> {
        let (mut total, mut digits) = (0_i64, String::new());
        for c in part.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
            } else {
                total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(seconds(c)?)?)?;
                digits.clear();
            }
        }
        digits.is_empty().then_some(total)
    };
    const DAY: i64 = 86_400;
    let days = units(date, |unit| match unit {
        'Y' => Some(365 * DAY),
        'M' => Some(30 * DAY),
        'W' => Some(7 * DAY),
        'D' => Some(DAY),
        _ => None,
    })?;
    let time = units(clock, |unit| match unit {
        'H' => Some(3600),
        'M' => Some(60),
        'S' => Some(1),
        _ => None,
    })?;
    Some(Duration::seconds(days.checked_add(time)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_dot_net_reads_them() {
        assert_eq!(iso_duration("P90D"), Some(Duration::days(90)));
        assert_eq!(iso_duration("P1Y6M"), Some(Duration::days(365 + 180)));
        assert_eq!(iso_duration("P4DT12H30M5S"), Some(Duration::seconds(4 * 86_400 + 12 * 3600 + 30 * 60 + 5)));
        for bad in ["90D", "P", "P9", "PD", "P1H"] {
            assert!(iso_duration(bad).is_none_or(Duration::is_zero), "{bad}");
        }
    }
}
