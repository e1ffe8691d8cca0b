//! What a certificate says, without its bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use super::compact::Hex;
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
    #[serde(with = "super::compact::word")]
    pub alg: Box<str>,
    /// Bits of the modulus, or of the curve.
    pub bits: u32,
    /// Curve of an EC key, in JWK's spelling, if it is one that has a name there.
    #[serde(default, with = "super::compact::word::option")]
    pub curve: Option<Box<str>>,
    /// Public exponent of an RSA key; `None` when it does not fit.
    #[serde(default)]
    pub exponent: Option<u64>,
    /// Whether the modulus has the form that the broken generator of CVE-2017-15361 gives it.
    #[serde(default)]
    pub is_roca: bool,
    /// Signature algorithm in the spelling of RFC 4055 and RFC 5758, such as `sha256WithRSAEncryption`, else its OID.
    #[serde(default, with = "super::compact::word")]
    pub sig: Box<str>,
    /// Key usage; `None` when there is no extension, which permits everything.
    #[serde(default, with = "super::compact::word::list::option")]
    pub ku: Option<Box<[Box<str>]>>,
    /// Extended key usages as object identifiers; empty when there is no extension.
    #[serde(default, with = "super::compact::word::list")]
    pub eku: Box<[Box<str>]>,
    /// Basic constraints say that it is a CA.
    #[serde(default)]
    pub ca: bool,
}

/// A digest as upper-case hex.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub Box<str>);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(&*self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Hex::<Box<str>>::deserialize(deserializer).map(|Hex(text)| Self(text))
    }
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
            sha1: Digest(certificate.sha1().hex().into()),
            sha256: Digest(certificate.sha256().hex().into()),
            spki: Digest(certificate.spki_sha256().hex().into()),
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
        *self.sha1.0 == *hex || *self.sha256.0 == *hex
    }
}

fn boxed(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}
