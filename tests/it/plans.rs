//! Saved plans: made by whoever may look, shown to somebody, and carried out as they are, in the world in
//! which they were made, or not at all.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

/// A command that writes, in a world of its own.
struct Case {
    bench: Bench,
    app: App,
    command: Vec<&'static str>,
}

impl Case {
    /// `before` are commands that make the world.
    fn new(before: &[&[&'static str]], command: &[&'static str]) -> Self {
        let bench = Bench::tame();
        let app = bench.application("billing");
        let secret = json!({ "passwordCredential": { "displayName": "old way" } });
        bench.graph("POST", &format!("/v1.0/applications/{}/addPassword", app.id), &secret);
        for command in before {
            bench.kvops(command).ends_with(0);
        }
        // What was proven is forgotten by then.
        bench.lab().clock().advance(time::Duration::days(30));
        Self { bench, app, command: command.to_vec() }
    }

    fn save(&self) -> Value {
        let writes = self.bench.lab().counts().writes;
        self.bench.kvops(&[&self.command[..], &["--plan-out", "plan.json"]].concat()).ends_with(0);
        assert_eq!(self.bench.lab().counts().writes, writes, "a plan wrote something");
        serde_json::from_slice(&fs::read(self.bench.file("plan.json")).unwrap()).unwrap()
    }

    /// Runs the plan, which must end so, and gives how much it has written.
    fn apply(&self, exit: i32) -> u64 {
        let writes = self.bench.lab().counts().writes;
        self.bench.kvops(&["apply", "plan.json", "-o", "json"]).ends_with(exit);
        self.bench.lab().counts().writes - writes
    }

    /// A plan is refused once it was edited, also by somebody who knows how it is sealed; it is refused in
    /// another world, and carried out once in its own.
    fn holds(&self, change: impl Fn(&Bench, &App), is_done: impl Fn(&Bench, &App) -> bool) {
        let saved = self.save();
        assert_eq!(saved["command"], self.command[0]);
        let steps = saved["plan"]["steps"].as_array().unwrap().len();
        assert!(steps + saved["plan"]["credentials"].as_array().map_or(0, Vec::len) > 0, "{saved}");
        let start = self.bench.remembered();

        let mut edited = saved.clone();
        edited["plan"] = json!({ "steps": [] });
        fs::write(self.bench.file("plan.json"), edited.to_string()).unwrap();
        assert_eq!(self.apply(2), 0);
        edited["seal"] = Value::Null;
        edited["seal"] = json!(kvops::ledger::Hash::of(edited.to_string().as_bytes()).to_string());
        fs::write(self.bench.file("plan.json"), edited.to_string()).unwrap();
        assert_eq!(self.apply(2), 0);
        fs::write(self.bench.file("plan.json"), saved.to_string()).unwrap();

        change(&self.bench, &self.app);
        assert_eq!(self.apply(6), 0);
        self.bench.lab().control("PUT", "/state", &start).unwrap();
        assert!(!is_done(&self.bench, &self.app));
        assert!(self.apply(0) > 0);
        assert!(is_done(&self.bench, &self.app));
        assert_eq!(self.apply(6), 0, "the same plan a second time");
        self.bench.kvops(&["ledger", "verify"]).ends_with(0);
        let ledger = fs::read_to_string(self.bench.file(".local/state/kvops/ledger.jsonl")).unwrap();
        assert!(ledger.contains(saved["snapshot"].as_str().unwrap()), "the ledger does not name the plan");
    }
}

const PROVISION: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
const SPARE: [&str; 8] = ["provision", "--vault-only", "--vault", VAULT, "--name", "spare", "--cer-out", "spare.cer"];

fn another_key(bench: &Bench, _: &App) {
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "another"]).ends_with(0);
}

fn has_keys(number: usize) -> impl Fn(&Bench, &App) -> bool {
    move |bench, app| bench.keys_of(app).len() == number
}

