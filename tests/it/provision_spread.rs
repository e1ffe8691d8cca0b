//! `kvops provision` while keys spread, while others write, and with a wrong clock.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

#[test]
fn a_key_that_takes_forty_seconds_to_spread_is_waited_for_and_measured() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    bench.settings(&json!({ "token_propagation": 40, "graph_propagation": 20 }));
    let report = bench.kvops(&BILLING).ends_with(0).json();
    let proof = &report["proof"];
    // Counted from the upload: the token endpoint's clock runs while Graph's readings still differ.
    let waited = proof["seconds_until_accepted"].as_u64().unwrap();
    assert!((40..=70).contains(&waited), "{report}");
    assert_eq!(proof["tokens"], 3);
    assert!(proof["seconds_observed"].as_u64().unwrap() >= 20, "{proof}");
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_key_that_never_spreads_is_given_up_with_the_time_that_was_measured() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    bench.settings(&json!({ "token_propagation": 7200 }));
    let error = bench.kvops(&BILLING).ends_with(4).error();
    let message = error["message"].as_str().unwrap();
    let seconds: Vec<u64> =
        message.split_whitespace().filter_map(|word| word.trim_end_matches(':').parse().ok()).collect();
    assert!(seconds.iter().any(|waited| (200..=300).contains(waited)), "{message}");
    assert_eq!(error["code"], "AADSTS700027");
    assert_eq!(bench.keys_of(&app).len(), 1, "what was attached stays attached");

    bench.lab().clock().advance(time::Duration::hours(3));
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!((bench.keys_of(&app).len(), bench.versions("billing").len()), (1, 1));
}

/// The entry of another certificate of the vault, as a client would send it.
fn entry(bench: &Bench, name: &str) -> Value {
    bench.certificate(name, &hardened(&format!("CN={name}")), &Value::Null);
    let made = bench.vault("GET", &format!("/certificates/{name}"), &Value::Null);
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"], "displayName": name })
}

#[test]
fn an_update_that_a_parallel_writer_overwrites_is_repaired_and_the_writers_own_entry_stays() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let theirs = entry(&bench, "theirs");
    // The third reading of the list is the first after the write.
    let reading = json!({ "service": "graph", "method": "GET", "query": "keyCredentials" });
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 400 }, "skip": 2, "times": 1 }));
    let running = bench.spawn_until_held(&BILLING, held);
    let path = format!("/v1.0/applications/{}", app.id);
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [theirs] }));
    let report = running.wait().ends_with(0).json();
    assert_eq!(report["attachment"]["repairs"], 1, "{report}");
    let names: Vec<_> = bench.keys_of(&app).iter().map(|key| key["displayName"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&json!("theirs")), "{names:?}");
    assert_eq!(report["proof"]["azpacr"], "2");
}

#[test]
fn what_a_parallel_writer_dropped_together_with_our_entry_comes_back_as_it_was() {
    // By PATCH where nobody can prove possession, and by addKey where the old key can.
    for (enabled, method, reading) in [(false, "PATCH", 3), (true, "addKey", 2)] {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        let path = format!("/v1.0/applications/{}", app.id);
        bench.graph("PATCH", &path, &json!({ "keyCredentials": [entry(&bench, "old")] }));
        bench.vault("PATCH", "/certificates/old", &json!({ "attributes": { "enabled": enabled } }));
        let theirs = entry(&bench, "theirs");
        bench.lab().clock().advance(time::Duration::minutes(10));
        let old = bench.keys_of(&app)[0].clone();
        let matching = json!({ "service": "graph", "method": "GET", "query": "keyCredentials" });
        let held =
            bench.fault(&json!({ "match": matching, "result": { "stall_ms": 400 }, "skip": reading, "times": 1 }));
        let running = bench.spawn_until_held(&BILLING, held);
        bench.graph("PATCH", &path, &json!({ "keyCredentials": [theirs] }));
        let report = running.wait().ends_with(0).json();
        assert_eq!((&report["attachment"]["method"], &report["attachment"]["repairs"]), (&json!(method), &json!(1)));
        bench.lab().clock().advance(time::Duration::minutes(10));
        let keys = bench.keys_of(&app);
        assert_eq!(keys.len(), 3, "{method}: {keys:?}");
        let restored = keys.iter().find(|key| key["keyId"] == old["keyId"]).unwrap_or_else(|| panic!("{method}: lost"));
        assert_eq!(restored, &old, "{method}");
    }
}

