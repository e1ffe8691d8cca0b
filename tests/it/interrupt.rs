//! Ctrl-C and sudden death at each step: what was begun is found again, and nothing is made twice.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// A request of a first provisioning: what it is for, how a fault matches it, and how many like it
/// come before.
type Step = (&'static str, Value, u32);

fn steps() -> [Step; 9] {
    let vault = |method: &str, path: &str| json!({ "service": "keyvault", "method": method, "path": path });
    [
        ("looking", vault("GET", "/certificates/billing/"), 0),
        ("creating", vault("POST", "/create"), 0),
        ("waiting for the issue", vault("GET", "/pending"), 0),
        ("reading back", vault("GET", "/keys/billing/"), 0),
        ("attaching", json!({ "service": "graph", "method": "PATCH" }), 0),
        ("waiting until readable", json!({ "service": "graph", "method": "GET", "query": "keyCredentials" }), 3),
        ("signing", vault("POST", "/sign"), 0),
        // The first two are for kvops's own identity.
        ("asking for a token", json!({ "service": "entra", "method": "POST", "path": "/token" }), 2),
        ("recording", vault("PATCH", "/certificates/billing/"), 0),
    ]
}

#[track_caller]
fn converges(bench: &Bench, app: &App, step: &str) {
    bench.no_faults();
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!(bench.versions("billing").len(), 1, "{step}: an orphan version");
    assert_eq!(bench.keys_of(app).len(), 1, "{step}");
    assert_eq!(bench.kvops(&BILLING).ends_with(0).json()["outcome"], "no-change", "{step}");
}

/// Ctrl-C while the step's request is under way.
fn interrupted_at((step, request, skip): &Step) {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let fault = json!({ "match": request, "skip": skip, "result": { "stall_ms": 400 }, "times": 1 });
    let held = bench.fault(&fault);
    let running = bench.spawn_until_held(&BILLING, held);
    running.interrupt();
    let ran = running.wait();
    // The last step ends like any other, and then there is nothing left to leave out.
    if *step == "recording" {
        assert_eq!(ran.exit, 0, "{ran:?}");
    } else {
        assert_eq!(ran.exit, 130, "{step}: {ran:?}");
        let error = ran.error();
        assert!(error["message"].as_str().unwrap().starts_with("interrupted"), "{step}: {error}");
        assert!(error["hints"].to_string().contains("same command again"), "{step}: {error}");
    }
    converges(&bench, &app, step);
}

/// The end of the process while the step's request is under way, which then never arrives.
fn killed_at((step, request, skip): &Step) {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let fault =
        json!({ "match": request, "skip": skip, "result": { "stall_ms": 20_000, "drop": "before" }, "times": 1 });
    let held = bench.fault(&fault);
    bench.spawn_until_held(&BILLING, held).kill();
    converges(&bench, &app, step);
}

#[test]
fn ctrl_c_while_the_vault_works_ends_after_the_step_and_the_next_run_goes_on() {
    steps()[..4].iter().for_each(interrupted_at);
}

#[test]
fn ctrl_c_while_the_directory_works_ends_after_the_step_and_the_next_run_goes_on() {
    steps()[4..].iter().for_each(interrupted_at);
}

#[test]
fn a_run_that_dies_while_the_vault_works_is_finished_by_the_next_without_an_orphan() {
    steps()[..4].iter().for_each(killed_at);
}

#[test]
fn a_run_that_dies_while_the_directory_works_is_finished_by_the_next_without_an_orphan() {
    steps()[4..].iter().for_each(killed_at);
}

#[test]
fn a_run_that_dies_before_it_attaches_is_finished_with_the_same_version() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let fault = json!({ "match": { "service": "graph", "method": "PATCH" }, "result": { "stall_ms": 20_000, "drop": "before" } });
    let held = bench.fault(&fault);
    bench.spawn_until_held(&BILLING, held).kill();
    let made = bench.versions("billing");
    assert_eq!(made.len(), 1);
    assert!(bench.keys_of(&app).is_empty());
    bench.no_faults();
    let report = bench.kvops(&BILLING).ends_with(0).json();
    let version = report["certificate"]["version"].as_str().unwrap().to_owned();
    assert!(made[0].ends_with(&version), "{made:?} and {version}");
    assert_eq!(bench.versions("billing"), made);
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let held =
        bench.fault(&json!({ "match": { "path": "/create" }, "result": { "stall_ms": 50_000, "drop": "before" } }));
    let running = bench.spawn_until_held(&BILLING, held);
    let started = Instant::now();
    // A signal that comes while the first is being handled may be one with it.
    let end = running.interrupt_until_it_ends();
    assert_eq!(end.exit, 130, "{end:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "it waited for the request");
    converges(&bench, &app, "creating");
}

#[test]
fn ctrl_c_ends_a_sign_in_with_its_own_exit_code() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    let held = bench.fault(&json!({ "match": { "path": "/sign" }, "result": { "stall_ms": 300 } }));
    let token = ["token", "--app", "billing", "--vault", VAULT, "--name", "billing", "-o", "raw"];
    let running = bench.spawn_until_held(&token, held);
    running.interrupt();
    let ran = running.wait().ends_with(130);
    assert!(ran.stdout.is_empty(), "a token was handed out to somebody who had stopped waiting");
}

#[test]
fn ctrl_c_ends_what_only_reads_at_once() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    let named = ["--vault", VAULT, "--name", "billing"];
    let reading = [
        vec!["cert", "list", "--vault", VAULT],
        [&["cert", "info"], &named[..]].concat(),
        [&["token", "--app", "billing"], &named[..]].concat(),
        [&["provision", "--app", "billing", "--plan"], &named[..]].concat(),
        [&["attach", "--app", "billing", "--plan"], &named[..]].concat(),
    ];
    for arguments in reading {
        let vault = json!({ "service": "keyvault", "path": "/certificates" });
        let held = bench.fault(&json!({ "match": vault, "result": { "stall_ms": 5_000 }, "times": 1 }));
        let running = bench.spawn_until_held(&arguments, held);
        running.interrupt();
        let ran = running.wait().ends_with(130);
        assert!(ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
        bench.no_faults();
    }
}
