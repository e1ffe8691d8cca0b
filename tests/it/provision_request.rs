//! Certificates that an own CA makes, the vault's half alone, and creations that do not end well.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertificateSigningRequestParams;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;

fn provision<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    [&usual[..], more].concat()
}

/// Signs the request in `billing.csr` as a company's CA would, and writes `billing.pem`, leaf first.
fn sign_request(bench: &Bench, usages: &[KeyUsagePurpose]) {
    let csr = fs::read_to_string(bench.file("billing.csr")).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Contoso Issuing CA");
    let certificate = ca.self_signed(&key).unwrap();
    let issuer = Issuer::new(ca, key);
    let mut request = CertificateSigningRequestParams::from_pem(&csr).unwrap();
    let now = kvops::domain::Clock::now(&bench.lab().clock());
    request.params.not_before = now - time::Duration::hours(1);
    request.params.not_after = now + time::Duration::days(300);
    request.params.key_usages = usages.to_vec();
    request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = request.signed_by(&issuer).unwrap();
    fs::write(bench.file("billing.pem"), format!("{}{}", leaf.pem(), certificate.pem())).unwrap();
}

#[test]
fn a_request_is_handed_out_and_the_cas_certificate_completes_it() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let first = bench.kvops(&provision(&["--issuer", "Unknown", "--csr-out", "billing.csr"])).ends_with(0).json();
    assert_eq!(first["outcome"], "awaits-merge");
    assert!(bench.keys_of(&app).is_empty());

    // Asked again before the CA has answered, it hands out the same request.
    let csr = fs::read(bench.file("billing.csr")).unwrap();
    bench.kvops(&provision(&["--issuer", "Unknown", "--csr-out", "billing.csr"])).ends_with(0);
    assert_eq!(fs::read(bench.file("billing.csr")).unwrap(), csr);

    sign_request(&bench, &[KeyUsagePurpose::DigitalSignature]);
    let merged = bench.kvops(&provision(&["--issuer", "Unknown", "--merge", "billing.pem"])).ends_with(0).json();
    assert_eq!(merged["outcome"], "provisioned");
    assert_eq!(merged["proof"]["azpacr"], "2");
    assert_eq!(bench.keys_of(&app).len(), 1);
    assert_eq!(bench.versions("billing").len(), 1);
    let again = bench.kvops(&provision(&["--issuer", "Unknown", "--merge", "billing.pem"])).ends_with(0).json();
    assert_eq!(again["outcome"], "no-change");
}

#[test]
fn a_lost_answer_to_the_completion_is_made_good_by_the_next_run() {
    for drop in ["before", "after"] {
        let bench = Bench::tame();
        let app = bench.application("billing");
        bench.kvops(&provision(&["--issuer", "Unknown", "--csr-out", "billing.csr"])).ends_with(0);
        sign_request(&bench, &[KeyUsagePurpose::DigitalSignature]);
        let merge = json!({ "service": "keyvault", "path": "/merge" });
        bench.fault(&json!({ "match": merge, "result": { "drop": drop }, "times": 1 }));
        let arguments = provision(&["--issuer", "Unknown", "--merge", "billing.pem"]);
        bench.kvops(&arguments).ends_with(4);
        bench.kvops(&arguments).ends_with(0);
        assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 1), "{drop}");
    }
}

#[test]
fn a_cas_certificate_that_may_do_more_than_sign_is_not_attached() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&provision(&["--issuer", "Unknown", "--csr-out", "billing.csr"])).ends_with(0);
    sign_request(&bench, &[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]);
    let error = bench.kvops(&provision(&["--issuer", "Unknown", "--merge", "billing.pem"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("keyEncipherment"), "{error}");
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_certificate_for_another_request_is_refused_by_the_vault_and_the_request_stays() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&provision(&["--issuer", "Unknown", "--csr-out", "billing.csr"])).ends_with(0);
    let foreign = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    fs::write(bench.file("billing.pem"), foreign.cert.pem()).unwrap();
    let ran = bench.kvops(&provision(&["--issuer", "Unknown", "--merge", "billing.pem"]));
    assert!(ran.exit != 0 && ran.stdout.is_empty(), "{ran:?}");
    assert_eq!(bench.vault("GET", "/certificates/billing/pending", &Value::Null)["status"], "inProgress");
    sign_request(&bench, &[KeyUsagePurpose::DigitalSignature]);
    bench.kvops(&provision(&["--issuer", "Unknown", "--merge", "billing.pem"])).ends_with(0);
}

