//! Kinds of keys and of issuers.

use super::*;
use crate::lab::keyvault::pem;

#[test]
fn a_key_on_each_curve_signs_for_its_certificate() {
    for (curve, bits, alg, digest) in [
        ("P-256", 256, "ES256", 32),
        ("P-256K", 256, "ES256K", 32),
        ("P-384", 384, "ES384", 48),
        ("P-521", 521, "ES512", 64),
    ] {
        let mut lab = Lab::new();
        let bundle = lab.create("a", json!({"key_props": {"kty": "EC", "crv": curve}}));
        let props = json!({"exportable": true, "kty": "EC", "key_size": bits, "reuse_key": false, "crv": curve});
        assert_eq!(bundle["policy"]["key_props"], props);
        assert_eq!(bundle["policy"]["x509_props"]["key_usage"], json!(["digitalSignature"]));
        let key = lab.get("keys/a")["key"].clone();
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["kid", "kty", "key_ops", "crv", "x", "y"]);
        let value = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(vec![3; digest]);
        let signed = lab.send(Method::POST, "keys/a/sign", json!({"alg": alg, "value": value})).value();
        let body = json!({"alg": alg, "digest": value, "value": signed["value"]});
        assert_eq!(lab.send(Method::POST, "keys/a/verify", body).value()["value"], true, "{curve}");
    }
}

#[test]
fn a_key_in_an_hsm_never_leaves_it() {
    let mut lab = Lab::new();
    let bundle = lab.create(
        "a",
        json!({"key_props": {"kty": "RSA-HSM"}, "secret_props": {"contentType": "application/x-pem-file"}}),
    );
    assert_eq!(bundle["policy"]["key_props"]["exportable"], false);
    assert_eq!(lab.get("keys/a")["key"]["kty"], "RSA-HSM");
    assert!(!lab.get("secrets/a")["value"].as_str().unwrap().contains("PRIVATE"));
}

#[test]
fn a_reused_key_outlives_its_certificate() {
    for reuse in [true, false] {
        let mut lab = Lab::new();
        let first = lab.create("a", json!({"key_props": {"reuse_key": reuse}}));
        let key = lab.get("keys/a")["key"]["n"].clone();
        lab.send(Method::POST, "certificates/a/create", json!({}));
        lab.wait(3);
        assert_ne!(lab.get("certificates/a")["x5t"], first["x5t"]);
        assert_eq!(lab.get("keys/a")["key"]["n"] == key, reuse);
    }
}

#[test]
fn one_name_is_one_kind_of_object() {
    let mut lab = Lab::new();
    lab.create("cert", Value::Null);
    lab.send(Method::POST, "keys/key/create", json!({"kty": "EC"}));
    lab.send(Method::PUT, "secrets/secret", json!({"value": "v"}));
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}});
    for name in ["key", "secret"] {
        let path = format!("certificates/{name}/create");
        assert_eq!(lab.fails(Method::POST, &path, json!({ "policy": policy })).0, 409, "{name}");
    }
    let managed = |inner: &str| (403, "Forbidden".to_owned(), Some(inner.to_owned()));
    assert_eq!(lab.fails(Method::PUT, "secrets/cert", json!({"value": "v"})), managed("SecretManagedByKeyVault"));
    assert_eq!(lab.fails(Method::POST, "keys/cert/create", json!({"kty": "EC"})), managed("KeyManagedByKeyVault"));
}

#[test]
fn an_authority_signs_and_its_certificate_comes_with_the_secret() {
    let mut lab = Lab::new();
    lab.send(Method::PUT, "certificates/issuers/ca", json!({"provider": "Test"}));
    lab.create("a", json!({"issuer": {"name": "ca"}, "secret_props": {"contentType": "application/x-pem-file"}}));
    let text = lab.get("secrets/a")["value"].as_str().unwrap().to_owned();
    let chain = pem::read(text.as_bytes()).unwrap().certificates;
    assert_eq!(chain.len(), 2);
    let parse = |der| x509_parser::parse_x509_certificate(der).unwrap().1;
    let (leaf, authority) = (parse(&chain[0]), parse(&chain[1]));
    assert_eq!(leaf.issuer(), authority.subject());
    assert_ne!(leaf.issuer(), leaf.subject());
    leaf.verify_signature(Some(authority.public_key())).unwrap();
}

#[test]
fn a_platform_managed_certificate_has_names_but_no_subject() {
    let mut lab = Lab::new();
    let sans = json!({"dns_names": ["a.example"]});
    let policy = json!({"platformManaged": {"certificateUsage": "PublicTLSServerAuth", "metadata": {"sans": sans}}});
    let path = "certificates/a/create?api-version=2026-03-01-preview";
    assert_eq!(lab.send(Method::POST, path, json!({ "policy": policy })).status, 202);
    lab.wait(3);
    let bundle = lab.get("certificates/a");
    assert!(bundle["policy"]["x509_props"].get("subject").is_none());
    let der = STANDARD.decode(bundle["cer"].as_str().unwrap()).unwrap();
    let certificate = x509_parser::parse_x509_certificate(&der).unwrap().1;
    assert!(certificate.subject_alternative_name().unwrap().unwrap().critical);
}

#[test]
fn a_patched_policy_may_be_nonsense_and_only_the_next_renewal_fails() {
    let mut lab = Lab::new();
    let first = lab.create("a", Value::Null);
    let patch = json!({"key_props": {"kty": "EC", "crv": "P-999"}});
    assert_eq!(lab.send(Method::PATCH, "certificates/a/policy", patch).status, 200);
    lab.wait(330 * 86400);
    assert_eq!(lab.get("certificates/a")["id"], first["id"]);
    assert_eq!(lab.fails(Method::POST, "certificates/a/create", json!({})), (400, "BadParameter".to_owned(), None));
}
