//! The decision: what comes next. Pure, and asked anew after each step.
//!
//! The order is what keeps an application from being without a key: nothing is removed from any
//! application before the new version is trusted by, and proven on, all of them.

use time::OffsetDateTime;

use super::refusal::Refusal;
use super::step::{Because, Demand, Next, Purpose, Stage, Step};
use super::world::{Entry, LastUse, Making, Tagged, Trust, VersionFacts, World};
use crate::domain::{ObjectId, Version};

/// What comes next in `world`, if `demand` is to be met.
pub fn next_step(world: &World, demand: &Demand) -> Result<Next, Refusal> {
    let next = match demand.purpose {
        Purpose::Abort => abort(world)?,
        _ => forward(world, demand)?,
    };
    Ok(match next {
        Next::Take(step) if step.stage() > demand.until && demand.purpose != Purpose::Abort => {
            Next::Reached(demand.until)
        }
        Next::Wait { .. } if demand.until < Stage::Soak => Next::Reached(demand.until),
        next => next,
    })
}

/// The version that a rotation leads to: the newest, if it is any good and was not taken back before.
/// While one is open, a newer one that is not does not take the place of what was attached already.
pub fn target(world: &World) -> Option<&VersionFacts> {
    let is_good = |facts: &&VersionFacts| {
        world.is_trusted(&facts.version) || (facts.gaps.is_empty() && facts.tagged != Tagged::Retired)
    };
    let newest = world.versions.first().filter(|newest| newest.can_sign(world.now)).filter(is_good);
    newest.or_else(|| {
        let mut newer = newer_than_replaced(world)?.iter();
        newer.find(|facts| facts.can_sign(world.now) && world.is_trusted(&facts.version))
    })
}

/// The versions that came after the one that the open rotation replaces.
fn newer_than_replaced(world: &World) -> Option<&[VersionFacts]> {
    let replaced = world.history.replaces.as_ref()?;
    let place = world.versions.iter().position(|facts| facts.version == *replaced)?;
    world.versions.get(..place)
}

/// Whether a rotation has been begun and not been ended: it is open by the ledger, or a newer version
/// is there and not the only one that is trusted. What has expired is no reason to go on.
pub fn is_unfinished(world: &World) -> bool {
    world.history.is_open() || is_under_way(world)
}

fn is_under_way(world: &World) -> bool {
    world.making.is_some()
        || target(world).is_some_and(|target| {
            let is_missing = |trust: &Trust| trust.entry(&target.version).is_none();
            world.applications.iter().any(is_missing) || world.old_and_valid(&target.version)
        })
}

fn forward(world: &World, demand: &Demand) -> Result<Next, Refusal> {
    check_applications(world)?;
    if demand.purpose == Purpose::Finish && !is_unfinished(world) {
        return Ok(Next::Nothing);
    }
    // What comes next if the rotation is open; opening it comes before everything that is written.
    let step = onward(world, demand)?;
    match (&step, &world.history.replaces) {
        (Next::Take(Step::LookAtUse | Step::Open { .. }), _) | (_, Some(_)) => Ok(step),
        (Next::Take(_), None) => take(Step::Open { replaces: replaced(world) }),
        _ => Ok(step),
    }
}

/// An application that trusts no version is only given one when it has just lost its own.
fn check_applications(world: &World) -> Result<(), Refusal> {
    if world.applications.is_empty() {
        return Err(Refusal::NothingToRotate);
    }
    let stranger = world.applications.iter().find(|trust| trust.entries.is_empty());
    match stranger.filter(|_| !world.history.is_open()) {
        Some(trust) => Err(Refusal::NotTrusted { application: trust.application }),
        None => Ok(()),
    }
}

fn onward(world: &World, demand: &Demand) -> Result<Next, Refusal> {
    match world.making {
        Some(Making::WaitsForMerge) => return Err(Refusal::WaitsForMerge),
        Some(Making::Issuing) => return take(Step::AwaitIssue),
        None => {}
    }
    let newest = world.versions.first().map(|newest| &newest.version);
    let is_begun = match &world.history.replaces {
        Some(replaced) => newest != Some(replaced),
        None => is_under_way(world),
    };
    let Some(target) = target(world).filter(|_| is_begun) else {
        // What was begun has come to nothing, or has ended while it was waited for.
        let begins_anew = is_begun && demand.purpose == Purpose::Finish;
        return if begins_anew { Ok(Next::Nothing) } else { begin(world) };
    };
    match to_be_trusted(world, &target.version)? {
        Some(step) => take(step),
        None => away_with_the_old(world, demand, target),
    }
}

