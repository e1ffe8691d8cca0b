//! Properties of the decision. Beside each stands what it catches: changes to `next.rs` that were tried.

use std::collections::BTreeSet;

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::next::{next_step, target};
use super::step::{Demand, Next, Purpose, Stage, Step};
use super::world::{Entry, History, LastUse, Making, PolicyFacts, Tagged, Trust, VersionFacts, World};
use crate::domain::{AppId, CredentialId, ObjectId, Version};
use crate::provision::Gap;

const NOW: OffsetDateTime = datetime!(2026-11-22 05:00 UTC);
/// More steps than any rotation of these worlds has.
const MANY: usize = 200;

fn version(number: u8) -> Version {
    format!("{:032x}", u128::from(number) + 1).parse().unwrap()
}

fn object(number: u8) -> ObjectId {
    ObjectId::new(Uuid::from_u128(u128::from(number) + 1))
}

fn gap() -> Gap {
    Gap { rule: "KVO201", fact: "exportable".to_owned() }
}

/// Ends that matter: past, and on each side of the longest overlap.
fn expiry() -> impl Strategy<Value = OffsetDateTime> {
    prop_oneof![Just(NOW - Duration::days(1)), Just(NOW + Duration::days(5)), Just(NOW + Duration::days(300))]
}

fn facts() -> impl Strategy<Value = VersionFacts> {
    let tagged = prop_oneof![4 => Just(Tagged::Incomplete), 4 => Just(Tagged::Proven), 1 => Just(Tagged::Retired)];
    (expiry(), prop::bool::weighted(0.9), prop::bool::weighted(0.2), tagged).prop_map(
        |(expires, is_enabled, has_gap, tagged)| VersionFacts {
            version: version(0),
            expires,
            is_enabled,
            gaps: if has_gap { vec![gap()] } else { Vec::new() },
            tagged,
        },
    )
}

/// One to three versions, newest first; one to three applications that each trust some of them.
fn world() -> impl Strategy<Value = World> {
    let versions = prop::collection::vec(facts(), 1..4);
    let trusts = prop::collection::vec((0_u8..8, prop::bool::weighted(0.9), any::<bool>()), 1..4);
    let making = prop_oneof![8 => Just(None), 1 => Just(Some(Making::Issuing)), 1 => Just(Some(Making::WaitsForMerge))];
    let open = prop_oneof![Just(None), (0_u8..3).prop_map(Some)];
    let soak = prop_oneof![Just(None), Just(Some(1)), Just(Some(15)), Just(Some(40))];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>());
    (versions, trusts, making, open, soak, flags).prop_map(|(mut versions, trusts, making, open, soak, flags)| {
        let number = versions.len();
        for (index, facts) in versions.iter_mut().enumerate() {
            facts.version = version(u8::try_from(number - index).unwrap());
        }
        let is_known = |open: &u8| usize::from(*open) < number;
        let replaces = open.filter(is_known).map(|open| versions[usize::from(open)].version.clone());
        let soaks = soak.map(|_| versions[0].version.clone());
        let applications = trusts.iter().enumerate().map(|(index, (mask, can_prove, may_write))| Trust {
            application: object(u8::try_from(index).unwrap()),
            app_id: AppId::new(Uuid::nil()),
            entries: versions
                .iter()
                .enumerate()
                .filter(|(bit, _)| mask & (1 << bit) != 0)
                .map(|(_, facts)| entry(&facts.version))
                .collect(),
            can_prove: *can_prove,
            may_write: *may_write,
        });
        let applications = applications.collect();
        World {
            now: NOW,
            versions,
            making,
            policy: PolicyFacts { gaps: if flags.0 { vec![gap()] } else { Vec::new() }, is_own_ca: flags.1 },
            applications,
            is_scanned: flags.2,
            history: History {
                soak_started: soak.map(|days| NOW - Duration::days(days)),
                soaks,
                replaces,
                ..History::default()
            },
            proven: BTreeSet::new(),
            last_use: LastUse::NotAsked,
        }
    })
}

