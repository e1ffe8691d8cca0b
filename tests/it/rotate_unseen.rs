//! `kvops rotate` by an identity without any permission in Graph: what it cannot see it takes from tags and
//! ledger, and what it does needs the application's own proof alone.

use kvops::domain::Thumbprint;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::rotate::provisioned;
use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const ROTATE: [&str; 9] = ["rotate", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// The command with the application's client id, since a name cannot be looked up.
fn rotate<'a>(app: &'a App, more: &[&'a str]) -> Vec<&'a str> {
    [&ROTATE[..2], &[&app.app_id], &ROTATE[3..], more].concat()
}

/// Somebody with rights in the vault and none in the directory.
fn without_graph(bench: &mut Bench) {
    let identity = bench.identity("deployer");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
}

#[test]
fn an_identity_without_any_graph_permission_rotates_the_applications_own_key() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &[]);
    let mark = bench.mark();
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "soaking");
    assert_eq!(bench.keys_of(&app).len(), 2);
    bench.lab().clock().advance(time::Duration::days(15));
    let unknown = bench.kvops(&arguments).ends_with(7).error();
    assert!(unknown["hints"].to_string().contains("--accept-unknown-use"), "{unknown}");
    let report = bench.kvops(&[&arguments[..], &["--accept-unknown-use"]].concat()).ends_with(0).json();
    assert_eq!(report["outcome"], "rotated");
    assert_eq!(report["applications"][0]["refused"][0]["code"], "AADSTS700027");
    assert_eq!(report["disabled"], json!([]), "nobody could see who else trusts it");
    assert!(report["warnings"].to_string().contains("other applications may trust"), "{report}");
    let graph = bench.asked(mark, Service::Graph);
    let operator = bench.variable("LAB_CLIENT_ID");
    for write in graph.iter().filter(|entry| entry.method != "GET") {
        let by = write.app_id.map(|id| id.to_string());
        assert!(by.as_deref() == Some(app.app_id.as_str()) || by == Some(operator.clone()), "{write:?}");
    }
    assert_eq!(bench.keys_of(&app).len(), 1);

    // What is gone does not come back with the tags of its version: the next one makes a key as well.
    let compromised = bench.kvops(&[&arguments[..], &["--compromised"]].concat()).ends_with(0).json();
    assert_eq!(compromised["outcome"], "rotated");
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (3, 1));
    assert_eq!(compromised["applications"][0]["unseen"], true);
    assert!(compromised["warnings"].to_string().contains("cannot be seen"), "{compromised}");
    let table = [&arguments[..arguments.len() - 2], &["--compromised", "-o", "table"]].concat();
    let said = bench.kvops(&table).ends_with(0).stdout;
    assert!(said.contains("cannot be seen") && !said.contains("nothing else"), "{said}");
}

#[test]
fn a_removal_that_failed_on_an_application_that_nobody_can_see_is_asked_for_again() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &["--overlap", "0"]);
    let failing = json!({ "match": { "path": "/removeKey" }, "result": { "status": 403, "code": "Authorization_RequestDenied" } });
    bench.fault(&failing);
    let ran = bench.kvops(&arguments);
    assert_ne!(ran.exit, 0);
    bench.no_faults();
    assert_eq!(bench.keys_of(&app).len(), 2);
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "rotated");
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn what_was_removed_is_not_taken_for_attached_where_neither_ledger_nor_directory_can_be_read() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &["--overlap", "0"]);
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "rotated");
    let listed = bench.vault("GET", "/certificates/billing/versions", &Value::Null);
    let mut tags: Vec<&Value> = listed["value"].as_array().unwrap().iter().map(|item| &item["tags"]).collect();
    tags.sort_by_key(|tags| tags["kvops-state"].to_string());
    assert_eq!((&tags[0]["kvops-state"], &tags[1]["kvops-state"]), (&json!("proven"), &json!("retired")));
    assert!(tags[0]["kvops-keyid"].is_string() && tags[1]["kvops-keyid"].is_null(), "{tags:?}");

    let elsewhere = bench.file("elsewhere/ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &elsewhere);
    assert_eq!(bench.kvops(&[&arguments[..], &["--finish"]].concat()).ends_with(0).json()["outcome"], "nothing");
    let report = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!((&report["outcome"], &report["has_created"]), (&json!("rotated"), &json!(true)), "{report}");
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (3, 1));
}

