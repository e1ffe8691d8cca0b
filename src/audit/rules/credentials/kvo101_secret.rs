//! KVO101: a client secret on an application.

use super::kvo120_unfinished;
use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO101",
    name: "app-secret-in-use",
    title: "Client secret on an application",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NAME, prove it with kvops token --app {app} --vault VAULT --name NAME --expect azpacr=2, then kvops detach --app {app} --vault VAULT --name NAME --secret all",
    mitre: &["T1552.001", "T1078.004"],
    controls: &["NIST SP 800-53 IA-5", "ScubaGear MS.AAD.5.5v1", "CIS M365 5.1.5.3"],
    references: &["https://learn.microsoft.com/entra/identity-platform/howto-create-service-principal-portal"],
    page: include_str!("../../../../docs/rules/KVO101.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let secrets: Vec<_> = app.secrets().collect();
    if secrets.is_empty() || is_left_to_migration(app, secrets.len(), case) {
        return;
    }
    let message = match secrets.len() {
        1 => "a client secret can be used to sign in".to_owned(),
        count => format!("{count} client secrets can be used to sign in"),
    };
    let mut finding = out.finding(app.subject(), message);
    for secret in secrets {
        let end = secret.password.end.map_or("never".to_owned(), |end| end.date().to_string());
        let field = format!("passwordCredentials[{}].endDateTime", secret.password.key_id);
        finding = finding.evidence(Evidence::Applications, field, end);
    }
    finding.report();
}

/// One secret beside one vault certificate is one fault, and KVO120 names it better.
fn is_left_to_migration(app: &ApplicationFacts<'_>, secrets: usize, case: &Case<'_>) -> bool {
    secrets == 1
        && app.sign_in_keys().count() == 1
        && case.runs(kvo120_unfinished::RULE.id)
        && kvo120_unfinished::settled_key(app, case.params).is_some()
}
