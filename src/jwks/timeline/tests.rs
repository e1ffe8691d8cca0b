//! The rule against a direct transcription of the one that it replaces, and against verifiers that
//! keep what they have read.

use proptest::prelude::*;
use proptest::sample::Index;
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::jwks::span::Span;
use crate::jwks::windows::WindowSettings;

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

fn version(number: usize) -> Version {
    format!("{number:032x}").parse().unwrap()
}

fn facts(number: usize, created_at: OffsetDateTime) -> VersionFacts {
    VersionFacts {
        version: version(number),
        is_enabled: true,
        created_at: Some(created_at),
        not_before: Some(created_at - Duration::minutes(10)),
        not_after: Some(created_at + Duration::days(365)),
        promoted_at: None,
    }
}

fn windows() -> Windows {
    Windows::new(WindowSettings {
        rollover: Span::hours(72),
        cache: Span::hours(24),
        client_cache: Span::hours(24),
        margin: Span::hours(1),
        token_life: Span::hours(2),
        skew: Span::minutes(5),
        retain: None,
    })
    .unwrap()
}

/// Moments where a clause decides: a sum of windows after a creation, a second more or less.
fn near_a_boundary() -> impl Strategy<Value = Duration> {
    let windows = windows();
    let ends = [
        Duration::ZERO,
        windows.rollover(),
        windows.needed().duration(),
        windows.settings().cache.duration() + windows.settings().client_cache.duration(),
        windows.retain().duration(),
        Duration::hours(36),
    ];
    (prop::sample::select(ends.to_vec()), -1_i64..=1).prop_map(|(end, off)| end + Duration::seconds(off))
}

/// Versions that were made some hours apart; some short-lived, some promoted at some time.
fn versions() -> impl Strategy<Value = Vec<VersionFacts>> {
    let one = (
        prop_oneof![Just(Duration::hours(1)), Just(Duration::hours(49)), Just(Duration::hours(80)), near_a_boundary()],
        prop_oneof![3 => Just(365 * 24_i64), 1 => Just(60), 1 => Just(74), 1 => Just(100)],
        prop_oneof![2 => Just(None), 1 => near_a_boundary().prop_map(Some)],
    );
    prop::collection::vec(one, 1..9).prop_map(|steps| {
        let mut at = START;
        let make = |(number, (step, hours, promoted)): (usize, (Duration, i64, Option<Duration>))| {
            at += step.max(Duration::SECOND);
            VersionFacts {
                not_after: Some(at + Duration::hours(hours)),
                promoted_at: promoted.map(|after| at + after),
                ..facts(number, at)
            }
        };
        steps.into_iter().enumerate().map(make).collect()
    })
}

/// A moment near something that happens to one of the versions.
fn moment(versions: &[VersionFacts], of: &Index, off: Duration, from_its_end: bool) -> OffsetDateTime {
    let facts = of.get(versions);
    (if from_its_end { facts.not_after.unwrap() } else { facts.created_at.unwrap() }) + off
}

/// What the vault listed at a moment.
fn existing(versions: &[VersionFacts], at: OffsetDateTime) -> Vec<VersionFacts> {
    versions.iter().filter(|facts| facts.created_at.unwrap() <= at).cloned().collect()
}

fn names<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<Version> {
    keys.map(|key| key.facts.version.clone()).collect()
}

