//! What the rules about the app management policy share: whose it is, whether it holds, what it caps.

use crate::audit::facts::{Cap, cap, scopes};
use crate::audit::finding::{ObjectKind, Subject};
use crate::audit::rule::Case;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{AppManagementPolicy, Evidence, Reason, Restrictions};

/// The tenant, for findings.
pub(super) fn tenant(case: &Case<'_>) -> Subject {
    Subject::new(ObjectKind::Tenant, case.facts.inventory.header.tenant.as_str(), "")
}

/// The policy, if it is in force. One that is not restricts nothing: that is a finding of every rule about
/// its restrictions, never a pass, and says `lacks` and which rule is behind it.
pub(super) fn enforced<'a>(case: &Case<'a>, lacks: &str, out: &mut Verdicts<'_>) -> Option<&'a AppManagementPolicy> {
    match case.facts.inventory.policies.app_management.get() {
        Ok(policy) if policy.is_enabled => Some(policy),
        Ok(_) => {
            out.finding(tenant(case), format!("{lacks}, because the app management policy is not enabled (KVO601)"))
                .evidence(Evidence::AppManagementPolicies, "isEnabled", false)
                .report();
            None
        }
        Err(reason) => {
            out.unknown(tenant(case), Evidence::AppManagementPolicies, reason, "the policy was not read");
            None
        }
    }
}

/// How an entry that is not in force stands there.
pub(super) fn state(restrictions: &Restrictions, kind: &str) -> &'static str {
    if restrictions.of_kind(kind).is_some() { "disabled" } else { "absent" }
}

/// Judges both halves of the policy by how long something may live. The service takes only what is shorter
/// than its limit, so a limit of one day more means the same.
pub(super) fn capped(kind: &str, what: &str, days: u32, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let limit = u64::from(days) + 1;
    let Some(policy) = enforced(case, &format!("the life of {what} is not capped"), out) else { return };
    for (scope, restrictions) in scopes(policy) {
        let subject = tenant(case).part(scope);
        let field = format!("{scope}.{kind}.maxLifetime");
        match cap(restrictions, kind, limit) {
            Cap::Within => {}
            Cap::Missing => {
                let absent = state(restrictions, kind);
                let absent =
                    if restrictions.of_kind(kind).is_some_and(|entry| entry.is_enabled()) { "empty" } else { absent };
                out.finding(subject, format!("nothing caps the life of {what}"))
                    .evidence(Evidence::AppManagementPolicies, field, absent)
                    .report();
            }
            Cap::Over { text, least } => {
                out.finding(subject, format!("{what} may live {least} days, past the limit of {days}"))
                    .evidence(Evidence::AppManagementPolicies, field, text)
                    .report();
            }
            Cap::Ambiguous { text, most } => {
                let message = format!(
                    "{what} may live up to {most} days by {text}, which depends on the calendar: write P{days}D"
                );
                out.finding(subject, message)
                    .severity(Severity::Info, "by its shortest reading it is within the limit")
                    .evidence(Evidence::AppManagementPolicies, field, text)
                    .report();
            }
            Cap::Unreadable { .. } => {
                out.unknown(
                    subject,
                    Evidence::AppManagementPolicies,
                    Reason::Parse,
                    "how long is not an ISO 8601 duration",
                );
            }
        }
    }
}
