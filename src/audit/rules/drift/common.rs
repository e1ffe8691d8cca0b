//! What the rules about drift have in common: a rotation that is going on, and keys of which nobody knows where they are.

use time::{Duration, OffsetDateTime};

use crate::audit::facts::{ApplicationFacts, Facts, KeyFacts, Level, Match};
use crate::audit::rule::Case;
use crate::audit::severity::Severity;
use crate::audit::verdict::{Draft, Verdicts};
use crate::inventory::{Evidence, Reason};

/// Makes a finding informational while it is so young that a rotation in progress may explain it.
#[must_use]
pub(super) fn unless_settling<'v, 'a>(
    finding: Draft<'v, 'a>,
    since: Option<OffsetDateTime>,
    case: &Case<'_>,
) -> Draft<'v, 'a> {
    let minutes = case.params.settle_minutes;
    let limit = Duration::minutes(minutes.into());
    if since.is_some_and(|since| case.facts.now - since < limit) {
        let why = format!("it is less than {minutes} minutes old: perhaps somebody is rotating");
        return finding.severity(Severity::Info, &why).without_steps();
    }
    finding
}

/// The places of a credential's certificate, or, if that is nowhere, of its key in other certificates.
pub(super) fn best_places<'f, 'a>(key: &'f KeyFacts<'a>) -> impl Iterator<Item = &'f Match<'a>> {
    let best = key.proven().map(|found| found.level).max().unwrap_or(Level::Der);
    key.proven().filter(move |found| found.level == best)
}

/// Reports once for an application that one of its keys may be in a place that was not read.
pub(super) fn unknown_places(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if app.manifest.is_some_and(|entry| entry.has_external_custody()) {
        return;
    }
    if let Some((evidence, reason)) = app.sign_in_keys().find_map(|key| unread_place(key, case.facts)) {
        out.unknown(app.subject(), evidence, reason, where_it_may_be(evidence, case.facts));
    }
}

/// What would have to be read to know where a key is, if that is not known.
pub(super) fn unread_place(key: &KeyFacts<'_>, facts: &Facts<'_>) -> Option<(Evidence, Reason)> {
    if key.proven().next().is_some() { None } else { key.unread_for_custody(facts) }
}

/// For people: what an unread place is, with the names of the first few vaults.
pub(super) fn where_it_may_be(evidence: Evidence, facts: &Facts<'_>) -> String {
    const SHOWN: usize = 3;
    if evidence == Evidence::KeyBytes {
        return "without its bytes a key cannot be looked for in any vault".to_owned();
    }
    let vaults = facts.unread_vaults();
    match vaults.len() {
        0 => "the key may be in a vault that was not read".to_owned(),
        1..=SHOWN => format!("the key may be in {}", vaults.join(", ")),
        count => format!("the key may be in {} and {} other vaults", vaults[..SHOWN].join(", "), count - SHOWN),
    }
}
