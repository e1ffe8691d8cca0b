//! KVO607: whoever has an account can make identities.

use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO607",
    name: "tenant-users-register-apps",
    title: "Every user can register applications",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AuthorizationPolicy],
    params: &[],
    fix: "Entra admin center: Users, User settings, Users can register applications: No",
    mitre: &["T1098.001"],
    controls: &["ScubaGear MS.AAD.5.1v1", "CIS M365 5.1.2.2"],
    references: &["https://learn.microsoft.com/graph/api/resources/authorizationpolicy"],
    page: include_str!("../../../../docs/rules/KVO607.md"),
    check: Check::Tenant(check),
};

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let why = match case.facts.inventory.policies.authorization.get() {
        Ok(policy) => match policy.users_may_register_applications {
            Some(false) => return,
            Some(true) => {
                return out
                    .finding(policy::tenant(case), "every user may register applications")
                    .evidence(Evidence::AuthorizationPolicy, "defaultUserRolePermissions.allowedToCreateApps", true)
                    .report();
            }
            None => (Reason::Parse, "the policy does not say whether users may register applications"),
        },
        Err(reason) => (reason, "the policy was not read"),
    };
    out.unknown(policy::tenant(case), Evidence::AuthorizationPolicy, why.0, why.1);
}
