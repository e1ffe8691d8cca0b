//! Which key signs, which are published, and when that changes: a pure function of the versions in
//! the vault, the windows and the present.
//!
//! A version is published as soon as it exists, signs once it is older than the rollover, goes on being
//! published when a newer one signs, and leaves when nothing that it signed can be valid any more after
//! its expiry, or when somebody disables it.

use serde::Serialize;
use time::OffsetDateTime;

use super::windows::Windows;
use crate::domain::Version;

/// What the vault says of a version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionFacts {
    /// Which.
    pub version: Version,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// When it was made; a version in the making has no such moment.
    pub created_at: Option<OffsetDateTime>,
    /// Start of the certificate's validity: before it a vault does not sign.
    pub not_before: Option<OffsetDateTime>,
    /// End of the certificate's validity: from then on a vault does not sign.
    pub not_after: Option<OffsetDateTime>,
    /// When somebody said that every verifier knows it. A hint: it never makes a key sign before the
    /// windows allow.
    pub promoted_at: Option<OffsetDateTime>,
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Published, so that verifiers learn it, and does not sign yet.
    Announced,
    /// Signs.
    Active,
    /// Signs no more; what it signed can still be verified.
    Retired,
    /// Is not published.
    Removed,
}

/// A version with its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// What the vault says.
    pub facts: VersionFacts,
    /// Where it stands.
    pub phase: Phase,
    /// Since when, or from when on, it signs; none for one that never will.
    pub signs_from: Option<OffsetDateTime>,
    /// When another takes over, as far as that is known.
    pub signs_until: Option<OffsetDateTime>,
    /// When it leaves the published set by itself.
    pub leaves_at: Option<OffsetDateTime>,
}

/// The versions of an issuer's certificate at one moment, the newest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeline {
    /// The moment.
    pub now: OffsetDateTime,
    /// No version is older than the rollover: the newest signs, though verifiers may not know it.
    pub is_bootstrap: bool,
    /// All versions.
    pub keys: Vec<Key>,
    /// When something changes next, if nobody touches the vault.
    pub changes_at: Option<OffsetDateTime>,
    active: usize,
}

/// There is nothing that could be published.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoKey {
    /// All versions are disabled, or there are none.
    #[error("no version is enabled")]
    NoneEnabled,
    /// What is enabled has expired, and so have the tokens that it signed.
    #[error("every enabled version expired so long ago that it is not published any more")]
    AllExpired,
}

impl Timeline {
    /// Decides on all versions.
    pub fn new(versions: &[VersionFacts], windows: &Windows, now: OffsetDateTime) -> Result<Self, NoKey> {
        let candidates = Candidates::new(versions, windows);
        let (active, is_bootstrap) = candidates.active_at(now).ok_or(NoKey::NoneEnabled)?;
        let turns = candidates.turns(now);
        let mut keys: Vec<Key> = candidates
            .0
            .iter()
            .enumerate()
            .map(|(place, candidate)| {
                let leaves_at = candidate.leaves_at;
                let phase = if leaves_at.is_some_and(|at| at <= now) {
                    Phase::Removed
                } else if place == active {
                    Phase::Active
                } else if place < active {
                    Phase::Announced
                } else {
                    Phase::Retired
                };
                let of_this = |turn: &&Turn| turn.place == place;
                let is_to_come = |turn: &&Turn| turn.until.is_none_or(|until| now <= until);
                let turn = turns.iter().filter(of_this).find(is_to_come).or_else(|| turns.iter().rfind(of_this));
                Key {
                    facts: candidate.facts.clone(),
                    phase,
                    signs_from: turn.map(|turn| turn.from),
                    signs_until: turn.and_then(|turn| turn.until),
                    leaves_at,
                }
            })
            .collect();
        if keys.iter().all(|key| key.phase == Phase::Removed) {
            return Err(NoKey::AllExpired);
        }
        let changes = candidates.0.iter().flat_map(|candidate| [Some(candidate.signs_at), candidate.leaves_at]);
        let changes_at = changes.flatten().filter(|at| *at >= now).min();
        let is_left_out = |facts: &&VersionFacts| !is_candidate(facts);
        keys.extend(versions.iter().filter(is_left_out).map(|facts| Key {
            facts: facts.clone(),
            phase: Phase::Removed,
            signs_from: None,
            signs_until: None,
            leaves_at: None,
        }));
        Ok(Self { now, is_bootstrap, keys, changes_at, active })
    }

