//! KVO305: what is deleted can be lost for good.

use super::access::properties;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO305",
    name: "vault-deletion-unprotected",
    title: "Soft delete or purge protection is off",
    group: Group::Vaults,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::VaultProperties],
    params: &[],
    fix: "az keyvault update --name {vault} --enable-purge-protection true (it cannot be turned off again)",
    mitre: &["T1485"],
    controls: &["CIS Azure 8.3.5", "NIST SP 800-53 CP-9", "Azure Policy 0b60c0b2", "Azure Policy 1e66c121"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview"],
    page: include_str!("../../../../docs/rules/KVO305.md"),
    check: Check::Vault(check),
};

/// The least that Azure accepts.
const MIN_DAYS: u32 = 7;

fn check(vault: &VaultFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(properties) = properties(vault, out, "whether what is deleted can be recovered") else { return };
    let purge = properties.purge_protection == Some(true);
    let message = match (properties.soft_delete, properties.soft_delete_days) {
        (Some(false), _) => "what is deleted is gone at once: soft delete is off".to_owned(),
        (_, Some(days)) if days < MIN_DAYS => format!("what is deleted can be recovered for {days} days only"),
        _ if !purge => "what is deleted can be purged before its time: purge protection is off".to_owned(),
        _ => return,
    };
    let shown = |value: Option<bool>| value.map_or("absent".to_owned(), |value| value.to_string());
    out.finding(vault.subject(), message)
        .evidence(Evidence::VaultProperties, "enablePurgeProtection", shown(properties.purge_protection))
        .evidence(Evidence::VaultProperties, "enableSoftDelete", shown(properties.soft_delete))
        .report();
}
