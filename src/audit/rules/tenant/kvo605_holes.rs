//! KVO605: somebody or something is let off.

use crate::audit::facts::{DayRange, InvalidDuration, in_force, scopes};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::tenant::policy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::{AppManagementPolicy, CustomAppManagementPolicy, Evidence, Reason, Restriction};

pub(super) const RULE: Rule = Rule {
    id: "KVO605",
    name: "tenant-restriction-holes",
    title: "Restriction has holes",
    group: Group::Tenant,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::AppManagementPolicies, Evidence::Applications],
    params: &[],
    fix: "az rest --method PATCH --uri https://graph.microsoft.com/v1.0/policies/defaultAppManagementPolicy --body @policy.json, with an earlier day and without the exceptions; a policy for single applications under policies/appManagementPolicies",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &[
        "https://learn.microsoft.com/entra/identity/enterprise-apps/configure-app-management-policies",
        "https://learn.microsoft.com/graph/api/resources/appmanagementpolicy",
    ],
    page: include_str!("../../../../docs/rules/KVO605.md"),
    check: Check::Tenant(check),
};

/// Objects of a policy that a finding names; the number is in its message.
const MOST_NAMED: usize = 20;

fn check(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(policy) = policy::enforced(case, "no restriction holds for anybody", out) else { return };
    for (scope, restrictions) in scopes(policy) {
        for restriction in restrictions.passwords.iter().chain(&restrictions.keys).filter(|entry| entry.is_enabled()) {
            judge_default(scope, restriction, case, out);
        }
    }
    match case.facts.inventory.policies.custom_app_management.get() {
        Ok(own) => own.iter().for_each(|own| judge_own(own, policy, case, out)),
        Err(reason) => {
            let why = "policies for single applications were not read";
            out.unknown(policy::tenant(case), Evidence::AppManagementPolicies, reason, why);
        }
    }
}

/// An entry of the policy for all: applications that are too old for it, and people whom it lets off.
fn judge_default(scope: &str, restriction: &Restriction, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let subject = || policy::tenant(case).part(format!("{scope}/{}", restriction.kind));
    let actors = restriction.excluded_actors.len();
    let header = &case.facts.inventory.header;
    let apps = &case.facts.inventory.applications;
    let older = restriction
        .created_after
        .map(|after| apps.iter().filter(|app| app.created_at.is_some_and(|at| at <= after)).count());
    let starts_late = match (restriction.created_after, header.tenant_created_at) {
        (None, _) => false,
        (Some(after), Some(created)) => after > created,
        (Some(after), None) if after > case.facts.now || older.is_some_and(|older| older > 0) => true,
        (Some(_), None) => {
            if actors == 0 {
                let why = "it holds for applications from a day on, and when the tenant was created was not read";
                return out.unknown(subject(), Evidence::AppManagementPolicies, Reason::NotAsked, why);
            }
            false
        }
    };
    let mut reasons = Vec::new();
    if let Some(after) = restriction.created_after.filter(|_| starts_late) {
        let older = older.unwrap_or_default();
        let (count, are) = (counted(older, "application"), verb(older, "is", "are"));
        reasons.push(format!("{count} from before {} {are} left out", after.date()));
    }
    if actors > 0 {
        reasons.push(format!("{} {} let off", counted(actors, "actor"), verb(actors, "is", "are")));
    }
    if reasons.is_empty() {
        return;
    }
    let mut finding = out.finding(subject(), reasons.join(", and "));
    if let Some(after) = restriction.created_after {
        let field = format!("{scope}.{}.restrictForAppsCreatedAfterDateTime", restriction.kind);
        finding = finding.evidence(Evidence::AppManagementPolicies, field, after.date());
        if after > case.facts.now {
            finding = finding.severity(Severity::High, "it holds for no application that there is");
        }
    }
    for actor in &restriction.excluded_actors {
        let field = format!("{scope}.{}.excludeActors", restriction.kind);
        finding = finding.evidence(Evidence::AppManagementPolicies, field, actor);
    }
    finding.report();
}

/// A policy for some applications, which stands in place of the one for all.
fn judge_own(own: &CustomAppManagementPolicy, policy: &AppManagementPolicy, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !own.is_enabled || own.applies_to.is_empty() {
        return;
    }
    let subject = policy::tenant(case).part(&own.id);
    let mut weaker = Vec::new();
    let mut unreadable = None;
    for entry in own.restrictions.passwords.iter().chain(&own.restrictions.keys) {
        match compare(entry, policy) {
            Ok(Some(how)) => weaker.push((&entry.kind, how)),
            Ok(None) => {}
            Err(InvalidDuration) => unreadable = Some(&entry.kind),
        }
    }
    if weaker.is_empty() {
        if let Some(kind) = unreadable {
            let why = format!("the length in {kind} of a policy for single applications cannot be understood");
            out.unknown(subject, Evidence::AppManagementPolicies, Reason::Parse, why);
        }
        return;
    }
    let list: Vec<String> = weaker.iter().map(|(kind, how)| format!("{kind} {how}")).collect();
    let objects = counted(own.applies_to.len(), "object");
    let message = format!("a policy for {objects} is weaker than the tenant's: {}", list.join(", "));
    let mut finding = out.finding(subject, message);
    for id in own.applies_to.iter().take(MOST_NAMED) {
        let app = case.facts.inventory.applications.iter().find(|app| app.id == *id);
        let name = app.map(|app| app.display_name).unwrap_or_default();
        finding = finding.evidence(Evidence::AppManagementPolicies, format!("appliesTo[{id}]"), name);
    }
    finding.report();
}

/// How an entry is weaker than what the tenant has in force, if it is. An entry that such a policy lacks
/// is the tenant's.
fn compare(entry: &Restriction, policy: &AppManagementPolicy) -> Result<Option<String>, InvalidDuration> {
    let mut weaker = None;
    for (_, restrictions) in scopes(policy) {
        for default in in_force(restrictions, &entry.kind) {
            if !entry.is_enabled() {
                return Ok(Some("is lifted".to_owned()));
            }
            if let Some(most) = default.max_lifetime.as_deref() {
                let Some(own) = entry.max_lifetime.as_deref() else {
                    return Ok(Some("has no length".to_owned()));
                };
                if own != most && own.parse::<DayRange>()?.most > most.parse::<DayRange>()?.most {
                    weaker = Some(format!("is {own} in place of {most}"));
                }
            }
            if entry.excluded_actors.iter().any(|actor| !default.excluded_actors.contains(actor)) {
                weaker.get_or_insert_with(|| format!("lets {} off", counted(entry.excluded_actors.len(), "actor")));
            }
            if entry.created_after > default.created_after {
                weaker.get_or_insert_with(|| "leaves out older applications".to_owned());
            }
        }
    }
    Ok(weaker)
}
