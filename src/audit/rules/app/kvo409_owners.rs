//! KVO409: nobody answers for it, or somebody who should not can change it.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::{Evidence, Owner, OwnerKind, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO409",
    name: "app-ownership-defect",
    title: "Ownership defect",
    group: Group::Applications,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::Owners],
    params: &[],
    fix: "give it two owners of this tenant who work here (az ad app owner add --id {app} --owner-object-id ID), or write owner = into its table in kvops.toml; take away the others",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 AC-2", "ZTA 21867", "ZTA 21868"],
    references: &["https://learn.microsoft.com/entra/identity/enterprise-apps/overview-assign-app-owners"],
    page: include_str!("../../../../docs/rules/KVO409.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let owners = match app.app.owners.get() {
        Ok(owners) => owners,
        Err(reason) => return out.unknown(app.subject(), Evidence::Owners, reason, "who owns it was not read"),
    };
    if owners.is_empty() {
        return nobody(app, out);
    }
    let faulty: Vec<_> = owners.iter().filter_map(|owner| fault(owner).map(|fault| (owner, fault))).collect();
    if faulty.is_empty() {
        if let Some(owner) = owners.iter().find(|owner| !is_known(owner)) {
            let why = format!("whether the owner {} is a guest, disabled or of another tenant was not read", owner.id);
            out.unknown(app.subject(), Evidence::Owners, Reason::Rbac, why);
        }
        return;
    }
    let are = verb(faulty.len(), "is a guest", "are guests");
    let message =
        format!("{} of {} {are}, disabled or of another tenant", faulty.len(), counted(owners.len(), "owner"));
    let mut finding = out.finding(app.subject(), message).severity(Severity::High, "who owns it may add a credential");
    for (owner, fault) in faulty {
        finding = finding.evidence(Evidence::Owners, format!("owners[{}]", owner.id), fault);
    }
    finding.report();
}

fn nobody(app: &ApplicationFacts<'_>, out: &mut Verdicts<'_>) {
    let is_declared = app.manifest.is_some_and(|entry| entry.owner.is_some())
        || app.app.service_management_reference.as_deref().is_some_and(|reference| !reference.trim().is_empty());
    if is_declared {
        return;
    }
    let finding =
        out.finding(app.subject(), "it has no owner, here or in a manifest").evidence(Evidence::Owners, "owners", 0);
    if app.in_force().is_none() {
        finding.severity(Severity::Low, "it has no credential that works now").report();
    } else {
        finding.report();
    }
}

fn fault(owner: &Owner) -> Option<&'static str> {
    if owner.user_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("Guest")) {
        Some("guest")
    } else if owner.account_enabled == Some(false) {
        Some("disabled")
    } else {
        (owner.is_external == Some(true)).then_some("service principal of another tenant")
    }
}

/// Whether everything that could be wrong with an owner was read.
fn is_known(owner: &Owner) -> bool {
    match owner.kind {
        OwnerKind::User => owner.user_type.is_some() && owner.account_enabled.is_some(),
        OwnerKind::ServicePrincipal => owner.is_external.is_some(),
        OwnerKind::Other => true,
    }
}
