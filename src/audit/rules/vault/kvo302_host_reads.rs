//! KVO302: the workload may read the secret, and only needs to sign.

use uuid::Uuid;

use super::access::is_trusted;
use super::access::with_ways;
use crate::audit::facts::CertificateFacts;
use crate::audit::facts::Export;
use crate::audit::facts::Holder;
use crate::audit::facts::Holders;
use crate::audit::facts::PrincipalKind;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::domain::AppId;
use crate::inventory::Evidence;
use crate::inventory::Reason;

pub(super) const RULE: Rule = Rule {
    id: "KVO302",
    name: "vault-host-reads-secret",
    title: "Workload may read the secret although it only needs to sign",
    group: Group::Vaults,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::Certificates,
        Evidence::CertificateVersions,
        Evidence::VaultProperties,
        Evidence::RoleAssignments,
    ],
    params: &[],
    fix: "give it a role with the data action Microsoft.KeyVault/vaults/keys/sign/action on the key, then take the right to read secrets away",
    mitre: &["T1555.006"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/rbac-guide"],
    page: include_str!("../../../../docs/rules/KVO302.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_trusted(certificate, out) {
        return;
    }
    let access = case.facts.access(certificate.vault);
    let readers = access.readers(&certificate.certificate.name);
    let mut is_some_host_unknown = false;
    for app_id in certificate.trusting.iter().map(|trust| trust.app_id()) {
        let entry = case.facts.manifest.entries.get(&app_id);
        match entry.and_then(|entry| entry.host.as_deref()) {
            Some(host) => known(host, app_id, &readers, certificate, case, out),
            None => is_some_host_unknown = true,
        }
    }
    // Behind a key that cannot leave the vault the secret holds the public half alone: nothing to guess about.
    let may_leave = certificate.versions_in_use().any(|version| version.export != Export::No);
    if is_some_host_unknown && may_leave {
        guessed(&readers, &access.signers(&certificate.certificate.name), certificate, out);
    }
}

fn known(
    host: &str,
    app_id: AppId,
    readers: &Holders<'_>,
    certificate: &CertificateFacts<'_>,
    case: &Case<'_>,
    out: &mut Verdicts<'_>,
) {
    let subject = certificate.subject().part(app_id);
    let Ok(id) = Uuid::try_parse(host.trim()) else {
        return out.unknown(subject, Evidence::RoleAssignments, Reason::Parse, "who the host is: it is named by no id");
    };
    let principal = case.facts.principal(AppId::new(id)).map_or(id, |principal| principal.id.uuid());
    if readers.certain().contains(&principal) {
        let draft = out.finding(subject, "the workload's host may read the secret behind the key that it signs with");
        let ways = readers.ways.iter().filter(|way| way.principal == principal).cloned().collect();
        with_ways(draft, &Holders { ways, missing: Vec::new() }).report();
    } else if let Some(missing) = readers.doubt() {
        out.unknown(subject, missing.evidence, missing.reason, missing.what);
    }
}

/// Without anybody's word for it, whatever signs with the key and is no person may be the host.
fn guessed(readers: &Holders<'_>, signers: &Holders<'_>, certificate: &CertificateFacts<'_>, out: &mut Verdicts<'_>) {
    let signing = signers.certain();
    let is_both = |way: &&Holder<'_>| {
        way.kind == PrincipalKind::ServicePrincipal && way.doubt.is_none() && signing.contains(&way.principal)
    };
    let ways: Vec<_> = readers.ways.iter().filter(is_both).cloned().collect();
    if ways.is_empty() {
        if let Some(missing) = readers.doubt().or(signers.doubt()) {
            out.unknown(certificate.subject(), missing.evidence, missing.reason, missing.what);
        }
        return;
    }
    let found = Holders { ways, missing: Vec::new() };
    let who = counted(found.certain().len(), "service principal");
    let draft = out
        .finding(certificate.subject(), format!("{who} may sign with the key, and read its secret too"))
        .severity(Severity::Info, "nobody wrote down whether that is the workload's host")
        .without_steps();
    with_ways(draft, &found).report();
}
