//! KVO711: an application that nobody wrote down.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO711",
    name: "app-not-in-manifest",
    title: "Application with credentials is in no manifest",
    group: Group::Drift,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "write an [app.NAME] table with app = \"{app}\" into kvops.toml, or remove its credentials",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-8"],
    references: &["https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final"],
    page: include_str!("../../../../docs/rules/KVO711.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if app.manifest.is_some() || !case.facts.manifest.is_complete {
        return;
    }
    let credentials: Vec<_> = app.active().collect();
    let what = match credentials.len() {
        0 => return,
        1 => "1 credential works".to_owned(),
        count => format!("{count} credentials work"),
    };
    let message = format!("{what}, and the manifest, which claims to be complete, does not have the application");
    let mut finding = out.finding(app.subject(), message);
    for credential in credentials {
        finding = finding.evidence(Evidence::Applications, credential.field("keyId"), credential.kind);
    }
    finding.report();
}
