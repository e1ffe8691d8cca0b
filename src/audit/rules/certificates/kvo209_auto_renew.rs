//! KVO209: the vault renews what an application trusts.

use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO209",
    name: "cert-auto-renew",
    title: "Vault renews a certificate that an application trusts",
    group: Group::Certificates,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &[],
    fix: "kvops harden --vault {vault} --name {certificate}",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 CM-3"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/overview-renew-certificate"],
    page: include_str!("../../../../docs/rules/KVO209.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let record = certificate.certificate;
    let unread = record.versions.reason().filter(|_| certificate.is_app_credential);
    if !certificate.is_trusted() && unread.is_none() {
        return;
    }
    match (record.policy.get(), unread) {
        (Ok(policy), _) if !policy.auto_renew => {}
        (Ok(_), _) if certificate.is_trusted() => out
            .finding(
                certificate.subject(),
                "at renewal a version that no application trusts becomes the latest; only clients that name their version keep working",
            )
            .evidence(Evidence::CertificateDetails, "policy.lifetime_actions", "AutoRenew")
            .report(),
        (Ok(_), Some(reason)) => {
            let why = "whether an application trusts one of its versions";
            out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, why);
        }
        (Ok(_), None) => {}
        (Err(reason), _) => {
            out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, "whether the vault renews it");
        }
    }
}
