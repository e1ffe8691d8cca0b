//! Microsoft Graph: applications, their certificates and the policies on them. Thin, typed, and
//! only what the commands use.
//!
//! Graph has no version tags, so nothing here can be written "only if unchanged". Whoever writes a
//! list of credentials reads it first, writes it once, reads it again, and repairs what was lost.

mod application;
mod client;
mod error;
mod keys;
mod policy;
mod principal;
mod wire;

pub use application::ApplicationRecord;
pub use client::Client;
pub use error::{Candidate, Error};
pub use keys::NewKey;
pub use principal::DirectoryObject;
