//! KVO310: one vault holds keys of unlike applications.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::facts::CertificateFacts;
use crate::audit::facts::Tier;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO310",
    name: "vault-mixes-tiers",
    title: "Vault mixes tiers or environments",
    group: Group::Vaults,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::Certificates, Evidence::CertificateVersions, Evidence::AppRoles],
    params: &[],
    fix: "kvops provision --app APP --vault OTHER --name NAME, in a vault of its own for each tier and environment",
    mitre: &["T1078.004"],
    controls: &["NIST SP 800-53 AC-4", "NIST SP 800-53 SC-2"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/secure-key-vault"],
    page: include_str!("../../../../docs/rules/KVO310.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if let Some(reason) = vault.vault.certificates.reason() {
        let why = "which applications trust keys in the vault";
        return out.unknown(vault.subject(), Evidence::Certificates, reason, why);
    }
    let (mut tiers, mut environments) = (BTreeMap::new(), BTreeSet::new());
    for certificate in &vault.certificates {
        for app_id in certificate.trusting.iter().map(|trust| trust.app_id()) {
            tiers.insert(app_id, case.facts.tier(app_id));
            environments.extend(case.facts.environment(app_id).or_else(|| environment_tag(certificate)));
        }
    }
    let zero = tiers.values().filter(|tier| tier.is_zero()).count();
    let other = tiers.values().filter(|tier| **tier == Tier::Other).count();
    let message = match (zero > 0 && other > 0, environments.len()) {
        (true, 0 | 1) => {
            format!("keys of applications that can take the whole tenant ({zero}) lie beside those of others ({other})")
        }
        (false, 0 | 1) => return unread(vault, tiers.values(), out),
        (false, count) => format!("keys of {count} environments lie in one vault"),
        (true, count) => format!(
            "keys of {count} environments, and of applications with and without power over the tenant, lie in one vault"
        ),
    };
    let mut draft = out.finding(vault.subject(), message);
    for (app_id, tier) in &tiers {
        let power = match tier {
            Tier::Zero { by } => format!("tier 0 by {by}"),
            Tier::Other => "other".to_owned(),
            Tier::Unknown { reason } => format!("not known ({reason})"),
        };
        draft = draft.evidence(Evidence::AppRoles, format!("tier of {app_id}"), power);
    }
    for environment in environments {
        draft = draft.evidence(Evidence::CertificateVersions, "environment", environment);
    }
    draft.report();
}

fn environment_tag(certificate: &CertificateFacts<'_>) -> Option<String> {
    let mut tags = certificate.certificate.tags.iter();
    let tag = tags.find(|(name, _)| ["env", "environment"].iter().any(|known| name.eq_ignore_ascii_case(known)));
    tag.map(|(_, value)| value.trim().to_lowercase())
}

fn unread<'t>(vault: &VaultFacts<'_>, mut tiers: impl ExactSizeIterator<Item = &'t Tier>, out: &mut Verdicts<'_>) {
    let is_alone = tiers.len() < 2;
    let hidden = vault.certificates.iter().filter(|certificate| certificate.is_app_credential);
    if let Some(reason) = hidden.filter_map(|certificate| certificate.certificate.versions.reason()).next() {
        let why = "which applications trust versions of a certificate";
        out.unknown(vault.subject(), Evidence::CertificateVersions, reason, why);
    } else if let Some(reason) = tiers.find_map(Tier::unread).filter(|_| !is_alone) {
        let why = "which of the applications can take the whole tenant";
        out.unknown(vault.subject(), Evidence::AppRoles, reason, why);
    }
}
