//! PEM as the addressable secret holds it and as `import` takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::lab::keys::PrivateKey;

/// Private key first, if there is one, then the certificates.
pub(super) fn write(key: Option<&PrivateKey>, certificates: &[&[u8]]) -> String {
    let mut text = String::new();
    if let Some(key) = key {
        block(&mut text, "PRIVATE KEY", key.pkcs8().expose());
    }
    for der in certificates {
        block(&mut text, "CERTIFICATE", der);
    }
    text
}

fn block(text: &mut String, label: &str, der: &[u8]) {
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
}

/// What a PEM text holds: PKCS#8 keys and certificates, in their order.
pub(super) struct Blocks {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Reads all blocks. `None` if one is broken.
pub(super) fn read(text: &[u8]) -> Option<Blocks> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text).map(|each| each.map(|der| der.to_vec())).collect();
    let keys: Result<Vec<_>, _> =
        PrivatePkcs8KeyDer::pem_slice_iter(text).map(|each| each.map(|der| der.secret_pkcs8_der().to_vec())).collect();
    Some(Blocks { keys: keys.ok()?, certificates: certificates.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::keys::{Curve, KeyKind};

    #[test]
    fn what_is_written_is_read_back_in_its_order() {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256));
        let text = write(Some(&key), &[&[1; 100], &[2; 48]]);
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----END CERTIFICATE-----\n"));
        let blocks = read(text.as_bytes()).unwrap();
        assert_eq!(blocks.keys, [key.pkcs8().expose().clone()]);
        assert_eq!(blocks.certificates, [vec![1; 100], vec![2; 48]]);
    }

    #[test]
    fn without_a_key_there_is_no_key_block() {
        assert!(!write(None, &[&[1; 10]]).contains("PRIVATE"));
    }
}
