//! Microsoft Entra: who kvops is, and tokens for the applications that it looks after.
//!
//! The token endpoint is called by our own code, not by `azure_identity`: that crate loses the
//! `AADSTS` code of a refusal, and the code is what decides whether to wait, to rebuild or to stop.

mod cache;
pub mod credential;
mod error;
mod identity;
mod meaning;
mod metadata;
mod mint;
mod token;

pub use cache::Tokens;
pub use credential::{Choice, Credential, Setup, Source, UserAssigned};
pub use error::Error;
pub use identity::Identity;
pub use meaning::{Meaning, Retry, meaning_of, meanings};
pub use metadata::{OpenIdConfiguration, keys, openid_configuration, verify};
pub use mint::{MintOptions, Minted, assertion, exchange, mint};
pub use token::{ClientCredentials, ClientProof, Token, request, token_endpoint};
