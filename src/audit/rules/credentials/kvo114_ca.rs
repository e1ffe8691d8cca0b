//! KVO114: a certificate that could issue others.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO114",
    name: "app-cert-is-ca",
    title: "CA-capable certificate is used as a client credential",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &["T1649"],
    controls: &["NIST SP 800-53 SC-17"],
    references: &["https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9"],
    page: include_str!("../../../../docs/rules/KVO114.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| key.is_sign_in_certificate()) {
        let subject = app.subject().part(key.key.key_id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(subject, Evidence::KeyBytes, reason, "the certificate was not read");
                continue;
            }
        };
        let usages = x.ku.as_deref().unwrap_or_default();
        let issues: Vec<&str> =
            usages.iter().map(AsRef::as_ref).filter(|usage| ["keyCertSign", "cRLSign"].contains(usage)).collect();
        if !x.ca && issues.is_empty() {
            continue;
        }
        let message = match (x.ca, issues.as_slice()) {
            (true, []) => "the certificate says that it is a CA".to_owned(),
            (true, issues) => format!("the certificate says that it is a CA, and allows {}", issues.join(" and ")),
            (false, issues) => format!("the certificate allows {}", issues.join(" and ")),
        };
        let field = |name: &str| format!("keyCredentials[{}].key.{name}", key.key.key_id);
        let finding = out
            .finding(subject, message)
            .evidence(Evidence::KeyBytes, field("basicConstraints.cA"), x.ca)
            .evidence(Evidence::KeyBytes, field("keyUsage"), usages.join(", "));
        if x.self_signed && issues.is_empty() {
            finding.severity(Severity::Medium, "it is self-signed, and does not claim to sign certificates").report();
        } else {
            finding.report();
        }
    }
}
