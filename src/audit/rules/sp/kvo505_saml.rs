//! KVO505: single sign-on ends with a certificate.

use crate::audit::facts::{KeyFacts, PrincipalFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::{Draft, Verdicts};
use crate::audit::wording::counted;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO505",
    name: "saml-certificate-expires",
    title: "SAML signing certificate expires",
    group: Group::ServicePrincipals,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::ServicePrincipals, Evidence::KeyBytes],
    params: &["warn_days", "crit_days"],
    fix: "in the portal: Enterprise applications, {principal}, Single sign-on, SAML certificates: add one, hand it to the application, then make it active",
    mitre: &["T1606.002"],
    controls: &["ZTA servicePrincipalKeyExpiry"],
    references: &[
        "https://learn.microsoft.com/entra/identity/enterprise-apps/tutorial-manage-certificates-for-federated-single-sign-on",
    ],
    page: include_str!("../../../../docs/rules/KVO505.md"),
    check: Check::ServicePrincipal(check),
};

fn check(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let signing: Vec<&KeyFacts<'_>> = principal.keys.iter().filter(|key| key.key.is_signing()).collect();
    let warn_days = i64::from(case.params.warn_days);
    let ends_soon = |key: &KeyFacts<'_>| key.days_left.is_some_and(|days| days <= warn_days);
    if !signing.iter().any(|key| ends_soon(key)) {
        return;
    }
    let preferred = principal.principal.preferred_signing_key.as_deref();
    let current = match signing.iter().find(|key| preferred.is_some_and(|thumbprint| is(key, thumbprint))) {
        Some(key) => *key,
        None if signing.len() == 1 => signing[0],
        // Whichever of them signs, it ends soon: the last of them decides.
        None if signing.iter().all(|key| ends_soon(key)) => {
            let Some(last) = signing.iter().max_by_key(|key| key.days_left) else { return };
            last
        }
        None => {
            let reason = signing.iter().find_map(|key| key.key.x.reason()).unwrap_or(Reason::Parse);
            let why = "which of its certificates signs does not show";
            return out.unknown(principal.subject(), Evidence::KeyBytes, reason, why);
        }
    };
    let is_current = |key: &KeyFacts<'_>| key.key.key_id == current.key.key_id;
    let has_successor = signing.iter().any(|key| !is_current(key) && key.is_active && !ends_soon(key));
    if ends_soon(current) && !has_successor {
        let days = current.days_left.unwrap_or_default();
        let finding = draft(principal, current, "the only certificate to sign its SAML tokens with", out);
        if days <= i64::from(case.params.crit_days) {
            finding.severity(Severity::High, "nobody can sign in from that day on").report();
        } else {
            finding.report();
        }
    }
    for key in signing.into_iter().filter(|key| !is_current(key) && key.is_active && ends_soon(key)) {
        let finding = draft(principal, key, "a certificate for SAML tokens that signs none", out);
        finding.severity(Severity::Info, "nothing depends on it").without_raising().report();
    }
}

fn draft<'v, 'a>(
    principal: &PrincipalFacts<'_>,
    key: &KeyFacts<'_>,
    what: &str,
    out: &'v mut Verdicts<'a>,
) -> Draft<'v, 'a> {
    let days = key.days_left.unwrap_or_default();
    let message = match days {
        0.. => format!("{what} ends in {}", counted(days, "day")),
        _ => format!("{what} ended {} ago", counted(-days, "day")),
    };
    let end = key.key.end.map_or_else(String::new, |end| end.date().to_string());
    let field = format!("keyCredentials[{}].endDateTime", key.key.key_id);
    out.finding(principal.subject().part(key.key.key_id), message).evidence(Evidence::ServicePrincipals, field, end)
}

/// Whether a certificate has a SHA-1 thumbprint, by its bytes or, without them, by its label.
fn is(key: &KeyFacts<'_>, thumbprint: &str) -> bool {
    match (key.key.x.read(), key.label) {
        (Some(x), _) => x.sha1.as_str().eq_ignore_ascii_case(thumbprint),
        (None, Some(label)) => label.hex().eq_ignore_ascii_case(thumbprint),
        (None, None) => false,
    }
}
