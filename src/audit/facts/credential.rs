//! Facts about one credential.

use time::{Duration, OffsetDateTime};

use super::Facts;
use super::custody::{Custody, Export, Grade, Origin, custody_of_version, origin_of_version};
use super::index::{Level, Match, Place};
use crate::domain::Thumbprint;
use crate::inventory::{Evidence, KeyCredential, PasswordCredential, Reason};

/// A key credential, with what was derived.
#[derive(Debug)]
pub struct KeyFacts<'a> {
    /// The evidence.
    pub key: &'a KeyCredential,
    /// Valid now.
    pub is_active: bool,
    /// Valid once, and never again.
    pub has_ended: bool,
    /// Part of SAML single sign-on: it signs or verifies SAML tokens, and nobody signs in with it.
    pub is_saml: bool,
    /// Whole days until it ends, negative once it has; `None` when it never ends.
    pub days_left: Option<i64>,
    /// Whole days of its life: the time in which both the entry and the certificate are valid.
    pub lifetime_days: Option<i64>,
    /// Whole days since it began.
    pub age_days: Option<i64>,
    /// The SHA-1 thumbprint that its label states.
    pub label: Option<Thumbprint>,
    /// Whether the label is that of the bytes; `None` without bytes, or without such a label.
    pub is_label_true: Option<bool>,
    /// Where its key may be, best proven first.
    pub matches: Vec<Match<'a>>,
    /// In whose hands its key is.
    pub custody: Custody,
    /// Why it is thought so.
    pub custody_why: String,
    /// Whether the key can leave its vault; `None` when it is in no vault that is known.
    pub export: Option<(Export, Option<Grade>)>,
    /// Whether a copy existed outside; `None` when it is in no vault that is known.
    pub origin: Option<Origin>,
}

/// A shared secret, with what was derived.
#[derive(Debug)]
pub struct PasswordFacts<'a> {
    /// The evidence.
    pub password: &'a PasswordCredential,
    /// Valid now.
    pub is_active: bool,
    /// Valid once, and never again.
    pub has_ended: bool,
    /// The password of a SAML signing certificate, and no client secret.
    pub is_saml: bool,
    /// Whole days until it ends, negative once it has; `None` when it never ends.
    pub days_left: Option<i64>,
    /// When it began, as far as that is known.
    pub start: Option<OffsetDateTime>,
    /// Whole days of its life.
    pub lifetime_days: Option<i64>,
    /// Whether its start is that of the application, for want of its own.
    pub is_estimated: bool,
    /// Whole days since it began.
    pub age_days: Option<i64>,
}

impl<'a> KeyFacts<'a> {
    pub(super) fn new(key: &'a KeyCredential, all: &'a [KeyCredential], facts: &Facts<'a>) -> Self {
        let now = facts.now;
        let x = key.x.read();
        let end = least(key.end, x.map(|x| x.not_after));
        let start = most(key.start, x.map(|x| x.not_before));
        let label = key.thumbprint();
        let mut matches = facts.matches(key);
        matches.sort_by_key(|found| std::cmp::Reverse(found.level));
        let mut this = Self {
            key,
            is_active: key.is_active(now),
            has_ended: key.has_ended(now),
            is_saml: is_saml(key, all),
            days_left: key.end.map(|end| days(end - now)),
            lifetime_days: start.zip(end).map(|(start, end)| days(end - start)),
            age_days: key.start.map(|start| days(now - start)),
            label,
            is_label_true: label.zip(x).map(|(label, x)| x.has(&label)),
            matches,
            custody: Custody::Unverified,
            custody_why: String::new(),
            export: None,
            origin: None,
        };
        this.decide_custody(facts);
        this
    }

