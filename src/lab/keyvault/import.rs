//! Certificates made elsewhere: `import` with their key, `merge` for a key that the vault made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use x509_cert::der::Decode as _;
use x509_cert::der::Encode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints as BasicConstraintsExtension, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::Kind;
use super::call::{Call, body};
use super::certificates::{AttributesInput, check_tags};
use super::error::{Answer, Refusal};
use super::life::Life;
use super::model::{Attributes, Certificate, CertificateVersion, Chained, Tags};
use super::pem::{self, Blocks};
use super::pending::{Pending, Status};
use super::policy::{
    BasicConstraints, Imported, KEY_USAGES, PEM, PKCS12, Policy, PolicyInput, Sans, X509Props, key_ops,
};
use super::settle;
use super::x509::{Lifetime, add_months};
use super::{pfx, subject};
use crate::lab::exchange::{Reply, Request};
use crate::lab::keys::PrivateKey;

const NO_CHAIN: &str = "Unable to parse X5c certificate chain and locate leaf certificate";
const MISMATCH: &str = "The public key of the end-entity certificate in the specified X.509 certificate content does not \
                        match the public part of the specified private key. Please check if certificate is valid.";

#[derive(Debug, Deserialize)]
struct Import {
    value: String,
    pwd: Option<String>,
    policy: Option<PolicyInput>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
    #[serde(rename = "preserveCertOrder")]
    preserve_order: Option<bool>,
}

/// POST `/certificates/{name}/import`: 200 with the bundle.
pub(super) fn import(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Import = body(request)?;
    check_tags(sent.tags.as_ref())?;
    call.check_name_is_free(Kind::Certificate, name)?;
    let (blocks, content_type) = read(&sent.value, sent.pwd.as_deref().unwrap_or_default())?;
    let key = blocks.keys.first().ok_or_else(|| {
        Refusal::bad_parameter("Private key is not specified in the specified X.509 certificate content.")
    })?;
    let key = PrivateKey::from_pkcs8(key)
        .ok_or_else(|| Refusal::bad_parameter("The specified private key is of a type that is not supported."))?;
    let leaf = Leaf::find(&blocks.certificates, &key).ok_or_else(|| Refusal::bad_parameter(MISMATCH))?;
    let found = Imported { x509: leaf.properties(), kind: key.kind(), content_type };
    let mut policy = Policy::import(sent.policy.unwrap_or_default(), found, call.now)?;
    if let Ok(stored) = call.live_certificate(name) {
        policy.attributes.created = stored.policy.attributes.created;
    }
    let mut attributes = Attributes {
        not_before: Some(leaf.lifetime.not_before),
        expires: Some(leaf.lifetime.not_after),
        ..Attributes::new(call.now)
    };
    attributes.enabled = sent.attributes.and_then(|sent| sent.enabled).unwrap_or(true);
    let version = CertificateVersion {
        version: call.fresh_id(),
        der: leaf.der.clone(),
        chain: chain(blocks.certificates, leaf.index),
        leaf_index: leaf.index,
        key,
        kty: policy.key_props.kty.clone(),
        key_ops: key_ops(&policy.x509_props.key_usage),
        exportable: policy.key_props.exportable && !policy.key_props.kty.ends_with("-HSM"),
        content_type: policy.secret_props.content_type.clone(),
        attributes,
        tags: sent.tags,
        preserve_order: sent.preserve_order,
    };
    let certificate = call.vault.certificates.entry(name.to_ascii_lowercase()).or_insert_with(|| Certificate {
        name: name.to_owned(),
        life: Life::default(),
        policy: policy.clone(),
        placeholder: None,
        versions: Vec::new(),
        pending: None,
    });
    certificate.policy = policy;
    certificate.placeholder = None;
    certificate.pending = None;
    certificate.versions.push(version);
    super::certificates::read(call, name)
}

#[derive(Debug, Deserialize)]
struct Merge {
    x5c: Vec<String>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
}

/// POST `/certificates/{name}/pending/merge`: 201 with the bundle. The policy stays as it is,
/// whatever the certificate says.
pub(super) fn merge(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Merge = body(request)?;
    check_tags(sent.tags.as_ref())?;
    let now = call.now;
    let certificate = call.live_certificate_mut(name).map_err(|_| Refusal::no_pending(name))?;
    let pending = certificate.pending.clone().ok_or_else(|| Refusal::no_pending(name))?;
    if !pending.is_in_progress() || !pending.policy.issuer.is_unknown() {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "Merge is not allowed: the pending certificate does not wait for one.",
        ));
    }
    let certificates: Option<Vec<_>> = sent.x5c.iter().map(|text| decode_x5c(text)).collect();
    let certificates = certificates.ok_or_else(|| Refusal::bad_parameter(NO_CHAIN))?;
    let leaf = Leaf::find(&certificates, &pending.key).ok_or_else(|| Refusal::bad_parameter(NO_CHAIN))?;
    let pending = Pending {
        enabled: sent.attributes.and_then(|sent| sent.enabled).unwrap_or(pending.enabled),
        tags: sent.tags.or(pending.tags),
        status: Status::Completed,
        due_at: None,
        ..pending
    };
    let (der, lifetime, index) = (leaf.der.clone(), leaf.lifetime, leaf.index);
    let version = settle::version(&pending, der, chain(certificates, index), lifetime, now);
    certificate.placeholder = None;
    certificate.versions.push(version);
    certificate.pending = Some(pending);
    let location = format!("{}?api-version={}", call.url("certificates", name, None), call.version.as_str());
    let reply = super::certificates::read(call, name)?;
    Ok(Reply { status: StatusCode::CREATED, ..reply }.header("location", &location))
}

