//! `kvops audit` from end to end: what was planted is found once, what could not be read is said, and
//! nothing is written.

mod baseline;
mod narrowed;
mod offline;
mod own_work;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;

/// The tenant with a fault per application.
pub(crate) fn small() -> Bench {
    Bench::with(LabOptions { seed: Seed::Small, ..LabOptions::default() })
}

/// The findings of a report as `RULE name`, each once.
fn found(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let named = findings.map(|finding| {
        let name = finding["subject"]["name"].as_str().unwrap();
        format!("{} {name}", finding["rule"].as_str().unwrap())
    });
    let mut all: Vec<String> = named.collect();
    all.sort();
    all
}

/// The rules that the table in the guide to the lab expects of each application, above information.
fn planted() -> BTreeMap<String, BTreeSet<String>> {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guides/lab.md")).unwrap();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in guide.lines().filter(|line| line.starts_with("| `") && line.contains("KVO")) {
        let cells: Vec<&str> = line.split('|').collect();
        let rules: BTreeSet<String> = cells[3]
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| w.starts_with("KVO"))
            .map(str::to_owned)
            .collect();
        for name in cells[1].split('`').skip(1).step_by(2) {
            expected.insert(name.to_owned(), rules.clone());
        }
    }
    assert!(expected.len() > 12, "{expected:#?}");
    expected
}

#[test]
fn each_planted_fault_is_found_with_its_rule_and_nothing_on_what_is_clean() {
    let bench = small();
    let report = bench.kvops(&["audit", "--format", "json"]).ends_with(1).json();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let (kind, name) = (&finding["subject"]["kind"], finding["subject"]["name"].as_str().unwrap());
        let name = name.split_once('/').map_or(name, |(_, certificate)| certificate);
        if ["application", "service-principal", "certificate"].contains(&kind.as_str().unwrap())
            && finding["severity"] != "info"
        {
            seen.entry(name.to_owned()).or_default().insert(finding["rule"].as_str().unwrap().to_owned());
        }
    }
    // The lab's own operator has every right and a secret: the guide tells of it beside the table.
    seen.remove("kvops lab operator");
    assert_eq!(seen, planted());
    assert_eq!(report["coverage"]["percent"], 100.0, "{}", report["coverage"]);
    let mut once = BTreeSet::new();
    for finding in report["findings"].as_array().unwrap() {
        assert!(once.insert(finding["fingerprint"].to_string()), "twice: {finding}");
    }
    bench.kvops(&["audit", "--fail-on", "none"]).ends_with(0);
    bench.kvops(&["audit", "--exit-zero"]).ends_with(0);
}

#[test]
fn an_audit_needs_the_documented_minimum_and_neither_writes_nor_reads_secrets_nor_signs() {
    let mut bench = small();
    let auditor = bench.lab().control("POST", "/auditors", &json!({ "name": "auditor" })).unwrap();
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.set("AZURE_CLIENT_ID", auditor["app_id"].as_str().unwrap());
    bench.set("AZURE_CLIENT_SECRET", auditor["client_secret"].as_str().unwrap());
    let mark = bench.mark();
    let report = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    assert!(found(&report).iter().any(|line| line.starts_with("KVO201 ")), "{:?}", found(&report));
    let asked = bench.lab().requests_since(mark);
    assert!(asked.len() > 20);
    for entry in asked {
        let is_read = entry.method == "GET"
            || (entry.method == "POST"
                && (entry.path.ends_with("/token")
                    || entry.path.contains("ResourceGraph")
                    || entry.path.ends_with("/$batch")
                    || entry.path.ends_with("/getByIds")));
        assert!(is_read, "{} {}", entry.method, entry.path);
        assert!(!entry.path.contains("/secrets") && !entry.path.ends_with("/sign"), "{}", entry.path);
    }
}

#[test]
fn a_vault_that_refuses_is_named_and_changes_nothing_else() {
    let bench = small();
    let before = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    let refusal = json!({ "error": { "code": "Forbidden", "message": "Client address is not authorized and caller is not a trusted service.",
        "innererror": { "code": "ForbiddenByFirewall" } } });
    let of_vault = json!({ "service": "keyvault", "host": "fabrikam-kv" });
    bench.fault(&json!({ "match": of_vault, "result": { "status": 403, "body": refusal }, "times": 1000 }));
    let after = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    let gaps = after["coverage"]["gaps"].as_array().unwrap();
    assert!(
        gaps.iter()
            .any(|gap| gap["object"].as_str().unwrap().starts_with("fabrikam-kv") && gap["reason"] == "firewall"),
        "{gaps:#?}"
    );
    bench.kvops(&["audit", "--fail-on", "none", "--require-coverage", "100"]).ends_with(5);

    let about_it =
        |line: &&String| line.contains("fabrikam") || line.contains("hr-bridge") || line.starts_with("KVO901");
    let after_report = after.clone();
    let (before, after) = (found(&before), found(&after));
    let others =
        |lines: &[String]| -> BTreeSet<String> { lines.iter().filter(|line| !about_it(line)).cloned().collect() };
    // What rests on having seen every vault can no longer be said; nothing else is missing, and nothing is new.
    let lost: Vec<String> = others(&before).difference(&others(&after)).cloned().collect();
    let undecided = after_report["unknown"].to_string();
    assert!(lost.iter().all(|line| line.starts_with("KVO701 ")) && undecided.contains("KVO701"), "missing: {lost:?}");
    let invented: Vec<String> = others(&after).difference(&others(&before)).cloned().collect();
    assert!(invented.is_empty(), "invented: {invented:?}");
}

