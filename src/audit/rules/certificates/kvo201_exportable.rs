//! KVO201: the private key can be read out of the vault.

use super::scope::has_versions;
use crate::audit::facts::{CertificateFacts, Export};
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
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, whose key cannot be exported, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1552.004", "T1555.006"],
    controls: &["NIST SP 800-53 SC-12(3)", "MCSB DP-7"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO201.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !has_versions(certificate, case, out) {
        return;
    }
    for (index, version) in certificate.versions.iter().enumerate() {
        let subject = certificate.subject().part(&version.version.version);
        match (version.export, certificate.certificate.policy.reason()) {
            (Export::Yes, _) => {
                let finding = out
                    .finding(subject, "whoever may read the vault's secrets can download the private key")
                    .evidence(Evidence::CertificateDetails, "policy.key_props.exportable", &version.export_why);
                if version.is_trusted() {
                    finding.report();
                } else {
                    let why = "no application trusts this version";
                    finding.severity(Severity::Medium, why).without_steps().report();
                }
            }
            (Export::Indeterminate, Some(reason)) if index == 0 || version.is_trusted() => {
                out.unknown(subject, Evidence::CertificateDetails, reason, "the policy that it was made under");
            }
            // What was read, and does not tell, is for KVO202.
            (Export::Indeterminate | Export::No, _) => {}
        }
    }
}
