//! KVO212: it never expires.

use super::scope::{has_versions, weighed};
use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO212",
    name: "cert-without-expiry",
    title: "Vault certificate without expiry",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions],
    params: &["certificate_scope"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1649"],
    controls: &["NIST SP 800-53 SC-12", "CIS Azure 8.3.1", "CIS Azure 8.3.2", "Azure Policy 152b15f7"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO212.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !has_versions(certificate, case, out) {
        return;
    }
    for version in certificate.versions_in_use().filter(|version| version.version.expires.is_none()) {
        let subject = certificate.subject().part(&version.version.version);
        let draft = out.finding(subject, "the vault states no date at which this version ends").evidence(
            Evidence::CertificateVersions,
            "attributes.exp",
            "absent",
        );
        weighed(draft, version.is_trusted()).report();
    }
}
