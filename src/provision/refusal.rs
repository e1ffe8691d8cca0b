//! The safety rules' ways of saying no.

use time::OffsetDateTime;

use super::rules::Gap;
use crate::domain::{CertificateName, CertificateOperation, DeletedCertificate, KeyUrl, Vault};

/// Why nothing was done, although everything could be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name belongs to a deleted certificate.
    #[error("the name {} in vault {} belongs to a deleted certificate{}", deleted.name, vault.name(), purge_date(deleted))]
    SoftDeleted {
        /// The vault.
        vault: Vault,
        /// What holds the name.
        deleted: DeletedCertificate,
    },
    /// The deleted certificate may not be purged.
    #[error("vault {} is protected against purging, so the name {} stays taken{}", vault.name(), deleted.name, purge_date(deleted))]
    PurgeProtected {
        /// The vault.
        vault: Vault,
        /// What holds the name.
        deleted: DeletedCertificate,
    },
    /// A version is in the making that kvops did not start for this application.
    #[error("certificate {name} in vault {} is already in the making{}", vault.name(), pending_details(operation))]
    Pending {
        /// The vault.
        vault: Vault,
        /// The name.
        name: CertificateName,
        /// What is going on.
        operation: Box<CertificateOperation>,
        /// Whether it waits for a certificate from an own CA.
        waits_for_merge: bool,
    },
    /// The certificate is weaker than it must be.
    #[error("certificate version {version} is not hardened: {}", listed(gaps))]
    NotHardened {
        /// The version.
        version: KeyUrl,
        /// How it falls short.
        gaps: Vec<Gap>,
    },
    /// A hardened certificate that is not the one asked for.
    #[error("certificate version {version} is there, and it is not the one asked for: {}", listed(differences))]
    Drifted {
        /// The version.
        version: KeyUrl,
        /// How it differs.
        differences: Vec<Gap>,
    },
    /// A good certificate that kvops did not make for this application.
    #[error("certificate version {version} was not made for this application{}", made_for.as_ref().map(|id| format!(" but for {id}")).unwrap_or_default())]
    NotOurs {
        /// The version.
        version: KeyUrl,
        /// Object id of the application it was made for, if it is tagged.
        made_for: Option<String>,
    },
    /// Somebody has disabled the version.
    #[error("certificate version {version} is disabled")]
    Disabled {
        /// The version.
        version: KeyUrl,
    },
    /// The tenant allows less.
    #[error("policy {policy} allows certificates of {longest} at the longest, and this one would be valid from {} to {}", not_before.date(), not_after.date())]
    Lifetime {
        /// Name of the policy.
        policy: String,
        /// Its duration as written.
        longest: String,
        /// Start of the certificate's validity.
        not_before: OffsetDateTime,
        /// End of it.
        not_after: OffsetDateTime,
        /// Whole months that a new certificate may have; 0 when none fit, or none is to be made.
        allowed_months: u32,
    },
    /// The stored policy, which makes the pending version, is weaker than it must be.
    #[error("the policy that makes the pending version of {name} in vault {} is not hardened: {}", vault.name(), listed(gaps))]
    PolicyNotHardened {
        /// The vault.
        vault: Vault,
        /// The name.
        name: CertificateName,
        /// How it falls short.
        gaps: Vec<Gap>,
    },
    /// A certificate in a file is weaker than it must be.
    #[error("this certificate is not hardened: {}", listed(gaps))]
    CertificateNotHardened {
        /// How it falls short.
        gaps: Vec<Gap>,
    },
    /// A certificate in a file is of no use any more.
    #[error("this certificate expired on {}", at.date())]
    Expired {
        /// When.
        at: OffsetDateTime,
    },
    /// There is no request that a certificate of an own CA could complete, or that could be handed out.
    #[error("certificate {name} in vault {} has no request that waits for a certificate", vault.name())]
    NoRequest {
        /// The vault.
        vault: Vault,
        /// The name.
        name: CertificateName,
    },
    /// Only attaching was asked for, and there is nothing to attach.
    #[error("vault {} has no certificate {name} that could be attached", vault.name())]
    NothingToAttach {
        /// The vault.
        vault: Vault,
        /// The name.
        name: CertificateName,
    },
    /// What was made is not what was asked for.
    #[error("the certificate that the vault made is not the one that was asked for: {}", listed(gaps))]
    NotAsAsked {
        /// The version.
        version: KeyUrl,
        /// How it differs.
        gaps: Vec<Gap>,
    },
}

fn listed(gaps: &[Gap]) -> String {
    gaps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn purge_date(deleted: &DeletedCertificate) -> String {
    deleted.purge_at.map(|at| format!(" until {}, when it will be purged", at.date())).unwrap_or_default()
}

fn pending_details(operation: &CertificateOperation) -> String {
    operation.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default()
}
