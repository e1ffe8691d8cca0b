//! KVO606: a secret may be one that somebody made up.

use crate::audit::facts::{in_force, scopes};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO606",
    name: "tenant-custom-passwords",
    title: "Caller-chosen passwords are allowed",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &[],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with customPasswordAddition in both halves",
    mitre: &["T1098.001"],
    controls: &["CIS M365 5.1.5.5"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy",
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
    ],
    page: include_str!("../../../../docs/rules/KVO606.md"),
    check: Check::Tenant(check),
};

const KIND: &str = "customPasswordAddition";

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy::enforced(case, "passwords that callers choose are not blocked", out) else { return };
    for (scope, restrictions) in scopes(policy) {
        if in_force(restrictions, KIND).next().is_none() {
            let state = policy::state(restrictions, KIND);
            out.finding(policy::tenant(case).part(scope), format!("the restriction {KIND} is {state}"))
                .evidence(Evidence::AppManagementPolicies, format!("{scope}.{KIND}"), state)
                .report();
        }
    }
}
