//! The credentials of an application that work now, of whatever kind.

use std::fmt;

use time::OffsetDateTime;

use super::application::ApplicationFacts;
use super::credential::KeyFacts;
use crate::domain::CredentialId;
use crate::inventory::{Moment, Seen};

/// What a credential proves knowledge of; the better kind is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum CredentialKind {
    /// A shared secret, symmetric keys included.
    Secret,
    /// A private key.
    Certificate,
}

/// A credential that lets somebody sign in now; SAML and encryption have none.
#[derive(Clone, Copy, Debug)]
pub struct ActiveCredential<'f, 'a> {
    /// The keyId.
    pub key_id: CredentialId,
    /// Of which kind.
    pub kind: CredentialKind,
    /// When it began, as far as that is known.
    pub start: Option<OffsetDateTime>,
    /// Whole days until it ends; `None` when it never ends.
    pub days_left: Option<i64>,
    /// When it was last used.
    pub last_used: &'a Seen<Option<Moment>>,
    /// More of it, if it is a key credential.
    pub key: Option<&'f KeyFacts<'a>>,
}

impl<'a> ApplicationFacts<'a> {
    /// Its credentials that work now.
    pub fn active(&self) -> impl Iterator<Item = ActiveCredential<'_, 'a>> {
        let keys = self.keys.iter().filter(|key| key.is_sign_in() || key.is_active && key.key.is_symmetric());
        let keys = keys.map(|key| ActiveCredential {
            key_id: key.key.key_id,
            kind: if key.key.is_symmetric() { CredentialKind::Secret } else { CredentialKind::Certificate },
            start: key.key.start,
            days_left: key.days_left,
            last_used: &key.key.last_used,
            key: Some(key),
        });
        keys.chain(self.secrets().map(|secret| ActiveCredential {
            key_id: secret.password.key_id,
            kind: CredentialKind::Secret,
            start: secret.start,
            days_left: secret.days_left,
            last_used: &secret.password.last_used,
            key: None,
        }))
    }
}

impl ActiveCredential<'_, '_> {
    /// Where one of its fields is found.
    pub fn field(&self, name: &str) -> String {
        let list = if self.key.is_some() { "keyCredentials" } else { "passwordCredentials" };
        format!("{list}[{}].{name}", self.key_id)
    }
}

impl CredentialKind {
    /// As in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
