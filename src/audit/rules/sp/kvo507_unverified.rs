//! KVO507: nobody has checked who is behind it.

use crate::audit::facts::PrincipalFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO507",
    name: "third-party-sp-unverified",
    title: "Third-party application with permissions, publisher unverified",
    group: Group::ServicePrincipals,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::ServicePrincipals, Evidence::AppRoles],
    params: &[],
    fix: "ask the publisher to verify, or take the permissions of {principal} away",
    mitre: &["T1199", "T1528"],
    controls: &["NIST SP 800-53 SA-9"],
    references: &["https://learn.microsoft.com/entra/identity-platform/publisher-verification-overview"],
    page: include_str!("../../../../docs/rules/KVO507.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let record = principal.principal;
    let is_own = principal.app.is_some()
        || record
            .owner_tenant
            .is_some_and(|owner| case.facts.inventory.header.tenant.as_str().eq_ignore_ascii_case(&owner.to_string()));
    if is_own || principal.is_first_party || principal.is_managed_identity() || record.has_verified_publisher {
        return;
    }
    let granted = match record.app_roles.get() {
        Ok(roles) => roles.iter().filter(|grant| !grant.role.is_nil()).count(),
        Err(reason) => {
            let why = "its publisher is not verified, and what it holds was not read";
            return out.unknown(principal.subject(), Evidence::AppRoles, reason, why);
        }
    };
    if granted == 0 {
        return;
    }
    let Some(owner) = record.owner_tenant else {
        let why = "it holds application permissions, and the directory does not say whose it is";
        return out.unknown(principal.subject(), Evidence::ServicePrincipals, Reason::Parse, why);
    };
    let held = counted(granted, "application permission");
    let message = format!("an unverified publisher of another tenant holds {held}");
    let finding = out
        .finding(principal.subject(), message)
        .without_raising()
        .evidence(Evidence::ServicePrincipals, "appOwnerOrganizationId", owner)
        .evidence(Evidence::ServicePrincipals, "verifiedPublisher", "absent");
    if principal.tier.is_zero() {
        finding.severity(Severity::Critical, "it can take the whole tenant").report();
    } else {
        finding.report();
    }
}
