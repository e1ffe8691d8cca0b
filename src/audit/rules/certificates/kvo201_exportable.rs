//! KVO201: the private key can be read out of the vault.

use crate::audit::facts::{CertificateFacts, Export};
use crate::audit::params::CertificateScope;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO201",
    name: "cert-key-exportable",
    title: "Private key of a vault certificate is exportable",
    group: Group::Certificates,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope"],
    fix: "kvops provision --vault {vault} --name {certificate} --app APP makes a new version that cannot be exported; then stop trusting this one",
    mitre: &["T1552.004", "T1555.006"],
    controls: &["NIST SP 800-53 SC-12(3)", "MCSB DP-7"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO201.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !certificate.is_app_credential && case.params.certificate_scope == CertificateScope::AppCredentials {
        return;
    }
    if let Some(reason) = certificate.certificate.versions.reason() {
        out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, "its versions were not read");
    }
    for version in &certificate.versions {
        let subject = certificate.subject().part(&version.version.version);
        match version.export {
            Export::Yes => {
                let finding = out
                    .finding(subject, "whoever may read the vault's secrets can download the private key")
                    .evidence(Evidence::CertificateDetails, "policy.key_props.exportable", &version.export_why);
                if version.is_trusted() {
                    finding.report();
                } else {
                    finding.severity(Severity::Medium, "no application trusts this version").report();
                }
            }
            Export::Indeterminate | Export::No => {}
        }
    }
}
