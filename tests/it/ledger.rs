//! The ledger: what is written before and after each step, and what `kvops ledger` finds in it.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;

const BILLING: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];

fn provisioned() -> Bench {
    let mut bench = Bench::tame();
    let path = bench.file("ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);
    bench
}

fn entries(bench: &Bench) -> Vec<Value> {
    let text = fs::read_to_string(bench.file("ledger.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_step_is_written_down_before_it_is_taken_and_after_with_the_services_ids() {
    let bench = provisioned();
    let entries = entries(&bench);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| format!("{} {}", entry["step"].as_str().unwrap(), entry["phase"].as_str().unwrap()))
        .collect();
    let expected = [
        "create intended",
        "create done",
        "create done",
        "attach intended",
        "attach done",
        "prove intended",
        "prove done",
        "tag intended",
        "tag done",
    ];
    assert_eq!(told, expected);
    let born = &entries[2];
    assert_eq!(born["facts"]["exportable"], "false");
    assert!(born["object"]["version"].is_string() && born["object"]["thumbprint"].is_string());
    let attached = &entries[4];
    let requests = attached["requests"].as_array().unwrap();
    let patch = requests.iter().find(|request| request["operation"] == "writing the application's certificates");
    let patch = patch.unwrap_or_else(|| panic!("{requests:?}"));
    assert_eq!((&patch["service"], &patch["status"]), (&json!("Microsoft Graph"), &json!(204)));
    assert!(patch["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{patch}");
    assert_eq!(entries[6]["facts"]["azpacr"], "2");
    assert_eq!(entries[6]["facts"]["uti"].as_str().unwrap().split(' ').count(), 3);
    assert!(entries[0]["actor"]["principal"].as_str().unwrap().starts_with("application "), "{}", entries[0]);
}

#[test]
fn the_ledger_verifies_with_the_hash_that_lies_on_the_version() {
    let bench = provisioned();
    let said = bench.kvops(&["ledger", "verify", "--online", "--output", "json"]).ends_with(0).json();
    assert_eq!((&said["is_sound"], &said["entries"], &said["anchors"]), (&json!(true), &json!(9), &json!(1)));
    let shown = bench.kvops(&["ledger", "show", "--name", "billing", "--output", "json"]).ends_with(0).json();
    assert_eq!(shown.as_array().unwrap().len(), 9);
    let app = entries(&bench)[0]["object"]["app_id"].as_str().unwrap().to_owned();
    let table = bench.kvops(&["ledger", "show", "--app", &app, "--output", "table"]).ends_with(0).stdout;
    assert!(table.contains("exportable: false"), "{table}");
}

#[test]
fn a_changed_byte_a_removed_line_swapped_lines_and_a_cut_tail_are_each_found() {
    let bench = provisioned();
    let path = bench.file("ledger.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: Vec<&str>| format!("{}\n", lines.join("\n"));
    let without =
        |gone: usize| joined(lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, l)| *l).collect());
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(3, 4);
        joined(lines)
    };
    let cases = [
        (whole.replacen("\"azpacr\":\"2\"", "\"azpacr\":\"1\"", 1), vec!["--output", "json"]),
        (without(4), vec!["--output", "json"]),
        (swapped, vec!["--output", "json"]),
        (joined(lines[..6].to_vec()), vec!["--output", "json", "--online"]),
        (whole[..whole.len() - 20].to_owned(), vec!["--output", "json"]),
    ];
    for (text, flags) in cases {
        assert_ne!(text, whole);
        fs::write(&path, text).unwrap();
        let said = bench.kvops(&[&["ledger", "verify"][..], &flags].concat()).ends_with(6).json();
        assert_eq!(said["is_sound"], false);
        assert!(!said["damage"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_ledger_that_cannot_be_written_stops_the_run_before_the_first_write() {
    let mut bench = Bench::tame();
    bench.application("billing");
    fs::write(bench.file("not-a-folder"), "").unwrap();
    let path = bench.file("not-a-folder/ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    let before = bench.lab().counts();
    let ran = bench.kvops(&BILLING).ends_with(2);
    assert!(ran.stderr.contains("ledger.jsonl cannot be opened"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--ledger PATH"), "{}", ran.stderr);
    assert_eq!(bench.lab().counts().writes, before.writes);
}

#[test]
fn a_plan_writes_no_line() {
    let mut bench = Bench::tame();
    bench.application("billing");
    let path = bench.file("ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    bench.kvops(&[&BILLING[..], &["--plan"]].concat()).ends_with(0);
    assert!(!bench.file("ledger.jsonl").exists());
}

#[test]
fn a_step_that_failed_is_told_with_its_error() {
    let mut bench = Bench::tame();
    let path = bench.file("ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    bench.application("billing");
    bench
        .fault(&json!({ "match": { "service": "graph", "method": "PATCH" }, "result": { "status": 400 }, "times": 9 }));
    bench.kvops(&BILLING);
    let entries = entries(&bench);
    let last = entries.last().unwrap();
    assert_eq!((&last["step"], &last["phase"]), (&json!("attach"), &json!("failed")));
    assert!(last["facts"]["error"].as_str().unwrap().contains("400"), "{last}");
}
