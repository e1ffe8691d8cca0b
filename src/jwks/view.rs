//! How the keys of an issuer stand, as a document for machines.

use serde::Serialize;
use time::OffsetDateTime;

use super::set::{KeySet, SigningKeySet};
use super::span::Span;
use super::timeline::{Key, Phase, Timeline};
use super::windows::{WindowSettings, Windows};
use crate::domain::Version;

/// The answer to "what signs now, what will, and when does each key leave".
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Who issues.
    pub issuer: String,
    /// The vault.
    pub vault: String,
    /// The certificate in it.
    pub certificate: String,
    /// The present by the vault's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
    /// When the versions were read.
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
    /// How long things last.
    pub windows: WindowSettings,
    /// The least that a rollover takes.
    pub needed: Span,
    /// The newest signs because none is old enough.
    pub bootstrap: bool,
    /// The key that signs now.
    pub active: String,
    /// The key that signs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// When something changes, if nobody touches the vault.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<OffsetDateTime>,
    /// The keys, the newest first.
    pub keys: Vec<KeyView>,
    /// What somebody should see to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One version.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    /// Its name in the published set, and its version in the vault.
    pub kid: String,
    /// Where it stands.
    pub phase: Phase,
    /// Whether it may be used at all.
    pub enabled: bool,
    /// How it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<&'static str>,
    /// When it was made, and published.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// Since when, or from when on, it signs.
    #[serde(with = "time::serde::rfc3339::option")]
    pub signs_from: Option<OffsetDateTime>,
    /// When another takes over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub signs_until: Option<OffsetDateTime>,
    /// When nothing that it signed can be valid any more: from then on it can be disabled without harm.
    #[serde(with = "time::serde::rfc3339::option")]
    pub spent_at: Option<OffsetDateTime>,
    /// End of the certificate's validity.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_after: Option<OffsetDateTime>,
    /// When it leaves the published set by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    pub leaves_at: Option<OffsetDateTime>,
    /// When it was promoted.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub promoted_at: Option<OffsetDateTime>,
}

/// How the keys stand now.
pub fn status(issuer: &SigningKeySet, set: &KeySet) -> StatusView {
    let (windows, timeline, now) = (issuer.windows(), set.timeline(), issuer.now());
    let kid = |key: &Key| key.facts.version.to_string();
    StatusView {
        issuer: issuer.issuer().to_string(),
        vault: issuer.vault().vault().to_string(),
        certificate: issuer.name().to_string(),
        now,
        read_at: set.observed().read_at,
        windows: *windows.settings(),
        needed: windows.needed(),
        bootstrap: timeline.is_bootstrap,
        active: kid(timeline.active()),
        next: timeline.next().map(kid),
        changes_at: timeline.changes_at,
        keys: timeline.keys.iter().map(|key| view(key, set, windows)).collect(),
        warnings: warnings(set, windows, now),
    }
}

fn view(key: &Key, set: &KeySet, windows: &Windows) -> KeyView {
    let facts = &key.facts;
    // It signs no more from its end on, whoever's turn it is.
    let last = match (key.signs_until, facts.not_after) {
        (Some(until), Some(end)) => Some(until.min(end)),
        (until, end) => until.or(end),
    };
    KeyView {
        kid: facts.version.to_string(),
        phase: key.phase,
        enabled: facts.is_enabled,
        alg: set.observed().keys.get(&facts.version).map(|known| known.algorithm.name()),
        created_at: facts.created_at,
        signs_from: key.signs_from,
        signs_until: key.signs_until,
        spent_at: key.signs_from.and(last).map(|last| windows.spent_at(last)),
        not_after: facts.not_after,
        leaves_at: key.leaves_at,
        promoted_at: facts.promoted_at,
    }
}

fn warnings(set: &KeySet, windows: &Windows, now: OffsetDateTime) -> Vec<String> {
    let timeline = set.timeline();
    let active = &timeline.active().facts;
    let mut warnings = Vec::new();
    if timeline.is_bootstrap {
        let until = active.created_at.map(|created| created.saturating_add(windows.settings().rollover.duration()));
        let until = until.map_or_else(String::new, |until| format!(" before {}", until.date()));
        warnings.push(format!(
            "this is a first time: no version is older than the rollover, so the newest signs at once; make no further \
             version{until}, because verifiers would meet it unprepared"
        ));
    }
    let is_followed = timeline.next().is_some();
    match set.expires_in(now) {
        Some(left) if !left.is_positive() => {
            warnings.push(format!("{} has expired: nothing is signed until a newer version may sign", active.version))
        }
        Some(left) if !is_followed => warnings.push(format!(
            "{} expires in {}, and no version is there to follow it; a new one takes {} until it signs",
            active.version,
            Span::from(left),
            windows.settings().rollover
        )),
        Some(left) => warnings.push(format!("{} expires in {}", active.version, Span::from(left))),
        None => {}
    }
    if let Some(starts) = active.not_before.filter(|starts| now < *starts) {
        warnings.push(format!("{} is valid from {starts} on: nothing is signed until then", active.version));
    }
    if let Some((next, from, end)) = gap(timeline) {
        warnings.push(format!(
            "nothing is signed between {end}, when {} expires, and {from}, when {next} takes over; `kvops jwks promote` \
             lets it do so sooner",
            active.version
        ));
    }
    for key in timeline.published().filter(|key| key.phase == Phase::Announced) {
        if let Some((from, starts)) = key.signs_from.zip(key.facts.not_before).filter(|(from, starts)| from < starts) {
            let version = &key.facts.version;
            warnings.push(format!(
                "{version} takes over at {from} and is valid from {starts} on: nothing is signed between"
            ));
        }
        if key.signs_from.zip(key.facts.not_after).is_some_and(|(from, end)| end <= from) {
            warnings.push(format!("{} expires before it may sign", key.facts.version));
        }
    }
    warnings
}

/// The key that takes over only after the active one has expired, when it does, and that end.
fn gap(timeline: &Timeline) -> Option<(&Version, OffsetDateTime, OffsetDateTime)> {
    let (next, end) = (timeline.next()?, timeline.active().facts.not_after?);
    let from = next.signs_from.filter(|from| end < *from)?;
    Some((&next.facts.version, from, end))
}
