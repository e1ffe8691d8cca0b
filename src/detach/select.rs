//! The decision: which credentials of what was seen are to go. Pure.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use super::key::not_for_sign_in;
use super::refusal::Refusal;
use super::usage::Uses;
use crate::audit::Params;
use crate::domain::{CredentialId, KeyCredential, PasswordCredential, Thumbprint};
use crate::provision::key_list;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Keys by their id.
    pub keys: Vec<CredentialId>,
    /// Keys by the thumbprint of their certificate.
    pub thumbprints: Vec<Thumbprint>,
    /// Secrets by their id.
    pub secrets: Vec<CredentialId>,
    /// All secrets.
    pub all_secrets: bool,
    /// Whatever has expired.
    pub expired: bool,
    /// Whatever nobody uses.
    pub unused: bool,
    /// Take what is named although nobody can say whether it is in use.
    pub accepts_unknown_use: bool,
    /// Take what is named although it is in use.
    pub despite_use: bool,
    /// Leave out what may not go, in place of refusing everything.
    pub skips_what_may_not_go: bool,
}

/// What was seen of the application or service principal.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its keys.
    pub keys: Vec<KeyCredential>,
    /// Its secrets.
    pub secrets: Vec<PasswordCredential>,
    /// When they were last used.
    pub uses: Uses,
    /// The moment of looking, by the services' clock.
    pub now: OffsetDateTime,
}

/// Key or secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A certificate, or an old symmetric key.
    Key,
    /// A shared secret.
    Secret,
}

/// Why a credential was chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It was named.
    Named,
    /// It has expired.
    Expired,
    /// Nobody uses it.
    Unused,
}

/// A credential that is to go.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Target {
    /// The entry.
    pub key_id: CredentialId,
    /// What it is.
    pub kind: Kind,
    /// Hostile text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// End of validity.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ends: Option<OffsetDateTime>,
    /// Last use, if one is known.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub last_used: Option<OffsetDateTime>,
    /// Whether it can do nothing any more.
    pub is_spent: bool,
    /// Why it was chosen.
    pub why: Why,
}

/// What is to go, and what was asked for and is not there.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Credentials to remove, in the order of the lists.
    pub targets: Vec<Target>,
    /// What was named and is not there.
    pub absent: Vec<String>,
    /// What was meant and may not go.
    pub skipped: Vec<Refusal>,
    /// What the user ought to know.
    pub warnings: Vec<String>,
}

