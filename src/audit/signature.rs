//! The signature over a baseline: a file beside it, made by a key of a vault and checked without one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::pki::{BaselineStatement, Certificate};

const KIND: &str = "kvops baseline signature";
const SCHEMA_VERSION: &str = "1.0";

/// A signature over the bytes of a baseline's file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineSignature {
    kind: String,
    schema_version: String,
    /// When it was signed.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// SHA-256 of the certificate of the key.
    pub certificate: String,
    signature: String,
}

/// A baseline that is not as it was signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The file with the signature is none.
    #[error("its signature cannot be read")]
    Syntax,
    /// It was signed by a key that is not expected.
    #[error("it was signed by the key of another certificate")]
    OtherKey,
    /// The file was changed after it was signed, or the certificate was not valid then.
    #[error("its signature does not verify: it was changed after it was signed")]
    Invalid,
}

impl BaselineSignature {
    /// What a key is to sign for the text of a baseline.
    pub fn statement(text: &[u8], at: OffsetDateTime) -> BaselineStatement {
        let at = at.replace_nanosecond(0).unwrap_or(at);
        BaselineStatement { sha256: Sha256::digest(text).into(), at }
    }

    /// The signature that a key made.
    pub fn new(statement: BaselineStatement, certificate: &Certificate, signature: &[u8]) -> Self {
        Self {
            kind: KIND.to_owned(),
            schema_version: SCHEMA_VERSION.to_owned(),
            at: statement.at,
            certificate: certificate.sha256().hex(),
            signature: URL_SAFE_NO_PAD.encode(signature),
        }
    }

    /// Reads what [`text`](Self::text) wrote.
    pub fn read(text: &[u8]) -> Result<Self, SignatureError> {
        let read: Self = serde_json::from_slice(text).map_err(|_| SignatureError::Syntax)?;
        let is_known = read.kind == KIND && read.schema_version.split('.').next() == Some("1");
        if is_known { Ok(read) } else { Err(SignatureError::Syntax) }
    }

    /// As the text of a file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Checks that one of these certificates' keys signed the text of a baseline.
    pub fn verify(&self, text: &[u8], certificates: &[Certificate]) -> Result<(), SignatureError> {
        let signer = certificates.iter().find(|known| known.sha256().hex() == self.certificate);
        let signer = signer.ok_or(SignatureError::OtherKey)?;
        let signature = URL_SAFE_NO_PAD.decode(&self.signature).map_err(|_| SignatureError::Syntax)?;
        Self::statement(text, self.at).verify(signer, &signature).map_err(|_| SignatureError::Invalid)
    }
}
