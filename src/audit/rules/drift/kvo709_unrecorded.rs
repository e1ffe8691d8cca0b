//! KVO709: a credential that kvops did not make.

use super::common::unless_settling;
use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::remedy::removal;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO709",
    name: "app-credential-outside-kvops",
    title: "Credential appeared outside kvops",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::History],
    params: &["settle_minutes"],
    fix: "find out who added it (audit log: Update application - Certificates and secrets management); if nobody did: kvops detach --app {app} --vault VAULT --name NAME --key {part}",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 SI-7", "NIST SP 800-53 CM-3"],
    references: &["https://learn.microsoft.com/graph/api/application-addkey"],
    page: include_str!("../../../../docs/rules/KVO709.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if app.manifest.is_none() || app.active().next().is_none() {
        return;
    }
    let history = match case.facts.history.get() {
        Ok(history) => history,
        Err(reason) => {
            out.unknown(app.subject(), Evidence::History, reason, "there is no record of what it had before");
            return;
        }
    };
    // The first run records what is there, and alarms at nothing.
    let Some(known) = history.credentials.get(&app.app.app_id) else { return };
    for credential in app.active().filter(|credential| !known.contains(&credential.key_id)) {
        let message = format!("a {} that works stands in no record of kvops", credential.kind);
        let finding = out
            .finding(app.subject().part(credential.key_id), message)
            .evidence(Evidence::Applications, credential.field("keyId"), credential.key_id)
            .evidence(Evidence::History, "keyIds on record", known.len())
            .fix(format!(
                "find out who added it (audit log: Update application - Certificates and secrets management); if nobody did: {}",
                removal(credential.kind)
            ));
        unless_settling(finding, credential.start, case).report();
    }
}
