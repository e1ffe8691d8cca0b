//! KVO210: the policy makes weak keys.

use super::scope::{policy, weighed};
use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO210",
    name: "cert-policy-weak-key",
    title: "Certificate policy makes weak keys",
    group: Group::Certificates,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateDetails],
    params: &["certificate_scope", "min_rsa_bits"],
    fix: "kvops harden --vault {vault} --name {certificate}",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-131A", "Azure Policy cee51871", "Azure Policy bd78111f"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO210.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy(certificate, case, out, "what keys the next versions will have") else { return };
    let kty = policy.key_type.as_deref().unwrap_or_default();
    let curve = policy.curve.as_deref().unwrap_or_default();
    let min = case.params.min_rsa_bits;
    let (message, field, value) = match policy.key_size {
        Some(bits) if is(kty, "RSA") && bits < min => {
            (format!("the policy makes RSA keys of {bits} bits, and {min} is the least"), "key_size", bits.to_string())
        }
        _ if is(kty, "oct") => ("the policy makes symmetric keys".to_owned(), "kty", kty.to_owned()),
        _ if is(curve, "P-256K") && certificate.is_app_credential => {
            ("the policy makes keys on a curve that is not for signing in".to_owned(), "crv", curve.to_owned())
        }
        _ => return,
    };
    let draft = out.finding(certificate.subject(), message).evidence(
        Evidence::CertificateDetails,
        format!("policy.key_props.{field}"),
        value,
    );
    weighed(draft, certificate.is_trusted()).report();
}

/// Whether a key type or curve is one, in an HSM or not.
fn is(found: &str, wanted: &str) -> bool {
    found.strip_suffix("-HSM").unwrap_or(found).eq_ignore_ascii_case(wanted)
}
