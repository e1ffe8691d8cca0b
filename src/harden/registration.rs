//! The decision: from what an audit finds to changes of a registration. Pure.

use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::undo;
use crate::audit::facts::{ApplicationFacts, Daemon};
use crate::domain::{CredentialId, ObjectId};
use crate::graph::{Federated, Grant};

/// What was seen of an application.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Object id.
    pub id: ObjectId,
    /// Everything that Graph says of it: what goes has to be put back as it was.
    pub raw: &'a Value,
    /// What it was granted for users.
    pub grants: &'a [Grant],
    /// The tokens of others that it trusts.
    pub federated: &'a [Federated],
    /// What an audit makes of it.
    pub facts: &'a ApplicationFacts<'a>,
    /// Root of the directory, for commands.
    pub graph: &'a Url,
}

/// One change, with its opposite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The rule of an audit that finds it.
    pub rule: &'static str,
    /// What it is about, for people.
    pub title: String,
    /// What is changed.
    #[serde(flatten)]
    pub what: What,
    /// The value that is there.
    pub now: Value,
    /// The value that will be.
    pub then: Value,
    /// Brings the first one back.
    pub undo: String,
}

/// Where a change is made.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum What {
    /// A member of the application, as a path of names.
    Member {
        /// Such as `web/redirectUris`.
        path: &'static str,
    },
    /// A delegated permission that was granted.
    Grant {
        /// Its id.
        id: Box<str>,
    },
    /// A federated credential.
    Federation {
        /// Its id.
        id: CredentialId,
    },
}

/// What is to be done, and what is left as it is.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// Changes, each on its own.
    pub changes: Vec<Change>,
    /// What was looked at and not changed, and why.
    pub left: Vec<String>,
}

/// Decides which changes an application needs. Federated credentials go only by name.
pub fn decide(seen: Seen<'_>, federations: &[CredentialId]) -> Decided {
    let mut decided = Decided::default();
    match &seen.facts.daemon {
        Daemon::Yes(_) => {
            seen.redirects(&mut decided);
            seen.requests(&mut decided);
            seen.granted(&mut decided);
        }
        // An application for users needs its addresses and permissions.
        Daemon::No(_) => {}
        Daemon::Unknown(evidence, reason) => decided.left.push(format!(
            "redirect URIs and delegated permissions stay: whether it works without users does not show ({evidence}: \
             {reason}); type = \"daemon\" in its table of kvops.toml says so"
        )),
    }
    seen.implicit(&mut decided);
    seen.public_client(&mut decided);
    seen.lock(&mut decided);
    seen.federation(federations, &mut decided);
    decided
}

