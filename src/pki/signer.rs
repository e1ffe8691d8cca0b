//! The seam between what is signed and where the key is.

use std::fmt::Debug;

use async_trait::async_trait;

use super::certificate::Certificate;
use super::error::Error;
use super::jws::SigningInput;

/// Holds, or can reach, the private key of a certificate. A vault signs with exactly the version
/// that the certificate belongs to.
#[async_trait]
pub trait Signer: Debug + Send + Sync {
    /// The certificate whose key signs.
    fn certificate(&self) -> &Certificate;

    /// Signs, and returns the raw signature as JWS wants it (RFC 7518 3.3 and 3.5).
    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error>;
}
