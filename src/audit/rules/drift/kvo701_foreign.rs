//! KVO701: a trusted key that is in no vault.

use super::common::{unless_settling, unread_place, where_it_may_be};
use crate::audit::facts::{ApplicationFacts, Custody};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO701",
    name: "app-key-in-no-vault",
    title: "Trusted key lives in no known vault",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::Applications,
        Evidence::KeyBytes,
        Evidence::Vaults,
        Evidence::CertificateVersions,
        Evidence::DeletedCertificates,
    ],
    params: &["settle_minutes"],
    fix: "find out who added it (audit log: Update application - Certificates and secrets management), then kvops provision --app {app} --vault VAULT --name NEW-NAME, then kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}; remove it at once if nobody knows where it is from",
    mitre: &["T1098.001", "T1552.004"],
    controls: &["NIST SP 800-53 SC-12"],
    references: &["https://learn.microsoft.com/entra/identity-platform/certificate-credentials"],
    page: include_str!("../../../../docs/rules/KVO701.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if app.manifest.is_some_and(|entry| entry.has_external_custody()) {
        return;
    }
    for key in app.sign_in_keys() {
        let id = key.key.key_id;
        let subject = app.subject().part(id);
        if let Some((evidence, reason)) = unread_place(key, case.facts) {
            out.unknown(subject, evidence, reason, where_it_may_be(evidence, case.facts));
        } else if key.custody == Custody::Foreign {
            let finding = out
                .finding(subject, "a key lets somebody sign in, and its private half is in none of the vaults")
                .evidence(Evidence::Vaults, "custody", &key.custody_why);
            let finding = match key.key.x.read() {
                Some(x) => {
                    finding.evidence(Evidence::KeyBytes, format!("keyCredentials[{id}].key.sha1"), x.sha1.as_str())
                }
                None => finding,
            };
            unless_settling(finding, key.key.start, case).report();
        }
    }
}