#[test]
fn a_file_without_a_certificate_is_refused_before_anything_is_sent() {
    let bench = Bench::tame();
    bench.application("billing");
    let mark = bench.mark();
    let texts = ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];
    for (number, text) in texts.iter().enumerate() {
        fs::write(bench.file("bad.pem"), text).unwrap();
        let error = bench.kvops(&provision(&["--merge", "bad.pem"])).ends_with(2).error();
        assert!(error["message"].as_str().unwrap().contains("bad.pem"), "{number}: {error}");
    }
    assert_eq!(bench.mark(), mark);
}

#[test]
fn the_vaults_half_alone_writes_the_public_certificate_and_never_asks_the_directory() {
    let bench = Bench::realistic();
    let mark = bench.mark();
    let arguments =
        ["provision", "--vault-only", "--vault", VAULT, "--name", "billing", "--cer-out", "app.cer", "-o", "json"];
    let report = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(report["outcome"], "provisioned");
    assert!(report["application"].is_null() && report["attachment"].is_null() && report["proof"].is_null());
    assert!(bench.asked(mark, kvops::lab::Service::Graph).is_empty());
    let made = bench.vault("GET", "/certificates/billing", &Value::Null);
    assert_eq!(STANDARD.encode(fs::read(bench.file("app.cer")).unwrap()), made["cer"].as_str().unwrap());
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "no-change");
}

#[test]
fn what_the_vault_team_made_is_taken_by_the_directory_team_without_a_new_version() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--vault-only", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    bench.kvops(&provision(&[])).ends_with(0);
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 1));
    // From now on it belongs to that application.
    bench.application("shipping");
    bench.kvops(&["provision", "--app", "shipping", "--vault", VAULT, "--name", "billing", "-o", "json"]).ends_with(7);
}

#[test]
fn an_issuer_that_refuses_is_reported_with_its_reason_and_nothing_is_attached() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    bench.vault("PUT", "/certificates/issuers/acme", &json!({ "provider": "DigiCert" }));
    let error = bench.kvops(&provision(&["--issuer", "acme"])).ends_with(4).error();
    assert!(error["message"].as_str().unwrap().starts_with("the vault did not issue certificate billing: "), "{error}");
    assert!(bench.keys_of(&app).is_empty());

    // As soon as the issuer does its work, the same command succeeds.
    bench.lab().control("POST", &format!("/vaults/{VAULT}/issuers/acme"), &json!({ "issues": true })).unwrap();
    bench.kvops(&provision(&["--issuer", "acme"])).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_creation_that_never_ends_is_given_up_in_time_and_found_again_later() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    bench.settings(&json!({ "issue_delay": 3600 }));
    let error = bench.kvops(&provision(&[])).ends_with(4).error();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("did not happen within") && message.contains("billing"), "{error}");
    assert!(error["hints"].to_string().contains("again"), "{error}");
    bench.lab().clock().advance(time::Duration::hours(2));
    bench.kvops(&provision(&[])).ends_with(0);
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 1));
}

#[test]
fn a_creation_that_somebody_cancels_is_not_waited_for() {
    let bench = Bench::realistic();
    bench.application("billing");
    bench.settings(&json!({ "issue_delay": 30 }));
    let held = bench.fault(&json!({
        "match": { "service": "keyvault", "method": "GET", "path": "/pending" }, "result": { "stall_ms": 400 }, "times": 1,
    }));
    let running = bench.spawn_until_held(&provision(&[]), held);
    bench.vault("PATCH", "/certificates/billing/pending", &json!({ "cancellation_requested": true }));
    let error = running.wait().ends_with(4).error();
    assert!(error["message"].as_str().unwrap().contains("cancel"), "{error}");
}

#[test]
fn an_issuer_that_the_vault_does_not_know_is_named_as_what_is_missing() {
    let bench = Bench::tame();
    bench.application("billing");
    let error = bench.kvops(&provision(&["--issuer", "nobody"])).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("there is no issuer of that name"), "{error}");
    assert_eq!(bench.try_vault(VAULT, "GET", "/certificates/billing", &Value::Null).0, 404);
}
