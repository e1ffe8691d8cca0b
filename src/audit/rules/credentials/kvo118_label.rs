//! KVO118: a label that is not that of the key's bytes.

use crate::audit::facts::{ApplicationFacts, Level};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO118",
    name: "app-credential-label-spoofed",
    title: "Credential label does not match the key",
    group: Group::Credentials,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::CertificateVersions],
    params: &[],
    fix: "find out who added it (audit log: Update application - Certificates and secrets management), then kvops provision --app {app} --vault VAULT --name NEW-NAME, then kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &["T1098.001", "T1036"],
    controls: &["NIST SP 800-53 AU-12", "NIST SP 800-53 SI-7"],
    references: &["https://learn.microsoft.com/graph/api/resources/keycredential"],
    page: include_str!("../../../../docs/rules/KVO118.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| !key.has_ended) {
        // Labels of other lengths are free text: some clients write GUIDs.
        let Some(label) = key.label else { continue };
        let id = key.key.key_id;
        let subject = app.subject().part(id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(subject, Evidence::KeyBytes, reason, "the label cannot be compared with the bytes");
                continue;
            }
        };
        if key.is_label_true != Some(false) {
            continue;
        }
        let posing = key.matches.iter().find(|found| found.level == Level::Label);
        let message = match posing {
            Some(_) => "the label is that of a certificate in a vault, and the bytes are another key's",
            None => "the label is not the thumbprint of the bytes",
        };
        let finding = out
            .finding(subject, message)
            .evidence(Evidence::Applications, format!("keyCredentials[{id}].customKeyIdentifier"), label.hex())
            .evidence(Evidence::KeyBytes, format!("keyCredentials[{id}].key.sha1"), x.sha1.as_str());
        match posing {
            Some(found) => finding
                .evidence(Evidence::CertificateVersions, "x5t", found.path())
                .severity(Severity::Critical, "the key poses as one that a vault keeps")
                .report(),
            None if case.facts.knows_every_vault().is_err() => {
                finding
                    .severity(Severity::High, "it may be that of a certificate in a vault that was not read")
                    .report();
            }
            None => finding.report(),
        }
    }
}
