//! The bytes of certificates in the directory: which are needed, and the cheapest way to them.
//!
//! Lists come without bytes unless they are asked for by name, and so asked the directory answers
//! 150 times a minute. What the bytes say is kept, the bytes are not.

use futures::StreamExt as _;
use futures::stream;
use time::OffsetDateTime;

use super::listed::Listed;
use super::objects::IDS_AT_ONCE;
use super::parts;
use super::record::{self, Facts};
use super::refusal::{self, NotSignedIn, Refusal};
use super::run::{MOST_RESTARTS, Run};
use crate::domain::{CredentialId, ObjectId};
use crate::graph::{Class, Part};
use crate::inventory::{Evidence, Gap, KeyCredential, Reason, Seen, X509};

/// More in flight would only stand in line.
const READINGS_AT_ONCE: usize = 8;

/// Whether the bytes of one of these keys decide something and are not known. They do for whatever
/// lets somebody sign in, now or later; and for what may be a pair of SAML's, for its label is the choice
/// of whoever added it.
pub(super) fn is_wanting(keys: &[KeyCredential], now: OffsetDateTime) -> bool {
    keys.iter().any(|key| is_wanted(key, keys, now))
}

fn is_wanted(key: &KeyCredential, keys: &[KeyCredential], now: OffsetDateTime) -> bool {
    key.x.reason() == Some(Reason::NotAsked) && decides(key, keys, now)
}

/// Whether a key may let somebody sign in, or tells of another that it does not.
fn decides(key: &KeyCredential, keys: &[KeyCredential], now: OffsetDateTime) -> bool {
    let is_open = |key: &KeyCredential| key.is_for_sign_in() && key.end.is_none_or(|end| now < end);
    let is_other_half = || key.is_signing() && keys.iter().any(|other| is_open(other) && has_label_of(other, key));
    is_open(key) || is_other_half()
}

/// Whether a key lets somebody sign in, now or at some time to come. SAML's pairs do not: two entries with
/// one label, for one key as far as their bytes are known.
pub(super) fn signs_in(key: &KeyCredential, keys: &[KeyCredential], now: OffsetDateTime) -> bool {
    let is_pair = |other: &KeyCredential| {
        let both = key.x.read().zip(other.x.read());
        other.is_signing() && has_label_of(key, other) && both.is_none_or(|(one, other)| one.spki == other.spki)
    };
    key.is_for_sign_in() && key.end.is_none_or(|end| now < end) && !keys.iter().any(is_pair)
}

fn has_label_of(key: &KeyCredential, other: &KeyCredential) -> bool {
    key.label.is_some() && key.label == other.label
}

/// Puts what is known of bytes beside the credentials.
/// What does not decide anything is left out, so that it makes no difference which way they were read.
pub(super) fn put<T: Listed>(
    record: &mut T,
    mut known: impl FnMut(&(ObjectId, CredentialId)) -> Option<Seen<Box<X509>>>,
    now: OffsetDateTime,
) {
    let id = record.id();
    for_wanted(record.keys(), now, |key| {
        if let Some(known) = known(&(id, key.key_id)) {
            key.x = known;
        }
    });
}

/// Forgets what an earlier run knew of keys that have ended since.
pub(super) fn forget_ended(keys: &mut [KeyCredential], now: OffsetDateTime) {
    let ended: Vec<bool> = keys.iter().map(|key| !decides(key, keys, now)).collect();
    keys.iter_mut().zip(ended).filter(|(_, has_ended)| *has_ended).for_each(|(key, _)| key.x = Seen::default());
}

fn for_wanted(keys: &mut [KeyCredential], now: OffsetDateTime, mut act: impl FnMut(&mut KeyCredential)) {
    let wanted: Vec<bool> = keys.iter().map(|key| is_wanted(key, keys, now)).collect();
    keys.iter_mut().zip(wanted).filter(|(_, is_wanted)| *is_wanted).for_each(|(key, _)| act(key));
}

/// Says of the keys that still want their bytes why they will not get them.
pub(super) fn give_up(keys: &mut [KeyCredential], reason: Reason, now: OffsetDateTime) {
    for_wanted(keys, now, |key| key.x = Seen::unread(reason));
}

/// What the bytes of a part say, read in pages of 999. Some directories give no bytes in lists, whatever
/// is selected: the first page with certificates tells, and the rest is not asked for.
pub(super) async fn of_part(run: &Run<'_>, class: Class, part: Part) -> Result<Facts, NotSignedIn> {
    let mut facts = Facts::new();
    let mut restarts = 0;
    let mut list = run.large.keys_of(class, part);
    loop {
        match list.next().await {
            Ok(Some(page)) => {
                run.judge_lists(&page.items);
                if !run.lists_have_bytes() {
                    return Ok(facts);
                }
                facts.extend(page.items.iter().flat_map(|item| record::facts_of(item, &run.known)));
                run.unreadable(Evidence::KeyBytes, &page.unreadable);
            }
            Ok(None) => return Ok(facts),
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => {
                restarts += 1;
                list = run.large.keys_of(class, part);
            }
            Err(error) => {
                run.refused(Evidence::KeyBytes, parts::describe(part), &error)?;
                return Ok(facts);
            }
        }
    }
}

