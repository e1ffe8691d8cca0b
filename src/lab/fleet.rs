//! Certificates without end: X.509 that parses, made from a number in a few microseconds.
//!
//! Nobody has their keys. The modulus is made up like everything else, and so is the signature, which
//! nobody verifies: neither the directory nor an audit does.

use std::ops::Range;
use std::sync::LazyLock;

use const_oid::db::rfc5912::{RSA_ENCRYPTION, SHA_256_WITH_RSA_ENCRYPTION};
use der::asn1::{Any, BitString, Null, OctetString, UintRef, UtcTime};
use der::flagset::FlagSet;
use der::{Encode as _, Sequence};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use time::OffsetDateTime;
use time::macros::format_description;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate};

/// The finaliser of `SplitMix64`: each bit of the result depends on each bit of the input.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const DAY: i64 = 86400;
const YEAR: i64 = 365 * DAY;

/// The made-up certificates of all vaults. Directory and vaults compute the same ones from it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Fleet {
    pub(crate) seed: u64,
    pub(crate) vaults: u32,
    /// In each vault.
    pub(crate) certificates: u32,
    /// The moment around which they are valid, expired and about to expire.
    pub(crate) at: i64,
}

/// One version of a made-up certificate.
#[derive(Clone, Debug)]
pub(crate) struct MadeUp {
    /// 32 hex digits.
    pub(crate) version: String,
    pub(crate) created: i64,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) modulus: [u8; 256],
    pub(crate) der: Vec<u8>,
}

impl MadeUp {
    /// The thumbprint as the directory writes it.
    pub(crate) fn label(&self) -> String {
        Sha1::digest(&self.der).iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

impl Fleet {
    /// How many certificates there are.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.vaults) * u64::from(self.certificates)
    }

    /// The name of a certificate in its vault.
    pub(crate) fn name(index: u32) -> String {
        format!("app-{index:06}")
    }

    /// The number of a certificate in a vault.
    pub(crate) fn number(&self, vault: u32, index: u32) -> u64 {
        u64::from(vault) * u64::from(self.certificates) + u64::from(index)
    }

    /// How many versions a certificate has: one in ten was renewed once.
    pub(crate) fn versions(&self, number: u64) -> u32 {
        if self.hash(number, 1).is_multiple_of(10) { 2 } else { 1 }
    }

    /// A version of a certificate in a vault, counted from 0.
    pub(crate) fn version(&self, number: u64, version: u32) -> MadeUp {
        let draw = self.hash(number, 2);
        // Three in four are good for long, one in ten for days, and the rest has expired.
        let age = match draw % 20 {
            0..15 => draw / 20 % 300,
            15..17 => 335 + draw / 20 % 29,
            _ => 366 + draw / 20 % 200,
        };
        let last = self.versions(number) - 1;
        // Earlier versions were made half a year before.
        let age = i64::try_from(age).unwrap_or_default() + i64::from(last.saturating_sub(version)) * 180;
        let created = self.at - age * DAY - i64::from(draw as u16 % 3600);
        let index = u32::try_from(number % u64::from(self.certificates.max(1))).unwrap_or_default();
        self.made(mix(number) ^ u64::from(version), &Self::name(index), created)
    }

    /// A certificate that is in no vault.
    pub(crate) fn stranger(&self, number: u64, age_days: i64) -> MadeUp {
        let index = u32::try_from(number % 1_000_000).unwrap_or_default();
        self.made(!mix(number), &Self::name(index), self.at - age_days * DAY)
    }

    /// The policy of a certificate lets its key out.
    pub(crate) fn is_exportable(&self, number: u64) -> bool {
        self.hash(number, 3).is_multiple_of(4)
    }

    fn hash(&self, number: u64, what: u64) -> u64 {
        mix(mix(self.seed ^ what) ^ number)
    }

    fn made(&self, number: u64, common_name: &str, created: i64) -> MadeUp {
        let template = &*TEMPLATE;
        let bytes = |what: u64, out: &mut [u8]| {
            for (word, chunk) in out.chunks_mut(8).enumerate() {
                let hash = mix(mix(self.seed ^ number) ^ (what << 8 | word as u64));
                chunk.copy_from_slice(&hash.to_be_bytes()[..chunk.len()]);
            }
        };
        let (not_before, not_after) = (created - 600, created + YEAR);
        let mut der = template.der.clone();
        let mut modulus = [0; 256];
        bytes(1, &mut modulus);
        // A number of full length, and odd.
        modulus[0] |= 0x80;
        modulus[255] |= 1;
        let mut id = [0; 16];
        bytes(2, &mut id);
        bytes(3, &mut der[template.serial.clone()]);
        // Positive, and of sixteen bytes.
        der[template.serial.start] = der[template.serial.start] & 0x3f | 0x40;
        bytes(4, &mut der[template.signature.clone()]);
        der[template.modulus.clone()].copy_from_slice(&modulus);
        for range in &template.names {
            der[range.clone()].copy_from_slice(common_name.as_bytes());
        }
        der[template.not_before.clone()].copy_from_slice(utc_time(not_before).as_bytes());
        der[template.not_after.clone()].copy_from_slice(utc_time(not_after).as_bytes());
        let identifier = Sha1::digest(&der[template.key.clone()]);
        for range in &template.identifiers {
            der[range.clone()].copy_from_slice(&identifier);
        }
        MadeUp {
            version: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            created,
            not_before,
            not_after,
            modulus,
            der,
        }
    }
}

/// `YYMMDDHHMMSSZ`. Fleets live long before 2050.
fn utc_time(at: i64) -> String {
    let format = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
    let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(format).unwrap_or_default()
}

/// A certificate, and where in it each number and name stands.
struct Template {
    der: Vec<u8>,
    serial: Range<usize>,
    names: Vec<Range<usize>>,
    not_before: Range<usize>,
    not_after: Range<usize>,
    modulus: Range<usize>,
    /// The bits of the public key, whose digest is the identifier.
    key: Range<usize>,
    identifiers: Vec<Range<usize>>,
    signature: Range<usize>,
}

#[derive(Sequence)]
struct RsaKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

const SERIAL: [u8; 16] = [0x4a; 16];
const MODULUS: [u8; 256] = [0xb5; 256];
const IDENTIFIER: [u8; 20] = [0x3d; 20];
const SIGNATURE: [u8; 256] = [0x6e; 256];
const COMMON_NAME: &str = "app-??????";
const FROM: i64 = 1_000_000_000;
const TO: i64 = 1_100_000_000;

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the same constants every time, and tested")]
    Template::new().expect("a certificate of constants is encoded")
});