impl Selection {
    /// Adds a target, unless it may not go.
    fn take(&mut self, target: Target, allowed: Result<(), Box<Refusal>>, wish: &Wish) -> Result<(), Box<Refusal>> {
        match allowed {
            Ok(()) => self.targets.push(target),
            Err(refusal) if wish.skips_what_may_not_go => self.skipped.push(*refusal),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// Leaves out what may only go when something that remains has been proven, and nothing can be.
    pub(super) fn without_proof(&mut self, wish: &Wish) -> Result<(), Box<Refusal>> {
        for target in std::mem::take(&mut self.targets) {
            let allowed = match target.is_spent {
                true => Ok(()),
                false => Err(Refusal::NothingProven { key_id: target.key_id }.into()),
            };
            self.take(target, allowed, wish)?;
        }
        Ok(())
    }
}

impl Wish {
    /// Whether an entry is named, by id or by thumbprint.
    pub fn names(&self, entry: &KeyCredential) -> bool {
        self.keys.contains(&entry.key_id) || self.thumbprints.iter().any(|wanted| has_thumbprint(entry, wanted))
    }

    /// Whether the report on use has to be read for it.
    pub fn needs_uses(&self, observed: &[KeyCredential], secrets: &[PasswordCredential], now: OffsetDateTime) -> bool {
        let keys = observed.iter().any(|key| self.names(key) && !is_over(key.end_date_time, now));
        let wants = |secret: &PasswordCredential| self.all_secrets || self.secrets.contains(&secret.key_id);
        let secrets = secrets.iter().any(|secret| wants(secret) && !is_over(secret.end_date_time, now));
        self.unused || keys || secrets
    }
}

/// Decides what is to go. `remaining` is what will prove that the application works without it: it
/// is never chosen for being unused.
pub fn select(wish: &Wish, observed: &Observed, remaining: Option<CredentialId>) -> Result<Selection, Box<Refusal>> {
    let choice = Choice { wish, observed, remaining };
    let mut selection = Selection { absent: choice.absent(), ..Selection::default() };
    if wish.unused
        && let Uses::Unknown(reason) = &observed.uses
    {
        return Err(Refusal::ReportUnread { reason: reason.clone() }.into());
    }
    for key in &observed.keys {
        let Some(target) = choice.key(key) else { continue };
        if let Some(what) = not_for_sign_in(key, &observed.keys) {
            // Nobody asks for SAML keys by asking for whatever has expired.
            match target.why {
                Why::Named => return Err(Refusal::NotForSignIn { key_id: key.key_id, what }.into()),
                Why::Expired | Why::Unused => continue,
            }
        }
        let allowed = choice.permit(&target, &mut selection.warnings);
        selection.take(target, allowed, wish)?;
    }
    for secret in &observed.secrets {
        let Some(target) = choice.secret(secret) else { continue };
        if belongs_to_saml(secret, &observed.keys) {
            match target.why {
                Why::Named if wish.secrets.contains(&secret.key_id) => {
                    let what = "the password of a SAML signing key";
                    return Err(Refusal::NotForSignIn { key_id: secret.key_id, what }.into());
                }
                _ => continue,
            }
        }
        let allowed = choice.permit(&target, &mut selection.warnings);
        selection.take(target, allowed, wish)?;
    }
    Ok(selection)
}

struct Choice<'a> {
    wish: &'a Wish,
    observed: &'a Observed,
    remaining: Option<CredentialId>,
}

impl Choice<'_> {
    fn key(&self, key: &KeyCredential) -> Option<Target> {
        let now = self.observed.now;
        let is_spent = is_over(key.end_date_time, now);
        let is_kept = self.remaining == Some(key.key_id);
        let days = Params::default().unused_days;
        let why = match () {
            () if self.wish.names(key) => Why::Named,
            () if self.wish.expired && is_spent => Why::Expired,
            () if self.wish.unused && !is_kept && self.is_unused(key.key_id, key.start_date_time, days) => Why::Unused,
            () => return None,
        };
        Some(self.target(key.key_id, Kind::Key, key.display_name.clone(), key.end_date_time, is_spent, why))
    }

    fn secret(&self, secret: &PasswordCredential) -> Option<Target> {
        let is_spent = is_over(secret.end_date_time, self.observed.now);
        let days = Params::default().unused_secret_days;
        let why = match () {
            () if self.wish.all_secrets || self.wish.secrets.contains(&secret.key_id) => Why::Named,
            () if self.wish.expired && is_spent => Why::Expired,
            () if self.wish.unused && self.is_unused(secret.key_id, secret.start_date_time, days) => Why::Unused,
            () => return None,
        };
        let name = secret.display_name.clone();
        Some(self.target(secret.key_id, Kind::Secret, name, secret.end_date_time, is_spent, why))
    }

    fn target(
        &self,
        key_id: CredentialId,
        kind: Kind,
        display_name: Option<String>,
        ends: Option<OffsetDateTime>,
        is_spent: bool,
        why: Why,
    ) -> Target {
        let last_used = self.observed.uses.last(key_id).ok().flatten();
        Target { key_id, kind, display_name, ends, last_used, is_spent, why }
    }

    /// Whether there was time to use it, and nobody did. How long there was is unknown without a start.
    fn is_unused(&self, key_id: CredentialId, start: Option<OffsetDateTime>, days: u32) -> bool {
        let limit = self.observed.now - Duration::days(days.into());
        start.is_some_and(|start| start < limit)
            && self.observed.uses.last(key_id).is_ok_and(|last| last.is_none_or(|last| last < limit))
    }

    /// Use that is known forbids a removal, and use that is unknown forbids that of a secret: who
    /// holds one does not show in any vault.
    fn permit(&self, target: &Target, warnings: &mut Vec<String>) -> Result<(), Box<Refusal>> {
        if target.is_spent || target.why != Why::Named {
            return Ok(());
        }
        let key_id = target.key_id;
        let quiet = Duration::days(Params::default().overlap_days.into());
        match self.observed.uses.last(key_id) {
            Ok(Some(last_used)) if last_used > self.observed.now - quiet => {
                if !self.wish.despite_use {
                    return Err(Refusal::InUse { key_id, last_used }.into());
                }
                warnings.push(format!("{key_id} was used on {}: whoever did so is locked out", last_used.date()));
            }
            Ok(_) => {}
            Err(reason) => {
                let is_accepted = self.wish.accepts_unknown_use || self.wish.despite_use;
                if target.kind == Kind::Secret && !is_accepted {
                    return Err(Refusal::UseUnknown { key_id, reason: reason.to_owned() }.into());
                }
                warnings.push(format!("whether {key_id} is in use is unknown: {reason}"));
            }
        }
        Ok(())
    }

