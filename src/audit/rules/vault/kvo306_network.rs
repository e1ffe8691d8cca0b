//! KVO306: the vault answers everybody.

use super::access::properties;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO306",
    name: "vault-network-open",
    title: "Vault can be reached from everywhere",
    group: Group::Vaults,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::VaultProperties],
    params: &["allow_public_network"],
    fix: "az keyvault network-rule add --name {vault} --ip-address RANGE for each network that signs, then az keyvault update --name {vault} --default-action Deny",
    mitre: &["T1190"],
    controls: &[
        "CIS Azure 8.3.7",
        "CIS Azure 8.3.8",
        "NIST SP 800-53 SC-7",
        "Azure Policy 405c5871",
        "Azure Policy 55615ac9",
    ],
    references: &["https://learn.microsoft.com/azure/key-vault/general/network-security"],
    page: include_str!("../../../../docs/rules/KVO306.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if case.params.allow_public_network {
        return;
    }
    let Some(properties) = properties(vault, out, "from where the vault can be reached") else { return };
    let is = |text: &Option<Box<str>>, word: &str| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
    let access = &properties.public_network_access;
    let is_closed = is(access, "Disabled") || is(access, "SecuredByPerimeter");
    if is_closed || is(&properties.network_default_action, "Deny") {
        return;
    }
    out.finding(vault.subject(), "the vault answers requests from every network")
        .evidence(Evidence::VaultProperties, "publicNetworkAccess", access.as_deref().unwrap_or("absent"))
        .evidence(
            Evidence::VaultProperties,
            "networkAcls.defaultAction",
            properties.network_default_action.as_deref().unwrap_or("absent"),
        )
        .report();
}
