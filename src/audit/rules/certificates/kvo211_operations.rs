//! KVO211: the key does more than sign.

use super::scope::{has_versions, weighed};
use crate::audit::facts::{CertificateFacts, beyond_signing, goes_beyond_everywhere};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO211",
    name: "cert-key-operations",
    title: "Private key may do more than sign",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, whose key may sign and verify alone, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 CM-7"],
    references: &["https://learn.microsoft.com/azure/key-vault/keys/about-keys-details"],
    page: include_str!("../../../../docs/rules/KVO211.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !has_versions(certificate, case, out) {
        return;
    }
    for version in certificate.versions_in_use() {
        let subject = certificate.subject().part(&version.version.version);
        let key = match version.version.key.get() {
            Ok(key) => key,
            Err(reason) => {
                out.unknown(subject, Evidence::CertificateDetails, reason, "what the key may do");
                continue;
            }
        };
        let more = beyond_signing(&key.key_ops);
        if more.is_empty() {
            continue;
        }
        let message = match more.len() {
            1 => "the key may do one operation beside signing and verifying".to_owned(),
            count => format!("the key may do {count} operations beside signing and verifying"),
        };
        let mut draft =
            out.finding(subject, message).evidence(Evidence::CertificateDetails, "key.key_ops", more.join(", "));
        if goes_beyond_everywhere(certificate.certificate, version.version) {
            // One finding in the place of three: KVO113 and KVO204 leave theirs to this one.
            let policy = certificate.certificate.policy.read().map(|policy| policy.key_usage.join(", "));
            let usage = version.version.x.read().and_then(|x| x.ku.as_ref()).map(|usage| usage.join(", "));
            draft = draft
                .evidence(Evidence::CertificateDetails, "policy.x509_props.key_usage", policy.unwrap_or_default())
                .evidence(Evidence::CertificateDetails, "cer.keyUsage", usage.unwrap_or_default());
        }
        weighed(draft, version.is_trusted()).report();
    }
}