    fn absent(&self) -> Vec<String> {
        let keys = &self.observed.keys;
        let has_key = |id: &CredentialId| keys.iter().any(|key| key.key_id == *id);
        let has_secret = |id: &CredentialId| self.observed.secrets.iter().any(|secret| secret.key_id == *id);
        let has_print = |wanted: &Thumbprint| keys.iter().any(|key| has_thumbprint(key, wanted));
        let missing_keys = self.wish.keys.iter().filter(|id| !has_key(id)).map(|id| match has_secret(id) {
            true => format!("key {id} (there is a secret with this keyId: --secret)"),
            false => format!("key {id}"),
        });
        let missing_secrets = self.wish.secrets.iter().filter(|id| !has_secret(id)).map(|id| match has_key(id) {
            true => format!("secret {id} (there is a key with this keyId: --key)"),
            false => format!("secret {id}"),
        });
        let missing_prints = self.wish.thumbprints.iter().filter(|wanted| !has_print(wanted));
        let missing_prints = missing_prints.map(|wanted| format!("a key with thumbprint {wanted}"));
        missing_keys.chain(missing_prints).chain(missing_secrets).collect()
    }
}

fn is_over(end: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    end.is_some_and(|end| end <= now)
}

/// By the certificate's bytes where they were read, else by what the label says.
fn has_thumbprint(entry: &KeyCredential, wanted: &Thumbprint) -> bool {
    match entry.key.as_deref().and_then(key_list::der_of) {
        Some(der) => [Thumbprint::sha1(&der), Thumbprint::sha256(&der)].contains(wanted),
        None => entry.thumbprint().as_ref() == Some(wanted),
    }
}

