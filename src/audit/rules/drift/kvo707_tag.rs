//! KVO707: a tag that names another application or entry.

use super::common::unless_settling;
use crate::audit::facts::{CertificateFacts, Facts, Trust};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::domain::{TAG_APP, TAG_KEY_ID, UNASSIGNED};
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO707",
    name: "cert-tag-disagrees",
    title: "Tag of kvops disagrees with the directory",
    group: Group::Drift,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateVersions],
    params: &["settle_minutes"],
    fix: "kvops cert info --vault {vault} --name {certificate}, which shows who trusts it, then kvops attach --app APP --vault {vault} --name {certificate}",
    mitre: &["T1036"],
    controls: &["NIST SP 800-53 SI-7", "NIST SP 800-53 CM-6"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO707.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if let Some(reason) = certificate.certificate.versions.reason() {
        if certificate.certificate.tags.contains_key(TAG_APP) {
            let why = "which of its versions are trusted was not read";
            out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, why);
        }
        return;
    }
    for version in &certificate.versions {
        let tag = |name: &str| version.version.tags.get(name).map(AsRef::as_ref);
        let app = tag(TAG_APP).filter(|app| !app.eq_ignore_ascii_case(UNASSIGNED));
        let key = tag(TAG_KEY_ID);
        if app.is_none() && key.is_none() {
            continue;
        }
        let subject = certificate.subject().part(&version.version.version);
        let trust: Vec<_> = version.trusted_by.iter().filter(|trust| trust.is_for_sign_in()).collect();
        let is_app_wrong = app.is_some_and(|app| !trust.iter().any(|trust| is_of(trust, app, case.facts)));
        let is_key_wrong = key.is_some_and(|key| !trust.iter().any(|trust| is_entry(trust, key)));
        if !is_app_wrong && !is_key_wrong {
            continue;
        }
        let unread = version.version.x5t.as_ref().and_then(|x5t| case.facts.unread_label(x5t.as_str()));
        if let Some(reason) = unread {
            out.unknown(subject, Evidence::KeyBytes, reason, "an entry that carries its thumbprint was not read");
            continue;
        }
        // What nobody trusts (any more) has no truth that the tag could disagree with.
        if trust.is_empty() {
            continue;
        }
        let message = match (is_app_wrong, is_key_wrong) {
            (true, true) => "its tags name an application and an entry that do not trust it, and others do",
            (true, false) => "its tag names an application that does not trust it, and another does",
            (false, _) => "its tag names an entry of the application that is not this key's",
        };
        let mut finding = out.finding(subject, message);
        for (name, value) in [(TAG_APP, app), (TAG_KEY_ID, key)] {
            if let Some(value) = value {
                finding = finding.evidence(Evidence::CertificateVersions, format!("tags.{name}"), value);
            }
        }
        for trust in trust {
            let field = format!("{} keyCredentials", trust.app_id());
            finding = finding.evidence(Evidence::Applications, field, trust.key_id());
        }
        unless_settling(finding, version.version.created, case).report();
    }
}

/// Whether a tag names who trusts: by object id, as kvops writes it, or by client id.
fn is_of(trust: &Trust, tag: &str, facts: &Facts<'_>) -> bool {
    let object_id = facts.application(trust.app_id()).map(|application| application.id.to_string());
    tag.eq_ignore_ascii_case(&trust.app_id().to_string()) || object_id.is_some_and(|id| tag.eq_ignore_ascii_case(&id))
}

fn is_entry(trust: &Trust, tag: &str) -> bool {
    tag.eq_ignore_ascii_case(&trust.key_id().to_string())
}
