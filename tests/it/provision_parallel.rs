//! `kvops provision` while somebody else works on the same certificate.

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

#[test]
fn two_runs_at_once_end_with_a_certificate_that_is_attached_and_proven() {
    for _ in 0..3 {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        // Both have seen that there is nothing before either creates.
        let held = bench.fault(&json!({
            "match": { "service": "keyvault", "path": "/create" }, "result": { "stall_ms": 300 }, "times": 2,
        }));
        let first = bench.spawn_until_held(&BILLING, held);
        let second = bench.spawn(&BILLING);
        let (first, second) = (first.wait(), second.wait());
        let exits = [first.exit, second.exit];
        // A vault has no condition on a creation. Who is overtaken says so, and attaches nothing.
        assert!(exits.contains(&0) && exits.iter().all(|exit| [0, 6].contains(exit)), "{first:?}\n{second:?}");
        let done = exits.iter().filter(|exit| **exit == 0).count();
        assert!((1..=done).contains(&bench.keys_of(&app).len()), "{first:?}\n{second:?}");
        let again = bench.kvops(&BILLING).ends_with(0).json();
        assert_eq!(again["outcome"], "no-change");
    }
}

#[test]
fn a_version_that_somebody_else_makes_at_the_same_moment_is_not_taken_for_ours() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    // The first reading is the look before, the second the reading back.
    let reading = json!({ "service": "keyvault", "method": "GET", "path": "*/certificates/billing/" });
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 400 }, "skip": 1, "times": 1 }));
    let running = bench.spawn_until_held(&BILLING, held);
    bench.certificate("billing", &hardened("CN=theirs"), &json!({ "kvops-app": "somebody" }));
    let error = running.wait().ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("not ours"), "{error}");
    assert!(bench.keys_of(&app).is_empty(), "a certificate of somebody else was attached");
}

#[test]
fn a_name_that_is_deleted_while_we_look_is_refused_like_any_deleted_name() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let created = json!({ "service": "keyvault", "path": "/create" });
    let held = bench.fault(&json!({ "match": created, "result": { "stall_ms": 400 }, "times": 1 }));
    let running = bench.spawn_until_held(&BILLING, held);
    bench.certificate("billing", &hardened("CN=theirs"), &Value::Null);
    bench.delete("billing");
    let error = running.wait().ends_with(7).error();
    assert!(error["hints"].to_string().contains("--recover"), "{error}");
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_lost_answer_to_recovery_or_purge_is_made_good() {
    for (choice, path) in [("--recover", "/recover"), ("--allow-purge", "/deletedcertificates/billing")] {
        let bench = Bench::realistic();
        let app = bench.application("billing");
        bench.certificate("billing", &hardened("CN=old"), &Value::Null);
        bench.delete("billing");
        let method = if choice == "--recover" { "POST" } else { "DELETE" };
        let change = json!({ "service": "keyvault", "method": method, "path": path });
        let id = bench.fault(&json!({ "match": change, "result": { "drop": "after" }, "times": 1 }));
        let arguments = [&BILLING[..], &[choice, "--adopt"]].concat();
        let ran = bench.kvops(&arguments);
        assert!(matches!(ran.exit, 0 | 4), "{ran:?}");
        assert_eq!(bench.hits(id), 1, "{choice}");
        bench.kvops(&arguments).ends_with(0);
        assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 1), "{choice}");
    }
}