/// base64 DER; base64 of base64 text is in use and accepted.
fn decode_x5c(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    if bytes.first() == Some(&0x30) {
        return Some(bytes);
    }
    let compact: Vec<_> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// Takes raw PEM, PEM in base64, and PFX in base64, and tells them apart by their bytes.
fn read(value: &str, password: &str) -> Result<(Blocks, &'static str), Refusal> {
    let is_pem = |bytes: &[u8]| bytes.windows(11).any(|window| window == b"-----BEGIN ");
    let bad_pem = || {
        Refusal::bad_parameter(
            "The specified PEM X.509 certificate content is in an unexpected format. Please check if certificate is in \
             valid PEM format.",
        )
    };
    if is_pem(value.as_bytes()) {
        return pem::read(value.as_bytes()).map(|blocks| (blocks, PEM)).ok_or_else(bad_pem);
    }
    let compact: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| Refusal::invalid_property("value", ""))?;
    if is_pem(&bytes) {
        return pem::read(&bytes).map(|blocks| (blocks, PEM)).ok_or_else(bad_pem);
    }
    pfx::read(&bytes, password).map(|blocks| (blocks, PKCS12)).ok_or_else(|| {
        Refusal::bad_parameter(
            "The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid \
             PKCS#12 format.",
        )
    })
}

fn chain(certificates: Vec<Vec<u8>>, leaf: usize) -> Vec<Chained> {
    certificates.into_iter().enumerate().filter(|(index, _)| *index != leaf).map(|(_, der)| Chained(der)).collect()
}

/// The certificate that belongs to a key.
struct Leaf {
    index: usize,
    der: Vec<u8>,
    certificate: x509_cert::Certificate,
    lifetime: Lifetime,
}

impl Leaf {
    fn find(certificates: &[Vec<u8>], key: &PrivateKey) -> Option<Self> {
        let spki = key.spki();
        certificates.iter().enumerate().find_map(|(index, der)| {
            let certificate = x509_cert::Certificate::from_der(der).ok()?;
            let tbs = &certificate.tbs_certificate;
            if tbs.subject_public_key_info.to_der().ok()? != spki {
                return None;
            }
            let seconds =
                |at: &x509_cert::time::Time| i64::try_from(at.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
            let lifetime =
                Lifetime { not_before: seconds(&tbs.validity.not_before), not_after: seconds(&tbs.validity.not_after) };
            Some(Self { index, der: der.clone(), certificate, lifetime })
        })
    }

    /// What the policy of an imported certificate says about X.509.
    fn properties(&self) -> X509Props {
        let tbs = &self.certificate.tbs_certificate;
        let key_usage: Option<KeyUsage> = tbs.get().ok().flatten().map(|(_, value)| value);
        let mut usages: Vec<_> = KEY_USAGES
            .iter()
            .enumerate()
            .filter(|(bit, _)| key_usage.as_ref().is_some_and(|usage| usage.0.bits() >> bit & 1 == 1))
            .map(|(_, &usage)| usage.to_owned())
            .collect();
        usages.sort();
        let ekus: Option<ExtendedKeyUsage> = tbs.get().ok().flatten().map(|(_, value)| value);
        let basic: Option<BasicConstraintsExtension> = tbs.get().ok().flatten().map(|(_, value)| value);
        let names: Option<SubjectAltName> = tbs.get().ok().flatten().map(|(_, value)| value);
        X509Props {
            subject: Some(subject::print(&tbs.subject)),
            sans: names.map(|names| sans(&names)),
            ekus: ekus.iter().flat_map(|ekus| &ekus.0).map(ToString::to_string).collect(),
            key_usage: usages,
            validity_months: months(self.lifetime),
            basic_constraints: BasicConstraints { ca: basic.is_some_and(|basic| basic.ca) },
        }
    }
}

/// The lists that the service shows for every imported certificate with alternative names.
fn sans(names: &SubjectAltName) -> Sans {
    let (mut emails, mut dns_names, mut upns) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names.0 {
        match name {
            GeneralName::Rfc822Name(text) => emails.push(text.to_string()),
            GeneralName::DnsName(text) => dns_names.push(text.to_string()),
            GeneralName::OtherName(other) => upns.push(String::from_utf8_lossy(other.value.value()).into_owned()),
            _ => {}
        }
    }
    Sans { emails: Some(emails), dns_names: Some(dns_names), upns: Some(upns), uris: None, ip_addresses: None }
}

/// The least number of calendar months that covers the validity.
fn months(lifetime: Lifetime) -> u32 {
    // A month is at most 31 days, so this many never cover more than the validity.
    let least = u32::try_from((lifetime.not_after - lifetime.not_before) / (31 * 86400)).unwrap_or(0);
    (least.max(1)..=12000).find(|&count| add_months(lifetime.not_before, count) >= lifetime.not_after).unwrap_or(12000)
}
