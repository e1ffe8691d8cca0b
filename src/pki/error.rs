//! What can be wrong with a certificate, a key or a token.

use std::error::Error as StdError;

use super::jws::Algorithm;
use crate::domain::Thumbprint;

/// A certificate, key or token that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a certificate in DER.
    #[error("the certificate cannot be parsed: {0}")]
    Certificate(String),
    /// Neither RSA nor a curve that Key Vault knows.
    #[error("the certificate's public key is {0}, which cannot verify a signature here")]
    KeyKind(String),
    /// Not a token in JWS compact form.
    #[error("the token is malformed: {0}")]
    Token(&'static str),
    /// No key of the set has the token's `kid`.
    #[error("no published key has the kid `{0}`")]
    UnknownKid(String),
    /// The signature was not made by that key over these bytes.
    #[error("the signature does not verify")]
    Signature,
    /// A file that holds no usable private key.
    #[error("{0}")]
    LocalKey(String),
    /// The assertion would live longer than allowed, or not at all.
    #[error("an assertion cannot live for {asked} s: between 1 and {limit} s are allowed")]
    Lifetime {
        /// Seconds asked for.
        asked: i64,
        /// Longest allowed, in seconds.
        limit: i64,
    },
    /// Only one thumbprint is known, and the algorithm needs the other.
    #[error("{algorithm} needs the certificate's {} thumbprint, and {known} is not one", match algorithm { Algorithm::Ps256 => "SHA-256", Algorithm::Rs256 => "SHA-1" })]
    ThumbprintKind {
        /// What was to be used.
        algorithm: Algorithm,
        /// What is known.
        known: Thumbprint,
    },
    /// Whoever holds the key did not sign.
    #[error("signing failed")]
    Signer(#[source] Box<dyn StdError + Send + Sync>),
}
