//! A rotation's ways of saying no.

use crate::domain::{AppId, ObjectId, Version};

/// Why nothing more is done, although everything could be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody trusts the certificate, as far as can be seen.
    #[error("no application is known that trusts any version of this certificate")]
    NothingToRotate,
    /// The application that was named does not.
    #[error("application {application} trusts no version of this certificate")]
    NotTrusted {
        /// Object id.
        application: ObjectId,
    },
    /// A version is in the making that only the owner can complete.
    #[error("a version of this certificate is in the making, and waits for a certificate of an own CA")]
    WaitsForMerge,
    /// Each version needs a certificate that an own CA makes.
    #[error("versions of this certificate are signed by an own CA, so somebody has to have the next one signed")]
    OwnCa,
    /// No key proves possession, and we may not write without a proof.
    #[error(
        "no certificate of application {application} can prove possession any more, so the next one has to be written \
         by somebody who may write the application"
    )]
    NeedsWriter {
        /// Object id.
        application: ObjectId,
        /// Client id.
        app_id: AppId,
    },
    /// Nobody can say whether the old key is in use.
    #[error("whether the old key is still in use is unknown, so it stays: {reason}")]
    UnknownUse {
        /// Why.
        reason: String,
    },
    /// The answer to `addKey` was lost, and the list may not be read.
    #[error(
        "the keyId of version {version} on application {application} is not known, since the answer to addKey was lost \
         and the application may not be read, so that version cannot be removed"
    )]
    UnknownEntry {
        /// Object id.
        application: ObjectId,
        /// Client id.
        app_id: AppId,
        /// Which.
        version: Version,
    },
    /// Without the new key an application would have none.
    #[error("application {application} has no other version of this certificate that could sign, so the new one stays")]
    NoWayBack {
        /// Object id.
        application: ObjectId,
    },
}
