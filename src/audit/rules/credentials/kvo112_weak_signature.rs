//! KVO112: a certificate signed with a broken hash.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO112",
    name: "app-cert-weak-signature",
    title: "Weak signature algorithm in a certificate",
    group: Group::Credentials,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &[],
    controls: &["NIST SP 800-131A"],
    references: &["https://csrc.nist.gov/pubs/sp/800/131/a/r2/final"],
    page: include_str!("../../../../docs/rules/KVO112.md"),
    check: Check::Application(check),
};

const BROKEN: [&str; 4] = ["md2", "md4", "md5", "sha1"];

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
        let algorithm = x.sig.to_ascii_lowercase();
        if !BROKEN.iter().any(|hash| algorithm.contains(hash)) {
            continue;
        }
        let field = format!("keyCredentials[{}].key.signatureAlgorithm", key.key.key_id);
        let finding = out.finding(subject, format!("the certificate is signed with {}", x.sig)).evidence(
            Evidence::KeyBytes,
            field,
            &x.sig,
        );
        if x.self_signed {
            finding.report();
        } else {
            finding.severity(Severity::Medium, "a CA signed it, and others may rely on that").report();
        }
    }
}
