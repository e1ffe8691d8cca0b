//! Certificates and their keys as Key Vault keeps them.
//!
//! What a service may leave out is an `Option` here: an absent `exportable` is not `false`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use super::thumbprint::Thumbprint;
use super::vault::{CertificateName, KeyUrl, Version};

/// What makes the next version of a certificate. There is one policy for all versions, so it says
/// nothing certain about a version that exists already.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CertificatePolicy {
    /// Who signs: `Self`, `Unknown` (the owner brings a certificate for our CSR) or a configured CA.
    pub issuer: Option<IssuerName>,
    /// RSA, RSA-HSM, EC, EC-HSM.
    pub key_type: Option<KeyType>,
    /// Bits of an RSA modulus.
    pub key_size: Option<u32>,
    /// JWK curve name of an EC key.
    pub curve: Option<String>,
    /// Whether the private key can be read through the addressable secret.
    pub exportable: Option<bool>,
    /// Whether the next version keeps the key of this one.
    pub reuse_key: Option<bool>,
    /// `application/x-pkcs12` or `application/x-pem-file`.
    pub content_type: Option<String>,
    /// X.500 distinguished name. The service prints it in its own order: never compare as text.
    pub subject: Option<String>,
    /// DNS subject alternative names.
    pub dns_names: Vec<String>,
    /// Extended key usages as dotted object identifiers.
    pub extended_key_usage: Vec<String>,
    /// Key usages.
    pub key_usage: Vec<KeyUsage>,
    /// Calendar months from issue to `not_after`.
    pub validity_months: Option<u32>,
    /// What happens before expiry.
    pub lifetime_actions: Vec<LifetimeAction>,
    /// When the policy was made: with the first version, or by hand before it.
    #[serde(skip)]
    pub created: Option<OffsetDateTime>,
    /// When the policy was last changed. A version that was made later was made under it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated: Option<OffsetDateTime>,
}

/// The name of an issuer in a policy. Key Vault keeps its case and compares without it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IssuerName(pub String);

impl IssuerName {
    /// The certificate signs itself.
    pub fn is_self(&self) -> bool {
        self.0.eq_ignore_ascii_case("Self")
    }

    /// The owner merges a certificate made outside from our CSR.
    pub fn is_unknown(&self) -> bool {
        self.0.eq_ignore_ascii_case("Unknown")
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key type of Key Vault (`kty`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum KeyType {
    /// RSA in software.
    Rsa,
    /// RSA in an HSM: never exportable.
    RsaHsm,
    /// Elliptic curve in software.
    Ec,
    /// Elliptic curve in an HSM.
    EcHsm,
    /// A type that this version does not know, as the service spells it.
    Other(String),
}

impl KeyType {
    /// Reads the service's spelling.
    pub fn from_wire(text: &str) -> Self {
        match text {
            "RSA" => Self::Rsa,
            "RSA-HSM" => Self::RsaHsm,
            "EC" => Self::Ec,
            "EC-HSM" => Self::EcHsm,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The service's spelling.
    pub fn as_wire(&self) -> &str {
        match self {
            Self::Rsa => "RSA",
            Self::RsaHsm => "RSA-HSM",
            Self::Ec => "EC",
            Self::EcHsm => "EC-HSM",
            Self::Other(text) => text,
        }
    }

    /// Whether this is RSA, in software or hardware. Entra documents client assertions for RSA only.
    pub const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa | Self::RsaHsm)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_wire())
    }
}

impl From<KeyType> for String {
    fn from(kind: KeyType) -> Self {
        kind.as_wire().to_owned()
    }
}

/// A bit of X.509's key usage extension (RFC 5280 4.2.1.3), in Key Vault's spelling.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyUsage(pub String);

impl KeyUsage {
    /// `digitalSignature`: all that a client assertion needs.
    pub fn digital_signature() -> Self {
        Self("digitalSignature".to_owned())
    }

    /// Whether this is `digitalSignature`, in any case.
    pub fn is_digital_signature(&self) -> bool {
        self.0.eq_ignore_ascii_case("digitalSignature")
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that Key Vault does before a certificate expires.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LifetimeAction {
    /// `AutoRenew` or `EmailContacts`, as the service spells it.
    pub action: String,
    /// When.
    pub trigger: LifetimeTrigger,
}

impl LifetimeAction {
    /// Renews without telling Entra: the outage that kvops exists to prevent.
    pub fn is_auto_renew(&self) -> bool {
        self.action.eq_ignore_ascii_case("AutoRenew")
    }

    /// Sends mail to the contacts of the vault.
    pub fn is_email_contacts(&self) -> bool {
        self.action.eq_ignore_ascii_case("EmailContacts")
    }
}

/// The moment of a lifetime action.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeTrigger {
    /// So many days before `not_after`.
    DaysBeforeExpiry(u32),
    /// At this share of the validity, 1 to 99 percent.
    LifetimePercentage(u32),
    /// The service named neither.
    Unspecified,
}

/// The management attributes of a version.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CertificateAttributes {
    /// Whether key and certificate may be used.
    pub enabled: Option<bool>,
    /// Same as the certificate's `notBefore`.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_before: Option<OffsetDateTime>,
    /// Same as the certificate's `notAfter`.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_after: Option<OffsetDateTime>,
    /// The moment of issue.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created: Option<OffsetDateTime>,
    /// The moment of the last change.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated: Option<OffsetDateTime>,
    /// `Recoverable+Purgeable` and its kin.
    pub recovery_level: Option<String>,
    /// Days for which a deleted certificate can be recovered.
    pub recoverable_days: Option<u32>,
}

/// One version of a certificate. `der` is absent while the first version is pending.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateVersion {
    /// The key behind it: vault, name and version.
    pub key: KeyUrl,
    /// The public certificate, DER. Never the chain.
    pub der: Option<Vec<u8>>,
    /// SHA-1 as the service states it; compare with `der` before it is believed.
    pub thumbprint: Option<Thumbprint>,
    /// Management attributes.
    pub attributes: CertificateAttributes,
    /// Tags of this version: at most 15, each a hint and never trusted.
    pub tags: BTreeMap<String, String>,
    /// The policy, which the service only sends with the current version.
    pub policy: Option<CertificatePolicy>,
}

/// The state of a certificate in the making.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateOperation {
    /// Where it stands.
    pub status: OperationStatus,
    /// The service's sentence; stale when failed.
    pub status_details: Option<String>,
    /// Identifies the operation: a different one means that somebody started anew.
    pub request_id: Option<String>,
    /// PKCS#10 request, DER.
    pub csr: Option<Vec<u8>>,
    /// Whether somebody asked for cancellation.
    pub cancellation_requested: bool,
    /// Who is to sign it.
    pub issuer: Option<IssuerName>,
    /// Code and message of a failed operation. The code may contain blanks.
    pub error: Option<(String, String)>,
}

