//! KVO413: a secret that was given to its users is none.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO413",
    name: "public-client-secret",
    title: "Browser or mobile client holds a secret",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "let the client use PKCE, then remove each secret: az ad app credential delete --id {app} --key-id KEYID",
    mitre: &["T1552.001"],
    controls: &["RFC 8252 section 8.5"],
    references: &[
        "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow",
        "https://www.rfc-editor.org/rfc/rfc8252",
    ],
    page: include_str!("../../../../docs/rules/KVO413.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let redirects = &app.app.redirect_uris;
    let on_devices = redirects.spa.len() + redirects.public_client.len();
    let secrets = app.secrets().count();
    if on_devices == 0 || secrets == 0 {
        return;
    }
    let message = format!(
        "{} {} for browsers or devices, and it has {}",
        counted(on_devices, "redirect URI"),
        verb(on_devices, "is", "are"),
        counted(secrets, "client secret")
    );
    let finding = out
        .finding(app.subject(), message)
        .evidence(Evidence::Applications, "spa.redirectUris", redirects.spa.len())
        .evidence(Evidence::Applications, "publicClient.redirectUris", redirects.public_client.len());
    if redirects.web.is_empty() {
        finding.report();
    } else {
        finding.severity(Severity::Medium, "it has a web part as well, which may keep the secret").report();
    }
}
