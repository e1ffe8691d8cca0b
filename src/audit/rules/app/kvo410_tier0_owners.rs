//! KVO410: whoever owns it can become Global Administrator.

use std::collections::BTreeSet;

use crate::audit::facts::{ApplicationFacts, PrincipalFacts, Tier};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::domain::ObjectId;
use crate::inventory::{Evidence, Owner, Seen};

pub(super) const RULE: Rule = Rule {
    id: "KVO410",
    name: "tier0-app-has-owners",
    title: "Owners on a tier-0 application",
    group: Group::Applications,
    severity: Severity::Critical,
    since: "0.2.0",
    needs: &[
        Evidence::Applications,
        Evidence::ServicePrincipals,
        Evidence::Owners,
        Evidence::AppRoles,
        Evidence::DirectoryRoles,
    ],
    params: &[],
    fix: "take away its owners; who has to manage it gets an eligible role over it alone",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 AC-6(5)"],
    references: &["https://learn.microsoft.com/entra/identity/role-based-access-control/privileged-roles-permissions"],
    page: include_str!("../../../../docs/rules/KVO410.md"),
    check: Check::Identity(application, principal),
};

fn application(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if let Ok(None) = app.principal_if_known(case.facts) {
        return;
    }
    let lists = [Some(&app.app.owners), app.principal.map(|principal| &principal.owners)];
    judge(app.subject(), &app.tier, lists, case, out);
}

/// Of applications of other tenants, only the service principal has owners here.
fn principal(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if principal.app.is_none() && !principal.is_managed_identity() {
        judge(principal.subject(), &principal.tier, [Some(&principal.principal.owners), None], case, out);
    }
}

fn judge(
    subject: Subject,
    tier: &Tier,
    lists: [Option<&Seen<Vec<Owner>>>; 2],
    case: &Case<'_>,
    out: &mut Verdicts<'_>,
) {
    let lists: Vec<&Seen<Vec<Owner>>> = lists.into_iter().flatten().collect();
    let owners: BTreeSet<ObjectId> =
        lists.iter().filter_map(|list| list.read()).flatten().map(|owner| owner.id).collect();
    let unread = lists.iter().find_map(|list| list.reason());
    let by = match (tier, case.facts.inventory.directory_roles.reason()) {
        (Tier::Zero { by }, _) => Ok(by),
        (Tier::Unknown { reason }, _) => Err((Evidence::AppRoles, *reason)),
        (Tier::Other, Some(reason)) => Err((Evidence::DirectoryRoles, reason)),
        (Tier::Other, None) => return,
    };
    match (by, unread) {
        (Err(_), None) if owners.is_empty() => {}
        (Err((evidence, reason)), _) => {
            out.unknown(subject, evidence, reason, "whether it can take the whole tenant was not read");
        }
        (Ok(_), Some(reason)) if owners.is_empty() => {
            out.unknown(
                subject,
                Evidence::Owners,
                reason,
                "it can take the whole tenant, and who owns it was not read",
            );
        }
        (Ok(_), None) if owners.is_empty() => {}
        (Ok(by), _) => report(subject, by, &owners, case, out),
    }
}

fn report(subject: Subject, by: &str, owners: &BTreeSet<ObjectId>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let message =
        format!("{} may give it a credential and take the tenant with it ({by})", counted(owners.len(), "owner"));
    let mut finding = out.finding(subject, message);
    for owner in owners {
        finding = finding.evidence(Evidence::Owners, "owners", owner);
    }
    let tier0 = &case.facts.data.tiers.tier0_directory_roles;
    let is_tier0 = |owner: &ObjectId| case.facts.roles_of(*owner).iter().any(|role| tier0.contains_key(role));
    if owners.iter().all(is_tier0) {
        finding = finding.severity(Severity::Medium, "its owners can take the tenant without it").without_raising();
    }
    finding.report();
}
