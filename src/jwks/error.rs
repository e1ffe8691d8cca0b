//! What can go wrong with an issuer's keys.

use std::sync::Arc;

use time::OffsetDateTime;

use super::span::Span;
use super::timeline::NoKey;
use crate::domain::{CertificateName, Chain, KeyUrl, Vault, Version};
use crate::keyvault;
use crate::pki;

/// The versions could not be read, or are not fit to be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The vault did not show them.
    #[error(transparent)]
    Vault(#[from] keyvault::Error),
    /// There is nothing to publish. No other key ever stands in.
    #[error("certificate {name} in {vault} has no key to publish")]
    NoKey {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// Why not.
        #[source]
        source: NoKey,
    },
    /// A version's certificate is none, or of a kind that cannot sign as it should.
    #[error("version {version} of certificate {name} in {vault}")]
    Certificate {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// Which version.
        version: Version,
        /// What is wrong with it.
        #[source]
        source: pki::Error,
    },
    /// The vault lists an enabled version and shows no certificate for it.
    #[error("version {version} of certificate {name} in {vault} is listed without a certificate")]
    NoCertificate {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// Which version.
        version: Version,
    },
    /// An application signs in with this certificate.
    #[error("certificate {name} in {vault} is that of application {application}, and an issuer's key is nobody else's")]
    OfApplication {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// Object id of the application, as the tag says.
        application: String,
    },
}

/// No keys, or no token. Cheap to clone: many may wait for one reading.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The versions could not be read.
    #[error(transparent)]
    Read(Arc<ReadError>),
    /// What was read last is too old to be handed out.
    #[error("the keys were read at {read_at} and may be used for {limit} while the vault cannot be read: {}", Chain(.reason.as_ref()))]
    TooOld {
        /// When.
        read_at: OffsetDateTime,
        /// For so long.
        limit: Span,
        /// Why they could not be read again.
        reason: Arc<ReadError>,
    },
    /// The key that is to sign has expired. No other key ever stands in.
    #[error("{key} expired at {not_after}, and nothing is signed with an expired key")]
    Expired {
        /// Which key.
        key: Box<KeyUrl>,
        /// When.
        not_after: OffsetDateTime,
    },
    /// The key that is to sign is not valid yet.
    #[error("{key} is valid from {not_before} on, and a vault does not sign with it before")]
    NotYetValid {
        /// Which key.
        key: Box<KeyUrl>,
        /// From when on.
        not_before: OffsetDateTime,
    },
    /// The token cannot be made, or the vault did not sign it.
    #[error("no token was made")]
    Token(#[source] Arc<pki::Error>),
}

impl Error {
    /// What the vault said, if it was the vault.
    pub fn vault(&self) -> Option<&keyvault::Error> {
        match self {
            Self::Read(error) | Self::TooOld { reason: error, .. } => match error.as_ref() {
                ReadError::Vault(error) => Some(error),
                _ => None,
            },
            Self::Token(error) => match error.as_ref() {
                pki::Error::Signer(source) => source.downcast_ref(),
                _ => None,
            },
            Self::Expired { .. } | Self::NotYetValid { .. } => None,
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Read(Arc::new(error))
    }
}

impl From<pki::Error> for Error {
    fn from(error: pki::Error) -> Self {
        Self::Token(Arc::new(error))
    }
}
