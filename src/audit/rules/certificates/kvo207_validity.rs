//! KVO207: certificates are made to live too long.

use time::Duration;

use super::scope::{is_in_scope, weighed};
use crate::audit::facts::{CertificateFacts, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Policy};

pub(super) const RULE: Rule = Rule {
    id: "KVO207",
    name: "cert-validity-too-long",
    title: "Vault certificate is valid for more than a year",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope", "max_validity_months"],
    fix: "kvops harden --vault {vault} --name {certificate}, then kvops provision --app APP --vault {vault} --name NEW-NAME",
    mitre: &["T1649"],
    controls: &["NIST SP 800-53 SC-12", "CIS Azure 8.3.11"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO207.md"),
    check: Check::Certificate(check),
};

/// A year, with what certification authorities allow for overlap: for what is there, not for what is asked.
const MAX_DAYS: i64 = 398;

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_in_scope(certificate, case) {
        return;
    }
    let record = certificate.certificate;
    let months = record.policy.read().filter(|policy| is_self_issued(policy)).and_then(|policy| policy.validity_months);
    let longest = certificate.versions_in_use().filter_map(lifetime).max();
    let message = match (months, longest) {
        (Some(months), _) if months > case.params.max_validity_months => {
            format!(
                "the policy makes certificates for {months} months, past the limit of {}",
                case.params.max_validity_months
            )
        }
        (_, Some(span)) if span > Duration::days(MAX_DAYS) => {
            let days = span.whole_seconds().div_euclid(86_400);
            format!("a version is valid for {days} days, past the limit of {MAX_DAYS}")
        }
        _ => return unread(certificate, out),
    };
    let mut draft = out.finding(certificate.subject(), message);
    if let Some(months) = months {
        draft = draft.evidence(Evidence::CertificateDetails, "policy.x509_props.validity_months", months);
    }
    if let Some(span) = longest {
        let days = span.whole_seconds().div_euclid(86_400);
        draft = draft.evidence(Evidence::CertificateDetails, "cer.notAfter - cer.notBefore", format!("{days} d"));
    }
    weighed(draft, certificate.is_trusted()).report();
}

/// A CA gives what it gives, whatever the policy asks for.
fn is_self_issued(policy: &Policy) -> bool {
    policy.issuer.as_deref().is_none_or(|issuer| issuer.eq_ignore_ascii_case("Self"))
}

fn lifetime(version: &VersionFacts<'_>) -> Option<Duration> {
    version.version.x.read().map(|x| x.not_after - x.not_before)
}

fn unread(certificate: &CertificateFacts<'_>, out: &mut Verdicts<'_>) {
    let record = certificate.certificate;
    let of_a_version = certificate.versions_in_use().find_map(|version| version.version.x.reason());
    if let Some(reason) = record.versions.reason() {
        out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, "its versions were not read");
    } else if let Some(reason) = record.policy.reason().or(of_a_version) {
        let why = "how long certificates are made to live, and live";
        out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, why);
    }
}
