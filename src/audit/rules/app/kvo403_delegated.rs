//! KVO403: an application without users asks for, or holds, permissions of users.

use uuid::{Uuid, uuid};

use crate::audit::facts::{ApplicationFacts, Daemon};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{Evidence, RequiredKind};

pub(super) const RULE: Rule = Rule {
    id: "KVO403",
    name: "daemon-delegated-permissions",
    title: "Delegated permissions on an application without users",
    group: Group::Applications,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles, Evidence::DelegatedGrants],
    params: &[],
    fix: "kvops harden --app {app}",
    mitre: &["T1528"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/graph/permissions-overview"],
    page: include_str!("../../../../docs/rules/KVO403.md"),
    check: Check::Application(check),
};

/// `User.Read` of Microsoft Graph, which the portal puts on every registration.
const USER_READ: Uuid = uuid!("e1fe6dd8-ba31-4d61-89e7-88639da4683d");

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let daemon = match &app.daemon {
        Daemon::Yes(why) => Ok(why),
        Daemon::No(_) => return,
        Daemon::Unknown(evidence, reason) => Err((*evidence, *reason)),
    };
    let requested: Vec<_> = app.app.required.iter().filter(|access| access.kind == RequiredKind::Scope).collect();
    let granted = match app.principal_if_known(case.facts) {
        Ok(principal) => principal.map_or(Ok(&[][..]), |principal| principal.delegated.get().map(Vec::as_slice)),
        Err(reason) => Err(reason),
    };
    let scopes: Vec<&str> =
        granted.unwrap_or_default().iter().flat_map(|grant| &grant.scopes).map(AsRef::as_ref).collect();
    if requested.is_empty() && scopes.is_empty() {
        if let Err(reason) = granted {
            let why = "whether it was granted anything for users was not read";
            out.unknown(app.subject(), Evidence::DelegatedGrants, reason, why);
        }
        return;
    }
    let why = match daemon {
        Ok(why) => why,
        Err((evidence, reason)) => {
            return out.unknown(app.subject(), evidence, reason, "whether it works without users does not show");
        }
    };
    let message = format!(
        "it works without users ({why}), asks for {} and was granted {}",
        counted(requested.len(), "delegated permission"),
        scopes.len()
    );
    let mut finding = out.finding(app.subject(), message);
    for access in &requested {
        let field = format!("requiredResourceAccess[{}].resourceAccess", access.resource);
        finding = finding.evidence(Evidence::Applications, field, access.id);
    }
    for scope in &scopes {
        finding = finding.evidence(Evidence::DelegatedGrants, "scope", scope);
    }
    let graph = case.facts.data.tiers.graph;
    let is_left_over = granted.is_ok()
        && requested.iter().all(|access| access.resource == graph && access.id == USER_READ)
        && scopes.iter().all(|scope| scope.eq_ignore_ascii_case("User.Read"));
    if is_left_over {
        finding = finding.severity(Severity::Low, "it is only User.Read, which the portal adds by itself");
    }
    finding.report();
}
