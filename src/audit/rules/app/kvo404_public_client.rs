//! KVO404: an application with credentials can be used without them.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO404",
    name: "app-public-client-with-credential",
    title: "Public client flow on an application with credentials",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::FederatedCredentials],
    params: &[],
    fix: "kvops harden --app {app}",
    mitre: &["T1528"],
    controls: &["RFC 8252 section 8.5", "RFC 9700"],
    references: &["https://learn.microsoft.com/entra/identity-platform/msal-client-applications"],
    page: include_str!("../../../../docs/rules/KVO404.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    // Absent is the service's default, which is false.
    if app.app.is_fallback_public_client != Some(true) {
        return;
    }
    let in_force = app.in_force();
    let federated = match (in_force.is_none(), app.app.federated.get()) {
        (_, Ok(federated)) => federated.len(),
        (false, Err(_)) => 0,
        (true, Err(reason)) => {
            let why = "whether it has federated credentials was not read";
            return out.unknown(app.subject(), Evidence::FederatedCredentials, reason, why);
        }
    };
    if in_force.is_none() && federated == 0 {
        return;
    }
    let message = format!(
        "it has {}, {} and {}, and gives tokens to clients that have none",
        counted(in_force.secrets, "secret"),
        counted(in_force.keys, "key"),
        counted(federated, "federated credential")
    );
    out.finding(app.subject(), message).evidence(Evidence::Applications, "isFallbackPublicClient", true).report();
}
