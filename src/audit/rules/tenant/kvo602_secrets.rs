//! KVO602: anybody who may change an application may give it a secret.

use crate::audit::facts::{in_force, scopes};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO602",
    name: "tenant-secrets-allowed",
    title: "Secrets are not blocked",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies],
    params: &[],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with passwordAddition and symmetricKeyAddition in both halves",
    mitre: &["T1098.001", "T1528"],
    controls: &["ScubaGear MS.AAD.5.5v1", "CIS M365 5.1.5.3", "NIST SP 800-53 IA-5"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy",
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
    ],
    page: include_str!("../../../../docs/rules/KVO602.md"),
    check: Check::Tenant(check),
};

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy::enforced(case, "secrets are not blocked", out) else { return };
    for (scope, restrictions) in scopes(policy) {
        let kinds = ["passwordAddition", "symmetricKeyAddition"];
        let missing: Vec<&str> =
            kinds.into_iter().filter(|kind| in_force(restrictions, kind).next().is_none()).collect();
        if missing.is_empty() {
            continue;
        }
        let message = format!("{} of 2 restrictions are absent or disabled: {}", missing.len(), missing.join(", "));
        let mut finding = out.finding(policy::tenant(case).part(scope), message);
        for kind in missing {
            finding = finding.evidence(
                Evidence::AppManagementPolicies,
                format!("{scope}.{kind}"),
                policy::state(restrictions, kind),
            );
        }
        finding.report();
    }
}