#[test]
fn a_key_that_bears_another_keys_thumbprint_is_critical() {
    let bench = small();
    let report =
        bench.kvops(&["audit", "--format", "json", "--app", "ghost-signer", "--fail-on", "none"]).ends_with(0).json();
    let spoof = report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "KVO118").unwrap();
    assert_eq!(spoof["severity"], "critical");
}

#[test]
fn wrong_rules_and_limits_are_told_before_anybody_is_asked() {
    let bench = small();
    std::fs::write(bench.file("waivers.toml"), "[[waiver]]\nrule = \"KVO101\"\nsubject = { app = \"x\" }\n").unwrap();
    std::fs::write(bench.file("params.toml"), "[params]\nmax_cert_dayz = 30\n").unwrap();
    let mark = bench.mark();
    for (flags, says) in [
        (["--waivers", "waivers.toml"], "waivers.toml:"),
        (["--params", "params.toml"], "params.toml:2"),
        (["--profile", "strickt"], "there is no profile `strickt`"),
        (["--fail-on", "hihg"], "is no threshold"),
        (["--format", "pdf"], "is not a format"),
        (["--baseline", "nowhere.json"], "nowhere.json"),
        (["--input", "nowhere.ndjson"], "nowhere.ndjson"),
    ] {
        let ran = bench.kvops(&[&["audit"][..], &flags].concat()).ends_with(2);
        assert!(ran.stderr.contains(says), "{flags:?}: {}", ran.stderr);
    }
    assert_eq!(bench.lab().requests_since(mark).len(), 0, "somebody was asked");
}

#[test]
fn a_directory_that_refuses_everything_is_no_clean_tenant() {
    let bench = small();
    let refusal =
        json!({ "status": 403, "body": { "error": { "code": "Authorization_RequestDenied", "message": "no" } } });
    bench.fault(&json!({ "match": { "service": "graph" }, "result": refusal, "times": 100_000 }));
    let ran = bench.kvops(&["audit", "--fail-on", "none"]).ends_with(3);
    assert!(ran.stderr.contains("Application.Read.All"), "{}", ran.stderr);
}

#[test]
fn roles_that_somebody_may_activate_are_not_absent_because_they_were_refused() {
    let bench = small();
    let refusal =
        json!({ "status": 403, "body": { "error": { "code": "Authorization_RequestDenied", "message": "no" } } });
    bench.fault(
        &json!({ "match": { "service": "graph", "path": "roleEligibility" }, "result": refusal, "times": 100_000 }),
    );
    let report = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    let unknown = report["unknown"].to_string();
    assert!(unknown.contains("KVO504") || unknown.contains("KVO410"), "{unknown}");
}

#[test]
fn one_application_is_judged_with_what_is_behind_it_and_nothing_else() {
    let bench = small();
    let report =
        bench.kvops(&["audit", "--app", "payroll-sync", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    for line in found(&report) {
        assert!(line.contains("payroll-sync") || line.contains(" contoso-kv"), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_written_to_a_link_or_a_device_leaves_it_what_it_is() {
    let bench = small();
    std::fs::write(bench.file("real.json"), "old").unwrap();
    std::os::unix::fs::symlink(bench.file("real.json"), bench.file("link.json")).unwrap();
    let flags = ["audit", "--fail-on", "none", "--format", "json=link.json", "--format", "table=/dev/stdout"];
    let ran = bench.kvops(&flags).ends_with(0);
    assert!(ran.stdout.contains("coverage"), "{}", ran.stdout);
    assert!(std::fs::symlink_metadata(bench.file("link.json")).unwrap().is_symlink());
    assert!(std::fs::read_to_string(bench.file("real.json")).unwrap().contains("schemaVersion"));
}

#[test]
fn the_remedy_of_a_certificate_names_the_application_that_trusts_it_while_it_is_the_only_one() {
    let bench = small();
    let fix = || {
        let report = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
        let findings = report["findings"].as_array().unwrap().iter();
        let mut found = findings.filter(|found| found["rule"] == "KVO201");
        found.next().unwrap()["fix"].as_str().unwrap().to_owned()
    };
    let apps = bench.graph("GET", "/v1.0/applications?$filter=displayName%20eq%20'payroll-sync'", &Value::Null);
    let (app, key) = (&apps["value"][0]["appId"], &apps["value"][0]["keyCredentials"][0]["keyId"]);
    let fix_of_one = fix();
    for part in [format!("--app {}", app.as_str().unwrap()), format!("--key {}", key.as_str().unwrap())] {
        assert!(fix_of_one.contains(&part), "{fix_of_one}");
    }
    let other = bench.application("other");
    let made = bench.vault("GET", "/certificates/payroll-sync", &Value::Null);
    let key = json!({ "keyCredentials": [{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"] }] });
    bench.graph("PATCH", &format!("/v1.0/applications/{}", other.id), &key);
    bench.lab().clock().advance(time::Duration::minutes(10));
    assert!(fix().contains("--app APP "), "{}", fix());
}
