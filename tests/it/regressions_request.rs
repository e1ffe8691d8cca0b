//! Requests for an own CA that once went wrong: what completes them, and what must not.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertificateSigningRequestParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const MERGE: [&str; 4] = ["--issuer", "Unknown", "--merge", "billing.pem"];

fn provision<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    [&usual[..], more].concat()
}

fn request(bench: &Bench, more: &[&str]) {
    let request = ["--issuer", "Unknown", "--csr-out", "billing.csr"];
    bench.kvops(&provision(&[&request[..], more].concat())).ends_with(0);
}

/// Signs the pending request as a company's CA would, and writes the leaf to `billing.pem`.
fn sign(bench: &Bench, days: i64, extended: ExtendedKeyUsagePurpose) {
    let pending = bench.vault("GET", "/certificates/billing/pending", &Value::Null);
    let csr = STANDARD.decode(pending["csr"].as_str().unwrap()).unwrap();
    let mut request = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
    let now = kvops::domain::Clock::now(&bench.lab().clock());
    request.params.not_before = now - time::Duration::hours(1);
    request.params.not_after = now + time::Duration::days(days);
    request.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    request.params.extended_key_usages = vec![extended];
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let leaf = request.signed_by(&Issuer::new(ca, KeyPair::generate().unwrap())).unwrap();
    fs::write(bench.file("billing.pem"), leaf.pem()).unwrap();
}

fn is_still_pending(bench: &Bench) -> bool {
    bench.vault("GET", "/certificates/billing/pending", &Value::Null)["status"] == "inProgress"
}

#[test]
fn a_certificate_for_a_request_that_nobody_made_is_refused_and_nothing_is_written() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let foreign = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    fs::write(bench.file("billing.pem"), foreign.cert.pem()).unwrap();
    let writes = bench.lab().counts().writes;
    bench.kvops(&provision(&MERGE)).ends_with(2);
    bench.kvops(&provision(&["--merge", "billing.pem"])).ends_with(2);
    assert_eq!(bench.lab().counts().writes, writes);

    // Neither is it taken for the one that is there.
    bench.kvops(&provision(&[])).ends_with(0);
    let writes = bench.lab().counts().writes;
    bench.kvops(&provision(&["--merge", "billing.pem"])).ends_with(2);
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 1));
}

#[test]
fn a_cas_certificate_of_ten_years_or_for_servers_is_refused_before_it_completes_the_request() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    request(&bench, &[]);
    let cases = [
        ("lives 3650 days", 3650, ExtendedKeyUsagePurpose::ClientAuth),
        ("extended key usage", 300, ExtendedKeyUsagePurpose::ServerAuth),
    ];
    for (what, days, extended) in cases {
        sign(&bench, days, extended);
        let writes = bench.lab().counts().writes;
        let file = ["attach", "--app", "billing", "--cer", "billing.pem", "--output", "json"];
        for arguments in [provision(&MERGE), file.to_vec()] {
            let error = bench.kvops(&arguments).ends_with(7).error();
            assert!(error["message"].as_str().unwrap().contains(what), "{what}: {error}");
        }
        assert_eq!(bench.lab().counts().writes, writes, "{what}");
        assert!(is_still_pending(&bench) && bench.keys_of(&app).is_empty(), "{what}");
    }
    sign(&bench, 300, ExtendedKeyUsagePurpose::ClientAuth);
    bench.kvops(&provision(&MERGE)).ends_with(0);
}

#[test]
fn a_run_without_a_file_for_the_request_that_waits_says_how_to_go_on() {
    let bench = Bench::tame();
    bench.application("billing");
    request(&bench, &[]);
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&provision(&[])).ends_with(6).error();
    let hints = error["hints"].to_string();
    assert!(hints.contains("--merge") && hints.contains("pending delete"), "{hints}");
    assert_eq!(bench.lab().counts().writes, writes);
    assert!(is_still_pending(&bench));
}

#[test]
fn a_request_of_somebody_else_is_completed_only_with_adopt() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let mut policy = hardened("CN=theirs");
    policy["issuer"]["name"] = json!("Unknown");
    let theirs = json!({ "policy": policy, "tags": { "kvops-app": "someone-else" } });
    bench.vault("POST", "/certificates/billing/create", &theirs);
    sign(&bench, 300, ExtendedKeyUsagePurpose::ClientAuth);
    let writes = bench.lab().counts().writes;
    bench.kvops(&provision(&MERGE)).ends_with(6);
    assert_eq!(bench.lab().counts().writes, writes);
    assert!(is_still_pending(&bench) && bench.keys_of(&app).is_empty());
    bench.kvops(&provision(&[&MERGE[..], &["--adopt"]].concat())).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_request_for_another_kind_of_key_is_completed_without_naming_it_again() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    request(&bench, &["--key", "RSA:4096", "--validity", "6"]);
    sign(&bench, 150, ExtendedKeyUsagePurpose::ClientAuth);
    let report = bench.kvops(&provision(&MERGE)).ends_with(0).json();
    assert_eq!((&report["outcome"], bench.keys_of(&app).len()), (&json!("provisioned"), 1));
}
