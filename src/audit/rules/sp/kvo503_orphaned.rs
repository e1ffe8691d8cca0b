//! KVO503: what nobody uses can be used again.

use time::OffsetDateTime;

use crate::audit::facts::{ApplicationFacts, PrincipalFacts, is_saml};
use crate::audit::finding::{ObjectKind, Subject};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::{DeletedApplication, Evidence};

pub(super) const RULE: Rule = Rule {
    id: "KVO503",
    name: "identity-disabled-with-credentials",
    title: "Disabled or orphaned identity with live credentials",
    group: Group::ServicePrincipals,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals, Evidence::DeletedApplications],
    params: &[],
    fix: "remove each credential: az ad {kind} credential delete --id {app} --key-id KEYID, with --cert for a key",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 AC-2(3)"],
    references: &[
        "https://learn.microsoft.com/entra/identity/enterprise-apps/disable-user-sign-in-portal",
        "https://learn.microsoft.com/entra/identity-platform/howto-restore-app",
    ],
    page: include_str!("../../../../docs/rules/KVO503.md"),
    check: Check::Several(&[Check::Identity(application, principal), Check::Tenant(tenant)]),
};

/// Registered here, and without a service principal.
fn application(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let in_force = app.in_force();
    if in_force.is_none() {
        return;
    }
    match app.principal_if_known(case.facts) {
        Ok(Some(_)) => {}
        Ok(None) => {
            let message = format!("it has no service principal in this tenant, and {}", working(in_force.total()));
            out.finding(app.subject(), message).evidence(Evidence::ServicePrincipals, "appId", "absent").report();
        }
        Err(reason) => {
            let why = "whether it has a service principal was not read";
            out.unknown(app.subject(), Evidence::ServicePrincipals, reason, why);
        }
    }
}

/// `1 credential that works`
fn working(count: usize) -> String {
    format!("{} that {}", counted(count, "credential"), verb(count, "works", "work"))
}

/// Nobody can sign in as it for now.
fn principal(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if principal.principal.account_enabled != Some(false) || principal.is_managed_identity() {
        return;
    }
    let in_force = principal.in_force_with_application(case.facts);
    if in_force.is_none() {
        return;
    }
    let (count, work) = (counted(in_force.total(), "credential"), verb(in_force.total(), "works", "work"));
    let message = format!("it is disabled, and {count} {work} as soon as somebody enables it");
    out.finding(principal.subject(), message)
        .evidence(Evidence::ServicePrincipals, "accountEnabled", false)
        // That it is disabled is the fault, and no excuse.
        .without_lowering()
        .report();
}

/// In the recycle bin, from which it comes back with its credentials.
fn tenant(case: &Case<'_>, out: &mut Verdicts<'_>) {
    let inventory = case.facts.inventory;
    let deleted = match inventory.deleted_applications.get() {
        Ok(deleted) => deleted,
        Err(reason) => {
            let tenant = Subject::new(ObjectKind::Tenant, inventory.header.tenant.as_str(), "");
            return out.unknown(tenant, Evidence::DeletedApplications, reason, "the recycle bin was not read");
        }
    };
    for app in deleted {
        let active = active(app, case.facts.now);
        if active == 0 {
            continue;
        }
        let when = app.deleted_at.map_or_else(|| "unknown".to_owned(), |at| at.date().to_string());
        let message = format!("it was deleted, and whoever restores it has {}", working(active));
        out.finding(Subject::application(app.id, app.app_id, &app.display_name), message)
            .evidence(Evidence::DeletedApplications, "deletedDateTime", when)
            .fix(DELETE_FOR_GOOD)
            .report();
    }
}

/// For what is in the recycle bin, where credentials cannot be taken away one by one.
const DELETE_FOR_GOOD: &str =
    "az rest --method DELETE --uri https://graph.microsoft.com/v1.0/directory/deletedItems/{principal}, for good";

fn active(app: &DeletedApplication, now: OffsetDateTime) -> usize {
    let opens_saml = |id| app.keys.iter().any(|key| key.is_signing() && key.key_id == id);
    let keys = app.keys.iter().filter(|key| key.is_active(now) && !is_saml(key, &app.keys));
    let keys = keys.filter(|key| key.is_for_sign_in() || key.is_symmetric()).count();
    let passwords = app.passwords.iter().filter(|password| password.is_active(now) && !opens_saml(password.key_id));
    keys + passwords.count()
}
