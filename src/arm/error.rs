//! What can go wrong in the management plane.

use crate::http;
use crate::http::{Operation, StatusCode};

/// A call of Resource Manager or Resource Graph that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The identity has no role that permits it.
    #[error("{operation} needs the Azure role {role}")]
    MissingRole {
        /// What was tried.
        operation: &'static str,
        /// The least built-in role that suffices.
        role: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// Anything else; the answer tells.
    #[error("{operation} failed")]
    Call {
        /// What was tried.
        operation: &'static str,
        /// The service's answer, or the lack of one.
        #[source]
        source: http::Error,
    },
    /// Resource Graph gave a part of the rows and says that there are more, without saying where.
    #[error("{operation} failed: Resource Graph cut its answer short")]
    CutShort {
        /// What was tried.
        operation: &'static str,
    },
}

/// Puts a name to what the service answered.
pub(super) fn failed(operation: &Operation, source: http::Error) -> Error {
    let (operation, role) = (operation.name, operation.permission);
    match source.status() {
        Some(StatusCode::FORBIDDEN) => Error::MissingRole { operation, role, source },
        _ => Error::Call { operation, source },
    }
}

impl Error {
    /// The exchange behind the error, if it was one exchange.
    pub fn http(&self) -> Option<&http::Error> {
        match self {
            Self::MissingRole { source, .. } | Self::Call { source, .. } => Some(source),
            Self::CutShort { .. } => None,
        }
    }
}
