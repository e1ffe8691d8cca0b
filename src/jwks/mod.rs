//! Keys of an own issuer: which version of a vault's certificate signs, which are published, and when
//! that changes. No key ever leaves its vault.
//!
//! What decides is a pure function of the versions in the vault, the [`Windows`] and the present, the
//! [`Timeline`]; nothing else is remembered anywhere. A [`SigningKeySet`] reads the versions, keeps what
//! it has read for a while, makes the documents that verifiers read, and has tokens signed.

mod document;
mod error;
mod issue;
mod live;
mod observe;
mod pace;
mod promote;
mod routes;
mod set;
mod span;
mod timeline;
mod view;
mod windows;

pub use document::{DISCOVERY_PATH, Document, Documents, JWKS_PATH};
pub use error::{Error, ReadError};
pub use issue::{Unissued, issue};
pub use live::{Check, Live, Outcome, Published};
pub use observe::{Observed, VersionKey};
pub use promote::{Next, announced_window, candidate, next};
pub use routes::{DEFAULT_LIFETIME, doors, routes};
pub use set::{EXPIRY_WARNING, Issued, KeySet, Order, SetOptions, SigningKeySet, max_age};
pub use span::{InvalidSpan, Span};
pub use timeline::{Key, NoKey, Phase, Timeline, VersionFacts};
pub use view::{KeyView, StatusView, status};
pub use windows::{Impossible, WindowSettings, Windows};
