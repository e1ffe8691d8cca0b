//! KVO303: the vault uses access policies.

use super::access::properties;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO303",
    name: "vault-access-policies",
    title: "Vault uses access policies",
    group: Group::Vaults,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::VaultProperties],
    params: &[],
    fix: "give everybody the role that is equal to the access policy, then az keyvault update --name {vault} --enable-rbac-authorization true",
    mitre: &["T1098.003"],
    controls: &["CIS Azure 8.3.6", "NIST SP 800-53 AC-3", "Azure Policy 12d4fa5e"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/rbac-access-policy"],
    page: include_str!("../../../../docs/rules/KVO303.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(properties) = properties(vault, out, "whether roles or access policies decide") else { return };
    // A vault that does not say it is one from before there were roles.
    if properties.rbac == Some(true) {
        return;
    }
    let count = properties.access_policies.len();
    let said = properties.rbac.map_or("absent".to_owned(), |rbac| rbac.to_string());
    out.finding(vault.subject(), format!("access policies decide who may do what, and there are {count}"))
        .evidence(Evidence::VaultProperties, "enableRbacAuthorization", said)
        .report();
}
