//! KVO401: an application without users has redirect URIs.

use url::Url;

use crate::audit::facts::{ApplicationFacts, Daemon};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO401",
    name: "daemon-redirect-uri",
    title: "Redirect URI on an application without users",
    group: Group::Applications,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::AppRoles, Evidence::DelegatedGrants],
    params: &[],
    fix: "kvops harden --app {app}",
    mitre: &["T1528"],
    controls: &["NIST SP 800-53 CM-7"],
    references: &["https://learn.microsoft.com/entra/identity-platform/reply-url"],
    page: include_str!("../../../../docs/rules/KVO401.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let addresses: Vec<&str> = app.app.redirect_uris.all().collect();
    if addresses.is_empty() {
        return;
    }
    let why = match &app.daemon {
        Daemon::Yes(why) => why,
        Daemon::No(_) => return,
        Daemon::Unknown(evidence, reason) => {
            return out.unknown(app.subject(), *evidence, *reason, "whether it works without users does not show");
        }
    };
    let message = format!("it works without users ({why}) and has {}", counted(addresses.len(), "redirect URI"));
    let mut finding = out.finding(app.subject(), message);
    for address in &addresses {
        finding = finding.evidence(Evidence::Applications, "redirectUris", address);
    }
    // Administrators of other tenants are sent back there once they have consented.
    let is_https = |address: &str| Url::parse(address).is_ok_and(|url| url.scheme() == "https");
    let is_for_consent = app.app.is_multi_tenant() && matches!(addresses[..], [one] if is_https(one));
    if is_for_consent {
        finding = finding.severity(Severity::Info, "one address is what consent of other tenants needs");
    }
    finding.report();
}
