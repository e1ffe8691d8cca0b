//! Evidence in files: exported, judged elsewhere, compared with what was known.

use serde_json::Value;

use super::found;
use super::small;

#[test]
fn what_was_exported_is_judged_to_the_same_bytes_without_asking_anybody() {
    let bench = small();
    let here = bench.kvops(&["audit", "--format", "json", "--export", "tenant.ndjson"]).ends_with(1);
    let text = std::fs::read_to_string(bench.file("tenant.ndjson")).unwrap();
    assert!(!text.contains("MII"), "bytes of keys");
    let mark = bench.mark();
    let there = bench.kvops(&["audit", "--format", "json", "--input", "tenant.ndjson"]).ends_with(1);
    assert_eq!(bench.lab().requests_since(mark).len(), 0);
    let differs = |line: &&str| line.contains("KVO905");
    let lines = |text: &str| -> Vec<String> { text.lines().filter(|line| !differs(line)).map(str::to_owned).collect() };
    assert_eq!(lines(&here.stdout), lines(&there.stdout));

    let edited = text.replacen("\"billing-api\"", "\"billing-ap1\"", 1);
    assert_ne!(edited, text);
    std::fs::write(bench.file("edited.ndjson"), edited).unwrap();
    let report = bench.kvops(&["audit", "--format", "json", "--input", "edited.ndjson"]).ends_with(1).json();
    assert!(found(&report).iter().any(|line| line.starts_with("KVO905")), "{:?}", found(&report));
    std::fs::write(bench.file("cut.ndjson"), &text[..text.len() / 2]).unwrap();
    let cut = bench.kvops(&["audit", "--format", "json", "--input", "cut.ndjson"]).ends_with(2);
    assert!(cut.stderr.contains("cut off"), "{cut:?}");
}

#[test]
fn a_baseline_lets_old_debt_pass_and_neither_new_debt_nor_anything_critical() {
    let bench = small();
    bench.kvops(&["audit", "--write-baseline", "baseline.json", "--fail-on", "none"]).ends_with(0);
    // What is critical fails it as before.
    bench.kvops(&["audit", "--new-since", "baseline.json"]).ends_with(1);
    let one = ["audit", "--app", "payroll-sync", "--new-since", "baseline.json"];
    bench.kvops(&one).ends_with(0);
    bench.kvops(&["audit", "--app", "payroll-sync"]).ends_with(1);
    let app = bench.application("newcomer");
    let path = format!("/v1.0/applications/{}/addPassword", app.id);
    bench.graph("POST", &path, &serde_json::json!({ "passwordCredential": { "displayName": "x" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let ran =
        bench.kvops(&["audit", "--app", "newcomer", "--new-since", "baseline.json", "--format", "json"]).ends_with(1);
    let states: Vec<Value> =
        ran.json()["findings"].as_array().unwrap().iter().map(|finding| finding["state"].clone()).collect();
    assert!(!states.is_empty());
}

#[test]
fn a_waiver_covers_its_object_until_its_day_and_stays_in_the_report() {
    let bench = small();
    let apps = bench.graph("GET", "/v1.0/applications?$filter=displayName%20eq%20'billing-api'", &Value::Null);
    let app = apps["value"][0]["appId"].as_str().unwrap();
    let waiver = |expires: &str| {
        format!(
            "[[waiver]]\nrule = \"KVO101\"\nsubject = {{ app = \"{app}\", key = \"*\" }}\nowner = \"jane@contoso.example\"\n\
             reason = \"until the vendor's version 9\"\ncreated = 2026-11-21\nexpires = {expires}\n"
        )
    };
    let audit = ["audit", "--app", "billing-api", "--waivers", "waivers.toml", "--format", "json"];
    std::fs::write(bench.file("waivers.toml"), waiver("2026-12-31")).unwrap();
    let report = bench.kvops(&audit).ends_with(0).json();
    let states = report["findings"].to_string();
    assert!(states.contains("waived") && states.contains("jane@contoso.example"), "{states}");
    std::fs::write(bench.file("waivers.toml"), waiver("2026-11-20")).unwrap();
    let report = bench.kvops(&audit).ends_with(1).json();
    assert!(found(&report).iter().any(|line| line.starts_with("KVO902")), "{:?}", found(&report));
}

#[test]
fn two_reports_are_compared() {
    let bench = small();
    bench.kvops(&["audit", "--fail-on", "none", "--format", "json=a.json"]).ends_with(0);
    let app = bench.graph("GET", "/v1.0/applications?$filter=displayName%20eq%20'billing-api'", &Value::Null);
    let id = app["value"][0]["id"].as_str().unwrap();
    bench.graph("DELETE", &format!("/v1.0/applications/{id}"), &Value::Null);
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.kvops(&["audit", "--fail-on", "none", "--format", "json=b.json"]).ends_with(0);
    let diff = bench.kvops(&["audit", "diff", "a.json", "b.json", "--output", "json"]).ends_with(0).json();
    let fixed = diff["fixed"].to_string();
    assert!(fixed.contains("KVO101") && fixed.contains("billing-api"), "{fixed}");
    let same =
        bench.kvops(&["audit", "diff", "a.json", "a.json", "--output", "json", "--fail-on", "new"]).ends_with(0).json();
    assert_eq!((same["new"].as_array().unwrap().len(), same["fixed"].as_array().unwrap().len()), (0, 0));
}
