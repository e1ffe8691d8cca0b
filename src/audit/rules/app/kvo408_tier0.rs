//! KVO408: an application can make itself Global Administrator.

use crate::audit::facts::Custody;
use crate::audit::facts::{ApplicationFacts, PrincipalFacts, Tier};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO408",
    name: "app-tier0-permission",
    title: "Tier-0 application permission",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles, Evidence::KeyBytes, Evidence::CertificateVersions],
    params: &[],
    fix: "take the permission away; if it is needed: kvops provision --app {app} --vault VAULT --name NEW-NAME --key RSA-HSM:3072, and one signer (KVO309)",
    mitre: &["T1098.003"],
    controls: &["NIST SP 800-53 AC-6(5)"],
    references: &[
        "https://learn.microsoft.com/graph/permissions-reference",
        "https://learn.microsoft.com/entra/identity-platform/secure-least-privileged-access",
    ],
    page: include_str!("../../../../docs/rules/KVO408.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let names = match app.principal_if_known(case.facts) {
        Ok(None) => return,
        Ok(Some(principal)) => {
            Tier::permissions_of(principal, case.facts).map_err(|reason| (Evidence::AppRoles, reason))
        }
        Err(reason) => Err((Evidence::ServicePrincipals, reason)),
    };
    let names = match names {
        Ok(names) if names.is_empty() => return,
        Ok(names) => names,
        Err((evidence, reason)) => {
            return out.unknown(app.subject(), evidence, reason, "which permissions it holds was not read");
        }
    };
    let (held, lead) = (counted(names.len(), "permission"), verb(names.len(), "leads", "lead"));
    let message = format!("it holds {held} that {lead} to the whole tenant: {}", names.join(", "));
    let mut finding = out.finding(app.subject(), message).without_raising();
    for name in &names {
        finding = finding.evidence(Evidence::AppRoles, "appRoleAssignments.appRoleId", name);
    }
    match copyable(app, case) {
        Some(why) => finding.severity(Severity::Critical, why).report(),
        None => finding.report(),
    }
}

/// Why somebody may hold a copy of what lets it sign in; `None` when every key is in a vault for good.
fn copyable(app: &ApplicationFacts<'_>, case: &Case<'_>) -> Option<&'static str> {
    let own = app.principal.map(|principal| PrincipalFacts::new(principal, case.facts));
    let on_principal = own.iter().flat_map(|own| own.keys.iter().filter(|key| key.is_sign_in()));
    if app.in_force().secrets + own.as_ref().map_or(0, |own| own.in_force().secrets) > 0 {
        return Some("it signs in with a secret that whoever reads it can copy");
    }
    let mut keys = app.sign_in_keys().chain(on_principal);
    // What was not read is no reason to call it worse.
    let may_be_copied = |custody: Custody| !custody.is_safe() && custody != Custody::Unverified;
    keys.any(|key| may_be_copied(key.custody)).then_some("one of its keys is not in a vault for good")
}