impl Template {
    fn new() -> der::Result<Self> {
        let modulus = UintRef::new(&MODULUS)?;
        let key = RsaKey { modulus, exponent: UintRef::new(&[1, 0, 1])? }.to_der()?;
        let name: Name = format!("CN={COMMON_NAME}").parse()?;
        let mut usage: FlagSet<KeyUsages> = FlagSet::default();
        usage |= KeyUsages::DigitalSignature;
        let identifier = OctetString::new(IDENTIFIER)?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(identifier.clone()),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let client = ObjectIdentifier::new("1.3.6.1.5.5.7.3.2")?;
        let extensions = vec![
            extension("2.5.29.15", true, KeyUsage(usage).to_der()?)?,
            extension("2.5.29.19", false, BasicConstraints { ca: false, path_len_constraint: None }.to_der()?)?,
            extension("2.5.29.37", false, ExtendedKeyUsage(vec![client]).to_der()?)?,
            extension("2.5.29.35", false, authority.to_der()?)?,
            extension("2.5.29.14", false, SubjectKeyIdentifier(identifier).to_der()?)?,
        ];
        let parameters = || Some(Any::from(Null));
        let signed = AlgorithmIdentifierOwned { oid: SHA_256_WITH_RSA_ENCRYPTION, parameters: parameters() };
        let time = |at: i64| -> der::Result<Time> {
            let since_epoch = std::time::Duration::from_secs(at.unsigned_abs());
            UtcTime::from_unix_duration(since_epoch).map(Time::UtcTime)
        };
        let tbs_certificate = TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::new(&SERIAL)?,
            signature: signed.clone(),
            issuer: name.clone(),
            validity: Validity { not_before: time(FROM)?, not_after: time(TO)? },
            subject: name,
            subject_public_key_info: SubjectPublicKeyInfoOwned {
                algorithm: AlgorithmIdentifierOwned { oid: RSA_ENCRYPTION, parameters: parameters() },
                subject_public_key: BitString::from_bytes(&key)?,
            },
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions),
        };
        let signature = BitString::from_bytes(&SIGNATURE)?;
        let der = Certificate { tbs_certificate, signature_algorithm: signed, signature }.to_der()?;
        let missing = || der::Error::from(der::ErrorKind::Failed);
        let all = |part: &[u8]| -> Vec<Range<usize>> {
            let places = der.windows(part.len()).enumerate().filter(|(_, window)| *window == part);
            places.map(|(at, _)| at..at + part.len()).collect()
        };
        let one = |part: &[u8]| all(part).into_iter().next().ok_or_else(missing);
        let template = Self {
            serial: one(&SERIAL)?,
            names: all(COMMON_NAME.as_bytes()),
            not_before: one(utc_time(FROM).as_bytes())?,
            not_after: one(utc_time(TO).as_bytes())?,
            modulus: one(&MODULUS)?,
            key: one(&key)?,
            identifiers: all(&IDENTIFIER),
            signature: one(&SIGNATURE)?,
            der: der.clone(),
        };
        Ok(template)
    }
}

