//! Import and merge.

use time::OffsetDateTime;
use time::macros::datetime;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509CertificationRequest;

use super::*;
use crate::lab::keys::{Curve, KeyKind, PrivateKey};
use crate::lab::keyvault::x509::{Lifetime, Profile, certificate};
use crate::lab::keyvault::{pem, pfx, subject};

/// A certificate that was made outside of any vault, with a key usage of its own or without one.
fn self_signed(key: &PrivateKey, subject: &str, from: OffsetDateTime, to: OffsetDateTime, usages: &[&str]) -> Vec<u8> {
    let usages = usages.iter().map(|&usage| usage.to_owned()).collect();
    let profile = Profile { subject: subject::parse(subject).unwrap(), usages, ..Profile::default() };
    let lifetime = Lifetime { not_before: from.unix_timestamp(), not_after: to.unix_timestamp() };
    certificate(&profile, key, lifetime, [7; 16], None).unwrap()
}

fn foreign(kind: KeyKind) -> (PrivateKey, Vec<u8>) {
    let key = PrivateKey::generate(kind);
    let (from, to) = (datetime!(2025-06-01 0:00 UTC), datetime!(2027-06-01 0:00 UTC));
    let der = self_signed(&key, "C=AU, S=Some-State, CN=foreign", from, to, &["digitalSignature"]);
    (key, der)
}

fn import(lab: &mut Lab, value: &str) -> Reply {
    lab.send(Method::POST, "certificates/a/import", json!({ "value": value }))
}

#[test]
fn pem_base64_pem_and_pfx_are_told_apart_by_their_bytes() {
    let (key, der) = foreign(KeyKind::Ec(Curve::P256));
    let text = pem::write(Some(&key), &[&der]);
    let pfx = STANDARD.encode(pfx::write(Some(&key), &der, &[]).unwrap());
    for (value, content_type) in [
        (text.clone(), "application/x-pem-file"),
        (STANDARD.encode(&text), "application/x-pem-file"),
        (pfx, "application/x-pkcs12"),
    ] {
        let mut lab = Lab::new();
        let bundle = import(&mut lab, &value).value();
        assert_eq!(bundle["cer"], STANDARD.encode(&der), "{bundle}");
        assert_eq!(bundle["policy"]["secret_props"]["contentType"], content_type);
        assert!(bundle.get("pending").is_none());
    }
}

#[test]
fn the_policy_of_an_import_is_read_from_the_certificate() {
    let (key, der) = foreign(KeyKind::Ec(Curve::P384));
    let mut lab = Lab::new();
    let body = json!({
        "value": pem::write(Some(&key), &[&der]),
        "policy": {"x509_props": {"subject": "CN=ignored"}, "key_props": {"exportable": false}},
    });
    let bundle = lab.send(Method::POST, "certificates/a/import", body).value();
    let policy = &bundle["policy"];
    assert_eq!(policy["x509_props"]["subject"], "C=AU, S=Some-State, CN=foreign");
    assert_eq!(policy["x509_props"]["key_usage"], json!(["digitalSignature"]));
    assert_eq!(policy["x509_props"]["ekus"], json!([]));
    assert_eq!(policy["x509_props"]["validity_months"], 24);
    assert_eq!(
        policy["key_props"],
        json!({"exportable": false, "kty": "EC", "key_size": 384, "reuse_key": false, "crv": "P-384"})
    );
    assert_eq!(policy["issuer"]["name"], "Unknown");
    assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
    assert!(!lab.get("secrets/a")["value"].as_str().unwrap().contains("PRIVATE"));
}

#[test]
fn an_import_without_its_key_or_with_another_is_refused() {
    let (key, der) = foreign(KeyKind::Ec(Curve::P256));
    let (other, _) = foreign(KeyKind::Ec(Curve::P256));
    let mut lab = Lab::new();
    for value in [
        pem::write(None, &[&der]),
        pem::write(Some(&other), &[&der]),
        pem::write(Some(&key), &[]),
        "AAAA".to_owned(),
        "%".to_owned(),
    ] {
        assert_eq!(error(&import(&mut lab, &value)), (400, "BadParameter".to_owned(), None), "{value}");
    }
    assert_eq!(lab.fails(Method::GET, "certificates/a", Value::Null).0, 404);
}

#[test]
fn months_of_an_imported_certificate_are_rounded_up() {
    let mut lab = Lab::new();
    let exported = lab.create("x", json!({"x509_props": {"validity_months": 60}}));
    assert_eq!(exported["policy"]["x509_props"]["validity_months"], 60);
    let value = lab.get("secrets/x")["value"].clone();
    let bundle = lab.send(Method::POST, "certificates/a/import", json!({ "value": value })).value();
    assert_eq!(bundle["policy"]["x509_props"]["validity_months"], 61, "ten minutes count");
    assert_eq!(bundle["x5t"], exported["x5t"]);
}

