//! KVO205: the key is in software, where an HSM is at hand or called for.

use super::scope::{has_versions, is_in_scope, weighed};
use crate::audit::facts::{CertificateFacts, Tier};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO205",
    name: "cert-key-software",
    title: "Private key is protected by software only",
    group: Group::Certificates,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[
        Evidence::Certificates,
        Evidence::CertificateVersions,
        Evidence::CertificateDetails,
        Evidence::VaultProperties,
        Evidence::AppRoles,
    ],
    params: &["certificate_scope", "require_hsm"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME --key RSA-HSM:3072, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12", "MCSB DP-6", "MCSB DP-7"],
    references: &["https://learn.microsoft.com/azure/key-vault/keys/about-keys"],
    page: include_str!("../../../../docs/rules/KVO205.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_in_scope(certificate, case) {
        return;
    }
    let tiers: Vec<Tier> = certificate.trusting.iter().map(|trust| trust.tier(case.facts)).collect();
    let is_called_for = case.params.require_hsm || tiers.iter().any(Tier::is_zero);
    let is_premium = is_premium(certificate);
    if !is_called_for {
        match is_premium {
            Ok(true) => {}
            Ok(false) => {
                if let Some(reason) = tiers.iter().find_map(Tier::unread) {
                    let why = "whether the application can take the whole tenant";
                    out.unknown(certificate.subject(), Evidence::AppRoles, reason, why);
                }
                return;
            }
            Err(reason) => {
                let why = "whether the vault has an HSM";
                out.unknown(certificate.subject(), Evidence::VaultProperties, reason, why);
                return;
            }
        }
    }
    if !has_versions(certificate, case, out) {
        return;
    }
    for version in certificate.versions_in_use() {
        let subject = certificate.subject().part(&version.version.version);
        let kty = match version.version.key.get() {
            Ok(key) => key.kty.as_deref().unwrap_or_default(),
            Err(reason) => {
                out.unknown(subject, Evidence::CertificateDetails, reason, "the type of the key");
                continue;
            }
        };
        if !matches!(kty, "RSA" | "EC") {
            continue;
        }
        let draft = out.finding(subject, format!("the {kty} key is kept in software")).evidence(
            Evidence::CertificateDetails,
            "key.kty",
            kty,
        );
        let draft = match is_premium {
            Ok(false) => {
                draft.severity(Severity::Info, "a standard vault has no HSM: it needs Premium").without_steps()
            }
            _ if case.params.require_hsm => draft.severity(Severity::Medium, "an HSM is required"),
            _ => draft,
        };
        weighed(draft, version.is_trusted()).report();
    }
}

fn is_premium(certificate: &CertificateFacts<'_>) -> Result<bool, Reason> {
    let properties = certificate.vault.properties.get()?;
    if properties.sku.is_empty() { Err(Reason::Parse) } else { Ok(properties.sku.eq_ignore_ascii_case("premium")) }
}
