//! A look at a part: by name, from the tenant or from a file, and with what kvops itself recorded.

use serde_json::Value;
use serde_json::json;

use super::found;
use super::small;
use crate::support::Bench;
use crate::support::VAULT;

#[test]
fn a_vault_that_is_nowhere_is_a_slip_and_no_gap() {
    let bench = small();
    let error = bench.kvops(&["audit", "--vault", "contosso-kv", "--format", "json"]).ends_with(2).error();
    assert!(error.to_string().contains("contosso-kv"), "{error}");
    // Where Azure may not be asked, that it does not show the vault says nothing.
    bench.fault(&json!({ "match": { "service": "arm" }, "result": { "status": 403, "code": "AuthorizationFailed" } }));
    let ran = bench.kvops(&["audit", "--vault", "contosso-kv", "--format", "json", "--fail-on", "none"]).ends_with(0);
    assert!(ran.json()["coverage"]["gaps"].to_string().contains("contosso-kv"));
}

#[test]
fn a_file_is_narrowed_like_the_tenant_and_with_a_byte_order_mark_as_well() {
    let bench = small();
    bench.kvops(&["audit", "--export", "tenant.ndjson", "--fail-on", "none"]).ends_with(0);
    let text = std::fs::read_to_string(bench.file("tenant.ndjson")).unwrap();
    std::fs::write(bench.file("marked.ndjson"), format!("\u{feff}{text}")).unwrap();
    let narrowed = |file: &str| {
        let one = ["audit", "--input", file, "--app", "payroll-sync", "--format", "json", "--fail-on", "none"];
        bench.kvops(&one).ends_with(0).json()
    };
    let (there, marked) = (narrowed("tenant.ndjson"), narrowed("marked.ndjson"));
    assert_eq!(there["header"]["isNarrowedToApplications"], true);
    assert_eq!(found(&there), found(&marked));
    let asked = ["audit", "--app", "payroll-sync", "--format", "json", "--fail-on", "none"];
    assert_eq!(found(&there), found(&bench.kvops(&asked).ends_with(0).json()));

    for (flag, name) in [("--app", "payrol-sync"), ("--vault", "contosso-kv")] {
        let error = bench.kvops(&["audit", "--input", "tenant.ndjson", flag, name, "--format", "json"]).ends_with(2);
        assert!(error.error().to_string().contains(name));
    }
}

#[test]
fn the_ledger_proves_how_a_version_was_born_and_a_damaged_one_proves_nothing() {
    let bench = Bench::tame();
    bench.application("billing");
    let ledger = bench.file("ledger.jsonl").display().to_string();
    let provision = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--ledger", &ledger];
    bench.kvops(&provision).ends_with(0);
    // Somebody touches the policy: from then on its dates say nothing of the version.
    bench.lab().clock().advance(time::Duration::hours(1));
    let policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    bench.vault("PATCH", "/certificates/billing/policy", &json!({ "key_props": policy["key_props"] }));
    let audit = |ledger: &str| {
        bench.kvops(&["audit", "--app", "billing", "--format", "json", "--fail-on", "none", "--ledger", ledger])
    };
    let rules = |report: &Value| found(report).iter().map(|line| line[..6].to_owned()).collect::<Vec<_>>();
    let without = audit(&bench.file("none.jsonl").display().to_string()).ends_with(0).json();
    assert!(rules(&without).contains(&"KVO202".to_owned()), "{:?}", found(&without));
    let with = audit(&ledger).ends_with(0).json();
    assert!(!rules(&with).contains(&"KVO202".to_owned()), "{:?}", found(&with));

    let text = std::fs::read_to_string(&ledger).unwrap();
    std::fs::write(&ledger, text.replacen("\"exportable\":\"false\"", "\"exportable\":\"true\"", 1)).unwrap();
    let error = audit(&ledger).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("proves nothing"), "{error}");
}

#[test]
fn places_in_a_report_begin_at_the_repository_wherever_the_audit_runs() {
    let bench = small();
    std::fs::create_dir_all(bench.file(".git")).unwrap();
    std::fs::create_dir_all(bench.file("deep/er")).unwrap();
    let mut command = bench.command(&["audit", "--format", "sarif", "--fail-on", "none"]);
    let ran = command.current_dir(bench.file("deep/er")).output().unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let at = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(at, "kvops.toml");
    }
}
