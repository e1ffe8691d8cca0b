//! The certificate authority of a lab, made anew at each start, and the one certificate it issues.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::OffsetDateTime;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::Error;

/// What a server needs, and what its clients have to trust.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The CA's certificate. Its private key is dropped as soon as the leaf is signed.
    pub(crate) ca_pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

impl Identity {
    /// Makes a CA and a certificate for the lab's names. `now` is the machine's time, not the
    /// lab's: TLS libraries compare with the machine's clock.
    pub(crate) fn issue(now: OffsetDateTime) -> Result<Self, Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = params("kvops LAB root (do not trust elsewhere)", now);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key)?.pem();

        let key = KeyPair::generate()?;
        let mut leaf = params("kvops LAB", now);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // `*.localhost` has too few labels for OpenSSL and Node, hence the middle label.
        leaf.subject_alt_names = vec![
            SanType::DnsName("localhost".try_into()?),
            SanType::DnsName("*.vault.localhost".try_into()?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem, config: Arc::new(config) })
    }
}

fn params(common_name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.distinguished_name.push(DnType::OrganizationName, "kvops LAB");
    params.not_before = now - time::Duration::DAY;
    params.not_after = now + 397 * time::Duration::DAY;
    params.use_authority_key_identifier_extension = true;
    params
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_strict_reader_finds_a_ca_that_says_what_it_is() {
        let identity = Identity::issue(datetime!(2026-01-01 00:00 UTC)).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(identity.ca_pem.as_bytes()).unwrap();
        let ca = pem.parse_x509().unwrap();
        assert!(ca.is_ca());
        assert!(ca.subject().to_string().contains("LAB"));
        let usage = ca.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    }
}
