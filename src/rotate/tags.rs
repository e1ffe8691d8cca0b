//! The tags of a version: a vault takes fifteen, and those of other people come first.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Tagged, Trust};
use crate::domain::{
    CredentialId, ObjectId, STATE_PROVEN, STATE_RETIRED, TAG_APP, TAG_KEY_ID, TAG_LEASE, TAG_LEDGER, TAG_STATE, Version,
};
use crate::ledger;

/// So many tags a version may have.
const MOST: usize = 15;

/// Ours, the more important first.
const OURS: [&str; 5] = [TAG_STATE, TAG_KEY_ID, TAG_APP, TAG_LEDGER, TAG_LEASE];

pub(super) type Tags = BTreeMap<String, String>;

/// The tags of a version that is made in place of one with `old`: what people wrote on it goes along.
pub(super) fn of_new(old: &Tags, application: Option<ObjectId>, state: &str) -> Tags {
    let mut tags: Tags = old.iter().filter(|(name, _)| !OURS.contains(&name.as_str())).map(owned).collect();
    let app = application.map(|application| application.to_string());
    add(&mut tags, [(TAG_STATE, Some(state.to_owned())), (TAG_APP, app)]);
    tags
}

/// The tags of a version that has been proven.
pub(super) fn of_proven(old: &Tags, version: &Version, trusts: &[Trust], line: Option<ledger::Hash>) -> Tags {
    let mut tags = old.clone();
    let (app, key_id) = whose(old, version, trusts);
    add(
        &mut tags,
        [
            (TAG_STATE, Some(STATE_PROVEN.to_owned())),
            (TAG_KEY_ID, key_id.map(|id| id.to_string())),
            (TAG_APP, app.map(|id| id.to_string())),
            (TAG_LEDGER, line.map(|line| line.to_string())),
        ],
    );
    tags
}

/// The tags of a version that was taken off the applications.
pub(super) fn of_retired(old: &Tags) -> Tags {
    let mut tags = old.clone();
    tags.remove(TAG_KEY_ID);
    add(&mut tags, [(TAG_STATE, Some(STATE_RETIRED.to_owned()))]);
    tags
}

/// What the tags of a version say, beside who trusts it and what a rotation has removed.
pub(super) fn tagged(
    tags: &Tags,
    version: &Version,
    trusts: &[Trust],
    removed: &BTreeSet<(ObjectId, Version)>,
) -> Tagged {
    if trusts.iter().any(|trust| trust.entry(version).is_some()) {
        let is_complete = of_proven(tags, version, trusts, None) == *tags;
        return if is_complete { Tagged::Proven } else { Tagged::Incomplete };
    }
    if is_retired(tags) {
        return Tagged::Retired;
    }
    let is_removed = match application(tags) {
        Some(application) => removed.contains(&(application, version.clone())),
        None => removed.iter().any(|(_, gone)| gone == version),
    };
    if is_removed && says_trusted(tags) { Tagged::Outdated } else { Tagged::Incomplete }
}

/// Whether tags say that the application in them trusts the version.
pub(super) fn says_trusted(tags: &Tags) -> bool {
    let state = tags.get(TAG_STATE).map(String::as_str);
    state == Some(STATE_PROVEN) || (tags.contains_key(TAG_KEY_ID) && !is_retired(tags))
}

/// Whether tags say that the version was taken off the applications.
pub(super) fn is_retired(tags: &Tags) -> bool {
    tags.get(TAG_STATE).is_some_and(|state| state == STATE_RETIRED)
}

/// The application that stands in tags.
pub(super) fn application(tags: &Tags) -> Option<ObjectId> {
    tags.get(TAG_APP)?.parse().ok()
}

/// With one more tag, if there is room for it.
pub(super) fn with(tags: &Tags, name: &str, value: String) -> Option<Tags> {
    let mut tags = tags.clone();
    add(&mut tags, [(name, Some(value))]);
    tags.contains_key(name).then_some(tags)
}

