//! A signature over a ledger up to a line, by a key that is there for nothing else.
//!
//! It can be neither a client assertion, nor a proof for Graph, nor the token of an issuer: it has no
//! `iss`, no `aud` and no `exp`, and its `typ` is its own. What is signed is a number, a hash and a
//! moment; a caller has no say in any other byte.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::OffsetDateTime;

use super::assertion::{header, members};
use super::certificate::Certificate;
use super::error::Error;
use super::jws::{Algorithm, SigningInput};
use super::signer::{Signer, SignerIdentity};
use super::statement;

/// `typ` of the header.
const TYPE: &str = "kvops-checkpoint";

/// What is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Number of the last line that it covers.
    pub line: u64,
    /// SHA-256 of that line, which carries the hash of the one before, and so of all.
    pub hash: [u8; 32],
    /// The moment of signing, in whole seconds.
    pub at: OffsetDateTime,
}

impl Checkpoint {
    /// Has it signed by the key of `signer`'s certificate, and gives the raw signature.
    pub async fn sign(self, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
        statement::raw_signature(self.input(signer.identity())?, signer).await
    }

    /// Checks a signature with the certificate of its key, which has to have been valid then.
    pub fn verify(self, certificate: &Certificate, signature: &[u8]) -> Result<(), Error> {
        statement::verify(self.at, certificate, signature, |identity| self.input(identity))
    }

    fn input(self, identity: &SignerIdentity) -> Result<SigningInput, Error> {
        let mut header = header(Algorithm::Ps256, identity)?;
        header.insert("typ".to_owned(), json!(TYPE));
        let claims = members(json!({
            "line": self.line,
            "hash": URL_SAFE_NO_PAD.encode(self.hash),
            "iat": self.at.unix_timestamp(),
        }));
        Ok(SigningInput::new(Algorithm::Ps256, header, claims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_a_checkpoint_for_a_sign_in() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let thumbprint = crate::domain::Thumbprint::Sha256([7; 32]);
        let input = Checkpoint { line: 3, hash: [1; 32], at }.input(&SignerIdentity::Thumbprint(thumbprint)).unwrap();
        assert_eq!(input.header()["typ"], "kvops-checkpoint");
        let claims: Vec<&String> = input.claims().keys().collect();
        assert_eq!(claims, ["line", "hash", "iat"]);
    }
}
