//! What the rules about certificates share: which ones they look at, and what an unread part means.

use crate::audit::facts::{CertificateFacts, Export, VersionFacts};
use crate::audit::params::CertificateScope;
use crate::audit::rule::Case;
use crate::audit::verdict::Draft;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Policy, Reason};

/// Whether a certificate is one that the rules look at.
pub(super) fn is_in_scope(certificate: &CertificateFacts<'_>, case: &Case<'_>) -> bool {
    certificate.is_app_credential || case.params.certificate_scope == CertificateScope::All
}

/// Whether there are versions to look at; if they should be there and were not read, that is unknown.
pub(super) fn has_versions(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) -> bool {
    if !is_in_scope(certificate, case) {
        return false;
    }
    if let Some(reason) = certificate.certificate.versions.reason() {
        out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, "its versions were not read");
    }
    !certificate.versions.is_empty()
}

/// The policy to look at; if it should be there and was not read, that is unknown.
pub(super) fn policy<'a>(
    certificate: &CertificateFacts<'a>,
    case: &Case<'_>,
    out: &mut Verdicts<'_>,
    why: &str,
) -> Option<&'a Policy> {
    if !is_in_scope(certificate, case) {
        return None;
    }
    match certificate.certificate.policy.get() {
        Ok(policy) => Some(policy),
        Err(reason) => {
            out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, why);
            None
        }
    }
}

/// Why it cannot be told whether the key of a version can leave the vault; `None` when all was read
/// that there is to read, even if it does not tell.
pub(super) fn undecided(certificate: &CertificateFacts<'_>, version: &VersionFacts<'_>) -> Option<Reason> {
    let is_open = version.export == Export::Indeterminate;
    certificate.certificate.policy.reason().or(version.version.key.reason()).filter(|_| is_open)
}

/// A key that nobody trusts opens nothing yet.
pub(super) fn weighed<'v, 'a>(draft: Draft<'v, 'a>, is_trusted: bool) -> Draft<'v, 'a> {
    if is_trusted { draft } else { draft.lowered("no application trusts it") }
}
