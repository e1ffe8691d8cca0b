//! The addressable secret: what it gives away and what it does not.

use super::*;
use crate::lab::keyvault::{pem, pfx};

fn secret(lab: &mut Lab, exportable: bool, content_type: &str) -> (Value, Value) {
    let policy = json!({"key_props": {"exportable": exportable}, "secret_props": {"contentType": content_type}});
    (lab.create("a", policy), lab.get("secrets/a"))
}

#[test]
fn the_secret_of_an_exportable_certificate_is_the_key_as_well() {
    let mut lab = Lab::new();
    let (bundle, secret) = secret(&mut lab, true, "application/x-pkcs12");
    assert_eq!(secret["kid"], bundle["kid"]);
    assert_eq!(secret["id"], bundle["sid"]);
    assert_eq!(secret["managed"], true);
    let der = STANDARD.decode(secret["value"].as_str().unwrap()).unwrap();
    let blocks = pfx::read(&der, "").unwrap();
    assert_eq!((blocks.keys.len(), blocks.certificates.len()), (1, 1));
    assert!(pfx::read(&der, "wrong").is_none());
}

#[test]
fn the_secret_of_a_non_exportable_certificate_is_the_certificate_alone() {
    let mut lab = Lab::new();
    let (bundle, secret) = secret(&mut lab, false, "application/x-pkcs12");
    let der = STANDARD.decode(secret["value"].as_str().unwrap()).unwrap();
    let blocks = pfx::read(&der, "").unwrap();
    assert!(blocks.keys.is_empty());
    assert_eq!(STANDARD.encode(&blocks.certificates[0]), bundle["cer"].as_str().unwrap());
}

#[test]
fn pem_secrets_have_the_key_first_or_not_at_all() {
    for exportable in [true, false] {
        let mut lab = Lab::new();
        let (_, secret) = secret(&mut lab, exportable, "application/x-pem-file");
        let text = secret["value"].as_str().unwrap();
        let first = if exportable { "-----BEGIN PRIVATE KEY-----\n" } else { "-----BEGIN CERTIFICATE-----\n" };
        assert!(text.starts_with(first));
        assert_eq!(pem::read(text.as_bytes()).unwrap().keys.len(), usize::from(exportable));
    }
}

#[test]
fn a_changed_policy_does_not_free_a_key_that_exists() {
    let mut lab = Lab::new();
    secret(&mut lab, false, "application/x-pem-file");
    lab.send(Method::PATCH, "certificates/a/policy", json!({"key_props": {"exportable": true}}));
    assert_eq!(lab.get("certificates/a/policy")["key_props"]["exportable"], true);
    assert!(!lab.get("secrets/a")["value"].as_str().unwrap().contains("PRIVATE"));
}

#[test]
fn a_disabled_certificate_disables_its_secret() {
    let mut lab = Lab::new();
    secret(&mut lab, true, "application/x-pkcs12");
    lab.send(Method::PATCH, "certificates/a", json!({"attributes": {"enabled": false}}));
    let disabled = (403, "Forbidden".to_owned(), Some("SecretDisabled".to_owned()));
    assert_eq!(lab.fails(Method::GET, "secrets/a", Value::Null), disabled);
}

#[test]
fn a_pfx_is_of_the_recorded_make() {
    let mut lab = Lab::new();
    let (_, secret) = secret(&mut lab, false, "application/x-pkcs12");
    let der = STANDARD.decode(secret["value"].as_str().unwrap()).unwrap();
    // pbeWithSHAAnd3-KeyTripleDES-CBC and 2000 rounds, as OpenSSL 3 meets them without its legacy provider.
    let pbe = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03];
    assert!(der.windows(pbe.len()).any(|window| window == pbe));
    assert!(der.windows(4).any(|window| window == [0x02, 0x02, 0x07, 0xd0]));
}
