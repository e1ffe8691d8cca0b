use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::bench::{Bench, refusal};
use crate::domain::Thumbprint;

/// A certificate that ends on 21 November 2027.
fn certificate(name: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "AU");
    params.distinguished_name.push(DnType::StateOrProvinceName, "Some-State");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = datetime!(2026-11-21 11:50 UTC);
    params.not_after = datetime!(2027-11-21 12:00 UTC);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn entry(der: &[u8]) -> Value {
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(der) })
}

fn app(bench: &mut Bench, keys: Value) -> String {
    let reply = bench.post("/v1.0/applications", json!({ "displayName": "billing", "keyCredentials": keys }));
    assert_eq!(reply.status, 201, "{}", reply.value());
    format!("/v1.0/applications/{}", reply.value()["id"].as_str().unwrap())
}

fn keys(bench: &mut Bench, url: &str) -> Vec<Value> {
    bench.get(url).value()["keyCredentials"].as_array().unwrap().clone()
}

#[test]
fn the_service_fills_in_what_a_certificate_says() {
    let mut bench = Bench::new();
    let der = certificate("one");
    let url = app(&mut bench, json!([entry(&der)]));
    let stored = &keys(&mut bench, &url)[0];
    assert_eq!(stored["customKeyIdentifier"], Thumbprint::sha1(&der).hex());
    assert_eq!(stored["displayName"], "CN=one, S=Some-State, C=AU");
    assert_eq!(stored["startDateTime"], "2026-11-21T11:50:00Z");
    assert_eq!(stored["endDateTime"], "2027-11-21T12:00:00Z");
    assert_eq!(stored["key"], Value::Null);
    let selected = bench.get(&format!("{url}?$select=id,keyCredentials")).value();
    assert_eq!(selected["keyCredentials"][0]["key"], STANDARD.encode(&der));
    let listed = bench.get("/v1.0/applications?$select=id,keyCredentials").value();
    assert_eq!(listed["value"][0]["keyCredentials"][0]["key"], Value::Null);
}

#[test]
fn a_patch_replaces_the_collection_and_keeps_entries_that_come_without_their_bytes() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([entry(&certificate("one")), entry(&certificate("two"))]));
    let before = keys(&mut bench, &url);
    let kept = before[1].clone();
    assert_eq!(bench.patch(&url, json!({ "keyCredentials": [kept, entry(&certificate("three"))] })).status, 204);
    let after = keys(&mut bench, &url);
    assert_eq!(after.len(), 2);
    assert_eq!(after[0], before[1]);
    let full = bench.get(&format!("{url}?$select=keyCredentials")).value();
    assert!(full["keyCredentials"][0]["key"].is_string(), "the bytes stayed");
    assert_eq!(bench.patch(&url, json!({ "keyCredentials": [] })).status, 204);
    assert!(keys(&mut bench, &url).is_empty());
}

#[test]
fn an_entry_that_exists_cannot_be_altered() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([entry(&certificate("one"))]));
    let stored = keys(&mut bench, &url)[0].clone();
    for (name, value) in [
        ("displayName", json!("another name")),
        ("endDateTime", json!("2027-11-20T12:00:00Z")),
        ("usage", json!("Sign")),
        ("customKeyIdentifier", json!("00".repeat(20))),
        ("key", json!(STANDARD.encode(certificate("other")))),
    ] {
        let mut altered = stored.clone();
        altered[name] = value;
        let reply = bench.patch(&url, json!({ "keyCredentials": [altered] }));
        assert_eq!(refusal(&reply), (400, "Request_BadRequest".into()), "{name}");
        assert_eq!(
            reply.value()["error"]["message"],
            format!("Update to existing credential with KeyId '{}' is not allowed.", stored["keyId"].as_str().unwrap())
        );
    }
    let mut untouched = stored.clone();
    untouched["displayName"] = Value::Null;
    assert_eq!(bench.patch(&url, json!({ "keyCredentials": [untouched] })).status, 204);
    assert_eq!(keys(&mut bench, &url), [stored]);
}

#[test]
fn an_entry_without_bytes_needs_a_known_key_id() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([]));
    let mut unknown = entry(&[]);
    unknown["key"] = Value::Null;
    unknown["keyId"] = json!("11111111-2222-4333-8444-555555555555");
    assert_eq!(bench.patch(&url, json!({ "keyCredentials": [unknown] })).status, 400);
}

