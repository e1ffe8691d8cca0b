//! What can be wrong with a certificate, a key or a token.

use std::error::Error as StdError;

use super::algorithm::SignatureAlgorithm;
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
    /// The key is of another kind than the algorithm needs.
    #[error("a key of kind {key} does not sign with {algorithm}")]
    AlgorithmKind {
        /// What was to be used.
        algorithm: SignatureAlgorithm,
        /// What the key is: `RSA 3072`, `EC 256`.
        key: String,
    },
    /// Not the URL of an issuer.
    #[error("`{text}` cannot be an issuer: {problem}")]
    Issuer {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A token for this audience is not made.
    #[error("a token of an issuer is never made for the audience `{text}`: {problem}")]
    Audience {
        /// What was given.
        text: String,
        /// Why not.
        problem: &'static str,
    },
    /// Claims that a token of an issuer cannot have.
    #[error("the claims cannot be signed: {0}")]
    Claims(String),
    /// A token of an issuer would live longer than published keys are kept for it, or not at all.
    #[error("a token cannot live for {asked} s: between 1 and {limit} s are allowed")]
    TokenLifetime {
        /// Seconds asked for.
        asked: i64,
        /// Longest allowed, in seconds.
        limit: i64,
    },
    /// Whoever holds the key did not sign.
    #[error("signing failed")]
    Signer(#[source] Box<dyn StdError + Send + Sync>),
}