#[test]
fn an_entry_that_somebody_removes_on_purpose_meanwhile_stays_removed_and_is_said() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let path = format!("/v1.0/applications/{}", app.id);
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [entry(&bench, "old")] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let old = bench.keys_of(&app)[0]["keyId"].clone();
    let reading = json!({ "service": "graph", "method": "GET", "query": "keyCredentials" });
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 400 }, "skip": 3, "times": 1 }));
    // Not by addKey: nobody may sign with the old key.
    bench.vault("PATCH", "/certificates/old", &json!({ "attributes": { "enabled": false } }));
    let running = bench.spawn_until_held(&BILLING, held);
    bench.lab().clock().advance(time::Duration::seconds(10));
    let kept: Vec<_> = bench.keys_of(&app).into_iter().filter(|key| key["keyId"] != old).collect();
    assert_eq!(kept.len(), 1, "the new entry is not there yet");
    bench.graph("PATCH", &path, &json!({ "keyCredentials": kept }));
    let report = running.wait().ends_with(0).json();
    assert_eq!(report["attachment"]["removed_meanwhile"], json!([old]));
    assert!(report["warnings"].to_string().contains(old.as_str().unwrap()), "{report}");
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_writer_who_overwrites_every_time_wins_in_the_end_and_is_reported() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let lists = json!({ "keyCredentials": [] });
    let reading = json!({ "service": "graph", "method": "GET", "query": "keyCredentials" });
    bench.fault(&json!({ "match": reading, "result": { "body": lists } }));
    let error = bench.kvops(&BILLING).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("other writers"), "{error}");
    bench.no_faults();
    assert!(!bench.keys_of(&app).is_empty());
}

#[test]
fn a_collision_in_the_directory_is_built_anew_from_a_new_reading() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    for status in [409, 503] {
        let write = json!({ "service": "graph", "method": "PATCH" });
        let collision = json!({ "status": status, "code": "Directory_ConcurrencyViolation" });
        bench.fault(&json!({ "match": write, "result": collision, "times": 1 }));
    }
    let mark = bench.mark();
    bench.kvops(&BILLING).ends_with(0);
    let writes = bench.routes(mark)["PATCH /v1.0/applications/{id}"];
    assert_eq!(writes, 3);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn what_is_attached_is_the_certificate_itself() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&[&BILLING[..], &["--cer-out", "app.cer"]].concat()).ends_with(0);
    let keys = bench.keys_of(&app);
    let der = STANDARD.decode(keys[0]["key"].as_str().unwrap()).unwrap();
    assert_eq!(der, std::fs::read(bench.file("app.cer")).unwrap());
    assert_eq!((&keys[0]["type"], &keys[0]["usage"]), (&json!("AsymmetricX509Cert"), &json!("Verify")));
}

/// A bench whose program runs by a clock that is `minutes` off the services'.
fn with_wrong_clock(minutes: i64) -> (Bench, Bench) {
    let mut bench = Bench::tame();
    let watch = Bench::tame();
    bench.application("billing");
    bench.application("shipping");
    let now = kvops::domain::Clock::now(&bench.lab().clock());
    watch.lab().clock().set(now + time::Duration::minutes(minutes));
    bench.set("KVOPS_CLOCK", &watch.lab().control_url());
    (bench, watch)
}

#[test]
fn a_clock_that_is_six_minutes_off_is_corrected_and_said_once() {
    for minutes in [-6, 6] {
        let (bench, _watch) = with_wrong_clock(minutes);
        let ran = bench.kvops(&BILLING).ends_with(0);
        let said = ran.stderr.matches("this machine's clock is").count();
        assert_eq!(said, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(if minutes < 0 { "behind" } else { "ahead of" }), "{}", ran.stderr);
        // The proof of possession is dated like the assertion.
        bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "second"]).ends_with(0);
    }
}
