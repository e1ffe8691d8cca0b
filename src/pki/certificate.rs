//! Public certificates: what they say about themselves.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::error::Error;
use super::public_key::PublicKey;
use crate::domain::Thumbprint;

/// A parsed X.509 certificate (RFC 5280), kept with its DER.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    serial_number: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    key_usage: Option<Vec<String>>,
    extended_key_usage: Vec<String>,
    is_ca: bool,
    is_self_issued: bool,
    issuer: String,
    signature_algorithm: String,
    curve: Option<&'static str>,
    spki: Thumbprint,
    public_key: PublicKey,
}

impl Certificate {
    /// Parses one certificate in DER; trailing bytes are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let unusable = |error: &dyn fmt::Display| Error::Certificate(error.to_string());
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| unusable(&error))?;
        if !rest.is_empty() {
            return Err(unusable(&format!("{} bytes follow it", rest.len())));
        }
        let key_usage = parsed.key_usage().map_err(|error| unusable(&error))?;
        let extended = parsed.extended_key_usage().map_err(|error| unusable(&error))?;
        let constraints = parsed.basic_constraints().map_err(|error| unusable(&error))?;
        let time = |time: x509_parser::time::ASN1Time| {
            OffsetDateTime::from_unix_timestamp(time.timestamp()).map_err(|error| unusable(&error))
        };
        Ok(Self {
            subject: parsed.subject().to_string(),
            serial_number: parsed.raw_serial_as_string().replace(':', "").to_uppercase(),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
            key_usage: key_usage.map(|usage| usages(usage.value)),
            extended_key_usage: extended.map(|usage| purposes(usage.value)).unwrap_or_default(),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
            is_self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            issuer: parsed.issuer().to_string(),
            signature_algorithm: algorithm_name(&parsed.signature_algorithm.algorithm.to_id_string()),
            curve: curve(parsed.public_key()),
            spki: Thumbprint::sha256(parsed.public_key().raw),
            public_key: PublicKey::new(parsed.public_key())?,
            der: der.to_vec(),
        })
    }

    /// Parses what a CER file may hold: DER, PEM, or the base64 of DER without its frame.
    pub fn from_file(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.first() == Some(&0x30) {
            return Self::from_der(bytes);
        }
        if let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(bytes) {
            if pem.label != "CERTIFICATE" {
                return Err(Error::Certificate(format!("the PEM block is a {}, not a CERTIFICATE", pem.label)));
            }
            return Self::from_der(&pem.contents);
        }
        let compact: Vec<u8> = bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let der = STANDARD
            .decode(compact)
            .map_err(|_| Error::Certificate("it is neither DER, nor PEM, nor the base64 of DER".to_owned()))?;
        Self::from_der(&der)
    }

    /// Parses a file that may hold several certificates in PEM, in their order, or one as above.
    pub fn chain_from_file(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let mut chain = Vec::new();
        for block in x509_parser::pem::Pem::iter_from_buffer(bytes) {
            let block = block.map_err(|error| Error::Certificate(error.to_string()))?;
            if block.label == "CERTIFICATE" {
                chain.push(Self::from_der(&block.contents)?);
            }
        }
        if chain.is_empty() { Ok(vec![Self::from_file(bytes)?]) } else { Ok(chain) }
    }

    /// The bytes it was parsed from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Distinguished name in the parser's order: for people, never to compare. Hostile text.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Serial number, upper-case hex.
    pub fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// Start of validity.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// End of validity.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// The bits of the key usage extension in X.509's spelling; `None` when there is no extension,
    /// which permits everything.
    pub fn key_usage(&self) -> Option<&[String]> {
        self.key_usage.as_deref()
    }

    /// Whether the key may make digital signatures and nothing else.
    pub fn is_digital_signature_only(&self) -> bool {
        self.key_usage.as_deref().is_some_and(|usage| usage == ["digitalSignature"])
    }

    /// Extended key usages as dotted object identifiers.
    pub fn extended_key_usage(&self) -> &[String] {
        &self.extended_key_usage
    }

    /// Whether it may sign other certificates.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether issuer and subject are the same.
    pub fn is_self_issued(&self) -> bool {
        self.is_self_issued
    }

    /// Distinguished name of the issuer. Hostile text.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How it is signed, in the spelling of RFC 4055 and RFC 5758; the object identifier of what is
    /// not known here.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// The curve of an EC key in JWK's spelling (RFC 7518 6.2.1.1, RFC 8812 3.1), if it has a name there.
    pub fn curve(&self) -> Option<&'static str> {
        self.curve
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`: the same key has the same value in every certificate.
    pub fn spki_sha256(&self) -> Thumbprint {
        self.spki
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// SHA-1 of the DER: `x5t`.
    pub fn sha1(&self) -> Thumbprint {
        Thumbprint::sha1(&self.der)
    }

    /// SHA-256 of the DER: `x5t#S256`.
    pub fn sha256(&self) -> Thumbprint {
        Thumbprint::sha256(&self.der)
    }

    /// Whether `thumbprint`, of either kind, is that of this certificate.
    pub fn has_thumbprint(&self, thumbprint: &Thumbprint) -> bool {
        [self.sha1(), self.sha256()].contains(thumbprint)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("sha1", &self.sha1())
            .finish_non_exhaustive()
    }
}

fn algorithm_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        other => other,
    };
    name.to_owned()
}

fn curve(key: &SubjectPublicKeyInfo<'_>) -> Option<&'static str> {
    match key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string().as_str() {
        "1.2.840.10045.3.1.7" => Some("P-256"),
        "1.3.132.0.34" => Some("P-384"),
        "1.3.132.0.35" => Some("P-521"),
        "1.3.132.0.10" => Some("P-256K"),
        _ => None,
    }
}

fn usages(usage: &KeyUsage) -> Vec<String> {
    let bits = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    bits.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name.to_owned()).collect()
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "2.5.29.37.0"),
        (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let known = known.into_iter().filter(|(is_set, _)| *is_set).map(|(_, oid)| oid.to_owned());
    known.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect()
}
