//! KVO608: certificates of any issuer are taken.

use crate::audit::facts::{in_force, scopes};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO608",
    name: "tenant-trusted-ca-unused",
    title: "Restriction to trusted CAs is unused",
    group: Group::Tenant,
    severity: Severity::Info,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &[],
    fix: "a choice, not a fault: such a restriction refuses certificates that sign themselves, as provisioned ones do",
    mitre: &[],
    controls: &["ZTA 21894"],
    references: &["https://learn.microsoft.com/graph/api/resources/certificatebasedapplicationconfiguration"],
    page: include_str!("../../../../docs/rules/KVO608.md"),
    check: Check::Tenant(check),
};

const KIND: &str = "trustedCertificateAuthority";

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy::enforced(case, "certificates of any issuer are taken", out) else { return };
    for (scope, restrictions) in scopes(policy) {
        if in_force(restrictions, KIND).next().is_none() {
            let state = policy::state(restrictions, KIND);
            out.finding(
                policy::tenant(case).part(scope),
                format!("certificates of any issuer are taken: {KIND} is {state}"),
            )
            .evidence(Evidence::AppManagementPolicies, format!("{scope}.{KIND}"), state)
            .report();
        }
    }
}
