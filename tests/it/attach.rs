//! `kvops attach` against the lab: files of a colleague, certificates of a vault, and what it refuses.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::lab::Service;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::PKCS_RSA_SHA256;
use rcgen::RsaKeySize;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const FILE: [&str; 7] = ["attach", "--app", "billing", "--cer", "app.cer", "--output", "json"];

/// What the vault team hands over.
fn with_file(bench: &Bench) {
    let made = ["provision", "--vault-only", "--vault", VAULT, "--name", "billing", "--cer-out", "app.cer"];
    bench.kvops(&made).ends_with(0);
}

#[test]
fn the_directory_team_attaches_a_file_without_touching_any_vault() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    with_file(&bench);
    let mark = bench.mark();
    let report = bench.kvops(&FILE).ends_with(0).json();
    assert_eq!((&report["changes"], &report["attachment"]["method"]), (&json!(true), &json!("PATCH")));
    assert!(bench.asked(mark, Service::KeyVault).is_empty());
    let keys = bench.keys_of(&app);
    assert_eq!(keys[0]["key"], STANDARD.encode(fs::read(bench.file("app.cer")).unwrap()));
    assert_eq!(keys[0]["keyId"], report["attachment"]["key_id"]);

    let writes = bench.lab().counts().writes;
    assert_eq!(bench.kvops(&FILE).ends_with(0).json()["changes"], false);
    assert_eq!(bench.lab().counts().writes, writes, "the second run wrote something");
    bench
        .kvops(&["token", "--app", "billing", "--vault", VAULT, "--name", "billing", "--expect", "azpacr=2"])
        .ends_with(0);
}

#[test]
fn der_pem_and_base64_are_the_same_certificate() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    with_file(&bench);
    let der = fs::read(bench.file("app.cer")).unwrap();
    let text = STANDARD.encode(&der);
    let pem = format!("-----BEGIN CERTIFICATE-----\r\n{text}\r\n-----END CERTIFICATE-----\r\n");
    for bytes in [der, pem.into_bytes(), text.into_bytes()] {
        fs::write(bench.file("app.cer"), bytes).unwrap();
        bench.kvops(&FILE).ends_with(0);
    }
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_file_that_is_no_hardened_certificate_is_refused_and_nothing_is_written() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let writes = bench.lab().counts().writes;
    let certificate = |usages: &[KeyUsagePurpose], size, expired: bool| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.key_usages = usages.to_vec();
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let now = kvops::domain::Clock::now(&bench.lab().clock());
        parameters.not_before = now - time::Duration::days(90);
        parameters.not_after = now + time::Duration::days(if expired { -1 } else { 90 });
        parameters.self_signed(&key).unwrap().der().to_vec()
    };
    let signature = KeyUsagePurpose::DigitalSignature;
    for (what, der) in [
        ("keyEncipherment", certificate(&[signature, KeyUsagePurpose::KeyEncipherment], RsaKeySize::_2048, false)),
        ("does not restrict", certificate(&[], RsaKeySize::_2048, false)),
        ("expired", certificate(&[signature], RsaKeySize::_2048, true)),
    ] {
        fs::write(bench.file("app.cer"), der).unwrap();
        let error = bench.kvops(&FILE).ends_with(7).error();
        assert!(error["message"].as_str().unwrap().contains(what), "{what}: {error}");
    }
    for text in ["", "no certificate", "-----BEGIN PRIVATE"] {
        fs::write(bench.file("app.cer"), text).unwrap();
        let error = bench.kvops(&FILE).ends_with(2).error();
        assert!(error["message"].as_str().unwrap().contains("app.cer"), "{error}");
    }
    assert_eq!(bench.lab().counts().writes, writes);
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_certificate_of_a_vault_is_attached_and_proven() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.certificate("shared", &hardened("CN=shared"), &Value::Null);
    let arguments = ["attach", "--app", "billing", "--vault", VAULT, "--name", "shared", "--output", "json"];
    let writes = bench.lab().counts().writes;
    bench.kvops(&[&arguments[..], &["--plan"]].concat()).ends_with(0);
    assert_eq!(bench.lab().counts().writes, writes, "a plan wrote something");
    let report = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(report["proof"]["azpacr"], "2");
    assert_eq!((bench.keys_of(&app).len(), bench.versions("shared").len()), (1, 1));
}

#[test]
fn a_certificate_that_does_not_exist_is_not_made() {
    let bench = Bench::tame();
    bench.application("billing");
    let writes = bench.lab().counts().writes;
    let arguments = ["attach", "--app", "billing", "--vault", VAULT, "--name", "nothing", "--output", "json"];
    let error = bench.kvops(&arguments).ends_with(2).error();
    assert!(error["hints"].to_string().contains("kvops provision"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_plan_for_a_file_writes_nothing() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    with_file(&bench);
    let writes = bench.lab().counts().writes;
    let plan = bench.kvops(&[&FILE[..], &["--plan"]].concat()).ends_with(0).json();
    assert_eq!(plan["changes"], true);
    assert_eq!(bench.lab().counts().writes, writes);
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_lost_update_is_repaired_for_a_file_too() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    with_file(&bench);
    let write = json!({ "service": "graph", "method": "PATCH" });
    let id = bench.fault(&json!({ "match": write, "result": { "drop": "before" }, "times": 1 }));
    let report = bench.kvops(&FILE).ends_with(0).json();
    assert_eq!((bench.hits(id), &report["attachment"]["repairs"]), (1, &json!(1)));
    assert_eq!(bench.keys_of(&app).len(), 1);
}