#[test]
fn a_credential_must_not_outlive_its_certificate() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([]));
    for end in ["2027-11-21T12:00:01Z", "2027-11-21T14:00:00+01:00", "2026-11-21T11:00:00Z"] {
        let mut late = entry(&certificate("one"));
        late["endDateTime"] = json!(end);
        let reply = bench.patch(&url, json!({ "keyCredentials": [late] }));
        assert_eq!(refusal(&reply), (400, "KeyCredentialsInvalidEndDate".into()), "{end}");
    }
    let mut exact = entry(&certificate("one"));
    exact["endDateTime"] = json!("2027-11-21T13:00:00+01:00");
    assert_eq!(bench.patch(&url, json!({ "keyCredentials": [exact] })).status, 204);
    assert_eq!(keys(&mut bench, &url)[0]["endDateTime"], "2027-11-21T12:00:00Z");
}

#[test]
fn pem_and_line_breaks_are_tolerated_and_rubbish_is_not() {
    let mut bench = Bench::new();
    let der = certificate("one");
    let body = STANDARD.encode(&der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    for key in [lines.join("\n"), STANDARD.encode(&pem)] {
        let mut sent = entry(&der);
        sent["key"] = json!(key);
        let url = app(&mut bench, json!([sent]));
        assert_eq!(keys(&mut bench, &url)[0]["customKeyIdentifier"], Thumbprint::sha1(&der).hex());
    }
    let url = app(&mut bench, json!([]));
    for key in ["%%%".to_owned(), STANDARD.encode("no certificate"), STANDARD.encode([&der[..], b"x"].concat())] {
        let mut sent = entry(&der);
        sent["key"] = json!(key);
        assert_eq!(bench.patch(&url, json!({ "keyCredentials": [sent] })).status, 400);
    }
    for (name, value) in [("usage", "Anything"), ("type", "Anything")] {
        let mut sent = entry(&der);
        sent[name] = json!(value);
        assert_eq!(bench.patch(&url, json!({ "keyCredentials": [sent] })).status, 400);
    }
}

#[test]
fn passwords_are_shown_once_and_cannot_be_patched() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([]));
    let reply = bench.post(&format!("{url}/addPassword"), json!({ "passwordCredential": { "displayName": "a" } }));
    let first = reply.value();
    assert_eq!(reply.status, 200);
    let secret = first["secretText"].as_str().unwrap();
    assert_eq!((secret.len(), first["hint"].as_str().unwrap()), (40, &secret[..3]));
    assert_eq!(first["endDateTime"], "2028-11-21T12:00:00Z");
    let second = bench.post(&format!("{url}/addPassword"), json!({})).value();
    let listed = bench.get(&format!("{url}/passwordCredentials")).value()["value"].clone();
    assert_eq!(listed[0]["keyId"], second["keyId"], "the newest first");
    assert_eq!(listed[1]["secretText"], Value::Null);
    assert_eq!(bench.patch(&url, json!({ "passwordCredentials": [] })).status, 400);
    let remove = json!({ "keyId": first["keyId"] });
    assert_eq!(bench.post(&format!("{url}/removePassword"), remove.clone()).status, 204);
    assert_eq!(bench.post(&format!("{url}/removePassword"), remove).status, 400);
}

#[test]
fn reads_after_a_write_may_lag_and_agree_again() {
    let mut bench = Bench::new();
    let url = app(&mut bench, json!([]));
    bench.world.settings.graph_propagation = 5;
    bench.world.clock.advance(time::Duration::seconds(60));
    bench.patch(&url, json!({ "keyCredentials": [entry(&certificate("one"))] }));
    let seen: Vec<usize> = (0..8).map(|_| keys(&mut bench, &url).len()).collect();
    assert_eq!(seen[0], 0, "the first read meets the old state");
    assert!(seen.contains(&1), "{seen:?}");
    bench.world.clock.advance(time::Duration::seconds(5));
    assert!((0..8).all(|_| keys(&mut bench, &url).len() == 1));

    let reply = bench.post("/v1.0/applications", json!({ "displayName": "new" }));
    let new = format!("/v1.0/applications/{}", reply.value()["id"].as_str().unwrap());
    assert_eq!(bench.get(&new).status, 404, "right after creation");
    let _: OffsetDateTime = bench.world.now();
}
