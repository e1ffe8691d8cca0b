//! KVO202: nobody can tell whether the private key can be read out.

use super::scope::{has_versions, undecided};
use crate::audit::facts::{CertificateFacts, Export, Grade, Tier, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO202",
    name: "cert-key-unproven",
    title: "Exportability of a private key cannot be proven",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails, Evidence::History],
    params: &["certificate_scope", "require_ledger"],
    fix: "kvops provision --app APP --vault {vault} --name NEW-NAME, whose policy at birth is on record, then stop trusting this one: kvops detach --app APP --vault {vault} --name NEW-NAME --key KEYID",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO202.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !has_versions(certificate, case, out) {
        return;
    }
    for (index, version) in certificate.versions.iter().enumerate() {
        let is_trusted = version.is_trusted();
        let subject = certificate.subject().part(&version.version.version);
        if let Some(reason) = undecided(certificate, version) {
            // Of old versions that nobody trusts only the list is read, and nothing hangs on them.
            if is_trusted || index == 0 {
                out.unknown(
                    subject,
                    Evidence::CertificateDetails,
                    reason,
                    "policy and key of the version were not read",
                );
            }
        } else if version.export == Export::Indeterminate {
            let draft = out
                .finding(
                    subject,
                    format!("nothing shows whether the private key can leave the vault: {}", version.export_why),
                )
                .evidence(Evidence::CertificateDetails, "policy.attributes.updated", &version.export_why);
            if is_trusted {
                draft.report();
            } else {
                draft.severity(Severity::Info, "no application trusts this version").without_steps().report();
            }
        } else if is_trusted && version.export == Export::No && version.grade == Some(Grade::B) {
            by_dates_only(certificate, version, case, out);
        }
    }
}

/// Dates are no proof against somebody who may edit the policy: too little for the keys of the tenant.
fn by_dates_only(
    certificate: &CertificateFacts<'_>,
    version: &VersionFacts<'_>,
    case: &Case<'_>,
    out: &mut Verdicts<'_>,
) {
    let tiers: Vec<Tier> = version.trusted_by.iter().map(|trust| trust.tier(case.facts)).collect();
    let subject = certificate.subject().part(&version.version.version);
    if case.params.require_ledger || tiers.iter().any(Tier::is_zero) {
        if let Some(reason) = version.version.key.reason() {
            let why = "the key was not read: in an HSM it could not leave the vault";
            return out.unknown(subject, Evidence::CertificateDetails, reason, why);
        }
        out.finding(subject, "only dates show that the private key cannot leave the vault, and no record of its birth")
            .evidence(Evidence::CertificateDetails, "policy.attributes.updated", &version.export_why)
            .without_steps()
            .report();
    } else if let Some(reason) = tiers.iter().find_map(Tier::unread) {
        out.unknown(subject, Evidence::AppRoles, reason, "whether the application can take the whole tenant");
    }
}
