//! KVO104: credentials that ended and were left.

use time::Duration;

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO104",
    name: "app-credential-expired",
    title: "Expired credential is still registered",
    group: Group::Credentials,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &["grace_days"],
    fix: "kvops detach --app {app} --expired",
    mitre: &[],
    controls: &["NIST SP 800-53 AC-2", "NIST SP 800-53 IA-5"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredential"],
    page: include_str!("../../../../docs/rules/KVO104.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let days = case.params.grace_days;
    let limit = case.facts.now - Duration::days(days.into());
    let keys = app.keys.iter().map(|key| ("keyCredentials", key.key.key_id, key.key.end));
    let passwords =
        app.passwords.iter().map(|secret| ("passwordCredentials", secret.password.key_id, secret.password.end));
    let over = keys.chain(passwords).filter_map(|(list, id, end)| Some((list, id, end.filter(|end| *end < limit)?)));
    let over: Vec<_> = over.collect();
    if over.is_empty() {
        return;
    }
    let has_nothing_else = app.keys.iter().all(|key| key.has_ended)
        && app.passwords.iter().all(|secret| secret.has_ended)
        && app.app.federated.read().is_some_and(Vec::is_empty);
    let count = counted(over.len(), "credential");
    let hint = if has_nothing_else { ", and nothing else lets anybody sign in: is it still used?" } else { "" };
    let mut finding = out.finding(app.subject(), format!("{count} ended more than {} ago{hint}", counted(days, "day")));
    for (list, id, end) in over {
        finding = finding.evidence(Evidence::Applications, format!("{list}[{id}].endDateTime"), end.date());
    }
    let is_disabled = app.principal.is_some_and(|principal| principal.account_enabled == Some(false));
    if has_nothing_else && is_disabled {
        let why = "every credential has ended, and nobody can sign in as its service principal";
        finding.severity(Severity::Info, why).without_steps().report();
    } else {
        finding.report();
    }
}