    /// The one key that signs now. It may have expired: then nothing signs.
    pub fn active(&self) -> &Key {
        &self.keys[self.active]
    }

    /// The keys that verifiers have to know, the active one included, the newest first.
    pub fn published(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.phase != Phase::Removed)
    }

    /// The key that takes over next.
    pub fn next(&self) -> Option<&Key> {
        // One that signed as the newest of a first time may have been overtaken since.
        let is_to_come = |key: &&Key| key.phase == Phase::Announced && key.signs_from.is_some_and(|at| at >= self.now);
        self.keys.iter().filter(is_to_come).min_by_key(|key| key.signs_from)
    }

    /// The key of a version.
    pub fn key(&self, version: &Version) -> Option<&Key> {
        self.keys.iter().find(|key| key.facts.version == *version)
    }
}

/// An enabled version that was really made.
#[derive(Debug)]
struct Candidate<'a> {
    facts: &'a VersionFacts,
    created_at: OffsetDateTime,
    /// It may sign after this moment.
    signs_at: OffsetDateTime,
    leaves_at: Option<OffsetDateTime>,
}

/// Candidates, the newest first.
#[derive(Debug)]
struct Candidates<'a>(Vec<Candidate<'a>>);

/// For how long the version at a place signs.
#[derive(Debug)]
struct Turn {
    place: usize,
    from: OffsetDateTime,
    until: Option<OffsetDateTime>,
}

impl<'a> Candidates<'a> {
    fn new(versions: &'a [VersionFacts], windows: &Windows) -> Self {
        let candidate = |facts: &'a VersionFacts| {
            let created_at = facts.created_at?;
            let by_age = created_at.saturating_add(windows.rollover());
            // A tag is a hint: it cannot make a key sign that some verifier does not know.
            let at_the_earliest = created_at.saturating_add(windows.needed().duration());
            let by_promotion = facts.promoted_at.map(|at| at.max(at_the_earliest));
            Some(Candidate {
                facts,
                created_at,
                signs_at: by_promotion.map_or(by_age, |at| at.min(by_age)),
                leaves_at: facts.not_after.map(|end| end.saturating_add(windows.retain().duration())),
            })
        };
        let mut candidates: Vec<_> =
            versions.iter().filter(|facts| is_candidate(facts)).filter_map(candidate).collect();
        candidates.sort_by(|a, b| (b.created_at, &b.facts.version).cmp(&(a.created_at, &a.facts.version)));
        Self(candidates)
    }

    /// The newest that may sign; the newest of all, marked, when none may.
    fn active_at(&self, now: OffsetDateTime) -> Option<(usize, bool)> {
        match self.0.iter().position(|candidate| candidate.signs_at < now) {
            Some(place) => Some((place, false)),
            None if self.0.is_empty() => None,
            None => Some((0, true)),
        }
    }

    /// Who signed and who will sign, one after the other, if nothing but time passes.
    fn turns(&self, now: OffsetDateTime) -> Vec<Turn> {
        let mut moments: Vec<OffsetDateTime> =
            self.0.iter().flat_map(|candidate| [candidate.created_at, candidate.signs_at]).chain([now]).collect();
        moments.sort_unstable();
        moments.dedup();
        let mut turns: Vec<Turn> = Vec::new();
        for moment in moments {
            let Some(place) = self.after(moment, now) else { continue };
            match turns.last_mut() {
                Some(last) if last.place == place => {}
                last => {
                    if let Some(last) = last {
                        last.until = Some(moment);
                    }
                    turns.push(Turn { place, from: moment, until: None });
                }
            }
        }
        turns
    }

    /// Who signs right after a moment, among those that existed then. What the vault lists now exists
    /// from now on, whatever our clock says.
    fn after(&self, moment: OffsetDateTime, now: OffsetDateTime) -> Option<usize> {
        let exists = |candidate: &Candidate<'_>| moment >= now || candidate.created_at <= moment;
        let may_sign = |candidate: &Candidate<'_>| exists(candidate) && candidate.signs_at <= moment;
        self.0.iter().position(may_sign).or_else(|| self.0.iter().position(exists))
    }
}

/// Whether a version counts at all.
fn is_candidate(facts: &VersionFacts) -> bool {
    facts.is_enabled && facts.created_at.is_some()
}

#[cfg(test)]
mod tests;