/// The model, line by line: enabled and created, newest first; active is the first that was created
/// before now minus the rollover, or else the newest; all of them validate.
fn model(versions: &[VersionFacts], rollover: Duration, now: OffsetDateTime) -> Option<(Version, Vec<Version>)> {
    let mut enabled: Vec<&VersionFacts> =
        versions.iter().filter(|facts| facts.is_enabled && facts.created_at.is_some()).collect();
    enabled.sort_by_key(|facts| std::cmp::Reverse(facts.created_at));
    let active = enabled.iter().find(|facts| facts.created_at.unwrap() < now - rollover).or(enabled.first())?;
    Some((active.version.clone(), enabled.iter().map(|facts| facts.version.clone()).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn active_and_published_keys_are_those_of_the_model(
        mut versions in versions(), of: Index, off in near_a_boundary(), from_its_end: bool,
        disabled in prop::collection::vec(any::<bool>(), 9), unmade: Option<Index>,
    ) {
        for (facts, is_disabled) in versions.iter_mut().zip(disabled) {
            // A model without promotion.
            facts.promoted_at = None;
            facts.is_enabled = !is_disabled;
        }
        let now = moment(&versions, &of, off, from_its_end);
        if let Some(unmade) = unmade {
            let place = unmade.index(versions.len());
            versions[place].created_at = None;
        }
        let (windows, retain) = (windows(), windows().retain().duration());
        let decided = Timeline::new(&versions, &windows, now);
        let Some((active, validation)) = model(&versions, windows.rollover(), now) else {
            prop_assert_eq!(decided, Err(NoKey::NoneEnabled));
            return Ok(());
        };
        // The one difference: what expired is kept as long as its tokens can live, and not for ever.
        let end = |version: &Version| versions.iter().find(|facts| facts.version == *version).unwrap().not_after.unwrap();
        let expected: Vec<Version> = validation.into_iter().filter(|version| now < end(version) + retain).collect();
        if expected.is_empty() {
            prop_assert_eq!(decided, Err(NoKey::AllExpired));
            return Ok(());
        }
        let timeline = decided.unwrap();
        prop_assert_eq!(&timeline.active().facts.version, &active);
        prop_assert_eq!(names(timeline.published()), expected);
        let is_first_time = versions.iter().filter(|facts| facts.is_enabled)
            .filter_map(|facts| facts.created_at).all(|created| created >= now - windows.rollover());
        prop_assert_eq!(timeline.is_bootstrap, is_first_time);
    }

    #[test]
    fn a_verifier_with_an_old_set_knows_the_key_that_signs(
        versions in versions(), of: Index, off in near_a_boundary(), age in 0_i64..=48 * 3600, at_the_limit: bool,
    ) {
        let windows = windows();
        let now = moment(&versions, &of, off, false);
        let Ok(timeline) = Timeline::new(&existing(&versions, now), &windows, now) else { return Ok(()) };
        let active = &timeline.active().facts;
        // The code chooses who signs; a key that the vault refuses to sign with signs nothing.
        if timeline.is_bootstrap || now >= active.not_after.unwrap() {
            return Ok(());
        }
        let most = windows.settings().cache.and(windows.settings().client_cache).duration();
        let read_at = now - if at_the_limit { most } else { Duration::seconds(age).min(most) };
        let then = Timeline::new(&existing(&versions, read_at), &windows, read_at);
        let known = then.map(|then| names(then.published())).unwrap_or_default();
        prop_assert!(known.contains(&active.version), "read at {read_at}, signs at {now}: {active:?}");
    }

    #[test]
    fn a_key_stays_until_the_last_token_that_it_signed_is_dead(
        versions in versions(), of: Index, off in near_a_boundary(), from_its_end: bool,
        later in 0_i64..=2 * 3600 + 299, at_the_limit: bool,
    ) {
        let windows = windows();
        let signed_at = moment(&versions, &of, off, from_its_end);
        let Ok(timeline) = Timeline::new(&existing(&versions, signed_at), &windows, signed_at) else { return Ok(()) };
        let active = &timeline.active().facts;
        if signed_at >= active.not_after.unwrap() {
            return Ok(());
        }
        let limit = windows.settings().token_life.and(windows.settings().skew).duration() - Duration::SECOND;
        let checked_at = signed_at + if at_the_limit { limit } else { Duration::seconds(later) };
        let then = Timeline::new(&existing(&versions, checked_at), &windows, checked_at).unwrap();
        prop_assert!(names(then.published()).contains(&active.version), "signed at {signed_at}, read at {checked_at}");
    }

    #[test]
    fn what_is_foretold_comes_true(versions in versions(), of: Index, off in near_a_boundary()) {
        let windows = windows();
        let now = moment(&versions, &of, off, false);
        let Ok(timeline) = Timeline::new(&versions, &windows, now) else { return Ok(()) };
        let at = |moment: OffsetDateTime| Timeline::new(&versions, &windows, moment);
        if let Some(next) = timeline.next() {
            let from = next.signs_from.unwrap();
            prop_assert!(from >= now);
            // One that has expired and left may still have its turn, in which nothing signs.
            if let Ok(before) = at(from)
                && before.active().phase != Phase::Removed
            {
                prop_assert_eq!(&before.active().facts, &timeline.active().facts, "nobody takes over before");
            }
            if from + Duration::SECOND < next.leaves_at.unwrap() {
                let then = at(from + Duration::SECOND).unwrap();
                prop_assert_eq!(&then.active().facts, &next.facts);
            }
        }
        for key in timeline.published() {
            let leaves_at = key.leaves_at.unwrap();
            let before = at(leaves_at - Duration::SECOND).unwrap();
            prop_assert!(names(before.published()).contains(&key.facts.version));
            prop_assert!(at(leaves_at).is_ok_and(|then| !names(then.published()).contains(&key.facts.version))
                || at(leaves_at) == Err(NoKey::AllExpired));
        }
        if let Some(changes_at) = timeline.changes_at {
            let until = at(changes_at - Duration::SECOND).map(|then| names(then.published()));
            if changes_at - Duration::SECOND >= now {
                prop_assert_eq!(until, Ok(names(timeline.published())), "nothing changes before it is said to");
            }
        }
    }
}

#[test]
fn a_version_goes_from_announced_to_active_to_retired_to_removed() {
    let windows = windows();
    let (first, second) = (facts(1, START), facts(2, START + Duration::days(100)));
    let phases = |days: i64| {
        let now = START + Duration::days(days) + Duration::SECOND;
        let timeline = Timeline::new(&existing(&[first.clone(), second.clone()], now), &windows, now).unwrap();
        let phase = |number| timeline.key(&version(number)).map(|key| key.phase);
        (phase(1).unwrap(), phase(2), timeline.is_bootstrap)
    };
    use Phase::{Active, Announced, Removed, Retired};
    assert_eq!(phases(0), (Active, None, true));
    assert_eq!(phases(3), (Active, None, false));
    assert_eq!(phases(100), (Active, Some(Announced), false));
    assert_eq!(phases(103), (Retired, Some(Active), false));
    assert_eq!(phases(365), (Retired, Some(Active), false), "its last tokens are still alive");
    assert_eq!(phases(366), (Removed, Some(Active), false));
}

#[test]
fn disabled_versions_and_versions_in_the_making_are_nothing() {
    let (mut disabled, mut pending) = (facts(1, START), facts(2, START));
    (disabled.is_enabled, pending.created_at) = (false, None);
    let now = START + Duration::days(10);
    let none = Timeline::new(&[disabled.clone(), pending.clone()], &windows(), now);
    assert_eq!(none, Err(NoKey::NoneEnabled));
    assert_eq!(Timeline::new(&[], &windows(), now), Err(NoKey::NoneEnabled));
    let timeline = Timeline::new(&[disabled, pending, facts(3, START)], &windows(), now).unwrap();
    assert_eq!(names(timeline.published()), [version(3)]);
    assert_eq!(timeline.key(&version(1)).unwrap().phase, Phase::Removed);
}

#[test]
fn a_promotion_makes_a_key_sign_sooner_and_never_too_soon() {
    let made = START + Duration::days(30);
    let active_at = |promoted_after: Option<Duration>, after: Duration| {
        let second = VersionFacts { promoted_at: promoted_after.map(|after| made + after), ..facts(2, made) };
        let timeline = Timeline::new(&[facts(1, START), second], &windows(), made + after).unwrap();
        timeline.active().facts.version.clone()
    };
    let (soon, later) = (Duration::hours(49) + Duration::SECOND, Duration::hours(72) + Duration::SECOND);
    assert_eq!(active_at(None, soon), version(1));
    assert_eq!(active_at(Some(Duration::hours(49)), soon), version(2));
    assert_eq!(active_at(Some(Duration::ZERO), Duration::hours(49)), version(1), "a forged tag changes nothing");
    assert_eq!(active_at(Some(Duration::days(300)), later), version(2), "nor does one of the far future");
}