fn secrets(bench: &Bench, app: &App) -> usize {
    let read = bench.graph("GET", &format!("/v1.0/applications/{}", app.id), &Value::Null);
    read["passwordCredentials"].as_array().unwrap().len()
}

#[test]
fn a_saved_provisioning_holds() {
    Case::new(&[], &PROVISION).holds(another_key, has_keys(1));
}

#[test]
fn a_saved_attachment_of_a_file_or_of_a_version_holds() {
    Case::new(&[&SPARE], &["attach", "--app", "billing", "--cer", "spare.cer"]).holds(another_key, has_keys(1));
    let of_version = ["attach", "--app", "billing", "--vault", VAULT, "--name", "spare"];
    Case::new(&[&SPARE], &of_version).holds(another_key, has_keys(1));
}

#[test]
fn a_saved_removal_holds() {
    let named = ["detach", "--app", "billing", "--vault", VAULT, "--name", "billing", "--secret", "all"];
    let case = Case::new(&[&PROVISION], &[&named[..], &["--accept-unknown-use"]].concat());
    case.holds(another_key, |bench, app| secrets(bench, app) == 0);
}

#[test]
fn a_saved_rotation_holds() {
    let rotate = ["rotate", "--app", "billing", "--vault", VAULT, "--name", "billing", "--until", "prove"];
    Case::new(&[&PROVISION], &rotate).holds(
        |bench, _| {
            let tags = json!({ "tags": { "owner": "somebody" } });
            bench.vault("PATCH", "/certificates/billing", &tags);
        },
        has_keys(2),
    );
}

#[test]
fn a_saved_hardening_of_a_registration_holds_and_nobody_is_asked_again() {
    let harden = ["harden", "--app", "billing", "--vault", VAULT, "--name", "billing", "--accept-unknown-use"];
    let case = Case::new(&[&PROVISION], &harden);
    let path = format!("/v1.0/applications/{}", case.app.id);
    let redirect = |uri: &str| json!({ "web": { "redirectUris": [uri] } });
    case.bench.graph("PATCH", &path, &redirect("https://billing.contoso.com/back"));
    let is_done = |bench: &Bench, app: &App| {
        let read = bench.graph("GET", &path, &Value::Null);
        secrets(bench, app) == 0 && read["servicePrincipalLockConfiguration"]["isEnabled"] == json!(true)
    };
    let change =
        |bench: &Bench, _: &App| drop(bench.graph("PATCH", &path, &redirect("https://elsewhere.contoso.com/")));
    case.holds(change, is_done);
}

#[test]
fn a_saved_hardening_of_a_policy_holds() {
    let case = Case::new(&[&PROVISION], &["harden", "--vault", VAULT, "--name", "billing"]);
    let path = "/certificates/billing/policy";
    let exportable = |value: bool| json!({ "key_props": { "exportable": value } });
    let months = json!({ "x509_props": { "validity_months": 11 } });
    case.bench.vault("PATCH", path, &exportable(true));
    let is_done =
        |bench: &Bench, _: &App| bench.vault("GET", path, &Value::Null)["key_props"]["exportable"] == json!(false);
    case.holds(|bench, _| drop(bench.vault("PATCH", path, &months)), is_done);
}

#[test]
fn a_plan_of_another_tenant_or_form_is_refused() {
    let case = Case::new(&[], &PROVISION);
    let saved = case.save();
    let refused = |edited: &Value, more: &[&str], words: &str| {
        fs::write(case.bench.file("plan.json"), edited.to_string()).unwrap();
        let ran = case.bench.kvops(&[&["apply", "plan.json", "-o", "json"], more].concat()).ends_with(2);
        assert!(ran.error()["message"].as_str().unwrap().contains(words), "{ran:?}");
    };
    refused(&saved, &["--tenant", "fabrikam.example"], "is another");
    let mut other = saved.clone();
    other["kvops_plan"] = json!(2);
    refused(&other, &[], "another version of kvops");
    other["command"] = json!("purge-everything");
    refused(&other, &[], "no plan");
    refused(&json!({}), &[], "no plan");
}
