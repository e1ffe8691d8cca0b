//! KVO601: the tenant restricts no credential at all.

use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO601",
    name: "app-management-policy-off",
    title: "App management policy is absent or disabled",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &[],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with isEnabled true",
    mitre: &["T1098.001"],
    controls: &["ZTA 21775"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy",
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
    ],
    page: include_str!("../../../../docs/rules/KVO601.md"),
    check: Check::Tenant(check),
};

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    match case.facts.inventory.policies.app_management.get() {
        Ok(policy) if policy.is_enabled => {}
        Ok(_) => out
            .finding(
                policy::tenant(case),
                "the tenant's app management policy is not enabled, so none of its restrictions holds",
            )
            .evidence(Evidence::AppManagementPolicies, "isEnabled", false)
            .report(),
        Err(reason) => {
            out.unknown(policy::tenant(case), Evidence::AppManagementPolicies, reason, "the policy was not read");
        }
    }
}