fn entry(version: &Version) -> Entry {
    Entry { key_id: Some(CredentialId::new(Uuid::nil())), version: version.clone() }
}

fn demand() -> impl Strategy<Value = Demand> {
    let purpose = prop_oneof![4 => Just(Purpose::Renew), 1 => Just(Purpose::Finish), 1 => Just(Purpose::Abort), 1 => Just(Purpose::Compromised)];
    (purpose, prop_oneof![Just(0_u32), Just(14)], any::<bool>()).prop_map(
        |(purpose, overlap_days, accept_unknown_use)| Demand {
            purpose,
            until: Stage::Detach,
            overlap_days,
            accept_unknown_use,
        },
    )
}

/// Every world and step on the way, with the clock moved over each wait; ends as it ends.
fn walk(mut world: World, demand: &Demand) -> (Vec<(World, Step)>, World) {
    let mut taken = Vec::new();
    while taken.len() < MANY {
        match next_step(&world, demand) {
            Ok(Next::Take(step)) => {
                let before = world.clone();
                world = world.after(&step);
                let is_last = step == Step::Close;
                taken.push((before, step));
                if is_last {
                    break;
                }
            }
            Ok(Next::Wait { until, .. }) => {
                assert!(until > world.now, "a wait that is over");
                world.now = until;
            }
            Ok(Next::Reached(_) | Next::Nothing) | Err(_) => break,
        }
    }
    (taken, world)
}