/// The newest version that a rotation which begins, or goes on, here replaces.
fn replaced(world: &World) -> Version {
    let newest = world.versions.first().map(|newest| newest.version.clone());
    let replaced = match target(world) {
        Some(target) if is_under_way(world) && world.making.is_none() => {
            world.versions.iter().map(|facts| &facts.version).find(|version| **version != target.version).cloned()
        }
        _ => newest,
    };
    replaced.unwrap_or_else(World::unmade)
}

/// A new version, under a policy that is hardened by then.
fn begin(world: &World) -> Result<Next, Refusal> {
    if let Some(trust) = world.applications.iter().find(|trust| !trust.can_prove && !trust.may_write) {
        return Err(Refusal::NeedsWriter { application: trust.application, app_id: trust.app_id });
    }
    if world.policy.is_own_ca {
        return Err(Refusal::OwnCa);
    }
    take(if world.policy.gaps.is_empty() { Step::Create } else { Step::Harden })
}

/// What is missing until every application trusts `target`.
fn to_be_trusted(world: &World, target: &Version) -> Result<Option<Step>, Refusal> {
    for trust in &world.applications {
        if trust.entry(target).is_some() {
            continue;
        }
        if !trust.can_prove && !trust.may_write {
            return Err(Refusal::NeedsWriter { application: trust.application, app_id: trust.app_id });
        }
        return Ok(Some(Step::Attach { application: trust.application, version: target.clone() }));
    }
    Ok(None)
}

fn away_with_the_old(world: &World, demand: &Demand, target: &VersionFacts) -> Result<Next, Refusal> {
    let version = &target.version;
    let is_soaking = world.history.soaks.as_ref() == Some(version) && world.history.soak_started.is_some();
    if !is_soaking && let Some(step) = unproven(world, version) {
        return take(step);
    }
    if target.tagged != Tagged::Proven {
        return take(Step::Record { version: version.clone() });
    }
    if world.old_and_valid(version) && !demand.overlap().is_zero() {
        let Some(started) = world.history.soak_started.filter(|_| is_soaking) else {
            return take(Step::StartSoak { version: version.clone() });
        };
        if let Some(next) = soak(world, demand, started)? {
            return Ok(next);
        }
    }
    if world.old(version).next().is_some()
        && let Some(step) = unproven(world, version)
    {
        return take(step);
    }
    if let Some((trust, Entry { key_id, version })) = world.old(version).next() {
        let (application, key_id, version) = (trust.application, *key_id, version.clone());
        return take(Step::Detach { application, key_id, version });
    }
    take(aftermath(world, version).unwrap_or(Step::Close))
}

/// Why the old key stays, if it does. Each use of it begins the wait anew.
fn soak(world: &World, demand: &Demand, started: OffsetDateTime) -> Result<Option<Next>, Refusal> {
    let wait = |since: OffsetDateTime, because| {
        let until = since.saturating_add(demand.overlap());
        (world.now < until).then_some(Next::Wait { until, because })
    };
    if let Some(next) = wait(started, Because::Overlap) {
        return Ok(Some(next));
    }
    match &world.last_use {
        LastUse::NotAsked => Ok(Some(Next::Take(Step::LookAtUse))),
        LastUse::Unknown(_) if demand.accept_unknown_use => Ok(None),
        LastUse::Unknown(reason) => Err(Refusal::UnknownUse { reason: reason.clone() }),
        LastUse::Known(None) => Ok(None),
        LastUse::Known(Some(at)) => Ok(wait(*at, Because::Used { at: *at })),
    }
}

fn unproven(world: &World, version: &Version) -> Option<Step> {
    let is_unproven = |trust: &&Trust| !world.proven.contains(&(trust.application, version.clone()));
    let trust = world.applications.iter().find(is_unproven)?;
    Some(Step::Prove { application: trust.application, version: version.clone() })
}