fn pending(lab: &mut Lab) -> Vec<u8> {
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Unknown"}});
    let operation = lab.send(Method::POST, "certificates/a/create", json!({ "policy": policy })).value();
    assert_eq!(
        operation["status_details"],
        "Pending certificate created. Please Perform Merge to complete the request."
    );
    STANDARD.decode(operation["csr"].as_str().unwrap()).unwrap()
}

#[test]
fn a_certificate_for_the_request_is_merged() {
    let mut lab = Lab::new();
    let csr = pending(&mut lab);
    let (_, request) = X509CertificationRequest::from_der(&csr).unwrap();
    request.verify_signature().unwrap();
    lab.wait(86400);
    let key = lab.world.keyvault.vault("contoso").unwrap().certificates["a"].pending.as_ref().unwrap().key.clone();
    let der = self_signed(&key, "CN=other", datetime!(2026-01-02 0:00 UTC), datetime!(2026-02-02 0:00 UTC), &[]);
    let reply = lab.send(Method::POST, "certificates/a/pending/merge", json!({"x5c": [STANDARD.encode(&der)]}));
    assert_eq!(reply.status, 201, "{}", reply.value());
    assert_eq!(reply.headers["location"], "https://contoso.vault.localhost:8443/certificates/a?api-version=7.6");
    let bundle = reply.value();
    assert_eq!(bundle["cer"], STANDARD.encode(&der));
    assert_eq!(bundle["policy"]["x509_props"]["subject"], "CN=a", "the policy stays");
    assert_eq!(bundle["attributes"]["exp"], datetime!(2026-02-02 0:00 UTC).unix_timestamp());
    assert_eq!(lab.get("certificates/a/pending")["status"], "completed");
    assert_eq!(lab.fails(Method::POST, "certificates/a/pending/merge", json!({"x5c": []})).0, 403);
}

#[test]
fn a_certificate_for_another_key_is_not_merged() {
    let mut lab = Lab::new();
    pending(&mut lab);
    let (_, der) = foreign(KeyKind::Rsa(2048));
    for x5c in [json!([STANDARD.encode(&der)]), json!([]), json!(["AAAA"])] {
        let reply = lab.send(Method::POST, "certificates/a/pending/merge", json!({ "x5c": x5c }));
        assert_eq!(error(&reply), (400, "BadParameter".to_owned(), None));
        let text = "Unable to parse X5c certificate chain and locate leaf certificate";
        assert_eq!(reply.value()["error"]["message"], text);
    }
    assert_eq!(lab.get("certificates/a/pending")["status"], "inProgress");
}

#[test]
fn a_certificate_that_an_issuer_makes_cannot_be_merged() {
    let mut lab = Lab::new();
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}});
    lab.send(Method::POST, "certificates/a/create", json!({ "policy": policy }));
    let reply = lab.fails(Method::POST, "certificates/a/pending/merge", json!({"x5c": []}));
    assert_eq!(reply, (403, "Forbidden".to_owned(), None));
}

#[test]
fn an_authority_rejects_or_issues_as_it_was_set() {
    let mut lab = Lab::new();
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "ca"}});
    let create = json!({ "policy": policy });
    let unknown = (404, "CertificateIssuerNotFound".to_owned(), None);
    assert_eq!(lab.fails(Method::POST, "certificates/a/create", create.clone()), unknown);
    let issuer =
        json!({"provider": "DigiCert", "credentials": {"account_id": "x", "pwd": "y"}, "org_details": {"id": "o"}});
    let stored = lab.send(Method::PUT, "certificates/issuers/ca", issuer).value();
    assert_eq!(stored["credentials"], json!({"account_id": "x"}), "the password is never shown");
    assert_eq!(stored["org_details"], json!({"id": "o", "zip": 0}));
    lab.send(Method::POST, "certificates/a/create", create.clone());
    lab.wait(3);
    let failed = lab.get("certificates/a/pending");
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&"failed".into(), &"Request rejected".into()));
    assert!(failed["status_details"].as_str().unwrap().contains("in progress"), "the old sentence stays");
    set_issuer_outcome(&mut lab.world, "contoso", "ca", true).unwrap();
    lab.send(Method::POST, "certificates/a/create", create);
    lab.wait(3);
    assert_eq!(lab.get("certificates/a/pending")["status"], "completed");
}
