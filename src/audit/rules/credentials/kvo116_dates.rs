//! KVO116: an entry whose dates are not those of its certificate.

use time::Duration;

use crate::audit::facts::{ApplicationFacts, KeyFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{Evidence, X509};

pub(super) const RULE: Rule = Rule {
    id: "KVO116",
    name: "app-credential-dates-differ",
    title: "Dates of a credential disagree with its certificate",
    group: Group::Credentials,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, which registers a certificate with its own dates, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-6"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredential"],
    page: include_str!("../../../../docs/rules/KVO116.md"),
    check: Check::Application(check),
};

/// The service rounds the dates that it is given.
const TOLERANCE: Duration = Duration::DAY;

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| key.is_sign_in_certificate()) {
        let subject = app.subject().part(key.key.key_id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(subject, Evidence::KeyBytes, reason, "the certificate was not read");
                continue;
            }
        };
        let Some((severity, message)) = fault(key, x) else { continue };
        let field = |name: &str| format!("keyCredentials[{}].{name}", key.key.key_id);
        let mut finding = out.finding(subject, message).severity(severity, "by which date differs, and how");
        for (name, date) in [("startDateTime", key.key.start), ("endDateTime", key.key.end)] {
            if let Some(date) = date {
                finding = finding.evidence(Evidence::Applications, field(name), date.date());
            }
        }
        finding
            .evidence(Evidence::KeyBytes, field("key.notBefore"), x.not_before.date())
            .evidence(Evidence::KeyBytes, field("key.notAfter"), x.not_after.date())
            .report();
    }
}

/// The worst of what differs. An end that is absent is for KVO107.
fn fault(key: &KeyFacts<'_>, x: &X509) -> Option<(Severity, String)> {
    let late = key.key.end.map(|end| end - x.not_after);
    let early = key.key.start.map(|start| x.not_before - start);
    if let Some(late) = late.filter(|late| *late > TOLERANCE) {
        let days = counted(late.whole_days(), "day");
        return Some((Severity::Medium, format!("the entry ends {days} after its certificate")));
    }
    if let Some(early) = early.filter(|early| *early > TOLERANCE) {
        let days = counted(early.whole_days(), "day");
        return Some((Severity::Low, format!("the entry begins {days} before its certificate")));
    }
    let early_end = late.map(|late| -late).filter(|early| *early > TOLERANCE)?;
    let days = counted(early_end.whole_days(), "day");
    Some((Severity::Info, format!("the entry ends {days} before its certificate, perhaps on purpose")))
}
