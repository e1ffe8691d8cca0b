//! KVO705: the newest version is not registered where an older one is.

use std::collections::BTreeMap;

use super::common::unless_settling;
use crate::audit::facts::{CertificateFacts, Facts, Trust, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::domain::AppId;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO705",
    name: "cert-newest-not-registered",
    title: "Newest version is not registered",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateVersions],
    params: &["crit_days", "settle_minutes"],
    fix: "kvops attach --app APP --vault {vault} --name {certificate}",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 CP-10"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/tutorial-rotate-certificates"],
    page: include_str!("../../../../docs/rules/KVO705.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if let Some(reason) = certificate.certificate.versions.reason() {
        // What trusts the current version, by the list, is up to date.
        if certificate.is_app_credential
            && case.facts.trust_of_listed(certificate.vault, certificate.certificate).is_empty()
        {
            let why = "which of its versions are trusted was not read";
            out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, why);
        }
        return;
    }
    let mut enabled = certificate.versions.iter().filter(|version| version.version.enabled != Some(false));
    let Some(newest) = enabled.next() else { return };
    let mut late = late(newest, certificate);
    let subject = certificate.subject().part(&newest.version.version);
    if let Some((evidence, reason)) = unread(newest, &mut late, case.facts) {
        out.unknown(subject, evidence, reason, "the newest version may be registered under bytes that were not read");
        return;
    }
    let Some((first, _)) = late.first_key_value() else { return };
    let count = late.len();
    let applications = if count == 1 { "1 application that trusts" } else { "applications that trust" };
    let how_many = if count == 1 { String::new() } else { format!("{count} ") };
    let message = format!("the newest version is not registered for {how_many}{applications} an older one");
    let mut finding = out.finding(subject, message).fix(format!(
        "kvops attach --app {first} --vault {} --name {}",
        certificate.vault.name, certificate.certificate.name
    ));
    for (app, trust) in &late {
        finding = finding.evidence(Evidence::Applications, format!("{app} keyCredentials"), trust.key_id());
    }
    // The applications whose last registered version ends first.
    let left = late.values().filter_map(|trust| Some((trust.end()? - case.facts.now).whole_days())).min();
    let is_critical = left.is_some_and(|days| days <= i64::from(case.params.crit_days));
    if let Some(days) = left.filter(|_| is_critical) {
        finding = finding.severity(Severity::Critical, &format!("the registered one ends in {}", counted(days, "day")));
    }
    unless_settling(finding, newest.version.created, case).report();
}

/// The applications that trust older versions, and not this one, each with the credential that lasts longest.
fn late<'a>(newest: &VersionFacts<'a>, certificate: &CertificateFacts<'a>) -> BTreeMap<AppId, &'a Trust> {
    let others = certificate.versions.iter().filter(|other| !std::ptr::eq(other.version, newest.version));
    let mut late: BTreeMap<AppId, &Trust> = BTreeMap::new();
    for trust in others.flat_map(|other| other.trusted_by).filter(|trust| trust.is_for_sign_in()) {
        let app = trust.app_id();
        if newest.trusted_by.iter().any(|known| known.is_for_sign_in() && known.app_id() == app) {
            continue;
        }
        let best = late.entry(app).or_insert(trust);
        // Without end it lasts longest.
        let end = |trust: &Trust| (trust.end().is_none(), trust.end());
        if end(trust) > end(best) {
            *best = trust;
        }
    }
    late
}

/// Takes out the applications that may trust the newest version all the same: one of their keys was
/// not read. Says what is missing if none is left.
fn unread(
    newest: &VersionFacts<'_>,
    late: &mut BTreeMap<AppId, &Trust>,
    facts: &Facts<'_>,
) -> Option<(Evidence, Reason)> {
    if late.is_empty() {
        return None;
    }
    if let Some(reason) = newest.version.x.reason() {
        return Some((Evidence::CertificateDetails, reason));
    }
    let mut missing = None;
    late.retain(|_, trust| {
        let active = trust.keys(facts).iter().filter(|key| key.is_active(facts.now) && key.is_for_sign_in());
        let unread = active.filter_map(|key| key.x.reason()).next();
        missing = missing.or(unread);
        unread.is_none()
    });
    missing.filter(|_| late.is_empty()).map(|reason| (Evidence::KeyBytes, reason))
}
