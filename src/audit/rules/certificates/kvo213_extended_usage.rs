//! KVO213: the certificate is for other purposes too.

use super::scope::{has_versions, weighed};
use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO213",
    name: "cert-extended-usage",
    title: "Extended key usages unsuited for a client credential",
    group: Group::Certificates,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope", "strict_eku"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1649"],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-57 5.2"],
    references: &["https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12"],
    page: include_str!("../../../../docs/rules/KVO213.md"),
    check: Check::Certificate(check),
};

const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const UNSUITED: [(&str, &str); 3] =
    [(SERVER, "serverAuth"), ("1.3.6.1.5.5.7.3.3", "codeSigning"), ("2.5.29.37.0", "anyExtendedKeyUsage")];

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    // What TLS certificates are for is nobody's fault.
    if !certificate.is_app_credential || !has_versions(certificate, case, out) {
        return;
    }
    for version in certificate.versions_in_use() {
        let subject = certificate.subject().part(&version.version.version);
        let usages = match version.version.x.get() {
            Ok(x) => &x.eku,
            Err(reason) => {
                out.unknown(subject, Evidence::CertificateDetails, reason, "what the certificate is for");
                continue;
            }
        };
        let found: Vec<&str> = UNSUITED
            .iter()
            .filter(|(id, _)| usages.iter().any(|usage| &**usage == *id))
            .map(|(_, name)| *name)
            .collect();
        if found.is_empty() {
            continue;
        }
        let is_default =
            usages.len() == 2 && [CLIENT, SERVER].iter().all(|id| usages.iter().any(|usage| &**usage == *id));
        let draft = out.finding(subject, format!("the certificate is for {} too", found.join(" and "))).evidence(
            Evidence::CertificateDetails,
            "cer.extendedKeyUsage",
            usages.join(", "),
        );
        if is_default && !case.params.strict_eku {
            draft.severity(Severity::Info, "these are the vault's default").without_steps().report();
        } else {
            weighed(draft, version.is_trusted()).report();
        }
    }
}
