//! KVO712: a policy that was hardened and is weaker now.

use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Policy};

pub(super) const RULE: Rule = Rule {
    id: "KVO712",
    name: "cert-policy-weakened",
    title: "Policy of a hardened certificate was weakened",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateDetails, Evidence::History],
    params: &[],
    fix: "kvops harden --vault {vault} --name {certificate}",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 CM-6", "NIST SP 800-53 SI-7"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/certificate-scenarios"],
    page: include_str!("../../../../docs/rules/KVO712.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let subject = certificate.subject();
    let history = match case.facts.history.get() {
        Ok(history) => history,
        Err(reason) => {
            if certificate.is_app_credential {
                out.unknown(subject, Evidence::History, reason, "there is no record of how its policy was");
            }
            return;
        }
    };
    if !history.hardened.contains(&*subject.id) {
        return;
    }
    let policy = match certificate.certificate.policy.get() {
        Ok(policy) => policy,
        Err(reason) => {
            out.unknown(subject, Evidence::CertificateDetails, reason, "its policy was not read");
            return;
        }
    };
    let weaker = weaker(policy);
    if weaker.is_empty() {
        return;
    }
    let what: Vec<&str> = weaker.iter().map(|(_, what, _)| *what).collect();
    let message = format!("its policy was hardened, and now {}: the next version is made by it", what.join(", and "));
    let mut finding = out.finding(subject, message);
    for (field, _, value) in weaker {
        finding = finding.evidence(Evidence::CertificateDetails, format!("policy.{field}"), value);
    }
    if let Some(updated) = policy.updated {
        finding = finding.evidence(Evidence::CertificateDetails, "policy.attributes.updated", updated);
    }
    finding.report();
}

/// Where a policy is not what hardening makes it: field, what that means, and value.
fn weaker(policy: &Policy) -> Vec<(&'static str, &'static str, String)> {
    let shown = |value: Option<bool>| value.map_or("absent".to_owned(), |value| value.to_string());
    let mut weaker = Vec::new();
    if policy.exportable != Some(false) {
        weaker.push(("key_props.exportable", "lets the key be exported", shown(policy.exportable)));
    }
    if policy.reuse_key != Some(false) {
        weaker.push(("key_props.reuse_key", "keeps the key when it renews", shown(policy.reuse_key)));
    }
    if !matches!(&*policy.key_usage, [usage] if &**usage == "digitalSignature") {
        weaker.push(("x509_props.key_usage", "allows more than signatures", policy.key_usage.join(", ")));
    }
    weaker
}
