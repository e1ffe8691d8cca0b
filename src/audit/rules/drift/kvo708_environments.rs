//! KVO708: one vault key for several environments.

use std::collections::{BTreeMap, BTreeSet};

use super::common::unless_settling;
use crate::audit::facts::{CertificateFacts, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Vault};

pub(super) const RULE: Rule = Rule {
    id: "KVO708",
    name: "cert-shared-by-environments",
    title: "One vault key is trusted in several environments",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateVersions],
    params: &["settle_minutes"],
    fix: "kvops provision --app APP --vault VAULT --name NEW-NAME, one certificate for each environment, then stop trusting the shared one: kvops detach --app APP --vault VAULT --name NEW-NAME --key KEYID",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-57 part 1, 5.2"],
    references: &["https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final"],
    page: include_str!("../../../../docs/rules/KVO708.md"),
    check: Check::Certificate(check),
};

/// Names of tags that say for which environment something is.
const TAGS: [&str; 2] = ["environment", "env"];

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for version in &certificate.versions {
        let apps: BTreeSet<_> =
            version.trusted_by.iter().filter(|trust| trust.is_for_sign_in()).map(|trust| trust.app_id()).collect();
        let of_apps: BTreeMap<_, _> =
            apps.into_iter().filter_map(|app| Some((app, case.facts.environment(app)?))).collect();
        if of_apps.is_empty() {
            continue;
        }
        let of_key = of_key(version, certificate.vault);
        let all: BTreeSet<&str> = of_apps.values().map(String::as_str).chain(of_key.as_deref()).collect();
        let subject = certificate.subject().part(&version.version.version);
        if all.len() > 1 {
            let message = format!("one key is for {} environments", all.len());
            let mut finding = out.finding(subject, message);
            for (app, environment) in &of_apps {
                finding = finding.evidence(Evidence::Applications, format!("{app} environment"), environment);
            }
            if let Some(environment) = &of_key {
                finding = finding.evidence(Evidence::VaultProperties, "tags.environment", environment);
            }
            unless_settling(finding, version.version.created, case).report();
        } else if let (None, Some(reason)) = (&of_key, certificate.vault.properties.reason()) {
            out.unknown(
                subject,
                Evidence::VaultProperties,
                reason,
                "the tags of the vault may name another environment",
            );
        }
    }
}

/// The environment by the version's own tag, else by the vault's.
fn of_key(version: &VersionFacts<'_>, vault: &Vault) -> Option<String> {
    let of = |tags: &BTreeMap<Box<str>, Box<str>>| {
        let is_environment = |name: &str| TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(name));
        let value = tags.iter().find(|(name, _)| is_environment(name))?.1;
        Some(value.trim().to_lowercase())
    };
    of(&version.version.tags).or_else(|| of(&vault.properties.read()?.tags))
}
