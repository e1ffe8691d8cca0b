//! Why a registration or a policy is as it was.

use crate::domain::{CertificateName, ObjectId};
use crate::graph;
use crate::keyvault;
use crate::ledger;
use crate::provision;

/// A change that did not succeed. Running the command again goes on from what the services show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A service or the ledger failed, as it may in every command.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// What the plan rests on is no longer so.
    #[error("{what} of {holder} has changed since it was looked at")]
    Changed {
        /// Which member.
        what: String,
        /// Object id of the application.
        holder: ObjectId,
    },
    /// It was written, and the old value is still there.
    #[error("{what} of {holder} is still as it was, although the directory confirmed the change {times} times")]
    StillThere {
        /// Which member.
        what: String,
        /// Object id of the application.
        holder: ObjectId,
        /// How often it was written.
        times: u32,
    },
    /// The vault took the policy and shows another.
    #[error("the policy of certificate {name} is not as it was written: {gaps}")]
    PolicyNotAsWritten {
        /// The certificate.
        name: CertificateName,
        /// How it falls short.
        gaps: String,
    },
}

impl From<graph::Error> for Error {
    fn from(error: graph::Error) -> Self {
        Self::Provision(error.into())
    }
}

impl From<keyvault::Error> for Error {
    fn from(error: keyvault::Error) -> Self {
        Self::Provision(error.into())
    }
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        Self::Provision(error.into())
    }
}
