//! KVO704: an old version that is trusted long after its successor.

use time::{Duration, OffsetDateTime};

use super::common::{best_places, unknown_places};
use crate::audit::facts::{ApplicationFacts, KeyFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Certificate, Evidence, VersionRecord};

pub(super) const RULE: Rule = Rule {
    id: "KVO704",
    name: "app-old-version-still-trusted",
    title: "Old version is still trusted after the overlap",
    group: Group::Drift,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateVersions],
    params: &["overlap_days", "unused_days"],
    fix: "once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NAME --key {part}",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 SC-12"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/tutorial-rotate-certificates"],
    page: include_str!("../../../../docs/rules/KVO704.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    // One key has no successor, wherever it is.
    if app.sign_in_keys().nth(1).is_none() {
        return;
    }
    unknown_places(app, case, out);
    let attached: Vec<_> = app
        .sign_in_keys()
        .flat_map(|key| {
            best_places(key).filter_map(move |found| Attached::of(key, found.certificate?, found.version()?))
        })
        .collect();
    let overlap = Duration::days(case.params.overlap_days.into());
    let mut reported = Vec::new();
    for old in &attached {
        let same = attached.iter().filter(|other| std::ptr::eq(other.certificate, old.certificate));
        let Some(newest) = same.max_by_key(|other| other.created) else { continue };
        let days = (case.facts.now - newest.since).whole_days();
        let id = old.key.key.key_id;
        if newest.created <= old.created || case.facts.now - newest.since <= overlap || reported.contains(&id) {
            continue;
        }
        // One certificate in two versions has no successor among them.
        if std::ptr::eq(newest.key, old.key) {
            continue;
        }
        reported.push(id);
        let used = old.key.key.last_used.read().copied().flatten().map(|used| used.0);
        let recent = used.filter(|used| case.facts.now - *used < Duration::days(case.params.unused_days.into()));
        let message = match recent {
            Some(used) => {
                format!("its successor has been trusted for {days} days, and somebody still used it on {}", used.date())
            }
            None => {
                format!("its successor has been trusted for {days} days, past the overlap of {}", overlap.whole_days())
            }
        };
        let mut finding = out
            .finding(app.subject().part(id), message)
            .evidence(Evidence::CertificateVersions, "version", &old.version.version)
            .evidence(Evidence::CertificateVersions, "newest trusted version", &newest.version.version);
        if let Some(used) = used {
            finding = finding.evidence(Evidence::CredentialActivity, "lastSignInDateTime", used.date());
        }
        finding.report();
    }
}

/// A version that a key of the application is of.
struct Attached<'f, 'a> {
    key: &'f KeyFacts<'a>,
    certificate: &'a Certificate,
    version: &'a VersionRecord,
    created: OffsetDateTime,
    /// Since when it can have been trusted: the directory does not say when an entry was added.
    since: OffsetDateTime,
}

impl<'f, 'a> Attached<'f, 'a> {
    fn of(key: &'f KeyFacts<'a>, certificate: &'a Certificate, version: &'a VersionRecord) -> Option<Self> {
        let created = version.created.or(key.key.x.read().map(|x| x.not_before))?;
        let since = key.key.start.map_or(created, |start| start.max(created));
        Some(Self { key, certificate, version, created, since })
    }
}