    /// The matches that are more than a label.
    pub fn proven(&self) -> impl Iterator<Item = &Match<'a>> {
        self.matches.iter().filter(|found| found.is_proven())
    }

    /// Valid, for sign-in, and no part of SAML.
    pub fn is_sign_in(&self) -> bool {
        self.is_active && !self.is_saml && self.key.is_for_sign_in()
    }

    /// A certificate for sign-in, now or in the future: what most rules about keys look at.
    pub fn is_sign_in_certificate(&self) -> bool {
        !self.has_ended && !self.is_saml && self.key.is_for_sign_in()
    }

    /// What would have to be read to know where its key is; `None` when that is known.
    pub fn unread_for_custody(&self, facts: &Facts<'a>) -> Option<(Evidence, Reason)> {
        if let Some(reason) = self.key.x.reason() {
            return Some((Evidence::KeyBytes, reason));
        }
        if self.custody == Custody::Unverified { facts.knows_every_vault().err() } else { None }
    }

    fn decide_custody(&mut self, facts: &Facts<'a>) {
        // The same key in several places is as safe as in the least safe of them.
        let mut worst: Option<Judged> = None;
        for found in self.matches.iter().filter(|found| found.is_proven()) {
            let judged = judge(found, facts);
            if worst.as_ref().is_none_or(|worst| judged.0 > worst.0) {
                worst = Some(judged);
            }
        }
        if let Some((custody, why, export, origin)) = worst {
            (self.custody, self.custody_why, self.export, self.origin) = (custody, why, Some(export), Some(origin));
            return;
        }
        let (custody, why) = match (self.key.x.get(), facts.knows_every_vault()) {
            (Err(reason), _) => (Custody::Unverified, format!("the bytes of the certificate were not read ({reason})")),
            (Ok(_), Err((evidence, reason))) => {
                (Custody::Unverified, format!("{evidence} were not all read ({reason})"))
            }
            (Ok(_), Ok(())) => (Custody::Foreign, "every vault was read, and none holds this key".to_owned()),
        };
        (self.custody, self.custody_why) = (custody, why);
    }
}

/// In whose hands a key is at one place, why, whether it can leave, and whether a copy existed outside.
pub(super) type Judged = (Custody, String, (Export, Option<Grade>), Origin);

pub(super) fn judge(found: &Match<'_>, facts: &Facts<'_>) -> Judged {
    let (Some(certificate), Place::Version(version)) = (found.certificate, found.place) else {
        let why = match found.place {
            Place::Deleted(_) => "it is in a deleted certificate, of which the vault tells no more",
            _ => "of its version only the list was read",
        };
        let export = (Export::Indeterminate, None);
        return (Custody::Indeterminate, why.to_owned(), export, Origin::Suspected);
    };
    let vault = found.vault.name.as_str();
    let (export, grade, why) = custody_of_version(vault, certificate, version, facts.history);
    let (origin, origin_why) = origin_of_version(vault, certificate, version, facts.history);
    if origin == Origin::Imported {
        return (Custody::Imported, origin_why, (export, grade), origin);
    }
    let is_hsm = version.key.read().and_then(|key| key.kty.as_deref()).is_some_and(|kty| kty.ends_with("-HSM"));
    let custody = match export {
        // That it cannot leave the vault is no comfort where a copy may lie beside it.
        Export::No if origin == Origin::Suspected => {
            return (Custody::Indeterminate, origin_why, (export, grade), origin);
        }
        Export::No if is_hsm => Custody::Hsm,
        Export::No => Custody::Nonexportable,
        Export::Indeterminate => Custody::Indeterminate,
        Export::Yes => Custody::Exportable,
    };
    (custody, why, (export, grade), origin)
}

