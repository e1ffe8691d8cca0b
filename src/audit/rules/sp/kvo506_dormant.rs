//! KVO506: nobody would miss it, and whoever has its credential has its privilege.

use crate::audit::facts::{PrincipalFacts, Tier};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO506",
    name: "sp-dormant-privileged",
    title: "Dormant service principal keeps privilege and credential",
    group: Group::ServicePrincipals,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::ServicePrincipals,
        Evidence::Applications,
        Evidence::AppRoles,
        Evidence::DirectoryRoles,
        Evidence::SignInActivity,
    ],
    params: &["stale_days"],
    fix: r#"disable it: az rest --method PATCH --uri https://graph.microsoft.com/v1.0/servicePrincipals/{principal} --body '{"accountEnabled":false}', wait for somebody to ask, then take its credentials and privileges away"#,
    mitre: &["T1078.004"],
    controls: &["ZTA 21770", "ZTA 21771"],
    references: &["https://learn.microsoft.com/entra/identity/monitoring-health/recommendation-remove-unused-apps"],
    page: include_str!("../../../../docs/rules/KVO506.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if principal.is_managed_identity() {
        return;
    }
    let in_force = principal.in_force_with_application(case.facts);
    if in_force.is_none() {
        return;
    }
    let privilege = match privilege(principal, case) {
        Ok(None) => return,
        Ok(Some(by)) => Ok(by),
        Err(unread) => Err(unread),
    };
    let stale = i64::from(case.params.stale_days);
    let reports = [&principal.principal.last_sign_in, &principal.principal.last_user_sign_in];
    let last = reports.iter().filter_map(|report| report.read()).flatten().map(|moment| moment.0).max();
    // What was registered lately had no time to be used.
    let since = last.or_else(|| principal.app.and_then(|app| app.created_at));
    let days = since.map(|since| (case.facts.now - since).whole_days());
    if days.is_some_and(|days| days < stale) {
        return;
    }
    if let Some(reason) = reports.iter().find_map(|report| report.reason()) {
        let why = "when it last signed in was not read";
        return out.unknown(principal.subject(), Evidence::SignInActivity, reason, why);
    }
    let by = match privilege {
        Ok(by) => by,
        Err((evidence, reason)) => {
            let why = "it is dormant with credentials, and what it may do was not read";
            return out.unknown(principal.subject(), evidence, reason, why);
        }
    };
    let slept = match (last, days) {
        (Some(_), Some(days)) => format!("it last signed in {days} days ago"),
        _ => "no sign-in of it is known".to_owned(),
    };
    let (count, work) = (counted(in_force.total(), "credential"), verb(in_force.total(), "works", "work"));
    let message = format!("{slept}, has {count} that {work} and holds {by}");
    let shown = last.map_or_else(|| "none".to_owned(), |last| last.date().to_string());
    out.finding(principal.subject(), message).evidence(Evidence::SignInActivity, "lastSignInDateTime", shown).report();
}

/// What it holds that is worth taking; `None` when it is nothing.
fn privilege(principal: &PrincipalFacts<'_>, case: &Case<'_>) -> Result<Option<String>, (Evidence, Reason)> {
    if let Tier::Zero { by } = &principal.tier {
        return Ok(Some(by.clone()));
    }
    let roles = &case.facts.inventory.directory_roles;
    let held = roles.read().into_iter().flatten().filter(|role| role.principal == principal.principal.id).count();
    match (held, &principal.tier, roles.reason()) {
        (1.., _, _) => Ok(Some(counted(held, "directory role"))),
        (0, Tier::Unknown { reason }, _) => Err((Evidence::AppRoles, *reason)),
        (0, _, Some(reason)) => Err((Evidence::DirectoryRoles, reason)),
        (0, _, None) => Ok(None),
    }
}
