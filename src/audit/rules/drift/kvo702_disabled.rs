//! KVO702: a version that was turned off and is still trusted.

use time::OffsetDateTime;

use super::common::{best_places, unknown_places, unless_settling};
use crate::audit::facts::{ApplicationFacts, Match, Place};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO702",
    name: "cert-disabled-still-trusted",
    title: "Vault certificate is disabled or expired, and still trusted",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::Applications,
        Evidence::KeyBytes,
        Evidence::Vaults,
        Evidence::CertificateVersions,
        Evidence::CertificateDetails,
    ],
    params: &["settle_minutes"],
    fix: "find out why it is off, then kvops detach --app {app} --vault VAULT --name NAME --key {part}",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 AC-2", "NIST SP 800-53 IR-4"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO702.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    unknown_places(app, case, out);
    for key in app.sign_in_keys() {
        let id = key.key.key_id;
        let places = best_places(key).filter(|found| !found.is_deleted());
        let states: Vec<_> = places.map(|found| (found, State::of(found, case.facts.now))).collect();
        // As long as it works in one place, it is not turned off.
        if states.iter().any(|(_, state)| matches!(state, State::On)) {
            continue;
        }
        let unread =
            states.iter().find_map(|(_, state)| if let State::Unread(reason) = state { Some(*reason) } else { None });
        let subject = app.subject().part(id);
        if let Some(reason) = unread {
            let why = "the version is enabled, and whether its key is was not read";
            out.unknown(subject, Evidence::CertificateDetails, reason, why);
        } else if let Some((found, State::Off(what))) = states.first() {
            let finding = out
                .finding(subject, format!("{what} in its vault, and the application still trusts it"))
                .evidence(Evidence::CertificateVersions, found.path(), what)
                .evidence(Evidence::Applications, format!("keyCredentials[{id}]"), "active");
            let finding = if key.custody.is_safe() {
                finding.severity(Severity::Medium, "nobody can have a copy of its key")
            } else {
                finding
            };
            unless_settling(finding, key.key.start, case).report();
        }
    }
}

enum State {
    On,
    Off(&'static str),
    Unread(Reason),
}

impl State {
    fn of(found: &Match<'_>, now: OffsetDateTime) -> Self {
        let is_over = |end: Option<OffsetDateTime>| end.is_some_and(|end| end <= now);
        let (enabled, end) = match found.place {
            Place::Version(version) => (version.enabled, version.expires),
            Place::Listed => found.certificate.map_or((None, None), |listed| (listed.enabled, listed.expires)),
            Place::Deleted(_) => (None, None),
        };
        if enabled == Some(false) {
            return Self::Off("the version is disabled");
        }
        if is_over(end) {
            return Self::Off("the version has expired");
        }
        match found.version().map(|version| version.key.get()) {
            Some(Ok(key)) if key.enabled == Some(false) => Self::Off("the key of the version is disabled"),
            Some(Ok(key)) if is_over(key.expires) => Self::Off("the key of the version has expired"),
            Some(Ok(_)) => Self::On,
            Some(Err(reason)) => Self::Unread(reason),
            None => {
                Self::Unread(found.certificate.and_then(|listed| listed.versions.reason()).unwrap_or(Reason::Failed))
            }
        }
    }
}