impl<'a> PasswordFacts<'a> {
    pub(super) fn new(
        password: &'a PasswordCredential,
        keys: &'a [KeyCredential],
        created: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Self {
        let start = password.start.or(created);
        let is_its_key = |key: &KeyCredential| key.is_signing() && key.key_id == password.key_id;
        Self {
            password,
            is_active: password.is_active(now),
            has_ended: password.has_ended(now),
            is_saml: keys.iter().any(is_its_key),
            days_left: password.end.map(|end| days(end - now)),
            start,
            lifetime_days: start.zip(password.end).map(|(start, end)| days(end - start)),
            is_estimated: password.start.is_none(),
            age_days: start.map(|start| days(now - start)),
        }
    }
}

/// A signing key, or the verifying half that carries the same label; not another key that borrows it.
pub(in crate::audit) fn is_saml(key: &KeyCredential, all: &[KeyCredential]) -> bool {
    let is_half_of = |other: &KeyCredential| {
        let keys = key.x.read().zip(other.x.read());
        other.is_signing() && other.label == key.label && keys.is_none_or(|(one, two)| one.spki == two.spki)
    };
    key.is_signing() || key.label.is_some() && all.iter().any(is_half_of)
}

fn days(span: Duration) -> i64 {
    span.whole_seconds().div_euclid(86_400)
}

fn least(one: Option<OffsetDateTime>, two: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    one.into_iter().chain(two).min()
}

fn most(one: Option<OffsetDateTime>, two: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    one.into_iter().chain(two).max()
}

impl Match<'_> {
    /// Whether it is the same certificate, byte for byte.
    pub fn is_same_certificate(&self) -> bool {
        self.level == Level::Der
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::data::Data;
    use crate::audit::facts::{Desk, Joined};
    use crate::audit::manifest::Manifest;
    use crate::inventory::{Inventory, Seen};

    /// The custody of a key whose certificate somebody else signed, so that it may have been imported.
    fn custody_of_suspected(kty: &str, exportable: Option<bool>, policy_updated: &str) -> (Custody, Option<Origin>) {
        let x = json!({
            "sha1": "0".repeat(40), "spki": "0".repeat(64), "alg": "RSA", "bits": 3072,
            "not_before": "2026-06-01T12:00:00Z", "not_after": "2027-06-01T12:00:00Z",
        });
        let inventory: Inventory = serde_json::from_value(json!({
            "header": { "schemaVersion": "1.0", "tenant": "9d6a1f5e-0000-4000-8000-000000000001", "cloud": "public",
                        "collectedAt": "2026-11-21T00:00:00Z" },
            "applications": [{
                "id": "00000000-0000-4000-8000-00000000000a", "appId": "00000000-0000-4000-8000-0000000000a1",
                "keys": [{ "keyId": "00000000-0000-4000-8000-000000000101", "type": "AsymmetricX509Cert",
                           "usage": "Verify", "end": "2027-06-01T12:00:00Z", "x": x }],
            }],
            "vaults": [{ "name": "contoso-kv", "certificates": [{
                "name": "billing",
                "policy": { "issuer": "Unknown", "exportable": exportable, "updated": policy_updated },
                "versions": [{ "version": "0".repeat(32), "created": "2026-06-01T12:10:00Z", "x": x, "key": { "kty": kty } }],
            }] }],
        }))
        .unwrap();
        let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
        let (joined, desk) = (Joined::new(&inventory, &manifest, &history, &data), Desk::default());
        let facts = joined.facts(&desk);
        let app = facts.application("00000000-0000-4000-8000-0000000000a1".parse().unwrap()).unwrap();
        let app = crate::audit::facts::ApplicationFacts::new(app, &facts);
        (app.keys[0].custody, app.keys[0].origin)
    }

    #[test]
    fn a_key_that_may_have_been_imported_is_in_nobodys_safe_custody_and_never_in_a_better_one_for_it() {
        let (before, after) = ("2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z");
        let table = [
            ("RSA", Some(false), before, Custody::Indeterminate),
            ("RSA-HSM", Some(false), before, Custody::Indeterminate),
            ("RSA", Some(false), after, Custody::Indeterminate),
            ("RSA", None, before, Custody::Indeterminate),
            ("RSA", Some(true), before, Custody::Exportable),
        ];
        for (kty, exportable, updated, expected) in table {
            let found = custody_of_suspected(kty, exportable, updated);
            assert_eq!(found, (expected, Some(Origin::Suspected)), "{kty} {exportable:?} {updated}");
        }
    }
}
