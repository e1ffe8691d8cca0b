//! Makes X.509: certificates as Key Vault issues them, and the requests for those that others sign.

use const_oid::AssociatedOid;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512};
use const_oid::db::rfc5912::{ID_EXTENSION_REQ, SHA_256_WITH_RSA_ENCRYPTION};
use der::asn1::{
    Any, BitString, GeneralizedTime, Ia5String, Null, OctetString, SetOfVec, UintRef, UtcTime, Utf8StringRef,
};
use der::flagset::FlagSet;
use der::{Decode as _, Encode, Tag};
use sha1::{Digest as _, Sha1};
use time::OffsetDateTime;
use x509_cert::attr::Attribute;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate};

use super::policy::{KEY_USAGES, Policy, Sans};
use super::subject;
use crate::lab::keys::{Algorithm, KeyKind, PrivateKey};

/// Microsoft's user principal name in a subject alternative name.
const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

/// What a certificate says about its holder.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) subject: Name,
    pub(super) usages: Vec<String>,
    pub(super) ekus: Vec<String>,
    pub(super) sans: Sans,
    pub(super) is_ca: bool,
}

impl Profile {
    /// What a policy asks for. `None` if its subject or a usage cannot be encoded.
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        let props = &policy.x509_props;
        let subject = match props.subject.as_deref() {
            None | Some("") => Name::default(),
            Some(text) => subject::parse(text)?,
        };
        Some(Self {
            subject,
            usages: props.key_usage.clone(),
            ekus: props.ekus.clone(),
            sans: props.sans.clone().unwrap_or_default(),
            is_ca: props.basic_constraints.ca,
        })
    }
}

/// From when to when, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Lifetime {
    /// What the service gives a certificate issued at `created`: ten minutes before, and calendar
    /// months after.
    pub(super) fn of_months(created: i64, months: u32) -> Self {
        Self { not_before: created - 600, not_after: add_months(created, months) }
    }
}

