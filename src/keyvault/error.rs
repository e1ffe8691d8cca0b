//! What can go wrong in a vault, told apart by status and codes, never by text.

use std::fmt;
use std::time::Duration;

use super::right::{Right, right_for};
use crate::domain::{CertificateName, KeyUrl, Vault};
use crate::http;
use crate::http::{Operation, StatusCode};

/// A call of Key Vault that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing of that name, or no such version.
    #[error("{operation} failed: there is no {object} in {vault}")]
    NotFound {
        /// What was tried.
        operation: &'static str,
        /// What was looked for.
        object: String,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The name is taken by a certificate in soft-delete, which can be recovered or purged.
    #[error("{operation} failed: {name} in {vault} is deleted but recoverable, and so its name is taken")]
    DeletedButRecoverable {
        /// What was tried.
        operation: &'static str,
        /// The name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// A deletion is still going on; after it the name is taken by what was deleted.
    #[error("{operation} failed: {name} in {vault} is being deleted")]
    BeingDeleted {
        /// What was tried.
        operation: &'static str,
        /// The name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// Another creation of that name is going on.
    #[error("{operation} failed: another operation on {name} in {vault} is pending")]
    PendingExists {
        /// What was tried.
        operation: &'static str,
        /// The name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// A conflict without a code that says which: two operations at once, or the name of a key.
    #[error("{operation} failed: {name} in {vault} is in use by something else")]
    Conflict {
        /// What was tried.
        operation: &'static str,
        /// The name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The identity lacks a right.
    #[error("{operation} in {vault} needs {missing}")]
    MissingPermission {
        /// What was tried.
        operation: &'static str,
        /// Where.
        vault: Box<Vault>,
        /// The right that is lacking, in the vault's own language where it is known.
        missing: MissingRight,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The vault does not talk to this address.
    #[error("{vault} does not accept requests from this network")]
    Firewall {
        /// What was tried.
        operation: &'static str,
        /// Where.
        vault: Box<Vault>,
        /// Whether only private endpoints are let in.
        private_only: bool,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The certificate and its key are disabled.
    #[error("{operation} failed: {object} in {vault} is disabled")]
    Disabled {
        /// What was tried.
        operation: &'static str,
        /// What is disabled.
        object: String,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The vault asked for less, for longer than we may wait.
    #[error("{operation} failed: {vault} is throttling")]
    Throttled {
        /// What was tried.
        operation: &'static str,
        /// Where.
        vault: Box<Vault>,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// The answer is about another key or version than the one that was asked for.
    #[error("{asked} was asked for, and the vault answered for {answered}")]
    ForeignKid {
        /// What was asked for.
        asked: String,
        /// What the answer names.
        answered: String,
    },
    /// Anything else; the answer tells.
    #[error("{operation} in {vault} failed")]
    Call {
        /// What was tried.
        operation: &'static str,
        /// Where.
        vault: Box<Vault>,
        /// The service's answer, or the lack of one.
        #[source]
        source: http::Error,
    },
}

/// A right that is lacking, and the mode of the vault as far as the refusal tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MissingRight {
    /// Which language the vault speaks.
    pub mode: AccessMode,
    /// The right in both.
    pub right: &'static Right,
}

/// How a vault decides who may do what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccessMode {
    /// Role assignments.
    Rbac,
    /// Access policies.
    AccessPolicy,
    /// The refusal did not say.
    Unknown,
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Right { policy, action, role } = *self.right;
        match self.mode {
            AccessMode::Rbac => write!(f, "the data action {action}, which the role {role} grants"),
            AccessMode::AccessPolicy => write!(f, "the permission \"{policy}\" in the vault's access policies"),
            AccessMode::Unknown => {
                write!(f, "the data action {action} (role {role}) or the access policy permission \"{policy}\"")
            }
        }
    }
}

/// What a call was about, for its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) operation: &'a Operation,
    pub(super) vault: &'a Vault,
    pub(super) name: Option<&'a CertificateName>,
    /// Such as `certificate billing`, or one of its versions.
    pub(super) object: &'a str,
}

impl About<'_> {
    /// Puts a name to what the service answered.
    pub(super) fn failed(&self, source: http::Error) -> Error {
        let (operation, vault) = (self.operation.name, Box::new(self.vault.clone()));
        let Some(status) = source.status() else {
            return Error::Call { operation, vault, source };
        };
        let (code, inner) = (source.code().unwrap_or_default(), source.inner_code().unwrap_or_default());
        let object = self.object.to_owned();
        match (status, inner, self.name.cloned()) {
            (StatusCode::NOT_FOUND, ..) if code == "CertificateIssuerNotFound" => {
                Error::NotFound { operation, object: "issuer of that name".to_owned(), vault, source }
            }
            (StatusCode::NOT_FOUND, ..) => Error::NotFound { operation, object, vault, source },
            (StatusCode::TOO_MANY_REQUESTS, ..) => {
                Error::Throttled { operation, vault, retry_after: source.retry_after(), source }
            }
            (StatusCode::CONFLICT, "ObjectIsDeletedButRecoverable", Some(name)) => {
                Error::DeletedButRecoverable { operation, name, vault, source }
            }
            (StatusCode::CONFLICT, "ObjectIsBeingDeleted", Some(name)) => {
                Error::BeingDeleted { operation, name, vault, source }
            }
            // The documented body of a creation while another is in progress says Forbidden.
            (StatusCode::CONFLICT, _, Some(name)) if code == "Forbidden" => {
                Error::PendingExists { operation, name, vault, source }
            }
            (StatusCode::CONFLICT, _, Some(name)) => Error::Conflict { operation, name, vault, source },
            (StatusCode::FORBIDDEN, "ForbiddenByFirewall", _) => {
                Error::Firewall { operation, vault, private_only: false, source }
            }
            (StatusCode::FORBIDDEN, "ForbiddenByConnection", _) => {
                Error::Firewall { operation, vault, private_only: true, source }
            }
            (StatusCode::FORBIDDEN, "KeyDisabled" | "SecretDisabled" | "CertificateDisabled", _) => {
                Error::Disabled { operation, object, vault, source }
            }
            (StatusCode::FORBIDDEN, "ForbiddenByRbac", _) => self.missing(AccessMode::Rbac, source),
            (StatusCode::FORBIDDEN, "ForbiddenByPolicy", _) => self.missing(AccessMode::AccessPolicy, source),
            (StatusCode::FORBIDDEN, "", _) => self.missing(AccessMode::Unknown, source),
            _ => Error::Call { operation, vault, source },
        }
    }

    fn missing(&self, mode: AccessMode, source: http::Error) -> Error {
        let (operation, vault) = (self.operation.name, Box::new(self.vault.clone()));
        match right_for(self.operation) {
            Some(right) => Error::MissingPermission { operation, vault, missing: MissingRight { mode, right }, source },
            None => Error::Call { operation, vault, source },
        }
    }
}

impl Error {
    pub(super) fn foreign(asked: &KeyUrl, answered: &str) -> Self {
        Self::ForeignKid { asked: asked.to_string(), answered: crate::domain::printable(answered) }
    }

    /// The exchange behind the error, if there was one.
    pub fn http(&self) -> Option<&http::Error> {
        match self {
            Self::NotFound { source, .. }
            | Self::DeletedButRecoverable { source, .. }
            | Self::BeingDeleted { source, .. }
            | Self::PendingExists { source, .. }
            | Self::Conflict { source, .. }
            | Self::MissingPermission { source, .. }
            | Self::Firewall { source, .. }
            | Self::Disabled { source, .. }
            | Self::Throttled { source, .. }
            | Self::Call { source, .. } => Some(source),
            Self::ForeignKid { .. } => None,
        }
    }

    /// Whether what was looked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::BeingDeleted { .. }) || self.http().is_some_and(http::Error::is_transient)
    }
}
