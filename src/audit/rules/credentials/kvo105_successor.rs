//! KVO105: a credential ends soon, and nothing is ready to take its place.

use crate::audit::facts::{ActiveCredential, ApplicationFacts, CredentialKind};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO105",
    name: "app-credential-without-successor",
    title: "Credential expires and no successor is ready",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &["warn_days", "crit_days"],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, and let the workload sign with that",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "Prowler entra_app_registration_credential_not_expired"],
    references: &[
        "https://learn.microsoft.com/entra/identity/monitoring-health/recommendation-renew-expiring-application-credential",
    ],
    page: include_str!("../../../../docs/rules/KVO105.md"),
    check: Check::Application(check),
};

/// What a vault holds is rotated under its name.
const ROTATE: &str = "kvops rotate --app {app} --vault VAULT --name NAME, or, if no vault holds its key: kvops provision --app {app} --vault VAULT --name NEW-NAME";

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let warn = i64::from(case.params.warn_days);
    let active: Vec<_> = app.active().collect();
    for credential in &active {
        let Some(days) = credential.days_left.filter(|days| *days <= warn) else { continue };
        if active.iter().any(|other| succeeds(other, credential, warn)) {
            continue;
        }
        let left = counted(days, "day");
        let message = format!("a {} ends in {left}, and nothing is ready to take its place", credential.kind);
        let end = credential.field("endDateTime");
        let subject = app.subject().part(credential.key_id);
        let mut finding = out.finding(subject, message).evidence(Evidence::Applications, end, format!("in {left}"));
        if credential.kind == CredentialKind::Certificate {
            finding = finding.fix(ROTATE);
        }
        if matches!(credential.last_used.read(), Some(None)) {
            let field = credential.field("lastSignInDateTime");
            finding
                .severity(Severity::Low, "it was never used: let it lapse")
                .evidence(Evidence::CredentialActivity, field, "never")
                .fix("let it lapse, then kvops detach --app {app} --expired")
                .report();
        } else if days <= i64::from(case.params.crit_days) {
            finding
                .severity(Severity::Critical, &format!("{left} {} left", if days == 1 { "is" } else { "are" }))
                .report();
        } else {
            finding.report();
        }
    }
}

/// A certificate succeeds a secret, not the reverse; what never ends succeeds too, and is for KVO107.
fn succeeds(other: &ActiveCredential<'_, '_>, credential: &ActiveCredential<'_, '_>, warn: i64) -> bool {
    other.days_left.is_none_or(|days| days > warn) && other.kind >= credential.kind
}
