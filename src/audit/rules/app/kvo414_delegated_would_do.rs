//! KVO414: it acts by itself on what its users may do themselves.

use crate::audit::facts::{ApplicationFacts, Facts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{DelegatedGrant, Evidence, RoleGrant};

pub(super) const RULE: Rule = Rule {
    id: "KVO414",
    name: "app-permission-beside-delegated",
    title: "Application permission where a delegated one would do",
    group: Group::Applications,
    severity: Severity::Info,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles, Evidence::DelegatedGrants, Evidence::SignInActivity],
    params: &[],
    fix: "see whether the work is done for users only: then revoke the application permission",
    mitre: &[],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/graph/permissions-overview"],
    page: include_str!("../../../../docs/rules/KVO414.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(principal) = app.principal else { return };
    let (roles, grants) = match (principal.app_roles.get(), principal.delegated.get()) {
        (Ok(roles), _) if roles.is_empty() => return,
        (_, Ok(grants)) if grants.is_empty() => return,
        (Ok(roles), Ok(grants)) => (roles, grants),
        (Err(reason), _) => {
            return out.unknown(app.subject(), Evidence::AppRoles, reason, "what it holds for itself was not read");
        }
        (_, Err(reason)) => {
            return out.unknown(
                app.subject(),
                Evidence::DelegatedGrants,
                reason,
                "what it holds for users was not read",
            );
        }
    };
    let pairs = pairs(roles, grants, case.facts);
    if pairs.is_empty() {
        return;
    }
    match principal.last_user_sign_in.get() {
        Ok(None) => return,
        Ok(Some(_)) => {}
        Err(reason) => {
            return out.unknown(
                app.subject(),
                Evidence::SignInActivity,
                reason,
                "whether users sign in to it was not read",
            );
        }
    }
    let held = counted(pairs.len(), "permission");
    let message = format!("users sign in to it, and it holds {held} both for them and for itself");
    let mut finding = out.finding(app.subject(), message);
    for (role, scope) in pairs {
        finding = finding.evidence(Evidence::AppRoles, role, scope);
    }
    finding.report();
}

/// Application permissions on Graph with a delegated one about the same thing: `Mail.Read` and `Mail.Send`
/// are both about mail.
fn pairs<'a>(roles: &[RoleGrant], grants: &'a [DelegatedGrant], facts: &'a Facts<'_>) -> Vec<(&'a str, &'a str)> {
    let graph = facts.data.tiers.graph;
    let api = facts.principal(graph).map(|api| api.id);
    let scopes: Vec<&str> = grants
        .iter()
        .filter(|grant| Some(grant.resource) == api)
        .flat_map(|grant| &grant.scopes)
        .map(AsRef::as_ref)
        // Whoever signs in is read; that is no work for them.
        .filter(|scope| !scope.eq_ignore_ascii_case("User.Read"))
        .collect();
    let names = &facts.data.permissions.graph_app_roles;
    let names = roles.iter().filter(|grant| grant.resource == graph).filter_map(|grant| names.get(&grant.role));
    names
        .filter_map(|name| scopes.iter().find(|scope| noun(scope) == noun(name)).map(|scope| (name.as_str(), *scope)))
        .collect()
}

fn noun(permission: &str) -> &str {
    permission.split('.').next().unwrap_or(permission)
}