#[test]
fn a_version_that_was_aborted_out_of_sight_is_not_given_to_the_application_again() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &[]);
    bench.kvops(&arguments).ends_with(0);
    bench.kvops(&[&arguments[..], &["--abort"]].concat()).ends_with(0);
    let aborted = bench.vault("GET", "/certificates/billing", &Value::Null);
    assert_eq!(aborted["tags"]["kvops-state"], "retired");
    let elsewhere = bench.file("elsewhere/ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &elsewhere);
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["has_created"], true);
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (3, 2));
    let aborted = aborted["x5t"].as_str().unwrap();
    let is_aborted = |key: &Value| {
        let label = key["customKeyIdentifier"].as_str().unwrap();
        label.parse::<Thumbprint>().unwrap() == aborted.parse().unwrap()
    };
    assert!(!bench.keys_of(&app).iter().any(is_aborted));
}

#[test]
fn an_added_key_whose_answer_was_lost_out_of_sight_is_not_added_twice() {
    for is_ledger_lost in [false, true] {
        let mut bench = Bench::realistic();
        let app = provisioned(&bench);
        without_graph(&mut bench);
        let arguments = rotate(&app, &[]);
        bench.fault(&json!({ "match": { "path": "/addKey" }, "result": { "drop": "after" }, "times": 1 }));
        bench.kvops(&arguments).ends_with(4);
        if is_ledger_lost {
            bench.lab().clock().advance(time::Duration::hours(2));
            let elsewhere = bench.file("elsewhere/ledger.jsonl").display().to_string();
            bench.set("KVOPS_LEDGER", &elsewhere);
        }
        let report = bench.kvops(&arguments).ends_with(0).json();
        assert_eq!(report["outcome"], "soaking");
        assert!(report["warnings"].to_string().contains("keyId"), "{report}");
        assert_eq!(report["foreign"], json!([]), "its own key is not somebody else's");
        bench.lab().clock().advance(time::Duration::minutes(10));
        assert_eq!(bench.keys_of(&app).len(), 2, "added twice");

        // Its id is unknown: the old one goes, and the next rotation needs somebody who can see it.
        bench.lab().clock().advance(time::Duration::days(15));
        let known = [&arguments[..], &["--accept-unknown-use"]].concat();
        assert_eq!(bench.kvops(&known).ends_with(0).json()["outcome"], "rotated");
        let error = bench.kvops(&[&known[..], &["--overlap", "0"]].concat()).ends_with(7).error();
        assert!(error["hints"].to_string().contains("Application.Read.All"), "{error}");
        for (name, value) in [("AZURE_CLIENT_ID", "LAB_CLIENT_ID"), ("AZURE_CLIENT_SECRET", "LAB_CLIENT_SECRET")] {
            let value = bench.variable(value);
            bench.set(name, &value);
        }
        let rest = bench.kvops(&[&known[..], &["--overlap", "0"]].concat()).ends_with(0).json();
        assert_eq!(rest["outcome"], "rotated");
        assert_eq!(bench.keys_of(&app).len(), 1);
    }
}

#[test]
fn an_added_key_that_never_arrived_out_of_sight_is_added_by_the_next_run() {
    let mut bench = Bench::realistic();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &[]);
    bench.fault(&json!({ "match": { "path": "/addKey" }, "result": { "drop": "before" }, "times": 1 }));
    bench.kvops(&arguments).ends_with(4);
    let report = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(report["applications"][0]["attachment"]["method"], "addKey", "{report}");
    bench.lab().clock().advance(time::Duration::minutes(10));
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn an_abort_disables_no_version_that_an_application_out_of_sight_may_trust() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    let arguments = rotate(&app, &[]);
    bench.kvops(&arguments).ends_with(0);
    let report = bench.kvops(&[&arguments[..], &["--abort"]].concat()).ends_with(0).json();
    assert_eq!((&report["outcome"], &report["disabled"]), (&json!("aborted"), &json!([])));
    assert!(report["warnings"].to_string().contains("other applications may trust"), "{report}");
    assert_eq!(bench.keys_of(&app).len(), 1);
    let current = bench.vault("GET", "/certificates/billing", &Value::Null);
    assert_eq!(current["attributes"]["enabled"], true);
}

#[test]
fn a_removal_whose_answer_was_lost_out_of_sight_is_taken_for_done_once_the_key_is_refused() {
    let mut bench = Bench::realistic();
    let app = provisioned(&bench);
    without_graph(&mut bench);
    bench.fault(&json!({ "match": { "path": "/removeKey" }, "result": { "drop": "after" }, "times": 1 }));
    bench.kvops(&rotate(&app, &["--overlap", "0"])).ends_with(4);
    let report = bench.kvops(&rotate(&app, &["--overlap", "0"])).ends_with(0).json();
    let changed = &report["applications"][0];
    assert_eq!(changed["removed"][0]["method"], "already gone", "{report}");
    assert_eq!(changed["refused"][0]["code"], "AADSTS700027", "{report}");
    bench.lab().clock().advance(time::Duration::minutes(10));
    assert_eq!(bench.keys_of(&app).len(), 1);
}
