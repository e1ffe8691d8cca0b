//! `kvops doctor` finds what is wrong before a command stumbles over it; `kvops explain` says what a code means.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

impl Bench {
    fn doctor(&self, more: &[&str]) -> Ran {
        self.kvops(&[&["doctor", "--output", "json"], more].concat())
    }
}

/// A bench whose application has a certificate in the vault.
fn provisioned() -> Bench {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    bench
}

const ALL: [&str; 6] = ["--app", "billing", "--vault", VAULT, "--name", "billing"];

fn check(report: &Value, area: &str, name: &str) -> Value {
    let found = |check: &&Value| check["area"] == area && check["name"] == name;
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(found).unwrap_or_else(|| panic!("no check {area}/{name}: {report}")).clone()
}

fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["verdict"] == "failed");
    failed.map(|check| format!("{}/{}", check["area"].as_str().unwrap(), check["name"].as_str().unwrap())).collect()
}

#[test]
fn what_works_is_good_and_nothing_is_written() {
    let bench = provisioned();
    let mark = bench.mark();
    let report = bench.doctor(&ALL).ends_with(0).json();
    assert_eq!(report["ok"], true);
    for (area, name) in [
        ("ledger", "record of changes"),
        ("network", "Microsoft Entra"),
        ("network", "Microsoft Graph"),
        ("network", "Key Vault"),
        ("directory", "identity"),
        ("directory", "read applications"),
        ("directory", "write applications"),
        ("directory", "read credential policies"),
        ("vault", "identity"),
        ("vault", "list certificates"),
        ("vault", "read the certificate"),
        ("vault", "read the key"),
        ("vault", "sign"),
        ("clock", "this machine's clock"),
    ] {
        assert_eq!(check(&report, area, name)["verdict"], "good", "{area}/{name}");
    }
    let untried = check(&report, "vault", "create certificates");
    assert_eq!(untried["verdict"], "unknown", "only a creation would show it");
    let routes = bench.routes(mark);
    let posted: Vec<_> = routes.keys().filter(|route| !route.starts_with("GET ")).collect();
    let harmless = |route: &&&String| route.contains("/token") || route.ends_with("/sign");
    assert!(posted.iter().all(|route| harmless(&route)), "{posted:?}");
    assert_eq!(routes.iter().filter(|(route, _)| route.ends_with("/sign")).map(|(_, count)| count).sum::<usize>(), 1);
    assert!(!routes.keys().any(|route| route.contains("/secrets")), "{routes:?}");
}

#[test]
fn a_missing_right_is_named_with_who_grants_it() {
    let mut bench = provisioned();
    let nobody = bench.identity("nobody");
    bench.work_as(&nobody);
    let report = bench.doctor(&["--vault", VAULT, "--name", "billing"]).ends_with(3).json();
    assert_eq!(report["ok"], false);
    assert_eq!(failed(&report), ["vault/read the certificate"]);
    for (area, name, right) in [
        ("directory", "read applications", "Application.Read.All"),
        ("directory", "write applications", "Application.ReadWrite.OwnedBy"),
        ("directory", "read credential policies", "Policy.Read.All"),
        ("vault", "list certificates", "Microsoft.KeyVault/vaults/certificates/read"),
    ] {
        let check = check(&report, area, name);
        assert_eq!(check["verdict"], "warning", "{check}");
        assert!(check["said"].as_str().unwrap().contains(right), "{check}");
        assert!(!check["next"].as_array().unwrap().is_empty(), "{check}");
    }
    bench.give_role(&nobody, "Key Vault Reader");
    let report = bench.doctor(&["--vault", VAULT, "--name", "billing"]).ends_with(3).json();
    assert_eq!(failed(&report), ["vault/sign"], "a reader reads, but does not sign");
    assert!(check(&report, "vault", "sign")["said"].as_str().unwrap().contains("keys/sign"), "{report}");
    bench.give_role(&nobody, "Key Vault Crypto User");
    bench.doctor(&["--vault", VAULT, "--name", "billing"]).ends_with(0);
}

