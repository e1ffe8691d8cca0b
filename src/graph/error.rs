//! What can go wrong in the directory, told apart by status and codes.

use std::time::Duration;

use crate::domain::{AppId, ObjectId, printable};
use crate::http;
use crate::http::{Operation, StatusCode};

/// A call of Graph that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing fits what was given.
    #[error("no application has the object id, the client id or the name `{}`", printable(reference))]
    NoSuchApplication {
        /// What was given.
        reference: String,
    },
    /// A name that several applications have.
    #[error("{} applications have the name `{}`", candidates.len(), printable(name))]
    Ambiguous {
        /// The name.
        name: String,
        /// All that have it.
        candidates: Vec<Candidate>,
    },
    /// What was to be read or changed is not there, or not yet: reads lag behind writes.
    #[error("{operation} failed: there is no such object, or not yet")]
    NotFound {
        /// What was tried.
        operation: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The identity lacks a permission.
    #[error("{operation} needs the Graph permission {permission}")]
    MissingPermission {
        /// What was tried.
        operation: &'static str,
        /// The least permission that suffices.
        permission: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// An app management policy of the tenant forbids it.
    #[error("{operation} was refused by an app management policy of the tenant: {code}")]
    PolicyRefusal {
        /// What was tried.
        operation: &'static str,
        /// Such as `CredentialInvalidLifetimeAsPerAppPolicy`.
        code: String,
        /// What of it, such as `EndDate`.
        target: Option<String>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The credential would be valid at a time that its certificate is not.
    #[error("{operation} was refused: the directory does not accept the credential's dates")]
    InvalidDates {
        /// What was tried.
        operation: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The proof of possession was not accepted. The service words it as if the token were missing.
    #[error("{operation} was refused: the proof of possession was not accepted")]
    ProofRefused {
        /// What was tried.
        operation: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// Somebody else wrote to the tenant at the same moment: read again, then write again.
    #[error("{operation} collided with another change in the tenant")]
    Concurrency {
        /// What was tried.
        operation: &'static str,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The directory asked for less, for longer than we may wait, or in the middle of a change.
    #[error("{operation} failed: Microsoft Graph is throttling")]
    Throttled {
        /// What was tried.
        operation: &'static str,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
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
}

/// One of several applications with the same name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text.
    pub display_name: String,
}

/// Puts a name to what the service answered.
pub(super) fn failed(operation: &Operation, source: http::Error) -> Error {
    let (name, permission) = (operation.name, operation.permission);
    let Some(status) = source.status() else { return Error::Call { operation: name, source } };
    let code = source.code().unwrap_or_default().to_owned();
    match (status, code.as_str()) {
        // 409 since 2026, 503 before.
        (_, "Directory_ConcurrencyViolation") => Error::Concurrency { operation: name, source },
        (StatusCode::FORBIDDEN, _) => Error::MissingPermission { operation: name, permission, source },
        (StatusCode::NOT_FOUND, _) => Error::NotFound { operation: name, source },
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            Error::Throttled { operation: name, retry_after: source.retry_after(), source }
        }
        (StatusCode::BAD_REQUEST, code) if code.ends_with("AsPerAppPolicy") => {
            let target = source.failure().and_then(|failure| failure.details.first()?.target.clone());
            Error::PolicyRefusal { operation: name, code: code.to_owned(), target, source }
        }
        (StatusCode::BAD_REQUEST, "KeyCredentialsInvalidEndDate" | "KeyCredentialsInvalidStartDate") => {
            Error::InvalidDates { operation: name, source }
        }
        _ => Error::Call { operation: name, source },
    }
}

/// The same for calls that carry a proof: Graph says that the token is missing when it means the proof.
pub(super) fn proof_failed(error: Error) -> Error {
    match error {
        Error::Call { operation, source } if source.code() == Some("Authentication_MissingOrMalformed") => {
            Error::ProofRefused { operation, source }
        }
        other => other,
    }
}

impl Error {
    /// The exchange behind the error, if there was one.
    pub fn http(&self) -> Option<&http::Error> {
        match self {
            Self::NotFound { source, .. }
            | Self::MissingPermission { source, .. }
            | Self::PolicyRefusal { source, .. }
            | Self::InvalidDates { source, .. }
            | Self::ProofRefused { source, .. }
            | Self::Concurrency { source, .. }
            | Self::Throttled { source, .. }
            | Self::Call { source, .. } => Some(source),
            Self::NoSuchApplication { .. } | Self::Ambiguous { .. } => None,
        }
    }

    /// Whether what was looked for does not exist, or not yet.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NoSuchApplication { .. })
    }

    /// Whether the same may succeed later without anybody changing anything. A write is built anew
    /// from a new reading first.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Concurrency { .. }) || self.http().is_some_and(http::Error::is_transient)
    }
}
