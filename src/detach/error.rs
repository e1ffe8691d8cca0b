//! Why a credential is still there.

use super::refusal::Refusal;
use crate::domain::{CredentialId, ObjectId};
use crate::graph;
use crate::ledger;
use crate::pki;
use crate::provision;

/// A removal that did not succeed. Running the command again goes on from what the directory shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A service, the ledger or a proof failed, as it may in every command.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// A safety rule says no.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The service says that it is done, and the entry is still there.
    #[error("credential {key_id} is still on {holder}, although the directory confirmed its removal {times} times")]
    StillThere {
        /// The entry.
        key_id: CredentialId,
        /// Object id of the application or service principal.
        holder: ObjectId,
        /// How often it was removed.
        times: u32,
    },
}

impl From<graph::Error> for Error {
    fn from(error: graph::Error) -> Self {
        Self::Provision(error.into())
    }
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        Self::Provision(error.into())
    }
}

impl From<pki::Error> for Error {
    fn from(error: pki::Error) -> Self {
        Self::Provision(error.into())
    }
}
