//! The seam between what is signed and where the key is.

use std::fmt::Debug;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::algorithm::SignatureAlgorithm;
use super::certificate::Certificate;
use super::error::Error;
use super::jws::{Algorithm, SigningInput};
use crate::domain::Thumbprint;

/// Holds, or can reach, a private key. A vault signs with exactly the version that is named here.
#[async_trait]
pub trait Signer: Debug + Send + Sync {
    /// What is known of the certificate whose key signs.
    fn identity(&self) -> &SignerIdentity;

    /// Signs, and returns the raw signature as JWS wants it (RFC 7518 3.3 and 3.5).
    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error>;
}

/// The certificate that a signature will be checked with, as far as the signer knows it.
#[derive(Clone, Debug)]
pub enum SignerIdentity {
    /// The whole certificate: every signature is checked before it leaves.
    Certificate(Box<Certificate>),
    /// Its thumbprint alone, for callers that may sign with a key but not read its certificate.
    Thumbprint(Thumbprint),
}

impl SignerIdentity {
    /// The certificate, if it is known.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certificate(certificate) => Some(certificate),
            Self::Thumbprint(_) => None,
        }
    }

    /// The algorithm that fits what is known: PS256 needs a SHA-256 thumbprint.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Thumbprint(Thumbprint::Sha1(_)) => Algorithm::Rs256,
            Self::Certificate(_) | Self::Thumbprint(Thumbprint::Sha256(_)) => Algorithm::Ps256,
        }
    }

    /// The thumbprint that the header of `algorithm` carries.
    pub(super) fn thumbprint(&self, algorithm: Algorithm) -> Result<Thumbprint, Error> {
        match (self, algorithm) {
            (Self::Certificate(certificate), Algorithm::Ps256) => Ok(certificate.sha256()),
            (Self::Certificate(certificate), Algorithm::Rs256) => Ok(certificate.sha1()),
            (Self::Thumbprint(known @ Thumbprint::Sha256(_)), Algorithm::Ps256)
            | (Self::Thumbprint(known @ Thumbprint::Sha1(_)), Algorithm::Rs256) => Ok(*known),
            (Self::Thumbprint(known), _) => Err(Error::ThumbprintKind { algorithm, known: *known }),
        }
    }

    /// Start of the certificate's validity, if it is known.
    pub(super) fn not_before(&self) -> Option<OffsetDateTime> {
        self.certificate().map(Certificate::not_before)
    }

    /// Checks a signature, if there is something to check it with.
    pub(super) fn check(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.certificate().map_or(Ok(()), |known| known.public_key().verify(algorithm, message, signature))
    }
}
