//! Certificates and keys of a vault: typed calls and their errors, over the official Azure crates.
//!
//! There is nothing for secrets here, and no dependency that could reach them. Signing takes what
//! `pki` made, never bytes. The SDK spells the requests; answers are read by our own types, because
//! its models refuse what the service may send tomorrow (see [`crate::http::azure`]). Lists are
//! paged by ours as well: the SDK re-encodes links and follows them to any host.

mod certificate;
mod client;
mod error;
mod key;
mod list;
mod operation;
mod right;
mod signer;
mod wire;

pub use client::{Client, NewCertificate};
pub use error::{AccessMode, Error, MissingRight};
pub use list::{Contact, ListedCertificate};
pub use right::{Right, rights};
pub use signer::VaultSigner;
