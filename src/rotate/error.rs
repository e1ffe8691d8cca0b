//! Why a rotation stopped.

use time::OffsetDateTime;

use super::refusal::Refusal;
use crate::detach;
use crate::domain::{CertificateName, ObjectId, Version};
use crate::graph;
use crate::keyvault;
use crate::ledger;
use crate::pki;
use crate::provision;
use crate::sign_in;

/// A rotation that did not get as far as it was asked to. Running it again goes on from what the
/// services show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A service, the ledger or a proof failed, as it may in every command.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// An old key could not be removed.
    #[error(transparent)]
    Detach(#[from] detach::Error),
    /// A safety rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else rotates the same certificate.
    #[error("another rotation of {name} is under way elsewhere (run {run}, until {until} at the latest)")]
    Leased {
        /// The certificate.
        name: CertificateName,
        /// Its run.
        run: String,
        /// When it counts as dead.
        until: OffsetDateTime,
    },
    /// Somebody else has taken the rotation over, or made another version meanwhile.
    #[error("another rotation of {name} has gone on with version {version}, so this one stops")]
    Overtaken {
        /// The certificate.
        name: CertificateName,
        /// The version that is newest now.
        version: Version,
    },
    /// An application trusts the certificate that was not seen before.
    #[error("application {application} has begun to trust this certificate meanwhile, so nothing more is done")]
    Newcomer {
        /// Object id.
        application: ObjectId,
    },
    /// An entry that the decision rests on is gone, or its id is unknown.
    #[error("what the application trusts is no longer what was seen a moment ago, or cannot be told by its keyId")]
    Vanished,
    /// A step that is reported as done shows no effect.
    #[error("it does not stay done, so somebody or something undoes it: {step}")]
    NoProgress {
        /// Which.
        step: &'static str,
    },
    /// The world is no longer the one that the plan was made in.
    #[error("vault or directory are no longer as they were when the plan was made")]
    Stale,
}

macro_rules! through_provision {
    ($($source:ty),*) => {$(
        impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::Provision(error.into())
            }
        }
    )*};
}
through_provision!(keyvault::Error, graph::Error, ledger::Error, sign_in::Error, pki::Error);
