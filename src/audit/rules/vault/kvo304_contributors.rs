//! KVO304: whoever may write the vault can let himself in.

use super::access::properties;
use super::access::with_ways;
use crate::audit::facts::Act;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO304",
    name: "vault-self-granted-access",
    title: "Contributor can grant himself access to the vault",
    group: Group::Vaults,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::VaultProperties, Evidence::RoleAssignments],
    params: &[],
    fix: "give everybody the role that is equal to the access policy, then az keyvault update --name {vault} --enable-rbac-authorization true",
    mitre: &["T1098.003"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &[
        "https://learn.microsoft.com/azure/key-vault/general/rbac-guide",
        "https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security",
    ],
    page: include_str!("../../../../docs/rules/KVO304.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let Some(properties) = properties(vault, out, "whether roles or access policies decide") else { return };
    if properties.rbac == Some(true) {
        return;
    }
    let access = case.facts.access(vault.vault);
    // Owners give access in every vault: here it is about those who should not be able to.
    let owners = access.holders(Act::AssignRoles, None).certain();
    let mut writers = access.holders(Act::ChangeVault, None);
    writers.ways.retain(|way| !owners.contains(&way.principal));
    let certain = writers.certain();
    if certain.is_empty() {
        if let Some(missing) = writers.doubt() {
            out.unknown(vault.subject(), missing.evidence, missing.reason, missing.what);
        }
        return;
    }
    let who = counted(certain.len(), "principal");
    let own = verb(certain.len(), "itself", "themselves");
    let draft = out.finding(
        vault.subject(),
        format!("{who} can write the vault's access policies, and so give {own} any of them"),
    );
    with_ways(draft, &writers).report();
}
