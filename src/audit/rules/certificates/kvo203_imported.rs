//! KVO203: a copy of the key existed outside the vault.

use super::scope::{has_versions, weighed};
use crate::audit::facts::{CertificateFacts, Export, Origin, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO203",
    name: "cert-key-imported",
    title: "Private key was imported into the vault",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, whose key has never been anywhere else, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12"],
    references: &[
        "https://learn.microsoft.com/azure/key-vault/certificates/about-certificates",
        "https://learn.microsoft.com/azure/key-vault/certificates/tutorial-import-certificate",
    ],
    page: include_str!("../../../../docs/rules/KVO203.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !has_versions(certificate, case, out) {
        return;
    }
    for version in certificate.versions_in_use() {
        let subject = certificate.subject().part(&version.version.version);
        let draft = match version.origin {
            Origin::Generated | Origin::Assumed => continue,
            Origin::Imported => {
                let draft = out.finding(subject, format!("the key was imported: {}", version.origin_why));
                match version.export {
                    Export::Yes => draft.severity(Severity::High, "it can be exported too"),
                    Export::No | Export::Indeterminate => draft,
                }
            }
            Origin::Suspected => {
                if let Some((evidence, reason)) = unread(certificate, version) {
                    out.unknown(subject, evidence, reason, "what would show how the key came here");
                    continue;
                }
                out.finding(subject, format!("the key may have been imported: {}", version.origin_why))
                    .severity(Severity::Low, "it is no more than suspected")
            }
        };
        weighed(
            draft.evidence(Evidence::CertificateDetails, "cer.notBefore", &version.origin_why),
            version.is_trusted(),
        )
        .report();
    }
}

fn unread(certificate: &CertificateFacts<'_>, version: &VersionFacts<'_>) -> Option<(Evidence, Reason)> {
    let details = version.version.x.reason().or(certificate.certificate.policy.reason());
    match details {
        Some(reason) => Some((Evidence::CertificateDetails, reason)),
        None if version.version.created.is_none() => Some((Evidence::CertificateVersions, Reason::Parse)),
        None => None,
    }
}
