//! KVO411: nothing says whose it is or what it is for.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO411",
    name: "app-unaccountable",
    title: "No accountable reference",
    group: Group::Applications,
    severity: Severity::Info,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "set serviceManagementReference to the service catalogue entry, or write the application into kvops.toml",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-8"],
    references: &["https://learn.microsoft.com/graph/api/resources/application"],
    page: include_str!("../../../../docs/rules/KVO411.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let reference = app.app.service_management_reference.as_deref().unwrap_or_default();
    if !reference.trim().is_empty() || app.app.has_notes || app.manifest.is_some() {
        return;
    }
    out.finding(app.subject(), "it has no service reference, no notes and no entry in a manifest")
        .evidence(Evidence::Applications, "serviceManagementReference", "absent")
        .evidence(Evidence::Applications, "notes", "absent")
        .report();
}