fn is_alive(trust: &Trust, world: &World) -> bool {
    trust.entries.iter().any(|entry| world.version(&entry.version).is_some_and(|facts| facts.can_sign(world.now)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Caught: a refusal that was proven, and is asked for again and again.
    #[test]
    fn every_rotation_ends(world in world(), demand in demand()) {
        prop_assert!(walk(world, &demand).0.len() < MANY);
    }

    /// Caught: proving on the first application alone; detaching without a proof in this run; an abort that does
    /// not prove the older key.
    #[test]
    fn nothing_leaves_any_application_before_the_new_key_is_proven_on_all(world in world(), demand in demand()) {
        for (before, step) in walk(world, &demand).0 {
            let Step::Detach { application, version, .. } = &step else { continue };
            if demand.purpose == Purpose::Abort {
                let trust = before.applications.iter().find(|trust| trust.application == *application).unwrap();
                let stays = trust.entries.iter().any(|entry| {
                    entry.version != *version && before.proven.contains(&(*application, entry.version.clone()))
                });
                prop_assert!(stays, "{step:?}");
                continue;
            }
            let target = target(&before).unwrap().version.clone();
            prop_assert_ne!(&target, version);
            for trust in &before.applications {
                prop_assert!(trust.entry(&target).is_some());
                prop_assert!(before.proven.contains(&(trust.application, target.clone())));
            }
        }
    }

    /// Caught: attaching to the first application alone; an abort to a version that cannot sign.
    #[test]
    fn an_application_that_could_sign_in_can_go_on(world in world(), demand in demand()) {
        let alive: Vec<_> = world.applications.iter().filter(|trust| is_alive(trust, &world)).map(|trust| trust.application).collect();
        let (taken, last) = walk(world, &demand);
        let mut worlds: Vec<World> = taken.into_iter().map(|(before, _)| before).collect();
        worlds.push(last);
        for world in &mut worlds {
            // What ends by itself while something is waited for is not ended by a step.
            world.now = NOW;
            for trust in world.applications.iter().filter(|trust| alive.contains(&trust.application)) {
                prop_assert!(is_alive(trust, world));
            }
        }
    }

    /// Caught: the soak of another version taken for this one's; no overlap at all.
    #[test]
    fn a_key_that_works_stays_as_long_as_the_overlap(world in world(), demand in demand()) {
        let patient = demand.overlap_days > 0 && matches!(demand.purpose, Purpose::Renew | Purpose::Finish);
        if !patient {
            return Ok(());
        }
        for (before, step) in walk(world, &demand).0 {
            let Step::Detach { version, .. } = &step else { continue };
            if before.is_valid(version) {
                let started = before.history.soak_started.unwrap();
                prop_assert_eq!(before.history.soaks.as_ref(), target(&before).map(|target| &target.version));
                prop_assert!(before.now - started >= demand.overlap());
            }
        }
    }

    /// Caught: taking what is unknown for unused; not looking at when the last use was.
    #[test]
    fn a_use_that_is_unknown_or_recent_keeps_a_key_that_works(world in world(), demand in demand(), days in 0_i64..20) {
        if demand.overlap_days == 0 || demand.purpose != Purpose::Renew {
            return Ok(());
        }
        for (before, step) in walk(world, &demand).0 {
            let Step::Detach { version, .. } = &step else { continue };
            if !before.is_valid(version) {
                continue;
            }
            let seen = |last_use| next_step(&World { last_use, ..before.clone() }, &demand);
            let unknown = seen(LastUse::Unknown("denied".to_owned()));
            prop_assert_eq!(unknown.is_ok(), demand.accept_unknown_use);
            let used = seen(LastUse::Known(Some(before.now - Duration::days(days))));
            prop_assert_eq!(matches!(used, Ok(Next::Wait { .. })), days < i64::from(demand.overlap_days));
        }
    }

    /// Caught: disabling without `is_scanned`, on the way forth or back.
    #[test]
    fn no_version_is_disabled_that_anybody_may_trust(world in world(), demand in demand()) {
        for (before, step) in walk(world, &demand).0 {
            if let Step::Disable { version } = step {
                prop_assert!(!before.is_trusted(&version));
                prop_assert!(before.is_scanned);
            }
        }
    }

    /// Caught: ending with the tags of a version that was removed as they were; retiring one that is trusted;
    /// giving a retired one to an application.
    #[test]
    fn the_tags_of_a_version_that_was_removed_do_not_go_on_saying_that_it_is_trusted(
        world in world(), demand in demand(),
    ) {
        for (before, step) in walk(world, &demand).0 {
            match step {
                Step::Retire { version } => prop_assert!(!before.is_trusted(&version)),
                Step::Close => prop_assert!(before.versions.iter().all(|facts| facts.tagged != Tagged::Outdated)),
                Step::Attach { version, .. } if !before.is_trusted(&version) => {
                    prop_assert_ne!(before.version(&version).unwrap().tagged, Tagged::Retired);
                }
                _ => {}
            }
        }
    }

    /// Caught: making a version, or disabling one, by what this run remembers in place of what is seen.
    #[test]
    fn a_run_that_dies_anywhere_is_finished_by_the_next_with_one_new_version_at_most(
        world in world(), demand in demand(), at in 0_usize..30,
    ) {
        let (undisturbed, end) = walk(world.clone(), &demand);
        let at = at.min(undisturbed.len());
        let mut left = undisturbed.get(at).map_or_else(|| end.clone(), |(before, _)| before.clone());
        let is_over = undisturbed.iter().take(at).any(|(_, step)| *step == Step::Close);
        if is_over {
            return Ok(());
        }
        (left.proven, left.last_use) = (BTreeSet::new(), LastUse::NotAsked);
        let (resumed, again) = walk(left, &demand);
        prop_assert_eq!(entries(&again), entries(&end));
        prop_assert_eq!(enabled(&again), enabled(&end));
        let creations = undisturbed.iter().take(at).chain(&resumed).filter(|(_, step)| *step == Step::Create).count();
        prop_assert!(creations <= 1, "{creations} versions were made");
    }

    /// Caught: a stage that is compared the wrong way round.
    #[test]
    fn nothing_beyond_the_part_that_was_asked_for_is_done(world in world(), demand in demand(), stage in 0_usize..6) {
        let stages = [Stage::Preflight, Stage::Create, Stage::Attach, Stage::Prove, Stage::Soak, Stage::Detach];
        if !(demand.purpose != Purpose::Abort) {
            return Ok(());
        }
        let demand = Demand { until: stages[stage], ..demand };
        for (_, step) in walk(world, &demand).0 {
            prop_assert!(step.stage() <= demand.until, "{step:?}");
        }
    }

    /// Caught: taking an open rotation that has made nothing yet for one that is over.
    #[test]
    fn a_certificate_at_rest_gets_a_new_version_on_every_application_and_loses_the_old_one(
        number in 1_u8..4, accept_unknown_use in any::<bool>(), is_open in any::<bool>(),
    ) {
        let demand = Demand { accept_unknown_use, ..Demand::default() };
        let (_, end) = walk(at_rest(number, is_open), &demand);
        for trust in &end.applications {
            let versions: Vec<_> = trust.entries.iter().map(|entry| &entry.version).collect();
            prop_assert_eq!(versions, [&World::unmade()]);
        }
        prop_assert!(!end.version(&version(1)).unwrap().is_enabled);
    }

    /// Caught: creating under whatever policy is stored.
    #[test]
    fn nothing_is_made_under_a_policy_that_falls_short(world in world(), demand in demand()) {
        for (before, step) in walk(world, &demand).0 {
            prop_assert!(step != Step::Create || (before.policy.gaps.is_empty() && !before.policy.is_own_ca));
        }
    }

    /// Caught: taking the newest version as it is.
    #[test]
    fn a_version_that_falls_short_is_given_to_nobody_who_does_not_trust_it_already(world in world(), demand in demand()) {
        for (before, step) in walk(world, &demand).0 {
            let Step::Attach { version, .. } = step else { continue };
            let is_good = before.version(&version).is_some_and(|facts| facts.gaps.is_empty());
            prop_assert!(is_good || before.is_trusted(&version));
        }
    }

    /// Caught: attaching to everybody who was named.
    #[test]
    fn an_application_that_trusted_nothing_is_given_nothing(world in world(), demand in demand()) {
        let is_stranger = |trust: &&Trust| trust.entries.is_empty();
        let strangers: Vec<_> = world.applications.iter().filter(is_stranger).map(|trust| trust.application).collect();
        if world.history.is_open() {
            return Ok(());
        }
        for (_, step) in walk(world, &demand).0 {
            let Step::Attach { application, .. } = step else { continue };
            prop_assert!(!strangers.contains(&application));
        }
    }

    /// Caught: `--finish` that begins.
    #[test]
    fn what_is_only_to_be_finished_makes_no_version_unless_one_was_begun(world in world()) {
        let demand = Demand { purpose: Purpose::Finish, ..Demand::default() };
        let is_open = world.history.is_open();
        let has_created = walk(world, &demand).0.iter().any(|(_, step)| *step == Step::Create);
        prop_assert!(is_open || !has_created);
    }
}

/// One good version that everybody trusts; `is_open` if a run has died before it made another.
fn at_rest(number: u8, is_open: bool) -> World {
    let expires = NOW + Duration::days(300);
    let facts =
        VersionFacts { version: version(1), expires, is_enabled: true, gaps: Vec::new(), tagged: Tagged::Proven };
    let trust = |index| Trust {
        application: object(index),
        app_id: AppId::new(Uuid::nil()),
        entries: vec![entry(&version(1))],
        can_prove: true,
        may_write: false,
    };
    World {
        now: NOW,
        versions: vec![facts],
        making: None,
        policy: PolicyFacts { gaps: Vec::new(), is_own_ca: false },
        applications: (0..number).map(trust).collect(),
        is_scanned: true,
        history: History { replaces: is_open.then(|| version(1)), ..History::default() },
        proven: BTreeSet::new(),
        last_use: LastUse::NotAsked,
    }
}

fn entries(world: &World) -> Vec<(ObjectId, BTreeSet<Version>)> {
    let of = |trust: &Trust| (trust.application, trust.entries.iter().map(|entry| entry.version.clone()).collect());
    world.applications.iter().map(of).collect()
}

fn enabled(world: &World) -> Vec<(Version, bool)> {
    world.versions.iter().map(|facts| (facts.version.clone(), facts.is_enabled)).collect()
}
