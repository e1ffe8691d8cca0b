//! What a mail or an event claims about a certificate, and whether the vault bears it out. A claim is
//! a hint and never a reason to act: [`confirm::confirm`] compares it with what was read.

pub mod confirm;
mod error;
pub mod event;
mod facts;
mod host;
mod html;
pub mod mail;
mod resource;
mod words;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{CertificateName, Thumbprint, VaultName, Version};

pub use error::Error;

/// The most that is read of a mail or of a file of events: Event Grid delivers no more at once, and a
/// notice is a few kilobytes.
pub const MOST_BYTES: usize = 1024 * 1024;

/// What somebody says about one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// Why it was written.
    pub kind: Kind,
    /// The vault.
    pub vault: VaultName,
    /// The certificate.
    pub certificate: CertificateName,
    /// Versions by thumbprint; a mail about a renewal names the old one and the new one.
    pub thumbprints: Vec<Thumbprint>,
    /// The version by its own name; events have it.
    pub version: Option<Version>,
    /// When that version ends.
    pub not_after: Option<OffsetDateTime>,
    /// The subscription of the vault.
    pub subscription: Option<Uuid>,
    /// The tenant of the vault.
    pub tenant: Option<Uuid>,
    /// How the sender tells events apart.
    pub id: Option<String>,
}

/// Why a notice was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A mail of the vault to its contacts, before or after a renewal, or before the end.
    Mail,
    /// Thirty days before the end.
    NearExpiry,
    /// At the end.
    Expired,
    /// Somebody, or the vault, made a version.
    NewVersion,
}
