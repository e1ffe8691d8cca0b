//! KVO502: somebody added a credential to an application of Microsoft.

use crate::audit::facts::PrincipalFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO502",
    name: "first-party-sp-credential",
    title: "Microsoft application has credentials in this tenant",
    group: Group::ServicePrincipals,
    severity: Severity::Critical,
    since: "0.2.0",
    needs: &[Evidence::ServicePrincipals],
    params: &[],
    fix: "find out who added it and when (audit log: Update application - Certificates and secrets management), then az ad sp credential delete --id {principal} --key-id KEYID, with --cert for a key",
    mitre: &["T1098.001"],
    controls: &["ZTA 21774"],
    references: &["https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in"],
    page: include_str!("../../../../docs/rules/KVO502.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let allowed = &case.facts.data.first_party.allowed_app_ids;
    if !principal.is_first_party || allowed.contains_key(&principal.principal.app_id) {
        return;
    }
    let Some(found) = principal.own_credentials() else { return };
    let message = format!("Microsoft owns the application, and {}", found.message);
    let owner = principal.principal.owner_tenant.map_or_else(String::new, |tenant| tenant.to_string());
    let mut finding = out.finding(principal.subject(), message).evidence(
        Evidence::ServicePrincipals,
        "appOwnerOrganizationId",
        owner,
    );
    for (field, value) in found.evidence {
        finding = finding.evidence(Evidence::ServicePrincipals, field, value);
    }
    finding.report();
}
