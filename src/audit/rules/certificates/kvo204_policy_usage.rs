//! KVO204: the policy asks for more than Digital Signature.

use super::scope::{policy, weighed};
use crate::audit::facts::{CertificateFacts, VersionFacts, beyond_signature, goes_beyond_everywhere};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO204",
    name: "cert-policy-key-usage",
    title: "Certificate policy asks for more than Digital Signature",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope"],
    fix: "kvops harden --vault {vault} --name {certificate}",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 CM-7"],
    references: &[
        "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.3",
        "https://learn.microsoft.com/azure/key-vault/certificates/about-certificates",
    ],
    page: include_str!("../../../../docs/rules/KVO204.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy(certificate, case, out, "the key usages that the next version will have") else { return };
    let more = beyond_signature(&policy.key_usage);
    // Where certificate and key of a version say the same, the finding about the version says it all.
    let is_said_there = |version: &VersionFacts<'_>| goes_beyond_everywhere(certificate.certificate, version.version);
    if more.is_empty() || case.runs("KVO211") && certificate.versions_in_use().any(is_said_there) {
        return;
    }
    let message = match more.len() {
        1 => "the policy gives the next version one key usage more than Digital Signature".to_owned(),
        count => format!("the policy gives the next version {count} key usages more than Digital Signature"),
    };
    let draft = out.finding(certificate.subject(), message).evidence(
        Evidence::CertificateDetails,
        "policy.x509_props.key_usage",
        more.join(", "),
    );
    weighed(draft, certificate.is_trusted()).report();
}