/// The password that opens a SAML signing key stands among the secrets, with the label of its key.
fn belongs_to_saml(secret: &PasswordCredential, keys: &[KeyCredential]) -> bool {
    let label = secret.custom_key_identifier.as_deref();
    let signs = |key: &KeyCredential| key.usage.as_deref().is_some_and(|usage| usage.eq_ignore_ascii_case("Sign"));
    keys.iter().any(|key| {
        signs(key)
            && (key.key_id == secret.key_id || (label.is_some() && key.custom_key_identifier.as_deref() == label))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);

    fn id(n: u8) -> CredentialId {
        CredentialId::new(uuid::Uuid::from_u128(n.into()))
    }

    fn key(n: u8, usage: &str, label: &str, end: &str) -> KeyCredential {
        let entry = json!({ "keyId": id(n), "usage": usage, "type": "AsymmetricX509Cert", "customKeyIdentifier": label,
            "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": end });
        serde_json::from_value(entry).unwrap()
    }

    fn secret(n: u8, label: Option<&str>, end: &str) -> PasswordCredential {
        let entry = json!({ "keyId": id(n), "customKeyIdentifier": label, "startDateTime": "2026-01-01T00:00:00Z",
            "endDateTime": end });
        serde_json::from_value(entry).unwrap()
    }

    /// A key that is fine, one that has expired, a SAML pair with its password, and two secrets.
    fn observed(uses: &[(u8, OffsetDateTime)]) -> Observed {
        let (open, over) = ("2027-01-01T00:00:00Z", "2026-05-01T00:00:00Z");
        Observed {
            keys: vec![
                key(1, "Verify", "AA", open),
                key(2, "Verify", "BB", over),
                key(3, "Sign", "CC", over),
                key(4, "Verify", "CC", over),
            ],
            secrets: vec![secret(3, Some("CC"), over), secret(5, None, open), secret(6, None, over)],
            uses: Uses::Read(uses.iter().map(|(n, at)| (id(*n), Some(*at))).collect()),
            now: NOW,
        }
    }

    fn chosen(wish: &Wish, observed: &Observed, kept: Option<u8>) -> Result<Vec<CredentialId>, Refusal> {
        let selection = select(wish, observed, kept.map(id)).map_err(|refusal| *refusal)?;
        Ok(selection.targets.iter().map(|target| target.key_id).collect())
    }

    #[test]
    fn whatever_has_expired_is_no_saml_key_and_no_password_of_one() {
        let wish = Wish { expired: true, ..Wish::default() };
        assert_eq!(chosen(&wish, &observed(&[]), None), Ok(vec![id(2), id(6)]));
        let all = Wish { all_secrets: true, ..Wish::default() };
        assert_eq!(chosen(&all, &observed(&[]), None), Ok(vec![id(5), id(6)]));
    }

    #[test]
    fn either_half_of_a_saml_pair_is_refused_by_name_and_its_password_too() {
        for n in [3, 4] {
            let wish = Wish { keys: vec![id(n)], ..Wish::default() };
            let refused = chosen(&wish, &observed(&[]), None);
            assert!(matches!(refused, Err(Refusal::NotForSignIn { key_id, .. }) if key_id == id(n)), "{refused:?}");
        }
        let wish = Wish { secrets: vec![id(3)], ..Wish::default() };
        assert!(matches!(chosen(&wish, &observed(&[]), None), Err(Refusal::NotForSignIn { .. })));
    }

    #[test]
    fn use_counts_for_fourteen_days_and_what_is_unused_is_never_what_remains() {
        let named = Wish { secrets: vec![id(5)], ..Wish::default() };
        let (recent, long_ago) = (NOW - Duration::days(13), NOW - Duration::days(15));
        assert!(matches!(chosen(&named, &observed(&[(5, recent)]), None), Err(Refusal::InUse { .. })));
        assert_eq!(chosen(&named, &observed(&[(5, long_ago)]), None), Ok(vec![id(5)]));
        let unused = Wish { unused: true, ..Wish::default() };
        assert!(chosen(&unused, &observed(&[]), None).unwrap().contains(&id(1)));
        assert!(!chosen(&unused, &observed(&[]), Some(1)).unwrap().contains(&id(1)));
    }

    #[test]
    fn what_does_not_say_since_when_it_is_there_does_not_count_as_unused() {
        let mut seen = observed(&[]);
        for key in &mut seen.keys {
            key.start_date_time = None;
        }
        for secret in &mut seen.secrets {
            secret.start_date_time = None;
        }
        let unused = Wish { unused: true, ..Wish::default() };
        assert_eq!(chosen(&unused, &seen, None), Ok(Vec::new()));
        let named = Wish { keys: vec![id(1)], ..Wish::default() };
        assert_eq!(chosen(&named, &seen, None), Ok(vec![id(1)]));
    }

    #[test]
    fn what_may_still_be_too_young_does_not_count_as_unused() {
        let days = |days| NOW - Duration::days(days);
        let unused = Wish { unused: true, ..Wish::default() };
        for (key_age, secret_age, expected) in [(29, 89, vec![]), (31, 89, vec![id(1)]), (31, 91, vec![id(1), id(5)])] {
            let mut seen = observed(&[]);
            (seen.keys[0].start_date_time, seen.secrets[1].start_date_time) =
                (Some(days(key_age)), Some(days(secret_age)));
            seen.keys.truncate(1);
            seen.secrets = vec![seen.secrets[1].clone()];
            assert_eq!(chosen(&unused, &seen, None), Ok(expected));
        }
    }

    #[test]
    fn unknown_use_keeps_a_secret_and_only_warns_of_a_key() {
        let unread = Observed { uses: Uses::Unknown("no licence".to_owned()), ..observed(&[]) };
        let secret = Wish { secrets: vec![id(5)], ..Wish::default() };
        assert!(matches!(chosen(&secret, &unread, None), Err(Refusal::UseUnknown { .. })));
        assert_eq!(chosen(&Wish { accepts_unknown_use: true, ..secret }, &unread, None), Ok(vec![id(5)]));
        let key = Wish { keys: vec![id(1)], ..Wish::default() };
        let selection = select(&key, &unread, None).unwrap();
        assert_eq!((selection.targets.len(), selection.warnings.len()), (1, 1));
        let unused = Wish { unused: true, ..Wish::default() };
        assert!(matches!(chosen(&unused, &unread, None), Err(Refusal::ReportUnread { .. })));
    }

    #[test]
    fn what_may_not_go_is_left_out_where_that_was_asked_for() {
        let wish = Wish { all_secrets: true, skips_what_may_not_go: true, ..Wish::default() };
        let mut selection = select(&wish, &observed(&[(5, NOW)]), None).unwrap();
        assert_eq!((selection.targets.len(), selection.skipped.len()), (1, 1));
        selection.without_proof(&wish).unwrap();
        assert_eq!(selection.targets.iter().map(|target| target.key_id).collect::<Vec<_>>(), [id(6)]);
    }
}