/// What is left to do about versions that this rotation took off applications.
fn aftermath(world: &World, kept: &Version) -> Option<Step> {
    if let Some(step) = unrefused(world).or_else(|| outdated(world)) {
        return Some(step);
    }
    let is_needless = |version: &&Version| {
        *version != kept && !world.is_trusted(version) && world.version(version).is_some_and(|facts| facts.is_enabled)
    };
    let version = world.history.removed.iter().map(|(_, version)| version).find(is_needless)?;
    world.is_scanned.then(|| Step::Disable { version: version.clone() })
}

/// A removal that no refusal has proven yet. What cannot sign any more proves nothing, and an
/// application that trusts the version again has nothing to prove.
fn unrefused(world: &World) -> Option<Step> {
    let is_open = |(application, version): &&(ObjectId, Version)| {
        let can_sign = world.version(version).is_some_and(|facts| facts.can_sign(world.now));
        let is_refused = world.history.refused.contains(&(*application, version.clone()));
        let mut trusts = world.applications.iter().filter(|trust| trust.application == *application);
        can_sign && !is_refused && trusts.any(|trust| trust.entry(version).is_none())
    };
    let (application, version) = world.history.removed.iter().find(is_open)?;
    Some(Step::ProveRefusal { application: *application, version: version.clone() })
}

/// A version whose tags still say that an application trusts it: without a ledger and without a right to
/// read the application, that is all that anybody can go by.
fn outdated(world: &World) -> Option<Step> {
    let facts = world.versions.iter().find(|facts| facts.tagged == Tagged::Outdated)?;
    Some(Step::Retire { version: facts.version.clone() })
}

/// The way back to the version that was replaced: whatever is newer leaves every application, each of
/// which has a proven older key, and is disabled then if nobody else can trust it.
fn abort(world: &World) -> Result<Next, Refusal> {
    match world.making {
        Some(Making::WaitsForMerge) => return Err(Refusal::WaitsForMerge),
        Some(Making::Issuing) => return take(Step::AwaitIssue),
        None => {}
    }
    let newer = newer_than_replaced(world).unwrap_or(world.versions.get(..1).unwrap_or_default());
    let is_newer = |entry: &&Entry| newer.iter().any(|facts| facts.version == entry.version);
    let has_older = |trust: &Trust| trust.entries.iter().any(|entry| !is_newer(&entry));
    let is_attached = |trust: &Trust| trust.entries.iter().any(|entry| is_newer(&entry));
    let is_needless = |facts: &&VersionFacts| facts.is_enabled && !world.is_trusted(&facts.version);
    let needless = newer.iter().find(is_needless).filter(|_| world.is_scanned);
    let rest = unrefused(world).or_else(|| outdated(world));
    let is_over = needless.is_none() && rest.is_none() && !world.applications.iter().any(is_attached);
    if !world.history.is_open() {
        return match world.versions.get(1) {
            Some(replaced) if !is_over && world.applications.iter().any(has_older) => {
                take(Step::Open { replaces: replaced.version.clone() })
            }
            _ => Ok(Next::Nothing),
        };
    }
    let mut ways = Vec::new();
    for trust in world.applications.iter().filter(|trust| is_attached(trust)) {
        let can_sign = |entry: &&Entry| {
            !is_newer(entry) && world.version(&entry.version).is_some_and(|facts| facts.can_sign(world.now))
        };
        let (Some(new), Some(old)) = (trust.entries.iter().find(is_newer), trust.entries.iter().find(can_sign)) else {
            return Err(Refusal::NoWayBack { application: trust.application });
        };
        ways.push((trust, new, old));
    }
    let is_unproven =
        |(trust, _, old): &&(&Trust, &Entry, &Entry)| !world.proven.contains(&(trust.application, old.version.clone()));
    if let Some((trust, _, old)) = ways.iter().find(is_unproven) {
        return take(Step::Prove { application: trust.application, version: old.version.clone() });
    }
    if let Some((trust, new, _)) = ways.first() {
        let (application, key_id, version) = (trust.application, new.key_id, new.version.clone());
        return take(Step::Detach { application, key_id, version });
    }
    let disable = || needless.map(|facts| Step::Disable { version: facts.version.clone() });
    take(rest.or_else(disable).unwrap_or(Step::Close))
}

fn take(step: Step) -> Result<Next, Refusal> {
    Ok(Next::Take(step))
}
