//! KVO706: a certificate for an application that nobody trusts.

use time::Duration;

use crate::audit::facts::{CertificateFacts, Facts, Trust};
use crate::audit::manifest::ManifestEntry;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::domain::TAG_APP;
use crate::inventory::{Evidence, Reason, Vault};

pub(super) const RULE: Rule = Rule {
    id: "KVO706",
    name: "cert-trusted-by-nobody",
    title: "Vault certificate is trusted by nobody",
    group: Group::Drift,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateVersions],
    params: &["orphan_days"],
    fix: "kvops attach --app APP --vault {vault} --name {certificate}, or delete it from the vault",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-8"],
    references: &["https://learn.microsoft.com/entra/identity-platform/certificate-credentials"],
    page: include_str!("../../../../docs/rules/KVO706.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let record = certificate.certificate;
    let mut entries = case.facts.manifest.entries.values().filter(|entry| names(entry, certificate)).peekable();
    let is_tagged = record.tags.contains_key(TAG_APP);
    // Most certificates of most vaults are for something else.
    if !is_tagged && entries.peek().is_none() {
        return;
    }
    if entries.any(|entry| is_elsewhere(entry, case.facts)) {
        return;
    }
    let is_trusted = |trust: &Trust| trust.end().is_none_or(|end| case.facts.now < end);
    let mut trust = certificate.versions.iter().flat_map(|version| version.trusted_by);
    if trust.any(is_trusted) || case.facts.trust_of_listed(certificate.vault, record).iter().any(is_trusted) {
        return;
    }
    let limit = case.params.orphan_days;
    let newest = certificate.versions.first().and_then(|newest| newest.version.created).or(record.created);
    let age = newest.map(|created| case.facts.now - created);
    if age.is_some_and(|age| age <= Duration::days(limit.into())) {
        return;
    }
    if let Some((evidence, reason)) = unread(certificate, case.facts) {
        out.unknown(certificate.subject(), evidence, reason, "what trusts it may not have been read");
        return;
    }
    let age = age.map_or(format!("more than {limit}"), |age| age.whole_days().to_string());
    let message =
        format!("it is meant for an application, its newest version is {age} days old, and nobody trusts any");
    let finding = out.finding(certificate.subject(), message);
    let tag = record.tags.get(TAG_APP).map_or("absent", |tag| tag);
    finding.evidence(Evidence::Certificates, format!("tags.{TAG_APP}"), tag).report();
}

fn names(entry: &ManifestEntry, certificate: &CertificateFacts<'_>) -> bool {
    let is_name = entry
        .certificate
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case(certificate.certificate.name.as_str()));
    is_name && entry.vault.as_deref().is_some_and(|vault| is_vault(vault, certificate.vault))
}

fn is_vault(text: &str, vault: &Vault) -> bool {
    let text = text.trim_end_matches('/');
    text.eq_ignore_ascii_case(vault.name.as_str()) || text.eq_ignore_ascii_case(vault.url.trim_end_matches('/'))
}

/// Whether the application is registered in another tenant, which this audit does not see.
fn is_elsewhere(entry: &ManifestEntry, facts: &Facts<'_>) -> bool {
    let own = facts.inventory.header.tenant.as_str();
    entry.tenant.as_deref().is_some_and(|tenant| !tenant.eq_ignore_ascii_case(own))
}

fn unread(certificate: &CertificateFacts<'_>, facts: &Facts<'_>) -> Option<(Evidence, Reason)> {
    if let Some(reason) = certificate.certificate.versions.reason() {
        return Some((Evidence::CertificateVersions, reason));
    }
    if facts.inventory.header.is_narrowed_to_applications {
        return Some((Evidence::Applications, Reason::NotAsked));
    }
    let kinds = [Evidence::Applications, Evidence::ServicePrincipals, Evidence::KeyBytes];
    let gap = kinds.into_iter().find_map(|kind| Some((kind, facts.gap(kind)?)));
    let mut thumbprints = certificate.versions.iter().filter_map(|version| version.version.x5t.as_ref());
    gap.or_else(|| thumbprints.find_map(|x5t| Some((Evidence::KeyBytes, facts.unread_label(x5t.as_str())?))))
}
