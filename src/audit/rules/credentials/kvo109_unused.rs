//! KVO109: a credential that nobody uses.

use time::{Duration, OffsetDateTime};

use crate::audit::facts::{ActiveCredential, ApplicationFacts, CredentialKind};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::remedy::removal;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO109",
    name: "app-credential-unused",
    title: "Credential is unused",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::CredentialActivity],
    params: &["unused_days", "unused_secret_days", "overlap_days"],
    fix: "kvops detach --app {app} --vault VAULT --name NAME --key {part}",
    mitre: &["T1078.004"],
    controls: &["NIST SP 800-53 AC-2(3)"],
    references: &[
        "https://learn.microsoft.com/entra/identity/monitoring-health/recommendation-remove-unused-credential-from-apps",
    ],
    page: include_str!("../../../../docs/rules/KVO109.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let now = case.facts.now;
    let active: Vec<_> = app.active().collect();
    for credential in &active {
        let days = match credential.kind {
            CredentialKind::Secret => case.params.unused_secret_days,
            CredentialKind::Certificate => case.params.unused_days,
        };
        let limit = now - Duration::days(days.into());
        if !is_old(credential, app, limit) || active.iter().any(|other| replaces(other, credential, case)) {
            continue;
        }
        let subject = app.subject().part(credential.key_id);
        // A report of which a part is missing says nothing of what is not in it.
        let report = case.facts.gap(Evidence::CredentialActivity).map_or(credential.last_used.get(), Err);
        let message = match report {
            Err(reason) => {
                out.unknown(subject, Evidence::CredentialActivity, reason, "whether it is used was not read");
                continue;
            }
            Ok(Some(used)) if used.0 >= limit => continue,
            Ok(Some(used)) => format!("a {} was last used {} days ago", credential.kind, (now - used.0).whole_days()),
            Ok(None) => format!("a {} was never used, as far back as the report goes", credential.kind),
        };
        let used = report.ok().copied().flatten().map_or("never".to_owned(), |used| used.0.date().to_string());
        out.finding(subject, message)
            .evidence(Evidence::CredentialActivity, credential.field("lastSignInDateTime"), used)
            .fix(removal(credential.kind))
            .report();
    }
}

/// Whether there was time to use it: neither it nor its application is new.
fn is_old(credential: &ActiveCredential<'_, '_>, app: &ApplicationFacts<'_>, limit: OffsetDateTime) -> bool {
    credential.start.is_none_or(|start| start < limit) && app.app.created_at.is_none_or(|created| created < limit)
}

/// Whether it has just taken the place of another: then that one's rest is part of rolling over.
fn replaces(other: &ActiveCredential<'_, '_>, credential: &ActiveCredential<'_, '_>, case: &Case<'_>) -> bool {
    let overlap = Duration::days(case.params.overlap_days.into());
    other.kind >= credential.kind
        && other.start > credential.start
        && other.start.is_some_and(|start| case.facts.now - start < overlap)
}
