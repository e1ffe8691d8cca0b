//! KVO307: nobody would see who signed.

use crate::audit::facts::CertificateFacts;
use crate::audit::facts::VaultFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO307",
    name: "vault-audit-log-off",
    title: "Audit log of a vault is off",
    group: Group::Vaults,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Vaults, Evidence::DiagnosticSettings],
    params: &[],
    fix: r#"az monitor diagnostic-settings create --name audit --resource "$(az keyvault show --name {vault} --query id --output tsv)" --workspace WORKSPACE --logs '[{"category":"AuditEvent","enabled":true}]'"#,
    mitre: &["T1562.008"],
    controls: &["CIS Azure 6.1.1.4", "NIST SP 800-53 AU-2", "NIST SP 800-53 AU-12", "Azure Policy cf820ca0"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/logging"],
    page: include_str!("../../../../docs/rules/KVO307.md"),
    check: Check::Vault(check),
};

fn check(vault: &VaultFacts<'_>, _: &Case<'_>, out: &mut Verdicts<'_>) {
    match vault.vault.is_logged.get() {
        Ok(true) => {}
        Ok(false) => {
            let draft = out.finding(vault.subject(), "no setting sends the vault's audit events anywhere").evidence(
                Evidence::DiagnosticSettings,
                "diagnosticSettings[].logs",
                "no AuditEvent, audit or allLogs",
            );
            if vault.certificates.iter().any(CertificateFacts::is_trusted) {
                draft.report();
            } else {
                draft.severity(Severity::Medium, "no application is known to trust a key there").report();
            }
        }
        Err(reason) => {
            let why = "whether the vault's audit events go anywhere";
            out.unknown(vault.subject(), Evidence::DiagnosticSettings, reason, why);
        }
    }
}
