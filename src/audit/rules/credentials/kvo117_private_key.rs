//! KVO117: the directory holds a private key.

use crate::audit::facts::{ApplicationFacts, KeyFacts, PrincipalFacts};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, ServicePrincipal, Word};

pub(super) const RULE: Rule = Rule {
    id: "KVO117",
    name: "app-private-key-in-directory",
    title: "Private key of an application is held by the directory",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals],
    params: &[],
    fix: "az ad {kind} credential delete --id {app} --key-id {part} --cert",
    mitre: &["T1552.004", "T1606.002"],
    controls: &["NIST SP 800-53 IA-5", "NIST SP 800-53 SC-12"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredential"],
    page: include_str!("../../../../docs/rules/KVO117.md"),
    check: Check::Identity(check_application, check_principal),
};

fn check_application(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let mut held = app.keys.iter().filter(|key| is_held(key)).peekable();
    if held.peek().is_none() {
        return;
    }
    if let (None, Some(reason)) = (app.principal, case.facts.principals_unread()) {
        let why = "SAML signs with such keys, and whether it does was not read";
        out.unknown(app.subject(), Evidence::ServicePrincipals, reason, why);
    } else if !app.principal.is_some_and(is_saml) {
        held.for_each(|key| report(key, app.subject(), Evidence::Applications, out));
    }
}

fn check_principal(principal: &PrincipalFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_saml(principal.principal) {
        let held = principal.keys.iter().filter(|key| is_held(key));
        held.for_each(|key| report(key, principal.subject(), Evidence::ServicePrincipals, out));
    }
}

fn is_held(key: &KeyFacts<'_>) -> bool {
    let is_pfx = key.key.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("X509CertAndPassword"));
    !key.has_ended && (key.key.is_signing() || is_pfx)
}

/// Single sign-on by SAML needs such a key, and what was made from the gallery may come to it; KVO505 looks at those.
fn is_saml(principal: &ServicePrincipal) -> bool {
    principal.single_sign_on_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("saml"))
        || principal.template.is_some()
}

fn report(key: &KeyFacts<'_>, subject: Subject, evidence: Evidence, out: &mut Verdicts<'_>) {
    let field = |name: &str| format!("keyCredentials[{}].{name}", key.key.key_id);
    let text = |value: &Option<Word>| value.as_deref().unwrap_or("absent").to_owned();
    out.finding(
        subject.part(key.key.key_id),
        "the directory holds the private key, and nothing signs SAML tokens with it",
    )
    .evidence(evidence, field("usage"), text(&key.key.usage))
    .evidence(evidence, field("type"), text(&key.key.kind))
    .report();
}