#[test]
fn owning_an_application_is_told_from_owning_none() {
    let mut bench = provisioned();
    let owner = bench.identity("owner");
    bench.give_graph(&owner, "Application.ReadWrite.OwnedBy");
    bench.give_graph(&owner, "Application.Read.All");
    bench.work_as(&owner);
    let report = bench.doctor(&["--app", "billing"]).ends_with(0).json();
    let write = check(&report, "directory", "write applications");
    assert_eq!(write["verdict"], "warning");
    assert!(write["next"][0].as_str().unwrap().contains("az ad app owner add"), "{write}");
    let report = bench.doctor(&[]).ends_with(0).json();
    assert_eq!(check(&report, "directory", "write applications")["verdict"], "good", "of those that it owns");
}

#[test]
fn whoever_cannot_sign_in_is_told_why_and_no_secret_is_shown() {
    let mut bench = provisioned();
    bench.set("AZURE_CLIENT_SECRET", "not-the-secret-canary");
    let ran = bench.doctor(&ALL).ends_with(3);
    let report = ran.json();
    assert_eq!(failed(&report), ["directory/identity", "vault/identity"]);
    assert!(check(&report, "vault", "identity")["said"].as_str().unwrap().contains("AADSTS7000215"));
    assert!(!format!("{ran:?}").contains("not-the-secret-canary"));
}

#[test]
fn a_host_that_does_not_answer_is_named_and_the_others_are_still_looked_at() {
    let bench = provisioned();
    let config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    // Nobody listens on port 1.
    let broken = config.lines().map(|line| {
        if line.starts_with("graph = ") { "graph = \"https://localhost:1\"".to_owned() } else { line.to_owned() }
    });
    std::fs::write(bench.file("kvops.toml"), broken.collect::<Vec<_>>().join("\n")).unwrap();
    let report = bench.doctor(&["--vault", VAULT, "--name", "billing"]).ends_with(4).json();
    assert_eq!(failed(&report)[0], "network/Microsoft Graph");
    assert_eq!(check(&report, "network", "Microsoft Entra")["verdict"], "good");
    assert_eq!(check(&report, "vault", "sign")["verdict"], "good");
}

#[test]
fn a_wrong_clock_and_a_ledger_that_cannot_be_written_are_found() {
    let mut bench = provisioned();
    bench.set("KVOPS_CLOCK", "");
    bench.lab().clock().advance(time::Duration::minutes(30));
    let report = bench.doctor(&["--ledger", "/proc/none/ledger.jsonl"]).ends_with(2).json();
    assert_eq!(failed(&report), ["ledger/record of changes"]);
    let clock = check(&report, "clock", "this machine's clock");
    assert_eq!(clock["verdict"], "warning");
    assert!(clock["said"].as_str().unwrap().contains("s behind"), "{clock}");
    bench.kvops(&["doctor", "--name", "billing"]).ends_with(2);
}

#[test]
fn a_code_is_explained_by_name_and_out_of_a_text() {
    let bench = Bench::tame();
    let said = bench
        .kvops(&["explain", "aadsts700027", "ObjectIsBeingDeleted", "KVO201", "--output", "json"])
        .ends_with(0)
        .json();
    let codes: Vec<_> = said.as_array().unwrap().iter().map(|entry| entry["code"].clone()).collect();
    assert_eq!(codes, [json!("AADSTS700027"), json!("ObjectIsBeingDeleted"), json!("KVO201")]);
    assert_eq!((&said[0]["retryable"], &said[2]["retryable"]), (&json!(true), &json!(false)));
    assert!(said[0]["next"][0].as_str().unwrap().contains("kvops attach"));
    assert!(bench.kvops(&["explain", "ForbidenByRbac"]).ends_with(2).stderr.contains("ForbiddenByRbac"));

    let mut child = bench.command(&["explain", "-"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"error: refused with AADSTS7000215, and AADSTS7000215 again\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said.as_array().unwrap().len(), 1, "{said}");
    assert_eq!(said[0]["code"], "AADSTS7000215");
}
