//! X.509, JWK and JWS: what is signed, by whom, and how it is checked. No network.
//!
//! Signing is typed. The only things that a [`Signer`] can be asked to sign are [`SigningInput`]s,
//! and those come from a [`ClientAssertion`], a [`PossessionProof`], an [`IssuerToken`], a
//! [`Checkpoint`] or a [`BaselineStatement`], of which none can be taken for another; nothing signs bytes that a
//! caller supplies, because an oracle for bytes is an oracle for tokens.

mod algorithm;
mod assertion;
mod certificate;
mod checkpoint;
mod claims;
mod error;
mod issuer_token;
mod jwk;
mod jws;
mod local;
mod pfx;
mod proof;
mod public_key;
mod roca;
mod signer;
mod statement;
#[cfg(test)]
mod tests;

pub use algorithm::{InvalidAlgorithm, SignatureAlgorithm};
pub use assertion::{AssertionRequest, ClientAssertion, MAX_ASSERTION_LIFETIME};
pub use certificate::Certificate;
pub use checkpoint::Checkpoint;
pub use claims::{Claims, MAX_CLAIMS, StrictObject};
pub use error::Error;
pub use issuer_token::{Audience, Issuer, IssuerToken, IssuerTokenRequest, MAX_TOKEN_LIFETIME, TokenType};
pub use jwk::{Jwk, JwkSet};
pub use jws::{Algorithm, Compact, DecodedToken, SigningInput};
pub use local::LocalKey;
pub use proof::{PossessionProof, ProofRequest};
pub use public_key::PublicKey;
pub use signer::{Signer, SignerIdentity};
pub use statement::BaselineStatement;