/// The application that stands in the tags, if it trusts the version, else the first that does: a
/// certificate may be shared, and a tag names one.
fn whose(tags: &Tags, version: &Version, trusts: &[Trust]) -> (Option<ObjectId>, Option<CredentialId>) {
    let mut trusting = trusts.iter().filter(|trust| trust.entry(version).is_some());
    let tagged = application(tags);
    let named = trusting.clone().find(|trust| Some(trust.application) == tagged);
    let trust = named.or_else(|| trusting.next());
    let key_id = trust.and_then(|trust| trust.entry(version)?.key_id);
    (trust.map(|trust| trust.application), key_id)
}

fn add<const N: usize>(tags: &mut Tags, new: [(&str, Option<String>); N]) {
    for (name, value) in new {
        let Some(value) = value else { continue };
        if tags.contains_key(name) || tags.len() < MOST {
            tags.insert(name.to_owned(), value);
        }
    }
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::world::Entry;
    use super::*;
    use crate::domain::AppId;

    fn people(number: usize) -> Tags {
        (0..number).map(|number| (format!("tag-{number:02}"), "x".to_owned())).collect()
    }

    fn trust(version: &Version) -> Trust {
        let entry = Entry { key_id: Some(CredentialId::new(Uuid::from_u128(3))), version: version.clone() };
        Trust {
            application: ObjectId::new(Uuid::from_u128(1)),
            app_id: AppId::new(Uuid::from_u128(2)),
            entries: vec![entry],
            can_prove: true,
            may_write: true,
        }
    }

    #[test]
    fn what_people_wrote_goes_along_and_no_version_gets_more_tags_than_fit() {
        let version: Version = "a".repeat(32).parse().unwrap();
        let trusts = [trust(&version)];
        for number in [0, 5, 11, 13, 15] {
            let made = of_new(&people(number), None, "issued");
            let proven = of_proven(&made, &version, &trusts, None);
            assert!(made.len() <= MOST && proven.len() <= MOST, "{number}");
            assert!(people(number).iter().all(|(name, _)| proven.contains_key(name)), "{number}");
            let known = tagged(&proven, &version, &trusts, &BTreeSet::new());
            assert_eq!(known, Tagged::Proven, "{number}: would be written again and again");
        }
        assert_eq!(with(&people(15), TAG_LEASE, "x".to_owned()), None);
    }

    #[test]
    fn what_was_removed_is_tagged_as_trusted_until_it_is_retired() {
        let version: Version = "a".repeat(32).parse().unwrap();
        let holder = trust(&version);
        let proven = of_proven(&Tags::new(), &version, std::slice::from_ref(&holder), None);
        let removed = BTreeSet::from([(holder.application, version.clone())]);
        let said = |tags: &Tags, trusts: &[Trust], removed| tagged(tags, &version, trusts, removed);
        assert_eq!(said(&proven, std::slice::from_ref(&holder), &removed), Tagged::Proven, "it is trusted again");
        assert_eq!(said(&proven, &[], &removed), Tagged::Outdated);
        let elsewhere = BTreeSet::from([(ObjectId::new(Uuid::from_u128(9)), version.clone())]);
        assert_eq!(said(&proven, &[], &elsewhere), Tagged::Incomplete, "the application in the tags may trust it");
        let retired = of_retired(&proven);
        assert_eq!(said(&retired, &[], &removed), Tagged::Retired);
        assert!(!says_trusted(&retired) && application(&retired).is_some());
        assert_eq!(said(&retired, &[holder], &removed), Tagged::Incomplete, "an entry counts for more than a tag");
    }

    #[test]
    fn a_tag_that_names_an_application_which_trusts_the_version_stays() {
        let version: Version = "a".repeat(32).parse().unwrap();
        let other = Trust { application: ObjectId::new(Uuid::from_u128(9)), ..trust(&version) };
        let trusts = [trust(&version), other.clone()];
        let tagged: Tags = [(TAG_APP.to_owned(), other.application.to_string())].into();
        assert_eq!(of_proven(&tagged, &version, &trusts, None)[TAG_APP], other.application.to_string());
        let stranger: Tags = [(TAG_APP.to_owned(), Uuid::from_u128(77).to_string())].into();
        assert_eq!(of_proven(&stranger, &version, &trusts, None)[TAG_APP], trusts[0].application.to_string());
    }
}
