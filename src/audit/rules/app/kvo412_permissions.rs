//! KVO412: what it asks for is not what it holds.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::domain::AppId;
use crate::inventory::{Evidence, Reason, RequiredKind, ServicePrincipal};

pub(super) const RULE: Rule = Rule {
    id: "KVO412",
    name: "app-permissions-differ",
    title: "Requested and granted permissions differ",
    group: Group::Applications,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles, Evidence::DelegatedGrants],
    params: &[],
    fix: "revoke what nobody asked for, and drop what nobody granted: az ad app permission delete --id {app} --api API --api-permissions ID",
    mitre: &["T1098.003"],
    controls: &["NIST SP 800-53 AC-6(7)"],
    references: &["https://learn.microsoft.com/entra/identity-platform/secure-least-privileged-access"],
    page: include_str!("../../../../docs/rules/KVO412.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(principal) = app.principal else {
        if let Err(reason) = app.principal_if_known(case.facts) {
            out.unknown(app.subject(), Evidence::ServicePrincipals, reason, "what it was granted was not read");
        }
        return;
    };
    let mut differences = Differences::default();
    differences.roles(app, principal, case);
    differences.delegated(app, principal, case);
    let (extra, missing) = (differences.extra, differences.missing);
    if extra.is_empty() && missing.is_empty() {
        if let Some((evidence, reason)) = differences.unread {
            out.unknown(app.subject(), evidence, reason, "not everything that it was granted was read");
        }
        return;
    }
    let (more, less) = (counted(extra.len(), "permission"), missing.len());
    let message = format!("it holds {more} that it does not ask for, and asks for {less} that it does not hold");
    let mut finding = out.finding(app.subject(), message);
    for (evidence, value) in &extra {
        finding = finding.evidence(*evidence, "granted, not requested", value);
    }
    for (evidence, value) in &missing {
        finding = finding.evidence(*evidence, "requested, not granted", value);
    }
    finding.report();
}

#[derive(Default)]
struct Differences {
    extra: Vec<(Evidence, String)>,
    missing: Vec<(Evidence, String)>,
    unread: Option<(Evidence, Reason)>,
}

impl Differences {
    /// Application permissions, one by one.
    fn roles(&mut self, app: &ApplicationFacts<'_>, principal: &ServicePrincipal, case: &Case<'_>) {
        let wanted = app.app.required.iter().filter(|access| access.kind == RequiredKind::Role);
        let wanted: BTreeSet<_> = wanted.map(|access| (access.resource, access.id)).collect();
        let roles = match principal.app_roles.get() {
            Ok(roles) => roles,
            Err(reason) => return self.unread = Some((Evidence::AppRoles, reason)),
        };
        // The nil role is the one that every assignment without a role carries.
        let held = roles.iter().filter(|grant| !grant.role.is_nil());
        let held: BTreeSet<_> = held.map(|grant| (grant.resource, grant.role)).collect();
        let shown = |(resource, role): &(AppId, Uuid)| (Evidence::AppRoles, format!("{resource}/{role}"));
        self.extra.extend(held.difference(&wanted).map(shown));
        for access in wanted.difference(&held) {
            let looked_at = &case.facts.inventory.role_resources;
            if looked_at.read().is_some_and(|resources| resources.contains(&access.0)) {
                self.missing.push(shown(access));
            } else {
                let reason = looked_at.reason().unwrap_or(Reason::NotAsked);
                self.unread.get_or_insert((Evidence::AppRoles, reason));
            }
        }
    }

    /// Delegated permissions, by API: requests name them by id, grants by name.
    fn delegated(&mut self, app: &ApplicationFacts<'_>, principal: &ServicePrincipal, case: &Case<'_>) {
        let wanted = app.app.required.iter().filter(|access| access.kind == RequiredKind::Scope);
        let wanted: BTreeSet<AppId> = wanted.map(|access| access.resource).collect();
        let grants = match principal.delegated.get() {
            Ok(grants) => grants,
            Err(reason) => return self.unread = Some((Evidence::DelegatedGrants, reason)),
        };
        let held: BTreeSet<_> =
            grants.iter().filter(|grant| !grant.scopes.is_empty()).map(|grant| grant.resource).collect();
        let mut asked = BTreeSet::new();
        for resource in wanted {
            match (case.facts.principal(resource), case.facts.principals_unread()) {
                (Some(api), _) if held.contains(&api.id) => _ = asked.insert(api.id),
                (None, Some(reason)) => self.unread = Some((Evidence::ServicePrincipals, reason)),
                _ => self.missing.push((Evidence::DelegatedGrants, format!("{resource} (delegated)"))),
            }
        }
        if self.unread.is_none_or(|(evidence, _)| evidence != Evidence::ServicePrincipals) {
            let extra = held.difference(&asked);
            self.extra.extend(extra.map(|api| (Evidence::DelegatedGrants, format!("{api} (delegated)"))));
        }
    }
}