impl Seen<'_> {
    /// A change of one member, with the body that undoes it.
    fn member(&self, rule: &'static str, title: impl Into<String>, path: &'static str, then: Value) -> Change {
        let now = at(self.raw, path).cloned().unwrap_or(Value::Null);
        let undo = undo::az_rest("PATCH", self.graph, &format!("applications/{}", self.id), &body(path, &now));
        Change { rule, title: title.into(), what: What::Member { path }, now, then, undo }
    }

    fn redirects(&self, decided: &mut Decided) {
        let app = self.facts.app;
        let addresses: Vec<&str> = app.redirect_uris.all().collect();
        // Administrators of other tenants are sent back there once they have consented.
        if app.is_multi_tenant() && matches!(addresses[..], [one] if one.starts_with("https://")) {
            decided.left.push("its one redirect URI stays: consent of other tenants needs it".to_owned());
            return;
        }
        for (path, title) in [
            ("web/redirectUris", "redirect URIs of a web application"),
            ("spa/redirectUris", "redirect URIs of a single-page application"),
            ("publicClient/redirectUris", "redirect URIs of an installed application"),
        ] {
            if at(self.raw, path).and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
                decided.changes.push(self.member("KVO401", title, path, json!([])));
            }
        }
    }

    /// Drops the delegated permissions from what it asks for, and keeps everything else of the list.
    fn requests(&self, decided: &mut Decided) {
        let Some(list) = at(self.raw, "requiredResourceAccess").and_then(Value::as_array) else { return };
        let is_delegated =
            |access: &Value| access["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Scope"));
        let mut kept = Vec::new();
        for resource in list {
            let mut resource = resource.clone();
            let Some(access) = resource.get_mut("resourceAccess").and_then(Value::as_array_mut) else {
                kept.push(resource);
                continue;
            };
            let before = access.len();
            access.retain(|access| !is_delegated(access));
            if !access.is_empty() || before == 0 {
                kept.push(resource);
            }
        }
        if kept != *list {
            let title = "delegated permissions that it asks for";
            decided.changes.push(self.member("KVO403", title, "requiredResourceAccess", Value::Array(kept)));
        }
    }

    fn granted(&self, decided: &mut Decided) {
        for grant in self.grants {
            let now = grant_body(grant);
            decided.changes.push(Change {
                rule: "KVO403",
                title: "delegated permission that it was granted".to_owned(),
                what: What::Grant { id: grant.id.clone() },
                undo: undo::az_rest("POST", self.graph, "oauth2PermissionGrants", &now),
                now,
                then: Value::Null,
            });
        }
    }

    /// ID tokens stay where a web application for users may need them for the hybrid flow.
    fn implicit(&self, decided: &mut Decided) {
        let implicit = self.facts.app.implicit;
        let is_hybrid = !matches!(self.facts.daemon, Daemon::Yes(_)) && !self.facts.app.redirect_uris.web.is_empty();
        let keeps_id_token = implicit.id_token && is_hybrid;
        if keeps_id_token {
            decided.left.push("ID tokens stay: a web application that uses the hybrid flow needs them".to_owned());
        }
        if implicit.access_token || (implicit.id_token && !keeps_id_token) {
            let then = json!({ "enableAccessTokenIssuance": false, "enableIdTokenIssuance": keeps_id_token });
            decided.changes.push(self.member("KVO402", "implicit grant", "web/implicitGrantSettings", then));
        }
    }

    fn public_client(&self, decided: &mut Decided) {
        let has_federation = self.facts.app.federated.read().is_some_and(|list| !list.is_empty());
        let is_confidential = self.facts.in_force().total() > 0 || has_federation;
        if self.facts.app.is_fallback_public_client == Some(true) && is_confidential {
            decided.changes.push(self.member("KVO404", "public client flow", "isFallbackPublicClient", json!(false)));
        }
    }

    fn lock(&self, decided: &mut Decided) {
        let is_locked = match self.facts.app.lock.get() {
            Ok(lock) => lock.as_ref().is_some_and(|lock| lock.keeps_credentials()),
            Err(_) => return,
        };
        if !is_locked {
            let then = json!({ "isEnabled": true, "allProperties": true });
            let title = "lock against credentials on its service principals";
            decided.changes.push(self.member("KVO407", title, "servicePrincipalLockConfiguration", then));
        }
    }

    fn federation(&self, wanted: &[CredentialId], decided: &mut Decided) {
        for id in wanted {
            let Some(known) = self.federated.iter().find(|known| known.id == *id) else {
                decided.left.push(format!("there is no federated credential {id}"));
                continue;
            };
            let now = federation_body(known);
            let path = format!("applications/{}/federatedIdentityCredentials", self.id);
            decided.changes.push(Change {
                rule: "KVO119",
                title: "federated credential".to_owned(),
                what: What::Federation { id: *id },
                undo: undo::az_rest("POST", self.graph, &path, &now),
                now,
                then: Value::Null,
            });
        }
    }
}

/// A grant as it is made: what brings it back, and what shows that it is still the same.
pub fn grant_body(grant: &Grant) -> Value {
    let mut body = json!({
        "clientId": grant.client_id, "consentType": grant.consent_type, "resourceId": grant.resource_id,
        "scope": grant.scope,
    });
    if let Some(principal) = grant.principal_id {
        body["principalId"] = json!(principal);
    }
    body
}

/// A federated credential, likewise.
pub fn federation_body(known: &Federated) -> Value {
    let mut body = json!({ "name": known.name, "issuer": known.issuer, "audiences": known.audiences });
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    set("subject", known.subject.as_ref().map(|text| json!(text)));
    set("description", known.description.as_ref().map(|text| json!(text)));
    let expression = known.claims_matching_expression.as_ref().and_then(|expression| expression.value.as_ref());
    set("claimsMatchingExpression", expression.map(|value| json!({ "value": value, "languageVersion": 1 })));
    body
}

/// The value at a path of names.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(value, |value, name| value.get(name))
}

/// A body that sets the value at a path and nothing else.
pub fn body(path: &str, value: &Value) -> Value {
    path.rsplit('/').fold(value.clone(), |inner, name| {
        let mut outer = Map::new();
        outer.insert(name.to_owned(), inner);
        Value::Object(outer)
    })
}

/// Whether `read` has everything that `wanted` has: services add members of their own to objects.
pub fn holds(read: &Value, wanted: &Value) -> bool {
    match (read, wanted) {
        (Value::Object(read), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| read.get(name).is_some_and(|read| holds(read, value)))
        }
        (read, wanted) => read == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_in_and_a_body_leads_back() {
        let value = body("web/redirectUris", &json!(["https://a"]));
        assert_eq!(value, json!({ "web": { "redirectUris": ["https://a"] } }));
        assert_eq!(at(&value, "web/redirectUris"), Some(&json!(["https://a"])));
        assert_eq!(at(&value, "spa/redirectUris"), None);
    }

    #[test]
    fn members_that_the_service_adds_are_no_difference_and_other_values_are() {
        let wanted = json!({ "isEnabled": true });
        assert!(holds(&json!({ "isEnabled": true, "tokenEncryptionKeyId": null }), &wanted));
        assert!(!holds(&json!({ "isEnabled": false }), &wanted) && !holds(&Value::Null, &wanted));
        assert!(!holds(&json!(["https://a"]), &json!([])));
    }
}
