//! KVO402: tokens are handed out without a code.

use crate::audit::facts::{ApplicationFacts, Daemon};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO402",
    name: "app-implicit-grant",
    title: "Implicit grant is enabled",
    group: Group::Applications,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications],
    params: &[],
    fix: "kvops harden --app {app}",
    mitre: &["T1528"],
    controls: &["RFC 9700 section 2.1.2"],
    references: &[
        "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-implicit-grant-flow",
        "https://www.rfc-editor.org/rfc/rfc9700",
    ],
    page: include_str!("../../../../docs/rules/KVO402.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let implicit = app.app.implicit;
    let what = match (implicit.access_token, implicit.id_token) {
        (false, false) => return,
        (true, true) => "access tokens and ID tokens are",
        (true, false) => "access tokens are",
        (false, true) => "ID tokens are",
    };
    let mut finding = out
        .finding(app.subject(), format!("{what} handed out in the address, without a code"))
        .evidence(Evidence::Applications, "implicitGrantSettings.enableAccessTokenIssuance", implicit.access_token)
        .evidence(Evidence::Applications, "implicitGrantSettings.enableIdTokenIssuance", implicit.id_token);
    if let Daemon::Yes(why) = app.daemon {
        finding = finding.severity(Severity::High, &format!("it works without users: {why}"));
    } else if !implicit.access_token && !app.app.redirect_uris.web.is_empty() {
        finding = finding.severity(Severity::Low, "a web application that uses the hybrid flow needs the ID token");
    }
    finding.report();
}
