//! KVO102: a client secret that lives too long.

use time::Duration;

use crate::audit::facts::{ApplicationFacts, PasswordFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO102",
    name: "app-secret-long-lived",
    title: "Client secret is valid too long",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &["max_secret_days"],
    fix: "kvops provision --app {app} --vault VAULT --name NAME, prove it with kvops token --app {app} --vault VAULT --name NAME --expect azpacr=2, then kvops detach --app {app} --vault VAULT --name NAME --secret {part}",
    mitre: &["T1552.001"],
    controls: &["NIST SP 800-53 IA-5(1)", "ScubaGear MS.AAD.5.6v1", "CIS M365 5.1.5.4"],
    references: &["https://learn.microsoft.com/graph/api/resources/passwordcredential"],
    page: include_str!("../../../../docs/rules/KVO102.md"),
    check: Check::Application(check),
};

/// The service rounds the dates that it is given.
const TOLERANCE: Duration = Duration::DAY;

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let limit = case.params.max_secret_days;
    for secret in app.passwords.iter().filter(|secret| !secret.has_ended && !secret.is_saml) {
        let subject = app.subject().part(secret.password.key_id);
        let message = match life(secret, case) {
            Life::Endless => format!("a client secret never ends, and the limit is {limit} days"),
            Life::Lasts(life) if life > Duration::days(limit.into()) + TOLERANCE => {
                let estimated = if secret.is_estimated { " as far as that can be told" } else { "" };
                format!("a client secret lives {} days{estimated}, past the limit of {limit}", life.whole_days())
            }
            Life::Lasts(_) => continue,
            Life::Unknown => {
                let why = "neither the secret nor the application says when it began";
                out.unknown(subject, Evidence::Applications, Reason::Failed, why);
                continue;
            }
        };
        let field = |name: &str| format!("passwordCredentials[{}].{name}", secret.password.key_id);
        let mut finding = out.finding(subject, message);
        if let Some(start) = secret.start {
            let from = if secret.is_estimated { "createdDateTime".to_owned() } else { field("startDateTime") };
            finding = finding.evidence(Evidence::Applications, from, start.date());
        }
        let end = secret.password.end.map_or("never".to_owned(), |end| end.date().to_string());
        finding.evidence(Evidence::Applications, field("endDateTime"), end).report();
    }
}

enum Life {
    Endless,
    Lasts(Duration),
    Unknown,
}

fn life(secret: &PasswordFacts<'_>, case: &Case<'_>) -> Life {
    let Some(end) = secret.password.end else { return Life::Endless };
    match secret.start {
        Some(start) => Life::Lasts(end - start),
        // What is left of it may be too long by itself.
        None if end - case.facts.now > Duration::days(case.params.max_secret_days.into()) + TOLERANCE => {
            Life::Lasts(end - case.facts.now)
        }
        None => Life::Unknown,
    }
}
