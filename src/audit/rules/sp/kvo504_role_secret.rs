//! KVO504: a secret opens a role over the tenant.

use crate::audit::facts::PrincipalFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO504",
    name: "sp-role-with-secret",
    title: "Directory role and a shared secret",
    group: Group::ServicePrincipals,
    severity: Severity::Critical,
    since: "0.2.0",
    needs: &[Evidence::ServicePrincipals, Evidence::Applications, Evidence::DirectoryRoles],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NAME, prove it with kvops token --app {app} --vault VAULT --name NAME --expect azpacr=2, then kvops detach --app {app} --vault VAULT --name NAME --secret all",
    mitre: &["T1098.003", "T1078.004"],
    controls: &["NIST SP 800-53 IA-5"],
    references: &["https://learn.microsoft.com/entra/identity/role-based-access-control/privileged-roles-permissions"],
    page: include_str!("../../../../docs/rules/KVO504.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let secrets = principal.in_force_with_application(case.facts).secrets;
    if secrets == 0 {
        return;
    }
    let roles = match case.facts.inventory.directory_roles.get() {
        Ok(roles) => roles,
        Err(reason) => {
            let why = "it signs in with a secret, and which roles it has was not read";
            return out.unknown(principal.subject(), Evidence::DirectoryRoles, reason, why);
        }
    };
    let tier0 = &case.facts.data.tiers.tier0_directory_roles;
    let own = roles.iter().filter(|role| role.principal == principal.principal.id && matches!(&*role.scope, "" | "/"));
    let held: Vec<_> = own.filter_map(|role| tier0.get(&role.role).map(|name| (name, role.is_eligible))).collect();
    if held.is_empty() {
        return;
    }
    let names: Vec<&str> = held.iter().map(|(name, _)| name.as_str()).collect();
    let (count, open) = (counted(secrets, "secret"), verb(secrets, "opens", "open"));
    let roles = verb(names.len(), "directory role", "directory roles");
    let message = format!("{count} {open} the {roles} {}", names.join(", "));
    let mut finding = out.finding(principal.subject(), message).without_raising();
    for (name, is_eligible) in &held {
        let kind = if *is_eligible { "eligible" } else { "permanent" };
        finding = finding.evidence(Evidence::DirectoryRoles, format!("roleAssignments[{name}]"), kind);
    }
    if held.iter().all(|(_, is_eligible)| *is_eligible) {
        finding = finding.severity(Severity::High, "it has to activate the role first");
    }
    finding.report();
}
