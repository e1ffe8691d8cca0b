//! KVO603: secrets may live longer than the limit.

use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO603",
    name: "tenant-secret-lifetime",
    title: "Lifetime of secrets is not capped",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &["max_policy_secret_days"],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with maxLifetime for passwordLifetime and symmetricKeyLifetime",
    mitre: &["T1552.001"],
    controls: &["ScubaGear MS.AAD.5.6v1", "CIS M365 5.1.5.4", "NIST SP 800-53 SC-12"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy",
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
    ],
    page: include_str!("../../../../docs/rules/KVO603.md"),
    check: Check::Tenant(check),
};

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    policy::capped("passwordLifetime", "secrets", case.params.max_policy_secret_days, case, out);
}
