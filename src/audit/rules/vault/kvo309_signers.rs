//! KVO309: too many can sign in as the application.

use super::access::is_trusted;
use super::access::unless_nobody;
use super::access::with_ways;
use crate::audit::facts::CertificateFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO309",
    name: "vault-too-many-signers",
    title: "Too many principals can sign with the key of an application",
    group: Group::Vaults,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[
        Evidence::Certificates,
        Evidence::CertificateVersions,
        Evidence::VaultProperties,
        Evidence::RoleAssignments,
    ],
    params: &["max_signers"],
    fix: "kvops audit --who-can-become APP, which shows them all; assign the role on the key in place of the vault or what is above it",
    mitre: &["T1098.001", "T1550.001"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/rbac-guide"],
    page: include_str!("../../../../docs/rules/KVO309.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_trusted(certificate, out) {
        return;
    }
    let max = case.params.max_signers as usize;
    let signers = case.facts.access(certificate.vault).signers(&certificate.certificate.name);
    let count = signers.certain().len();
    if count > max {
        let who = counted(count, "principal");
        let draft = out.finding(certificate.subject(), format!("{who} can sign with the key, past the limit of {max}"));
        let app = certificate.trusting.first().map(|trust| trust.app_id());
        let draft = match app {
            Some(app) => draft.fix(format!(
                "kvops audit --who-can-become {app}, which shows them all; assign the role on the key in place of the vault or what is above it"
            )),
            None => draft,
        };
        with_ways(draft, &signers).report();
    } else if !signers.missing.is_empty() || signers.possible().len() > max {
        unless_nobody(&signers, certificate, out);
    }
}