/// Status of a certificate operation; compared without case, because documents and wire differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperationStatus {
    /// Not done yet.
    InProgress,
    /// The version exists.
    Completed,
    /// Somebody cancelled it.
    Cancelled,
    /// The issuer refused.
    Failed,
    /// A status that this version does not know.
    Other(String),
}

impl OperationStatus {
    /// Reads the service's spelling.
    pub fn from_wire(text: &str) -> Self {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match compact.to_ascii_lowercase().as_str() {
            "inprogress" => Self::InProgress,
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "failed" => Self::Failed,
            _ => Self::Other(text.to_owned()),
        }
    }
}

/// A certificate in soft-delete: its name is taken until it is purged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeletedCertificate {
    /// The name it holds.
    pub name: CertificateName,
    /// SHA-1 of the version that was current.
    pub thumbprint: Option<Thumbprint>,
    /// When it was deleted.
    pub deleted_at: Option<OffsetDateTime>,
    /// When the service will purge it.
    pub purge_at: Option<OffsetDateTime>,
    /// Whether a purge before that is possible at all.
    pub recovery_level: Option<String>,
}

/// The public side of the key behind a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VaultKey {
    /// Version of the key, the same as the certificate's.
    pub version: Version,
    /// RSA, RSA-HSM, EC, EC-HSM.
    pub key_type: KeyType,
    /// What the key may do: exactly `sign` and `verify` is what we want.
    pub operations: Vec<String>,
    /// RSA modulus, big-endian, without leading zeros.
    pub modulus: Option<Vec<u8>>,
    /// RSA public exponent, big-endian.
    pub exponent: Option<Vec<u8>>,
    /// End of the key's validity.
    pub not_after: Option<OffsetDateTime>,
    /// Whether a certificate owns the key.
    pub is_managed: bool,
    /// `attributes.exportable` of this very version, where the service states it.
    pub exportable: Option<bool>,
    /// Whether the key may be used.
    pub enabled: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_in_the_wires_and_in_the_documents_spelling() {
        for text in ["inProgress", "InProgress", "in progress"] {
            assert_eq!(OperationStatus::from_wire(text), OperationStatus::InProgress);
        }
        assert_eq!(OperationStatus::from_wire("paused"), OperationStatus::Other("paused".to_owned()));
    }
}
