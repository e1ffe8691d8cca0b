//! KVO301: people and services can read the private key of an application.

use super::access::is_trusted;
use super::access::unless_nobody;
use super::access::with_ways;
use crate::audit::facts::Access;
use crate::audit::facts::CertificateFacts;
use crate::audit::facts::Export;
use crate::audit::facts::Holder;
use crate::audit::facts::PrincipalKind;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;
use crate::inventory::ServicePrincipal;

pub(super) const RULE: Rule = Rule {
    id: "KVO301",
    name: "vault-key-readable",
    title: "Principals can read the private key of an application",
    group: Group::Vaults,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::Certificates,
        Evidence::CertificateVersions,
        Evidence::CertificateDetails,
        Evidence::VaultProperties,
        Evidence::RoleAssignments,
    ],
    params: &["break_glass"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, whose key cannot be read, then take the role or policy away from those who need it no more",
    mitre: &["T1555.006", "T1552.004"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/rbac-guide"],
    page: include_str!("../../../../docs/rules/KVO301.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_trusted(certificate, out) {
        return;
    }
    let trusted = || certificate.versions.iter().filter(|version| version.is_trusted());
    // The secret behind a key that cannot leave the vault holds the certificate only.
    let Some(export) = trusted().map(|version| version.export).max().filter(|export| *export != Export::No) else {
        return;
    };
    let access = case.facts.access(certificate.vault);
    let readers = access.readers(&certificate.certificate.name);
    let certain = readers.certain();
    if certain.is_empty() {
        return unless_nobody(&readers, certificate, out);
    }
    let details = &certificate.certificate.policy;
    if let Some(reason) = details.reason().filter(|_| export == Export::Indeterminate) {
        let why = "whether the private key can leave the vault at all";
        return out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, why);
    }
    let who = counted(certain.len(), "principal");
    let draft = match export {
        Export::Yes => out.finding(certificate.subject(), format!("{who} can read the private key")),
        _ => out.finding(
            certificate.subject(),
            format!("{who} can read the private key, if it can leave the vault, which nothing rules out"),
        ),
    };
    let is_outsider = |way: &&Holder<'_>| way.doubt.is_none() && is_outsider(way, &access, case);
    let draft = match readers.ways.iter().find(is_outsider) {
        Some(way) if export == Export::Yes => {
            let what = if way.kind == PrincipalKind::User { "a person" } else { "an application of another tenant" };
            draft.severity(Severity::Critical, &format!("{what} can read a key that can leave the vault"))
        }
        _ => draft,
    };
    with_ways(draft, &readers).report();
}

/// A person who is not let in for emergencies, or an application of another tenant.
fn is_outsider(way: &Holder<'_>, access: &Access<'_>, case: &Case<'_>) -> bool {
    match way.kind {
        PrincipalKind::User => !case.params.break_glass.contains(&way.principal),
        PrincipalKind::ServicePrincipal => {
            access.service(way.principal).is_some_and(|service| is_foreign(service, case))
        }
        PrincipalKind::Group | PrincipalKind::Unknown => false,
    }
}

fn is_foreign(service: &ServicePrincipal, case: &Case<'_>) -> bool {
    let tenant = case.facts.inventory.header.tenant.as_str();
    let is_managed = service.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("ManagedIdentity"));
    let first_party = &case.facts.data.first_party.tenants;
    !is_managed
        && service
            .owner_tenant
            .is_some_and(|owner| !owner.to_string().eq_ignore_ascii_case(tenant) && !first_party.contains_key(&owner))
}
