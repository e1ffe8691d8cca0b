//! KVO710: two keys under one thumbprint.

use super::common::unless_settling;
use crate::audit::facts::{ApplicationFacts, KeyFacts, PrincipalFacts};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO710",
    name: "credential-label-shared",
    title: "Two different certificates share one thumbprint label",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals, Evidence::KeyBytes],
    params: &["settle_minutes"],
    fix: "find out who added it (audit log: Update application - Certificates and secrets management), then kvops provision --app {app} --vault VAULT --name NEW-NAME, then az ad {kind} credential delete --id {app} --key-id {part} --cert",
    mitre: &["T1098.001", "T1036"],
    controls: &["NIST SP 800-53 AU-12", "NIST SP 800-53 SI-7"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredential"],
    page: include_str!("../../../../docs/rules/KVO710.md"),
    check: Check::Identity(check_application, check_principal),
};

fn check_application(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    report(&app.keys, &app.subject(), Evidence::Applications, case, out);
}

fn check_principal(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    report(&principal.keys, &principal.subject(), Evidence::ServicePrincipals, case, out);
}

fn report(keys: &[KeyFacts<'_>], subject: &Subject, evidence: Evidence, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in keys.iter().filter(|key| !key.has_ended) {
        let Some(label) = key.label.map(|label| label.hex()) else { continue };
        let id = key.key.key_id;
        let subject = subject.clone().part(id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(
                    subject,
                    Evidence::KeyBytes,
                    reason,
                    "without its bytes it cannot be compared with its like",
                );
                continue;
            }
        };
        let others = case.facts.others_labelled(&label, x.spki.as_str());
        // The one whose thumbprint it is did not borrow it.
        if others == 0 || key.is_label_true == Some(true) {
            continue;
        }
        let keys = if others == 1 { "another key carries".to_owned() } else { format!("{others} other keys carry") };
        let finding = out
            .finding(subject, format!("{keys} the same thumbprint for a label, and the bytes of this one have another"))
            .evidence(evidence, format!("keyCredentials[{id}].customKeyIdentifier"), &label)
            .evidence(Evidence::KeyBytes, format!("keyCredentials[{id}].key.sha1"), x.sha1.as_str());
        unless_settling(finding, key.key.start, case).report();
    }
}
