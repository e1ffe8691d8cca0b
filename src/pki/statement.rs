//! A signature over the baseline of an audit, by a key that is there for nothing else.
//!
//! Like a [`Checkpoint`](super::Checkpoint) it is of a type of its own, and nobody takes it for a sign-in. What is
//! signed is a hash and a moment; a caller has no say in any other byte.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::OffsetDateTime;

use super::assertion::{header, members};
use super::certificate::Certificate;
use super::error::Error;
use super::jws::{Algorithm, SigningInput};
use super::signer::{Signer, SignerIdentity};

/// `typ` of the header.
const TYPE: &str = "kvops-baseline";

/// What is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BaselineStatement {
    /// SHA-256 of the baseline's file.
    pub sha256: [u8; 32],
    /// The moment of signing, in whole seconds.
    pub at: OffsetDateTime,
}

impl BaselineStatement {
    /// Has it signed by the key of `signer`'s certificate, and gives the raw signature.
    pub async fn sign(self, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
        raw_signature(self.input(signer.identity())?, signer).await
    }

    /// Checks a signature with the certificate of its key, which has to have been valid then.
    pub fn verify(self, certificate: &Certificate, signature: &[u8]) -> Result<(), Error> {
        verify(self.at, certificate, signature, |identity| self.input(identity))
    }

    fn input(self, identity: &SignerIdentity) -> Result<SigningInput, Error> {
        let mut header = header(Algorithm::Ps256, identity)?;
        header.insert("typ".to_owned(), json!(TYPE));
        let claims = members(json!({
            "sha256": URL_SAFE_NO_PAD.encode(self.sha256),
            "iat": self.at.unix_timestamp(),
        }));
        Ok(SigningInput::new(Algorithm::Ps256, header, claims))
    }
}

/// Signs, and gives the signature without what it is over.
pub(super) async fn raw_signature(input: SigningInput, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
    let compact = input.sign(signer).await?;
    let signature = compact.text().expose().rsplit('.').next().unwrap_or_default();
    URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Signature)
}

/// Checks a signature over an input that is made anew.
pub(super) fn verify(
    at: OffsetDateTime,
    certificate: &Certificate,
    signature: &[u8],
    input: impl FnOnce(&SignerIdentity) -> Result<SigningInput, Error>,
) -> Result<(), Error> {
    if at < certificate.not_before() || at >= certificate.not_after() {
        return Err(Error::Signature);
    }
    let identity = SignerIdentity::Certificate(Box::new(certificate.clone()));
    let input = input(&identity)?;
    identity.check(input.algorithm(), input.bytes(), signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_a_statement_for_a_sign_in_or_for_a_checkpoint() {
        let thumbprint = crate::domain::Thumbprint::Sha256([7; 32]);
        let statement = BaselineStatement { sha256: [1; 32], at: OffsetDateTime::UNIX_EPOCH };
        let input = statement.input(&SignerIdentity::Thumbprint(thumbprint)).unwrap();
        assert_eq!(input.header()["typ"], "kvops-baseline");
        let claims: Vec<&String> = input.claims().keys().collect();
        assert_eq!(claims, ["sha256", "iat"]);
    }
}