fn extension(id: &str, critical: bool, value: Vec<u8>) -> der::Result<Extension> {
    Ok(Extension { extn_id: ObjectIdentifier::new(id)?, critical, extn_value: OctetString::new(value)? })
}

/// The public half of a made-up key, DER.
pub(crate) fn spki(modulus: &[u8]) -> Vec<u8> {
    let key = UintRef::new(modulus).and_then(|modulus| {
        let key = RsaKey { modulus, exponent: UintRef::new(&[1, 0, 1])? }.to_der()?;
        let algorithm = AlgorithmIdentifierOwned { oid: RSA_ENCRYPTION, parameters: Some(Null.into()) };
        SubjectPublicKeyInfoOwned { algorithm, subject_public_key: BitString::from_bytes(&key)? }.to_der()
    });
    key.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use der::Decode as _;
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    use x509_parser::public_key::PublicKey;

    use super::*;

    const FLEET: Fleet = Fleet { seed: 7, vaults: 10, certificates: 100, at: 1_790_000_000 };

    #[test]
    fn what_is_made_up_parses_and_says_what_it_is_asked_to_say() {
        let made = FLEET.version(FLEET.number(3, 42), 0);
        let (rest, parsed) = X509Certificate::from_der(&made.der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(parsed.subject().to_string(), "CN=app-000042");
        assert_eq!(parsed.issuer().to_string(), "CN=app-000042");
        assert_eq!(parsed.validity().not_before.timestamp(), made.not_before);
        assert_eq!(parsed.validity().not_after.timestamp(), made.not_after);
        assert!(parsed.key_usage().unwrap().unwrap().value.digital_signature());
        let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else { panic!("no RSA key") };
        assert_eq!((key.key_size(), key.try_exponent().unwrap()), (2048, 65537));
        assert!(key.modulus.ends_with(&made.modulus));
        assert_eq!(parsed.public_key().raw, spki(&made.modulus));
        let digest = Sha1::digest(&parsed.public_key().subject_public_key.data);
        let held = parsed.extensions().iter().filter(|each| each.value.ends_with(&digest)).count();
        assert_eq!(held, 2, "both identifiers are of this key");
    }

    #[test]
    fn no_two_are_alike_and_each_is_the_same_when_asked_again() {
        let labels: std::collections::BTreeSet<_> = (0..1000)
            .flat_map(|number| (0..FLEET.versions(number)).map(move |version| FLEET.version(number, version).label()))
            .chain((0..100).map(|number| FLEET.stranger(number, 10).label()))
            .collect();
        let versions: u32 = (0..1000).map(|number| FLEET.versions(number)).sum();
        assert_eq!(labels.len(), versions as usize + 100);
        assert!((1050..1150).contains(&versions), "{versions}");
        assert_eq!(FLEET.version(5, 0).der, FLEET.version(5, 0).der);
    }

    #[test]
    fn a_later_version_is_younger() {
        let number = (0..100).find(|number| FLEET.versions(*number) == 2).unwrap();
        assert!(FLEET.version(number, 0).created < FLEET.version(number, 1).created);
    }

    #[test]
    fn the_templates_parts_are_all_found() {
        let template = Template::new().unwrap();
        assert_eq!((template.names.len(), template.identifiers.len()), (2, 2));
        assert!(x509_cert::Certificate::from_der(&template.der).is_ok());
    }
}
