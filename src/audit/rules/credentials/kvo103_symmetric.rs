//! KVO103: a shared secret that is registered as a key.

use crate::audit::facts::{ApplicationFacts, KeyFacts, PrincipalFacts};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO103",
    name: "app-symmetric-key",
    title: "Symmetric key credential",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NAME, then az ad {kind} credential delete --id {app} --key-id {part} --cert",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 IA-5"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredentialconfiguration"],
    page: include_str!("../../../../docs/rules/KVO103.md"),
    check: Check::Identity(check_application, check_principal),
};

fn check_application(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    report(&app.keys, &app.subject(), Evidence::Applications, out);
}

fn check_principal(principal: &PrincipalFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    // Microsoft looks after its own.
    if !principal.is_first_party {
        report(&principal.keys, &principal.subject(), Evidence::ServicePrincipals, out);
    }
}

fn report(keys: &[KeyFacts<'_>], subject: &Subject, evidence: Evidence, out: &mut Verdicts<'_>) {
    for key in keys.iter().filter(|key| key.key.is_symmetric() && !key.has_ended) {
        let id = key.key.key_id;
        out.finding(subject.clone().part(id), "a shared secret is registered as a symmetric key")
            .evidence(evidence, format!("keyCredentials[{id}].type"), "Symmetric")
            .report();
    }
}
