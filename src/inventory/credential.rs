//! What lets somebody sign in as an application.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::seen::Seen;
use super::word::Word;
use super::x509::X509;
use crate::domain::{CredentialId, Thumbprint};

/// A key credential, without its bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    /// Identifies the entry; what it names never changes.
    pub key_id: CredentialId,
    /// `AsymmetricX509Cert`, `X509CertAndPassword`, `Symmetric`.
    #[serde(rename = "type", default)]
    pub kind: Option<Word>,
    /// `Verify` for sign-in, `Sign` for SAML, `Encrypt` for tokens.
    #[serde(default)]
    pub usage: Option<Word>,
    /// `customKeyIdentifier`: whatever the caller wrote, most often the SHA-1 thumbprint. Never proof.
    #[serde(default, with = "super::compact::hex")]
    pub label: Option<Box<str>>,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Start of validity.
    #[serde(default, with = "super::compact::moment::option")]
    pub start: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(default, with = "super::compact::moment::option")]
    pub end: Option<OffsetDateTime>,
    /// What the bytes say; unread with reason `parse` when they are no certificate.
    #[serde(default)]
    pub x: Seen<Box<X509>>,
    /// When it was last used; read and empty when the report has no use of it.
    #[serde(default)]
    pub last_used: Seen<Option<Moment>>,
}

/// A shared secret, without its hint.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordCredential {
    /// Identifies the entry.
    pub key_id: CredentialId,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// `customKeyIdentifier`: on a SAML password the label of the certificate that it opens.
    #[serde(default, with = "super::compact::hex")]
    pub label: Option<Box<str>>,
    /// Start of validity.
    #[serde(default, with = "super::compact::moment::option")]
    pub start: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(default, with = "super::compact::moment::option")]
    pub end: Option<OffsetDateTime>,
    /// When it was last used; read and empty when the report has no use of it.
    #[serde(default)]
    pub last_used: Seen<Option<Moment>>,
}

/// A federated identity credential: tokens of an issuer stand in for a key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// Identifies the entry.
    pub id: Box<str>,
    /// Hostile text.
    #[serde(default)]
    pub name: Box<str>,
    /// Who signs the tokens.
    pub issuer: Box<str>,
    /// The one subject that is accepted, compared literally.
    #[serde(default)]
    pub subject: Option<Box<str>>,
    /// `claimsMatchingExpression.value`, in place of a subject.
    #[serde(default)]
    pub expression: Option<Box<str>>,
    /// Accepted audiences.
    #[serde(default)]
    pub audiences: Box<[Box<str>]>,
}

/// A moment as RFC 3339 text in files.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Moment(#[serde(with = "super::compact::moment")] pub OffsetDateTime);

impl KeyCredential {
    /// The SHA-1 thumbprint that the label states, if it states one.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.label.as_deref()?.parse().ok().filter(|thumbprint| matches!(thumbprint, Thumbprint::Sha1(_)))
    }

    /// Whether it lets somebody sign in as the application; SAML signing and token encryption keys do not.
    pub fn is_for_sign_in(&self) -> bool {
        has(self.usage.as_deref(), "Verify") && !self.is_symmetric()
    }

    /// Whether it is a shared secret under another name.
    pub fn is_symmetric(&self) -> bool {
        has(self.kind.as_deref(), "Symmetric")
    }

    /// Whether the directory holds its private key, to sign SAML tokens.
    pub fn is_signing(&self) -> bool {
        has(self.usage.as_deref(), "Sign")
    }

    /// Whether it is valid at `now`; without dates it is.
    pub fn is_active(&self, now: OffsetDateTime) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }

    /// Whether it was valid once, and never will be again.
    pub fn has_ended(&self, now: OffsetDateTime) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

impl PasswordCredential {
    /// Whether it is valid at `now`; without dates it is.
    pub fn is_active(&self, now: OffsetDateTime) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }

    /// Whether it was valid once, and never will be again.
    pub fn has_ended(&self, now: OffsetDateTime) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

fn has(text: Option<&str>, word: &str) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case(word))
}
