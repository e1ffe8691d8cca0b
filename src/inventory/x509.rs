//! What a certificate says, without its bytes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::digest::Digest;
use super::word::Word;
use crate::domain::Thumbprint;
use crate::pki::{Certificate, PublicKey};

/// The facts of an X.509 certificate (RFC 5280) that rules read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct X509 {
    /// SHA-1 of the DER, upper-case hex.
    pub sha1: Digest,
    /// SHA-256 of the DER.
    #[serde(default)]
    pub sha256: Digest,
    /// SHA-256 of the `SubjectPublicKeyInfo`: the same key has the same value in every certificate.
    pub spki: Digest,
    /// Hostile text.
    #[serde(default)]
    pub subject: Box<str>,
    /// Hostile text.
    #[serde(default)]
    pub issuer: Box<str>,
    /// Whether subject and issuer are the same.
    #[serde(default)]
    pub self_signed: bool,
    /// Start of validity.
    #[serde(with = "super::compact::moment")]
    pub not_before: OffsetDateTime,
    /// End of validity.
    #[serde(with = "super::compact::moment")]
    pub not_after: OffsetDateTime,
    /// `RSA` or `EC`.
    pub alg: Word,
    /// Bits of the modulus, or of the curve.
    pub bits: u32,
    /// Curve of an EC key, in JWK's spelling, if it is one that has a name there.
    #[serde(default)]
    pub curve: Option<Word>,
    /// Public exponent of an RSA key; `None` when it does not fit.
    #[serde(default)]
    pub exponent: Option<u64>,
    /// Whether the modulus has the form that the broken generator of CVE-2017-15361 gives it.
    #[serde(default)]
    pub is_roca: bool,
    /// Signature algorithm in the spelling of RFC 4055 and RFC 5758, such as `sha256WithRSAEncryption`, else its OID.
    #[serde(default)]
    pub sig: Word,
    /// Key usage; `None` when there is no extension, which permits everything.
    #[serde(default)]
    pub ku: Option<Box<[Word]>>,
    /// Extended key usages as object identifiers; empty when there is no extension.
    #[serde(default)]
    pub eku: Box<[Word]>,
    /// Basic constraints say that it is a CA.
    #[serde(default)]
    pub ca: bool,
}

impl X509 {
    /// The facts of a parsed certificate.
    pub fn of(certificate: &Certificate) -> Self {
        let key = certificate.public_key();
        let (alg, exponent) = match key {
            PublicKey::Rsa { exponent, .. } => ("RSA", number(exponent)),
            PublicKey::Ec { .. } => ("EC", None),
        };
        Self {
            sha1: certificate.sha1().into(),
            sha256: certificate.sha256().into(),
            spki: certificate.spki_sha256().into(),
            subject: certificate.subject().into(),
            issuer: certificate.issuer().into(),
            self_signed: certificate.is_self_issued(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            alg: alg.into(),
            bits: u32::try_from(key.bits()).unwrap_or(u32::MAX),
            curve: certificate.curve().map(Into::into),
            exponent,
            is_roca: key.is_roca(),
            sig: certificate.signature_algorithm().into(),
            ku: certificate.key_usage().map(boxed),
            eku: boxed(certificate.extended_key_usage()),
            ca: certificate.is_ca(),
        }
    }

    /// Whether a thumbprint is that of these bytes.
    pub fn has(&self, thumbprint: &Thumbprint) -> bool {
        let hex = thumbprint.hex();
        self.sha1.as_str() == hex || self.sha256.as_str() == hex
    }
}

fn boxed(texts: &[String]) -> Box<[Word]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}
