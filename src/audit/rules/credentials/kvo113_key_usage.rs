//! KVO113: a key that may do more than sign.

use crate::audit::facts::{ApplicationFacts, KeyFacts, Match, goes_beyond_everywhere};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO113",
    name: "app-cert-key-usage",
    title: "Key usage goes beyond Digital Signature",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 CM-7"],
    references: &["https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.3"],
    page: include_str!("../../../../docs/rules/KVO113.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| key.is_sign_in_certificate()) {
        let subject = app.subject().part(key.key.key_id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(subject, Evidence::KeyBytes, reason, "the certificate was not read");
                continue;
            }
        };
        let field = format!("keyCredentials[{}].key.keyUsage", key.key.key_id);
        let Some(usages) = &x.ku else {
            out.finding(subject, "the certificate does not restrict what its key may be used for")
                .evidence(Evidence::KeyBytes, field, "absent")
                .severity(Severity::Low, "nothing is claimed, so nothing is restricted")
                .report();
            continue;
        };
        let others: Vec<&str> = usages.iter().map(AsRef::as_ref).filter(|usage| *usage != "digitalSignature").collect();
        if others.is_empty() || case.runs("KVO211") && is_said_there(key) {
            continue;
        }
        let finding = out.finding(subject, format!("the key may be used for {} too", others.join(", "))).evidence(
            Evidence::KeyBytes,
            field,
            usages.join(", "),
        );
        if others == ["nonRepudiation"] {
            finding.severity(Severity::Info, "non-repudiation is about signatures as well").report();
        } else {
            finding.report();
        }
    }
}

/// Where the vault's policy and key go beyond signing too, the finding about the version says it all.
fn is_said_there(key: &KeyFacts<'_>) -> bool {
    let says_it_all = |found: &Match<'_>| {
        let both = found.certificate.zip(found.version());
        found.is_same_certificate()
            && both.is_some_and(|(certificate, version)| goes_beyond_everywhere(certificate, version))
    };
    key.is_sign_in() && key.proven().any(says_it_all)
}
