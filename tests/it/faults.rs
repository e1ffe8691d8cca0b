//! Answers that are lost, late, torn, foreign or turned away, and what is left when it is over.

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// Writes of a first provisioning, as faults match them.
fn create() -> Value {
    json!({ "service": "keyvault", "method": "POST", "path": "/create" })
}

fn attach() -> Value {
    json!({ "service": "graph", "method": "PATCH", "path": "/v1.0/applications/" })
}

fn record() -> Value {
    json!({ "service": "keyvault", "method": "PATCH", "path": "/certificates/billing/" })
}

#[track_caller]
fn is_provisioned_once(bench: &Bench, app: &App) {
    assert_eq!(bench.versions("billing").len(), 1, "an orphan version");
    assert_eq!(bench.keys_of(app).len(), 1);
    let writes = bench.lab().counts().writes;
    assert_eq!(bench.kvops(&BILLING).ends_with(0).json()["outcome"], "no-change");
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_lost_answer_to_a_write_does_not_write_twice() {
    for write in [create(), attach(), record()] {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        let id = bench.fault(&json!({ "match": write, "result": { "drop": "after" }, "times": 1 }));
        bench.kvops(&BILLING).ends_with(0);
        assert_eq!(bench.hits(id), 1, "{write}");
        is_provisioned_once(&bench, &app);
    }
}

#[test]
fn a_torn_answer_to_a_write_does_not_write_twice() {
    for write in [create(), record()] {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        let id = bench.fault(&json!({ "match": write, "result": { "torn": true }, "times": 1 }));
        bench.kvops(&BILLING).ends_with(0);
        assert_eq!(bench.hits(id), 1, "{write}");
        is_provisioned_once(&bench, &app);
    }
}

#[test]
fn a_write_that_never_arrived_fails_or_is_repeated_and_the_next_run_finishes() {
    for write in [create(), attach(), record()] {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        let id = bench.fault(&json!({ "match": write, "result": { "drop": "before" }, "times": 1 }));
        let ran = bench.kvops(&BILLING);
        assert!(matches!(ran.exit, 0 | 4), "{write}: {ran:?}");
        assert_eq!(bench.hits(id), 1, "{write}");
        bench.kvops(&BILLING).ends_with(0);
        is_provisioned_once(&bench, &app);
    }
}

#[test]
fn a_lost_answer_to_the_proof_of_possession_adds_one_entry() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    for (drop, name) in [("after", "second"), ("before", "third")] {
        let add_key = json!({ "service": "graph", "path": "/addKey" });
        let id = bench.fault(&json!({ "match": add_key, "result": { "drop": drop }, "times": 1 }));
        let arguments = ["provision", "--app", "billing", "--vault", VAULT, "--name", name, "-o", "json"];
        let report = bench.kvops(&arguments).ends_with(0).json();
        assert_eq!(report["attachment"]["method"], "addKey");
        assert_eq!(bench.hits(id), 1);
    }
    assert_eq!(bench.keys_of(&app).len(), 3);
}

#[test]
fn readings_are_repeated_when_they_are_reset_torn_or_turned_away() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let faults = [
        json!({ "drop": "before" }),
        json!({ "drop": "after" }),
        json!({ "torn": true }),
        json!({ "status": 500 }),
        json!({ "status": 503, "headers": { "Retry-After": "3" } }),
        json!({ "status": 429 }),
    ];
    let ids: Vec<_> = faults
        .iter()
        .flat_map(|result| {
            ["keyvault", "graph"].map(|service| {
                let reading = json!({ "service": service, "method": "GET" });
                bench.fault(&json!({ "match": reading, "result": result, "times": 1, "skip": 1 }))
            })
        })
        .collect();
    bench.kvops(&BILLING).ends_with(0);
    assert!(ids.iter().all(|id| bench.hits(*id) == 1));
    is_provisioned_once(&bench, &app);
}

#[test]
fn sign_in_survives_a_token_endpoint_that_is_reset_or_turns_away() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    for result in
        [json!({ "drop": "before" }), json!({ "torn": true }), json!({ "status": 503 }), json!({ "status": 429 })]
    {
        bench.fault(&json!({ "match": { "service": "entra", "path": "/token" }, "result": result, "times": 1 }));
    }
    bench.kvops(&BILLING).ends_with(0);
    is_provisioned_once(&bench, &app);
}