/// Issues a certificate. Without an issuer it signs itself.
pub(super) fn certificate(
    profile: &Profile,
    key: &PrivateKey,
    lifetime: Lifetime,
    serial: [u8; 16],
    issuer: Option<(&Name, &PrivateKey)>,
) -> der::Result<Vec<u8>> {
    let (issuer_name, issuer_key) = issuer.unwrap_or((&profile.subject, key));
    // RFC 5280 4.1.2.2 wants a positive number; all real ones have 16 bytes and no top bit.
    let mut serial = serial;
    serial[0] &= 0x7f;
    let mut extensions = Vec::new();
    extensions.extend(key_usage(&profile.usages)?);
    extensions.push(basic_constraints(profile.is_ca)?);
    extensions.extend(extended_key_usage(&profile.ekus)?);
    extensions.extend(alternative_names(profile)?);
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(key_identifier(issuer_key)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    extensions.push(extension(&authority, false)?);
    extensions.push(extension(&SubjectKeyIdentifier(key_identifier(key)?), false)?);
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: signature_algorithm(issuer_key).1,
        issuer: issuer_name.clone(),
        validity: Validity { not_before: time(lifetime.not_before)?, not_after: time(lifetime.not_after)? },
        subject: profile.subject.clone(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&key.spki())?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    let (signature_algorithm, signature) = sign(issuer_key, &tbs_certificate.to_der()?)?;
    Certificate { tbs_certificate, signature_algorithm, signature }.to_der()
}

/// A PKCS#10 request for a certificate of this profile.
pub(super) fn request(profile: &Profile, key: &PrivateKey) -> der::Result<Vec<u8>> {
    let mut extensions = Vec::new();
    extensions.extend(key_usage(&profile.usages)?);
    extensions.extend(extended_key_usage(&profile.ekus)?);
    extensions.extend(alternative_names(profile)?);
    extensions.push(basic_constraints(profile.is_ca)?);
    let values = SetOfVec::try_from(vec![Any::from_der(&extensions.to_der()?)?])?;
    let info = CertReqInfo {
        version: x509_cert::request::Version::V1,
        subject: profile.subject.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(&key.spki())?,
        attributes: SetOfVec::try_from(vec![Attribute { oid: ID_EXTENSION_REQ, values }])?,
    };
    let (algorithm, signature) = sign(key, &info.to_der()?)?;
    CertReq { info, algorithm, signature }.to_der()
}

/// Adds calendar months; a day that the month does not have becomes its last.
pub(super) fn add_months(at: i64, months: u32) -> i64 {
    let Ok(from) = OffsetDateTime::from_unix_timestamp(at) else { return at };
    let index = i64::from(from.year()) * 12 + i64::from(u8::from(from.month())) - 1 + i64::from(months);
    let year = i32::try_from(index.div_euclid(12)).unwrap_or(9999);
    let month = u8::try_from(index.rem_euclid(12) + 1).ok().and_then(|month| time::Month::try_from(month).ok());
    let month = month.unwrap_or(from.month());
    let day = from.day().min(month.length(year));
    let date = time::Date::from_calendar_date(year, month, day).unwrap_or(from.date());
    from.replace_date(date).unix_timestamp()
}

fn key_usage(usages: &[String]) -> der::Result<Option<Extension>> {
    let mut flags: FlagSet<KeyUsages> = FlagSet::default();
    for usage in usages {
        let bit = KEY_USAGES.iter().position(|known| known == usage);
        let bit = bit.ok_or(der::ErrorKind::Value { tag: Tag::BitString })?;
        flags |= FlagSet::<KeyUsages>::new(1 << bit).map_err(|_| der::ErrorKind::Value { tag: Tag::BitString })?;
    }
    if flags.is_empty() { Ok(None) } else { extension(&KeyUsage(flags), true).map(Some) }
}

fn basic_constraints(ca: bool) -> der::Result<Extension> {
    extension(&BasicConstraints { ca, path_len_constraint: None }, false)
}

fn extended_key_usage(ekus: &[String]) -> der::Result<Option<Extension>> {
    if ekus.is_empty() {
        return Ok(None);
    }
    let oids: Result<Vec<_>, _> = ekus.iter().map(|eku| ObjectIdentifier::new(eku)).collect();
    let oids = oids.map_err(|_| der::ErrorKind::Value { tag: Tag::ObjectIdentifier })?;
    extension(&ExtendedKeyUsage(oids), false).map(Some)
}

/// The names beside the subject. Without a subject they are critical (RFC 5280 4.2.1.6).
fn alternative_names(profile: &Profile) -> der::Result<Option<Extension>> {
    let sans = &profile.sans;
    let mut names = Vec::new();
    for email in sans.emails.iter().flatten() {
        names.push(GeneralName::Rfc822Name(Ia5String::new(email)?));
    }
    for host in sans.dns_names.iter().flatten() {
        names.push(GeneralName::DnsName(Ia5String::new(host)?));
    }
    for upn in sans.upns.iter().flatten() {
        let value = Any::new(Tag::Utf8String, Utf8StringRef::new(upn)?.as_bytes())?;
        names.push(GeneralName::OtherName(OtherName { type_id: UPN, value }));
    }
    for uri in sans.uris.iter().flatten() {
        names.push(GeneralName::UniformResourceIdentifier(Ia5String::new(uri)?));
    }
    for address in sans.ip_addresses.iter().flatten() {
        let address: std::net::IpAddr = address.parse().map_err(|_| der::ErrorKind::Value { tag: Tag::OctetString })?;
        let bytes = match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        names.push(GeneralName::IpAddress(OctetString::new(bytes)?));
    }
    if names.is_empty() {
        return Ok(None);
    }
    extension(&SubjectAltName(names), profile.subject.0.is_empty()).map(Some)
}

fn extension<T: AssociatedOid + Encode>(value: &T, critical: bool) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

/// RFC 5280 4.2.1.2, method 1.
fn key_identifier(key: &PrivateKey) -> der::Result<OctetString> {
    let spki = SubjectPublicKeyInfoOwned::from_der(&key.spki())?;
    OctetString::new(Sha1::digest(spki.subject_public_key.raw_bytes()).to_vec())
}

fn signature_algorithm(key: &PrivateKey) -> (Algorithm, AlgorithmIdentifierOwned) {
    match key.kind() {
        KeyKind::Rsa(_) => {
            let parameters = Some(Null.into());
            (Algorithm::Rs256, AlgorithmIdentifierOwned { oid: SHA_256_WITH_RSA_ENCRYPTION, parameters })
        }
        KeyKind::Ec(curve) => {
            let oid = match curve.bits() {
                384 => ECDSA_WITH_SHA_384,
                521 => ECDSA_WITH_SHA_512,
                _ => ECDSA_WITH_SHA_256,
            };
            (curve.algorithm(), AlgorithmIdentifierOwned { oid, parameters: None })
        }
    }
}

fn sign(key: &PrivateKey, message: &[u8]) -> der::Result<(AlgorithmIdentifierOwned, BitString)> {
    let (algorithm, identifier) = signature_algorithm(key);
    let signature = key.sign(algorithm, &algorithm.hash(message)).ok_or(der::ErrorKind::Failed)?;
    let signature = match key.kind() {
        KeyKind::Rsa(_) => signature,
        // X.509 wants a SEQUENCE of two numbers (RFC 5480, appendix A), JWS wants them side by side.
        KeyKind::Ec(_) => {
            let (r, s) = signature.split_at(signature.len() / 2);
            vec![UintRef::new(r)?, UintRef::new(s)?].to_der()?
        }
    };
    Ok((identifier, BitString::from_bytes(&signature)?))
}

/// `UTCTime` up to 2049, `GeneralizedTime` after (RFC 5280 4.1.2.5).
fn time(at: i64) -> der::Result<Time> {
    let since_epoch = std::time::Duration::from_secs(u64::try_from(at).unwrap_or_default());
    match UtcTime::from_unix_duration(since_epoch) {
        Ok(time) => Ok(Time::UtcTime(time)),
        Err(_) => Ok(Time::GeneralTime(GeneralizedTime::from_unix_duration(since_epoch)?)),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use x509_parser::prelude::FromDer as _;
    use x509_parser::prelude::X509Certificate;
    use x509_parser::prelude::X509CertificationRequest;

    use super::*;
    use crate::lab::keys::Curve;

    fn profile() -> Profile {
        Profile {
            subject: subject::parse("C=US, CN=host").unwrap(),
            usages: vec!["digitalSignature".to_owned()],
            ekus: vec!["1.3.6.1.5.5.7.3.2".to_owned()],
            sans: Sans { dns_names: Some(vec!["host.example".to_owned()]), ..Sans::default() },
            is_ca: false,
        }
    }

    #[test]
    fn a_certificate_has_the_recorded_extensions_in_their_order() {
        for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P256), KeyKind::Ec(Curve::P384), KeyKind::Ec(Curve::P521)] {
            let key = PrivateKey::generate(kind);
            let lifetime = Lifetime::of_months(1_684_994_996, 60);
            let der = certificate(&profile(), &key, lifetime, [0xff; 16], None).unwrap();
            let (rest, parsed) = X509Certificate::from_der(&der).unwrap();
            assert!(rest.is_empty());
            let found: Vec<_> = parsed.extensions().iter().map(|e| (e.oid.to_id_string(), e.critical)).collect();
            let expected = [("15", true), ("19", false), ("37", false), ("17", false), ("35", false), ("14", false)];
            assert_eq!(found, expected.map(|(id, critical)| (format!("2.5.29.{id}"), critical)));
            assert_eq!(parsed.raw_serial()[0], 0x7f);
            assert_eq!(parsed.raw_serial().len(), 16);
            assert_eq!(parsed.validity().not_before.timestamp(), 1_684_994_396);
            assert_eq!(parsed.validity().not_after.timestamp(), 1_842_847_796);
            assert_eq!(parsed.subject().as_raw(), parsed.issuer().as_raw());
            assert_eq!(parsed.subject().iter_attributes().next().unwrap().as_str(), Ok("host"));
        }
    }

    #[test]
    fn a_request_carries_the_extensions_without_key_identifiers() {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256));
        let der = request(&profile(), &key).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
        let extensions = parsed.requested_extensions().unwrap().count();
        assert_eq!(extensions, 4);
    }

    #[test]
    fn months_are_calendar_months() {
        let add = |at: OffsetDateTime, months| {
            OffsetDateTime::from_unix_timestamp(add_months(at.unix_timestamp(), months)).unwrap()
        };
        assert_eq!(add(datetime!(2023-05-25 06:09:56 UTC), 60), datetime!(2028-05-25 06:09:56 UTC));
        assert_eq!(add(datetime!(2024-01-31 00:00 UTC), 1), datetime!(2024-02-29 00:00 UTC));
        assert_eq!(add(datetime!(2023-12-15 00:00 UTC), 1), datetime!(2024-01-15 00:00 UTC));
        assert_eq!(add(datetime!(2024-02-29 00:00 UTC), 12), datetime!(2025-02-28 00:00 UTC));
    }
}
