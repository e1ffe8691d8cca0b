//! KVO107: a credential that has no end worth the name.

use time::OffsetDateTime;

use crate::audit::facts::{ApplicationFacts, KeyFacts, PasswordFacts, PrincipalFacts};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::rules::remedy;
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO107",
    name: "credential-without-expiry",
    title: "Credential without usable expiry",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, then az ad {kind} credential delete --id {app} --key-id {part} --cert",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 IA-5(1)"],
    references: &[
        "https://learn.microsoft.com/graph/api/resources/keycredential",
        "https://learn.microsoft.com/graph/api/resources/passwordcredential",
    ],
    page: include_str!("../../../../docs/rules/KVO107.md"),
    check: Check::Identity(check_application, check_principal),
};

/// Longer than ten years is no limit to a credential's life.
const TEN_YEARS: i64 = 3650;

/// An older interface of the directory wrote 2299 for "never".
const NEVER: i32 = 2100;

fn check_application(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    report(&app.keys, &app.passwords, &app.subject(), Evidence::Applications, out);
}

fn check_principal(principal: &PrincipalFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    report(&principal.keys, &principal.passwords, &principal.subject(), Evidence::ServicePrincipals, out);
}

fn report(
    keys: &[KeyFacts<'_>],
    passwords: &[PasswordFacts<'_>],
    subject: &Subject,
    evidence: Evidence,
    out: &mut Verdicts<'_>,
) {
    let keys = keys.iter().filter(|key| !key.has_ended);
    let keys = keys.map(|key| ("keyCredentials", key.key.key_id, key.key.end, key.lifetime_days));
    // The password of a SAML certificate has the keyId and the dates of that certificate.
    let passwords = passwords.iter().filter(|secret| !secret.has_ended && !secret.is_saml);
    let passwords = passwords
        .map(|secret| ("passwordCredentials", secret.password.key_id, secret.password.end, secret.lifetime_days));
    for (list, id, end, days) in keys.chain(passwords) {
        let Some(message) = fault(end, days) else { continue };
        let end = end.map_or("absent".to_owned(), |end| end.date().to_string());
        let remove = if list == "keyCredentials" { remedy::REMOVE_CERTIFICATE } else { remedy::REMOVE_SECRET };
        out.finding(subject.clone().part(id), message)
            .evidence(evidence, format!("{list}[{id}].endDateTime"), end)
            .fix(format!("kvops provision --app {{app}} --vault VAULT --name NEW-NAME, then {remove}"))
            .report();
    }
}

fn fault(end: Option<OffsetDateTime>, days: Option<i64>) -> Option<String> {
    match (end, days) {
        (None, _) => Some("a credential has no end".to_owned()),
        (Some(end), _) if end.year() >= NEVER => Some(format!("a credential ends in the year {}", end.year())),
        (_, Some(days)) if days > TEN_YEARS => Some(format!("a credential lives {days} days, past {TEN_YEARS}")),
        _ => None,
    }
}
