//! KVO604: certificates may live longer than the limit.

use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO604",
    name: "tenant-certificate-lifetime",
    title: "Lifetime of certificates is not capped",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &["max_policy_cert_days"],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with maxLifetime for asymmetricKeyLifetime",
    mitre: &["T1649"],
    controls: &["ScubaGear MS.AAD.5.7v1", "CIS M365 5.1.5.6", "NIST SP 800-53 SC-12"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy",
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
    ],
    page: include_str!("../../../../docs/rules/KVO604.md"),
    check: Check::Tenant(check),
};

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    policy::capped("asymmetricKeyLifetime", "certificates", case.params.max_policy_cert_days, case, out);
}
