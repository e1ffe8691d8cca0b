//! KVO406: one credential opens every tenant that consented.

use crate::audit::facts::{ApplicationFacts, Custody};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{Evidence, RequiredKind};

pub(super) const RULE: Rule = Rule {
    id: "KVO406",
    name: "multi-tenant-app-permissions",
    title: "Multi-tenant application with application permissions",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles],
    params: &[],
    fix: "az ad app update --id {app} --sign-in-audience AzureADMyOrg; if it must serve others, put its key into an HSM and lock its properties (KVO407)",
    mitre: &["T1199"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/entra/identity-platform/single-and-multi-tenant-apps"],
    page: include_str!("../../../../docs/rules/KVO406.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !app.app.is_multi_tenant() {
        return;
    }
    let requested = app.app.required.iter().filter(|access| access.kind == RequiredKind::Role).count();
    let granted = match app.principal_if_known(case.facts) {
        Ok(None) => Ok(0),
        Ok(Some(principal)) => {
            let roles =
                principal.app_roles.get().map(|roles| roles.iter().filter(|grant| !grant.role.is_nil()).count());
            roles.map_err(|reason| (Evidence::AppRoles, reason))
        }
        Err(reason) => Err((Evidence::ServicePrincipals, reason)),
    };
    let granted = match granted {
        Ok(0) if requested == 0 => return,
        Ok(granted) => granted,
        // What it asks for in other tenants is enough.
        Err(_) if requested > 0 => 0,
        Err((evidence, reason)) => {
            let why = "it is multi-tenant, and which permissions it holds was not read";
            return out.unknown(app.subject(), evidence, reason, why);
        }
    };
    let asked = counted(requested, "application permission");
    let message = format!("any tenant may use it; it asks for {asked} and holds {granted} at home");
    let mut finding = out.finding(app.subject(), message).evidence(
        Evidence::Applications,
        "signInAudience",
        app.app.sign_in_audience.as_deref().unwrap_or_default(),
    );
    if is_declared_and_locked(app) {
        finding =
            finding.severity(Severity::Medium, "it is declared as sold to others, locked, and its keys are in an HSM");
    }
    finding.report();
}

fn is_declared_and_locked(app: &ApplicationFacts<'_>) -> bool {
    let kind = app.manifest.and_then(|entry| entry.kind.as_deref());
    let in_force = app.in_force();
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("isv"))
        && app.app.lock.read().is_some_and(|lock| lock.is_some_and(|lock| lock.keeps_credentials()))
        && in_force.secrets == 0
        && in_force.keys > 0
        && app.sign_in_keys().all(|key| key.custody == Custody::Hsm)
        && app.app.federated.read().is_some_and(Vec::is_empty)
}