/// What the bytes of a few objects say, fifteen at a time. Where lists come without bytes this finds
/// nothing, and whoever asked has to ask one by one.
pub(super) async fn of_some(run: &Run<'_>, class: Class, ids: &[ObjectId]) -> Facts {
    let readings = ids.chunks(IDS_AT_ONCE).map(|ids| async move {
        match run.lists_have_bytes() {
            true => run.graph.keys_of_some(class, ids).all().await.map(|page| page.items).unwrap_or_default(),
            false => Vec::new(),
        }
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut facts = Facts::new();
    while let Some(read) = reading.next().await {
        run.judge_lists(&read);
        facts.extend(read.iter().flat_map(|keys| record::facts_of(keys, &run.known)));
    }
    facts
}

/// What the bytes of single objects say.
pub(super) async fn of_each(run: &Run<'_>, class: Class, ids: &[ObjectId]) -> Result<Facts, NotSignedIn> {
    let readings = ids.iter().map(|id| async move { (*id, run.graph.keys_of_one(class, *id).await) });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut facts = Facts::new();
    while let Some((id, read)) = reading.next().await {
        match read {
            Ok(keys) => facts.extend(record::facts_of(&keys, &run.known)),
            Err(error) => {
                run.refused(Evidence::KeyBytes, id.to_string(), &error)?;
            }
        }
    }
    Ok(facts)
}

/// The gap of what would take too long.
pub(super) fn left(objects: usize) -> Gap {
    let detail = format!("the bytes of certificates on {objects} objects can only be read one object at a time");
    Refusal::new(Reason::Throttled, detail).gap(Evidence::KeyBytes, "")
}

/// The gap of bytes that are no certificate.
pub(super) fn no_certificate(id: ObjectId, key: CredentialId) -> Gap {
    Refusal::new(Reason::Parse, "the bytes are no certificate").gap(Evidence::KeyBytes, format!("{id}/{key}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn key(usage: &str, end: &str, label: &str) -> KeyCredential {
        serde_json::from_value(json!({
            "keyId": "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10", "type": "AsymmetricX509Cert", "usage": usage,
            "end": end, "label": label,
        }))
        .unwrap()
    }

    fn with_bytes(usage: &str, spki: &str) -> KeyCredential {
        let x = json!({
            "sha1": "", "spki": spki, "alg": "RSA", "bits": 2048,
            "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
        });
        KeyCredential { x: serde_json::from_value(x).unwrap(), ..key(usage, "2027-01-01T00:00:00Z", "A") }
    }

    #[test]
    fn a_key_that_borrows_the_label_of_a_saml_key_is_no_part_of_its_pair() {
        let later = "2027-01-01T00:00:00Z";
        let unread = [key("Verify", later, "A"), key("Sign", later, "A")];
        assert!(unread.iter().all(|key| is_wanted(key, &unread, NOW)), "both halves, to compare them");
        assert!(!signs_in(&unread[0], &unread, NOW), "as far as anybody knows it is a pair");
        let pair = [with_bytes("Verify", "ONE"), with_bytes("Sign", "ONE")];
        assert!(!signs_in(&pair[0], &pair, NOW) && !is_wanting(&pair, NOW));
        let borrowed = [with_bytes("Verify", "ANOTHER"), with_bytes("Sign", "ONE")];
        assert!(signs_in(&borrowed[0], &borrowed, NOW));
    }

    #[test]
    fn bytes_are_wanted_of_what_signs_in_now_or_later_and_of_nothing_else() {
        let later = "2027-01-01T00:00:00Z";
        assert!(is_wanting(&[key("Verify", later, "A")], NOW));
        assert!(!is_wanting(&[key("Verify", "2026-01-01T00:00:00Z", "A")], NOW), "expired");
        assert!(!is_wanting(&[key("Encrypt", later, "A")], NOW));
        assert!(is_wanting(&[key("Verify", later, "A"), key("Sign", later, "B")], NOW));
        assert!(!is_wanting(&[key("Sign", later, "A")], NOW), "nobody signs in with it");
        let mut given_up = [key("Verify", later, "A")];
        give_up(&mut given_up, Reason::Throttled, NOW);
        assert!(!is_wanting(&given_up, NOW));
        assert_eq!(given_up[0].x.reason(), Some(Reason::Throttled));
    }
}
