//! KVO308: Defender does not watch the vault.

use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO308",
    name: "vault-defender-off",
    title: "Defender for Key Vault is off",
    group: Group::Vaults,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::SecurityPricings],
    params: &[],
    fix: "az security pricing create --name KeyVaults --tier Standard",
    mitre: &[],
    controls: &["CIS Azure 8.1.8.1", "MCSB LT-1", "Azure Policy 0e6763cc"],
    references: &["https://learn.microsoft.com/azure/defender-for-cloud/defender-for-key-vault-introduction"],
    page: include_str!("../../../../docs/rules/KVO308.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    match vault.vault.is_defended.get() {
        Ok(true) => {}
        Ok(false) => out
            .finding(vault.subject(), "Defender for Key Vault does not watch the vault's subscription")
            .evidence(Evidence::SecurityPricings, "pricings/KeyVaults.pricingTier", "not Standard")
            .report(),
        Err(reason) => {
            out.unknown(vault.subject(), Evidence::SecurityPricings, reason, "whether Defender watches the vault");
        }
    }
}
