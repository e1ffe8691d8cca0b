//! KVO501: a service principal has credentials of its own.

use crate::audit::facts::PrincipalFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO501",
    name: "sp-credential",
    title: "Credential on a service principal",
    group: Group::ServicePrincipals,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::ServicePrincipals],
    params: &[],
    fix: "find out who added it, then az ad sp credential delete --id {principal} --key-id KEYID, with --cert for a key",
    mitre: &["T1098.001"],
    controls: &["ZTA 21896"],
    references: &["https://learn.microsoft.com/graph/api/resources/serviceprincipal"],
    page: include_str!("../../../../docs/rules/KVO501.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    // Microsoft's own are judged by KVO502, with its list of exceptions.
    if principal.is_first_party {
        return;
    }
    let is_legacy = match principal.principal.kind.as_deref() {
        None => false,
        Some(kind) if kind.eq_ignore_ascii_case("Application") => false,
        Some(kind) if kind.eq_ignore_ascii_case("Legacy") => true,
        Some(_) => return,
    };
    let Some(found) = principal.own_credentials() else { return };
    let mut finding = out.finding(principal.subject(), found.message);
    for (field, value) in found.evidence {
        finding = finding.evidence(Evidence::ServicePrincipals, field, value);
    }
    if is_legacy {
        finding = finding.severity(Severity::Medium, "a legacy service principal has no registration to carry them");
    }
    finding.report();
}