#[test]
fn throttling_is_obeyed_in_full() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let started = kvops::domain::Clock::now(&bench.lab().clock());
    let turned_away = json!({ "status": 429, "headers": { "Retry-After": "17" } });
    let id = bench.fault(&json!({ "match": create(), "result": turned_away, "times": 2 }));
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!(bench.hits(id), 2);
    let log = bench.lab().requests_since(0);
    let times: Vec<_> = log
        .iter()
        .filter(|entry| entry.path.ends_with("/create"))
        .map(|entry| {
            time::OffsetDateTime::parse(&entry.at, &time::format_description::well_known::Rfc3339).unwrap() - started
        })
        .collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= time::Duration::seconds(17)), "{times:?}");
    is_provisioned_once(&bench, &app);
}

#[test]
fn a_service_that_asks_for_an_hour_is_not_waited_for() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let turned_away = json!({ "status": 429, "headers": { "Retry-After": "3600" } });
    let id = bench.fault(&json!({ "match": attach(), "result": turned_away }));
    let error = bench.kvops(&BILLING).ends_with(4).error();
    assert_eq!(bench.hits(id), 1, "it was asked again too early");
    assert_eq!((&error["status"], &error["retryable"]), (&json!(429), &json!(true)));
    let text = error.to_string();
    assert!(text.contains("throttling") && text.contains("wait for 3600 s"), "{error}");
    bench.no_faults();
    bench.kvops(&BILLING).ends_with(0);
    is_provisioned_once(&bench, &app);
}

#[test]
fn foreign_answers_are_never_taken_for_good_ones() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let writes = bench.lab().counts().writes;
    let page = "<html><head><title>Hotel Wi-Fi</title></head><body>Please log in</body></html>";
    for body in [json!(page), json!("{"), json!(""), json!("null"), json!("[]"), json!("{\"value\":5}")] {
        for (service, path) in [("graph", "/v1.0/applications"), ("keyvault", "/certificates/billing")] {
            let result = json!({ "status": 200, "body": body, "content_type": "text/html" });
            bench.fault(&json!({ "match": { "service": service, "path": path }, "result": result }));
            let error = bench.kvops(&BILLING).ends_with(4).error();
            assert!(!error["message"].as_str().unwrap().is_empty(), "{service} {body}");
            bench.no_faults();
        }
        let result = json!({ "status": 200, "body": body, "content_type": "text/html" });
        bench.fault(&json!({ "match": { "service": "entra", "path": "/token" }, "result": result }));
        let ran = bench.kvops(&BILLING);
        assert!(matches!(ran.exit, 3 | 4), "{body}: {ran:?}");
        bench.no_faults();
    }
    assert_eq!(bench.lab().counts().writes, writes, "something was written on the word of a stranger");
    assert!(bench.keys_of(&app).is_empty());
    bench.kvops(&BILLING).ends_with(0);
}

#[test]
fn an_answer_about_another_certificate_or_another_vault_is_refused() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    let mine = bench.vault("GET", "/certificates/billing", &Value::Null);
    let version = mine["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let base = format!("vault.localhost:{}", bench.lab().port());
    for id in [
        format!("https://{VAULT}.{base}/certificates/other/{version}"),
        format!("https://evil-kv.{base}/certificates/billing/{version}"),
        format!("https://evil.example/certificates/billing/{version}"),
    ] {
        let mut lie = mine.clone();
        lie["id"] = json!(id);
        let reading = json!({ "service": "keyvault", "method": "GET", "path": "/certificates/billing/" });
        bench.fault(&json!({ "match": reading, "result": { "body": lie } }));
        bench.kvops(&BILLING).ends_with(4);
        bench.no_faults();
    }
    // A signature by another version would prove another certificate.
    let lie = json!({ "kid": format!("https://{VAULT}.{base}/keys/billing/{}", "0".repeat(32)), "value": "AAAA" });
    bench.fault(&json!({ "match": { "service": "keyvault", "path": "/sign" }, "result": { "body": lie } }));
    bench.kvops(&BILLING).ends_with(4);
    bench.no_faults();
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_token_that_is_withdrawn_in_the_middle_is_replaced_when_the_service_asks() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let held = bench.fault(&json!({ "match": attach(), "result": { "stall_ms": 300 }, "times": 1 }));
    let running = bench.spawn_until_held(&BILLING, held);
    let operator = bench.variable("LAB_CLIENT_ID");
    bench.lab().control("POST", "/revoke", &json!({ "app_id": operator })).unwrap();
    running.wait().ends_with(0);
    is_provisioned_once(&bench, &app);
}
