//! What the rules about vaults share: evidence of who may what, and what an unread part means.

use crate::audit::facts::{By, CertificateFacts, Holders, PrincipalKind, VaultFacts};
use crate::audit::verdict::{Draft, Verdicts};
use crate::audit::wording::counted;
use crate::inventory::{Evidence, VaultProperties};

/// How many ways are shown as evidence; the others are counted.
const SHOWN: usize = 10;

/// What Azure says of a vault; if it was not read, that is unknown.
pub(super) fn properties<'a>(vault: &VaultFacts<'a>, out: &mut Verdicts<'_>, why: &str) -> Option<&'a VaultProperties> {
    match vault.vault.properties.get() {
        Ok(properties) => Some(properties),
        Err(reason) => {
            out.unknown(vault.subject(), Evidence::VaultProperties, reason, why);
            None
        }
    }
}

/// Whether an application trusts a version of a certificate that was read; where one may and its
/// versions were not read, that is unknown.
pub(super) fn is_trusted(certificate: &CertificateFacts<'_>, out: &mut Verdicts<'_>) -> bool {
    if !certificate.is_app_credential {
        return false;
    }
    if let Some(reason) = certificate.certificate.versions.reason() {
        let why = "which of its versions an application trusts";
        out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, why);
        return false;
    }
    certificate.is_trusted()
}

/// Nothing to say when everybody is known, and unknown otherwise.
pub(super) fn unless_nobody(holders: &Holders<'_>, certificate: &CertificateFacts<'_>, out: &mut Verdicts<'_>) {
    if let Some(missing) = holders.doubt() {
        out.unknown(certificate.subject(), missing.evidence, missing.reason, missing.what);
    }
}

/// Adds who may, and by what; the members of a group are one line.
pub(super) fn with_ways<'v, 'a>(mut draft: Draft<'v, 'a>, holders: &Holders<'_>) -> Draft<'v, 'a> {
    let mut lines: Vec<(Evidence, String, String, usize)> = Vec::new();
    for way in &holders.ways {
        let evidence = match way.by {
            By::Role { .. } => Evidence::RoleAssignments,
            By::AccessPolicy => Evidence::VaultProperties,
        };
        let field = match (way.group, way.kind) {
            (Some(group), _) => format!("members of group {group}"),
            (None, PrincipalKind::User) => format!("user {}", way.principal),
            (None, PrincipalKind::Group) => format!("group {}, of unread members", way.principal),
            (None, PrincipalKind::ServicePrincipal) => format!("service principal {}", way.principal),
            (None, PrincipalKind::Unknown) => format!("principal {}", way.principal),
        };
        let doubt = if way.doubt.is_some() { ", perhaps" } else { "" };
        let value = format!("{}{doubt}", way.by.describe());
        match lines.iter_mut().find(|line| line.1 == field && line.2 == value) {
            Some(line) => line.3 += 1,
            None => lines.push((evidence, field, value, 1)),
        }
    }
    let more = lines.len().saturating_sub(SHOWN);
    for (evidence, field, value, count) in lines.into_iter().take(SHOWN) {
        let field = if count > 1 { format!("{count} {field}") } else { field };
        draft = draft.evidence(evidence, field, value);
    }
    if more > 0 {
        draft = draft.evidence(Evidence::RoleAssignments, "and more", counted(more, "other"));
    }
    draft
}
