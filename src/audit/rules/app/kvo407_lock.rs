//! KVO407: others may add credentials to its service principals.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO407",
    name: "app-instance-lock-missing",
    title: "App instance property lock is missing",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "kvops harden --app {app}",
    mitre: &["T1098.001"],
    controls: &["ZTA 21777"],
    references: &["https://learn.microsoft.com/entra/identity-platform/howto-configure-app-instance-property-locks"],
    page: include_str!("../../../../docs/rules/KVO407.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let lock = match app.app.lock.get() {
        Ok(lock) => lock,
        Err(reason) => {
            return out.unknown(app.subject(), Evidence::Applications, reason, "whether it is locked was not read");
        }
    };
    let message = match lock {
        Some(lock) if lock.keeps_credentials() => return,
        None => "it has no lock, so a service principal of it takes further credentials",
        Some(lock) if !lock.is_enabled => "its lock is off, so a service principal of it takes further credentials",
        Some(_) => "its lock leaves out credentials for signing or for verifying",
    };
    let state = lock.map_or_else(|| "absent".to_owned(), |lock| lock.is_enabled.to_string());
    let finding = out.finding(app.subject(), message).evidence(
        Evidence::Applications,
        "servicePrincipalLockConfiguration.isEnabled",
        state,
    );
    if app.app.is_multi_tenant() {
        finding.report();
    } else {
        finding.severity(Severity::Info, "no other tenant has a service principal of it").report();
    }
}
