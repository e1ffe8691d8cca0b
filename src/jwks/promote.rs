//! When a key may begin to sign: not before the world has seen it for as long as verifiers keep what
//! they have read.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::live::Published;
use super::observe::VersionKey;
use super::set::KeySet;
use super::span::Span;
use super::timeline::{Key, Phase};
use super::windows::Windows;
use crate::domain::{TAG_JWKS_SHOWN, Version};

/// What is to be done next for a key to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// It is promoted, and signs from then on.
    Promoted {
        /// From when on.
        signs_from: OffsetDateTime,
    },
    /// The world does not see it.
    NotShown {
        /// It did once, which counts no more.
        was_shown: bool,
    },
    /// The world sees it for the first time: note that.
    FirstShown,
    /// The world has not seen it for long enough.
    Wait {
        /// Since when it does.
        shown_at: OffsetDateTime,
        /// Until when it has to.
        until: OffsetDateTime,
    },
    /// Every verifier knows it.
    Promote,
}

/// The key that would be promoted: the newest of those that are announced.
pub fn candidate(set: &KeySet) -> Option<&Key> {
    set.timeline().keys.iter().find(|key| key.phase == Phase::Announced)
}

/// How long the world has to see a key before it signs.
pub fn announced_window(windows: &Windows) -> Span {
    windows.settings().client_cache.and(windows.settings().margin)
}

/// Decides on an announced key. What the tag says of the past counts only while the world still shows
/// the key, and never from before its creation.
pub fn next(set: &KeySet, key: &Key, windows: &Windows, published: &Published, now: OffsetDateTime) -> Next {
    if let (Some(_), Some(signs_from)) = (key.facts.promoted_at, key.signs_from) {
        return Next::Promoted { signs_from };
    }
    let noted = shown_at(set, &key.facts.version).filter(|at| *at <= now);
    let noted = noted.zip(key.facts.created_at).map(|(shown, created)| shown.max(created));
    let known = set.observed().keys.get(&key.facts.version);
    let is_shown = known.is_some_and(|known: &std::sync::Arc<VersionKey>| published.shows(&known.jwk));
    match (is_shown, noted) {
        (false, noted) => Next::NotShown { was_shown: noted.is_some() },
        (true, None) => Next::FirstShown,
        (true, Some(shown_at)) => {
            let until = shown_at.saturating_add(announced_window(windows).duration());
            if now < until { Next::Wait { shown_at, until } } else { Next::Promote }
        }
    }
}

fn shown_at(set: &KeySet, version: &Version) -> Option<OffsetDateTime> {
    let text = set.observed().tags.get(version)?.get(TAG_JWKS_SHOWN)?;
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
