//! KVO106: a certificate that lives too long.

use crate::audit::facts::{ApplicationFacts, Custody};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO106",
    name: "app-cert-long-lived",
    title: "Certificate credential is valid too long",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &["max_cert_days", "max_cert_days_hsm", "long_cert_days"],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME --validity 6, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &["T1649"],
    controls: &["NIST SP 800-53 SC-12", "ScubaGear MS.AAD.5.7v1", "CIS M365 5.1.5.6", "CIS Azure 8.3.11"],
    references: &["https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final"],
    page: include_str!("../../../../docs/rules/KVO106.md"),
    check: Check::Application(check),
};

/// Twelve months that hold a 29 February are one day longer than a year's limit.
const LEAP_DAY: i64 = 1;

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| key.is_sign_in_certificate()) {
        let is_hsm = key.custody == Custody::Hsm;
        let limit = if is_hsm { case.params.max_cert_days_hsm } else { case.params.max_cert_days };
        let id = key.key.key_id;
        let subject = app.subject().part(id);
        let end = key.key.end.into_iter().chain(key.key.x.read().map(|x| x.not_after)).min();
        let (message, days) = match (key.lifetime_days, end) {
            (Some(days), _) if days <= i64::from(limit) + LEAP_DAY => continue,
            (Some(days), _) => (format!("a certificate lives {days} days, past the limit of {limit}"), days),
            (None, None) => (format!("a certificate never ends, and the limit is {limit} days"), i64::MAX),
            (None, Some(_)) => {
                let reason = key.key.x.reason().unwrap_or(Reason::Failed);
                out.unknown(subject, Evidence::KeyBytes, reason, "the entry does not say when it begins");
                continue;
            }
        };
        let mut finding = out.finding(subject, message);
        if let Some(end) = end {
            finding = finding.evidence(Evidence::Applications, format!("keyCredentials[{id}].endDateTime"), end.date());
        }
        if is_hsm {
            finding = finding.evidence(Evidence::CertificateDetails, "key.kty", &key.custody_why);
        }
        let long = case.params.long_cert_days;
        if days > i64::from(long) {
            finding = finding.severity(Severity::High, &format!("that is more than {long} days"));
        }
        finding.report();
    }
}
