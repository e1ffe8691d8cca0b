//! Baselines that a key of a vault has signed: checked offline, and what is no longer as they recorded it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use serde_json::json;

use super::found;
use super::small;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

/// A tenant with one application of kvops's, its baseline, and the key that signed it.
fn signed() -> Bench {
    let mut bench = Bench::tame();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    let seal = ["provision", "--vault-only", "--vault", VAULT, "--name", "seal", "--cer-out", "seal.cer"];
    bench.kvops(&seal).ends_with(0);
    let mut config = fs::read_to_string(bench.file("kvops.toml")).unwrap();
    config.push_str(&format!("\n[app.billing]\napp = \"{}\"\nvault = \"{VAULT}\"\n", app.app_id));
    fs::write(bench.file("kvops.toml"), config).unwrap();
    bench.kvops(&["audit", "--write-baseline", "baseline.json", "--fail-on", "none"]).ends_with(0);
    sign(&bench, "seal").ends_with(0);
    bench
}

fn sign(bench: &Bench, name: &str) -> Ran {
    bench.kvops(&["audit", "sign", "baseline.json", "--vault", VAULT, "--name", name, "--output", "json"])
}

const CHECKED: [&str; 7] =
    ["audit", "--fail-on", "none", "--baseline", "baseline.json", "--baseline-certificate", "seal.cer"];

fn audit(bench: &Bench, more: &[&str]) -> Ran {
    bench.kvops(&[&CHECKED[..], more].concat())
}

#[test]
fn a_signed_baseline_is_checked_without_asking_anybody() {
    let bench = signed();
    bench.kvops(&["audit", "--fail-on", "none", "--export", "tenant.ndjson"]).ends_with(0);
    let mark = bench.mark();
    audit(&bench, &["--input", "tenant.ndjson"]).ends_with(0);
    assert_eq!(bench.mark(), mark, "somebody was asked");
}

#[test]
fn a_baseline_that_is_not_as_it_was_signed_judges_nothing() {
    let bench = signed();
    let (text, signature) = (read(&bench, "baseline.json"), read(&bench, "baseline.json.sig"));
    let other = ["provision", "--vault-only", "--vault", VAULT, "--name", "other", "--cer-out", "other.cer"];
    bench.kvops(&other).ends_with(0);
    let write = |name: &str, text: &str| fs::write(bench.file(name), text).unwrap();
    let refused = |what: &str, problem: &str| {
        let mark = bench.mark();
        let error = audit(&bench, &[]).ends_with(6).error();
        assert!(error["message"].as_str().unwrap().contains(problem), "{what}: {error}");
        assert_eq!(bench.lab().requests_since(mark).len(), 0, "{what}");
    };
    // A finding more that would be passed over, and a white line, which is not what was signed either.
    write("baseline.json", &format!("{text}\n"));
    refused("a line was added", "changed after it was signed");
    write("baseline.json", &text);
    write("baseline.json.sig", &signature.replacen("2026-", "2025-", 1));
    refused("another moment", "changed after it was signed");
    write("baseline.json.sig", "{}");
    refused("no signature", "cannot be read");
    fs::remove_file(bench.file("baseline.json.sig")).unwrap();
    refused("the signature was taken away", "baseline.json.sig");
    sign(&bench, "other").ends_with(0);
    refused("somebody else signed", "the key of another certificate");
    let both = pem(&bench, "seal.cer") + &pem(&bench, "other.cer");
    write("seal.cer", &both);
    audit(&bench, &[]).ends_with(0);
}

#[test]
fn what_is_weaker_than_a_signed_baseline_recorded_is_drift() {
    let bench = signed();
    audit(&bench, &[]).ends_with(0);
    let mut policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    policy["key_props"]["exportable"] = json!(true);
    bench.vault("PATCH", "/certificates/billing/policy", &policy);
    let ran = audit(&bench, &[]).ends_with(6);
    assert!(ran.stderr.contains("not as in the signed baseline: ") && ran.stderr.contains("KVO712"), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(found(&report).iter().any(|line| line.starts_with("KVO712")), "{:?}", found(&report));
    // A finding goes before drift; who only wants the report gets it; and nobody vouches for an unsigned one.
    bench.kvops(&[&["audit"], &CHECKED[3..]].concat()).ends_with(1);
    audit(&bench, &["--exit-zero"]).ends_with(0);
    let unsigned = bench.kvops(&CHECKED[..5]).ends_with(0);
    assert!(unsigned.stderr.contains("baseline.json.sig was not checked"), "{unsigned:?}");
}

#[test]
fn the_key_of_an_application_signs_no_baseline_and_nothing_else_is_signed() {
    let bench = signed();
    let (sign_calls, signature) = (bench.lab().counts().sign, read(&bench, "baseline.json.sig"));
    let error = sign(&bench, "billing").ends_with(7).error();
    assert!(error["hints"].to_string().contains("--vault-only"), "{error}");
    let key = ["--vault", VAULT, "--name", "seal"];
    bench.kvops(&[&["audit", "sign", "seal.cer"], &key[..]].concat()).ends_with(2);
    assert_eq!(bench.lab().counts().sign, sign_calls);
    assert_eq!(read(&bench, "baseline.json.sig"), signature);
}

#[test]
fn a_certificate_without_a_baseline_is_refused() {
    let bench = small();
    let error = bench.kvops(&["audit", "--baseline-certificate", "seal.cer"]).ends_with(2).error();
    assert!(error["hints"].to_string().contains("--baseline FILE"), "{error}");
}

#[test]
fn no_file_is_written_twice_or_over_what_is_read() {
    let bench = small();
    let first = ["audit", "--fail-on", "none", "--export", "in.ndjson", "--write-baseline", "base.json"];
    bench.kvops(&first).ends_with(0);
    fs::write(bench.file("waivers.toml"), "").unwrap();
    let evidence = read(&bench, "in.ndjson");
    let cases: [&[&str]; 7] = [
        &["--format", "json=out.json", "--format", "csv=./out.json"],
        &["--format", "json=out.json", "--write-baseline", "out.json"],
        &["--format", "json=out.json", "--export", "out.json"],
        &["--format", "json=in.ndjson"],
        &["--export", "in.ndjson", "--app", "billing-api"],
        &["--waivers", "waivers.toml", "--format", "csv=waivers.toml"],
        &["--baseline", "base.json", "--format", "json=base.json.sig"],
    ];
    for case in cases {
        let error = bench.kvops(&[&["audit", "--input", "in.ndjson"], case].concat()).ends_with(2);
        assert!(error.stderr.contains("would"), "{case:?}: {error:?}");
    }
    assert_eq!(read(&bench, "in.ndjson"), evidence);
    assert!(!bench.file("out.json").exists());
    let update = ["audit", "--input", "in.ndjson", "--fail-on", "none", "--new-since", "base.json"];
    bench.kvops(&[&update[..], &["--write-baseline", "base.json"]].concat()).ends_with(0);
}

fn pem(bench: &Bench, name: &str) -> String {
    let text = BASE64.encode(fs::read(bench.file(name)).unwrap());
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.file(name)).unwrap()
}
