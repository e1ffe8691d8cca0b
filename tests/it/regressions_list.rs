//! The list of certificates of an application, where a write once lost or brought back an entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// An entry whose key no vault holds.
fn entry(usage: &str) -> Value {
    let made = rcgen::generate_simple_self_signed(["elsewhere".to_owned()]).unwrap();
    json!({ "type": "AsymmetricX509Cert", "usage": usage, "key": STANDARD.encode(made.cert.der()) })
}

fn write(bench: &Bench, app: &App, list: &[Value]) {
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": list }));
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| entry["keyId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_entry_that_a_responder_removes_while_our_write_is_turned_away_stays_removed() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    write(&bench, &app, &[entry("Verify"), entry("Verify"), entry("Verify")]);
    let before = bench.keys_of(&app);
    let result = json!({ "stall_ms": 400, "status": 409, "code": "Directory_ConcurrencyViolation" });
    let ours = json!({ "service": "graph", "method": "PATCH", "path": "/v1.0/applications/" });
    let held = bench.fault(&json!({ "match": ours, "result": result, "times": 1 }));
    let running = bench.spawn_until_held(&BILLING, held);
    write(&bench, &app, &before[..2]);
    running.wait().ends_with(0);
    let after = ids(&bench.keys_of(&app));
    let before = ids(&before);
    assert_eq!(after.len(), 3, "{after:?}");
    assert!(after.contains(&before[0]) && after.contains(&before[1]), "somebody's entry was lost");
    assert!(!after.contains(&before[2]), "the entry that was removed came back");
}

#[test]
fn a_single_late_reading_without_an_encryption_key_never_leads_to_a_list_without_it() {
    for skip in 0..6 {
        let bench = Bench::tame();
        let app = bench.application("billing");
        write(&bench, &app, &[entry("Encrypt")]);
        let before = ids(&bench.keys_of(&app));
        let reading = json!({
            "service": "graph", "method": "GET", "path": "/v1.0/applications/", "query": "$select=id,keyCredentials",
        });
        let late = json!({ "status": 200, "body": { "id": app.id, "keyCredentials": [] } });
        let id = bench.fault(&json!({ "match": reading, "result": late, "times": 1, "skip": skip }));
        bench.kvops(&BILLING).ends_with(0);
        assert_eq!(bench.hits(id), 1);
        let after = ids(&bench.keys_of(&app));
        assert!(after.len() == 2 && after.contains(&before[0]), "late reading {skip}: {after:?}");
    }
}

#[test]
fn readings_that_waver_between_replicas_never_lead_to_a_list_without_an_encryption_key() {
    for readings in 0..8 {
        let bench = Bench::tame();
        let app = bench.application("billing");
        bench.settings(&json!({ "graph_propagation": 20 }));
        write(&bench, &app, &[entry("Encrypt")]);
        for _ in 0..readings {
            bench.keys_of(&app);
        }
        bench.kvops(&BILLING).ends_with(0);
        bench.lab().clock().advance(time::Duration::minutes(10));
        let after = bench.keys_of(&app);
        let has = |usage: &str| after.iter().filter(|entry| entry["usage"] == usage).count();
        assert_eq!((has("Encrypt"), has("Verify")), (1, 1), "{readings}: {after:?}");
    }
}

#[test]
fn an_entry_that_reads_as_the_base64_of_pem_counts_as_attached() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    let mut keys = bench.keys_of(&app);
    let text = keys[0]["key"].as_str().unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\r\n{text}\r\n-----END CERTIFICATE-----\r\n");
    keys[0]["key"] = json!(STANDARD.encode(pem));
    let reading = json!({
        "service": "graph", "method": "GET", "path": "/v1.0/applications/", "query": "keyCredentials",
    });
    let mut whole = bench.graph("GET", &format!("/v1.0/applications/{}", app.id), &Value::Null);
    whole["keyCredentials"] = json!(keys);
    bench.fault(&json!({ "match": reading, "result": { "status": 200, "body": whole } }));
    let der = STANDARD.decode(text_of(&bench)).unwrap();
    std::fs::write(bench.file("app.cer"), der).unwrap();
    let writes = bench.lab().counts().writes;
    let attach = ["attach", "--app", "billing", "--cer", "app.cer", "--output", "json"];
    assert_eq!(bench.kvops(&attach).ends_with(0).json()["changes"], false);
    assert_eq!(bench.kvops(&BILLING).ends_with(0).json()["outcome"], "no-change");
    assert_eq!(bench.lab().counts().writes, writes, "it was attached a second time");
}

/// The certificate as the vault gives it.
fn text_of(bench: &Bench) -> String {
    bench.vault("GET", "/certificates/billing", &Value::Null)["cer"].as_str().unwrap().to_owned()
}
