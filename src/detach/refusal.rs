//! The safety rules' ways of saying no to a removal.

use time::OffsetDateTime;

use crate::domain::{CredentialId, ObjectId};

/// Why nothing was removed, although everything could be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The entry has nothing to do with signing in.
    #[error("key {key_id} is {what}, and no key that somebody signs in with: kvops never touches it")]
    NotForSignIn {
        /// The entry.
        key_id: CredentialId,
        /// Such as "a SAML signing key".
        what: &'static str,
    },
    /// Nothing that would remain has been proven.
    #[error("credential {key_id} may be the last that works: no other one has been proven by a token")]
    NothingProven {
        /// The entry that was to go.
        key_id: CredentialId,
    },
    /// What was to remain is not there.
    #[error("key {remaining}, which was to remain, is not on {holder} any more, so {key_id} stays")]
    RemainingIsGone {
        /// The entry that was to go.
        key_id: CredentialId,
        /// The entry that was to stay.
        remaining: CredentialId,
        /// Object id of the application.
        holder: ObjectId,
    },
    /// The key that would have to remain is the one that is to go.
    #[error("key {key_id} is the one that proves that the application works without it")]
    Itself {
        /// The entry.
        key_id: CredentialId,
    },
    /// Somebody still uses it.
    #[error("credential {key_id} was used on {}, so somebody still needs it", last_used.date())]
    InUse {
        /// The entry.
        key_id: CredentialId,
        /// When it was last used.
        last_used: OffsetDateTime,
    },
    /// Nobody can say whether somebody still uses it.
    #[error("whether credential {key_id} is in use is unknown: {reason}")]
    UseUnknown {
        /// The entry.
        key_id: CredentialId,
        /// Why.
        reason: String,
    },
    /// Whatever nobody uses was asked for, and nobody can say what that is.
    #[error("what is unused is unknown: {reason}")]
    ReportUnread {
        /// Why.
        reason: String,
    },
}
