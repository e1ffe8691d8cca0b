//! Signing in as an application whose key stays in a vault, or that has no key at all.
//!
//! A [`Key`] says where the proof comes from: one version of a vault's key, the newest version of a
//! certificate that Entra accepts, or a managed identity that the application trusts. An
//! [`Application`] is a key with an application and a tenant; as an [`entra::Credential`](crate::entra::Credential) it can be
//! given to [`entra::Tokens`](crate::entra::Tokens) for a cache, and so to every client.

mod application;
mod error;
mod federated;
mod vault_certificate;
mod vault_key;

pub use application::{Application, Key, SignInRequest, SignedIn};
pub use error::Error;
pub use federated::ManagedIdentityFederated;
pub use vault_certificate::VaultCertificate;
pub use vault_key::VaultKey;
