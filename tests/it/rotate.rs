//! `kvops rotate` on its usual way: a new key, both for a while, then the old one gone and refused.

use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const PROVISION: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
const ROTATE: [&str; 5] = ["rotate", "--app", "billing", "--output", "json"];

/// A bench with an application whose certificate kvops has made.
pub(crate) fn provisioned(bench: &Bench) -> App {
    let app = bench.application("billing");
    bench.kvops(&PROVISION).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(1));
    app
}

/// The command with more flags.
pub(crate) fn rotate(more: &[&str]) -> Vec<String> {
    ROTATE.iter().chain(more).map(|text| (*text).to_owned()).collect()
}

fn run(bench: &Bench, more: &[&str], exit: i32) -> Value {
    let arguments = rotate(more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = bench.kvops(&arguments).ends_with(exit);
    if exit == 0 { ran.json() } else { ran.error() }
}

fn enabled(bench: &Bench, version: &str) -> bool {
    bench.vault("GET", &format!("/certificates/billing/{version}"), &Value::Null)["attributes"]["enabled"]
        == json!(true)
}

fn current(bench: &Bench) -> String {
    let id = bench.vault("GET", "/certificates/billing", &Value::Null)["id"].as_str().unwrap().to_owned();
    id.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn the_old_key_goes_after_the_overlap_and_everything_foreign_stays() {
    let bench = Bench::realistic();
    let app = provisioned(&bench);
    bench.application("other");
    bench.kvops(&["provision", "--app", "other", "--vault", VAULT, "--name", "other"]).ends_with(0);
    for name in ["foreign-1", "foreign-2"] {
        bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", name]).ends_with(0);
    }
    let path = format!("/v1.0/applications/{}", app.id);
    bench.graph("POST", &format!("{path}/addPassword"), &json!({ "passwordCredential": { "displayName": "old" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let before = bench.keys_of(&app);
    let old = current(&bench);

    let named = ["--cert", "contoso-kv/billing"];
    let proven = run(&bench, &[&named[..], &["--until", "prove"]].concat(), 0);
    assert_eq!((&proven["outcome"], &proven["stage"]), (&json!("stopped"), &json!("prove")));
    assert_eq!(proven["applications"][0]["attachment"]["method"], "addKey");
    assert_eq!(proven["applications"][0]["proof"]["tokens"], 3);
    assert_eq!((bench.keys_of(&app).len(), bench.versions("billing").len()), (4, 2));
    bench.kvops(&["ledger", "verify", "--online"]).ends_with(0);

    let soaking = run(&bench, &[&named[..], &["--finish"]].concat(), 0);
    assert_eq!(soaking["outcome"], "soaking");
    assert_eq!(soaking["soak"]["because"], "overlap");
    let lines = std::fs::read_to_string(bench.file(".local/state/kvops/ledger.jsonl")).unwrap();
    let began = lines.lines().rfind(|line| line.contains("\"step\":\"soak\"")).unwrap();
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    let tag = kvops::ledger::Hash::of(began.as_bytes()).to_string();
    assert_eq!(tags["kvops-ledger"], tag, "the tag does not hold the start of the soak");
    let waiting = run(&bench, &[&named[..], &["--finish"]].concat(), 0);
    let day = |report: &Value| report["soak"]["until"].as_str().unwrap()[..10].to_owned();
    assert_eq!((&waiting["outcome"], day(&waiting)), (&json!("soaking"), day(&soaking)));
    assert_eq!(bench.keys_of(&app).len(), 4);

    bench.lab().clock().advance(time::Duration::days(15));
    let ended = run(&bench, &[&named[..], &["--finish"]].concat(), 0);
    assert_eq!(ended["outcome"], "rotated", "{ended}");
    let changed = &ended["applications"][0];
    assert_eq!(
        (&changed["removed"][0]["method"], &changed["refused"][0]["code"]),
        (&json!("removeKey"), &json!("AADSTS700027"))
    );
    assert_eq!(ended["disabled"], json!([old]));
    assert!(!enabled(&bench, &old) && enabled(&bench, &current(&bench)));
    let after = bench.keys_of(&app);
    assert_eq!(after.len(), 3);
    let kept = before.iter().filter(|key| after.contains(key)).count();
    assert_eq!(kept, 2, "a foreign certificate was changed or lost");
    let passwords = bench.graph("GET", &path, &Value::Null)["passwordCredentials"].clone();
    assert_eq!(passwords.as_array().unwrap().len(), 1);
    bench.kvops(&["ledger", "verify", "--online"]).ends_with(0);

    let nothing = run(&bench, &[&named[..], &["--finish"]].concat(), 0);
    assert_eq!(nothing["outcome"], "nothing");
    let story = bench.kvops(&["ledger", "show", "--app", "billing", "-o", "json"]).ends_with(0).json();
    let is_told = |step: &str| story.as_array().unwrap().iter().any(|entry| entry["step"] == step);
    assert!(["rotate", "create", "attach", "soak", "prove-refusal", "disable"].into_iter().all(is_told), "{story}");
    assert!(!story.to_string().contains("\"other\""), "the story of another application: {story}");
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!((&tags["kvops-state"], &tags["kvops-app"]), (&json!("proven"), &json!(app.id)));
    assert!(tags["kvops-lease"].is_null(), "{tags}");
}

#[test]
fn the_plan_shows_every_step_with_its_earliest_time_and_writes_nothing() {
    let bench = Bench::tame();
    provisioned(&bench);
    let writes = bench.lab().counts().writes;
    let plan = run(&bench, &["--plan"], 0);
    let steps: Vec<_> = plan["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = [
        "open",
        "create",
        "await-issue",
        "attach",
        "prove",
        "record",
        "start-soak",
        "look-at-use",
        "prove",
        "detach",
        "prove-refusal",
        "retire",
        "disable",
        "close",
    ];
    assert_eq!(steps, expected);
    assert!(plan["steps"][7]["not_before"].is_string() && plan["steps"][6]["not_before"].is_null(), "{plan}");
    assert_eq!((&plan["steps"][3]["writes_to"], &plan["steps"][4]["writes_to"]), (&json!("Graph"), &Value::Null));
    assert!(plan["steps"][3]["right"].as_str().unwrap().contains("no Graph permission"), "{plan}");
    let people = bench.kvops(&["rotate", "--app", "billing", "--plan", "-o", "table"]).ends_with(0).stdout;
    assert!(people.contains("nothing has been written yet") && people.contains("not before"), "{people}");
    assert_eq!(bench.lab().counts().writes, writes, "a plan wrote something");
}

#[test]
fn an_identity_without_any_right_to_write_the_directory_rotates_by_the_applications_own_proof() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    let identity = bench.identity("deployer");
    bench.give_graph(&identity, "Application.Read.All");
    bench.give_graph(&identity, "Policy.Read.All");
    bench.give_graph(&identity, "AuditLog.Read.All");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
    let mark = bench.mark();
    run(&bench, &[], 0);
    bench.lab().clock().advance(time::Duration::days(15));
    assert_eq!(run(&bench, &[], 0)["outcome"], "rotated");
    let graph = bench.asked(mark, Service::Graph);
    let writes: Vec<_> = graph.iter().filter(|entry| entry.method != "GET").collect();
    let paths: Vec<_> = writes.iter().map(|entry| entry.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["addKey", "removeKey"]);
    for write in writes {
        assert_eq!(write.app_id.map(|id| id.to_string()).as_deref(), Some(app.app_id.as_str()), "not its own token");
    }
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_certificate_of_three_applications_is_proven_on_all_before_it_leaves_any() {
    let bench = Bench::tame();
    provisioned(&bench);
    let mut apps = Vec::new();
    for name in ["shipping", "returns"] {
        let app = bench.application(name);
        bench.kvops(&["attach", "--app", name, "--vault", VAULT, "--name", "billing"]).ends_with(0);
        apps.push(app);
    }
    let mark = bench.mark();
    let proven = run(&bench, &["--overlap", "0"], 0);
    assert_eq!(proven["outcome"], "rotated");
    assert_eq!(proven["applications"].as_array().unwrap().len(), 3);
    let asked = bench.asked(mark, Service::Graph);
    let place = |what: &str| {
        asked.iter().enumerate().filter(|(_, entry)| entry.path.ends_with(what)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (added, removed) = (place("/addKey"), place("/removeKey"));
    assert_eq!((added.len(), removed.len()), (3, 3));
    assert!(added.iter().max() < removed.iter().min());
    for app in apps {
        assert_eq!(bench.keys_of(&app).len(), 1);
    }
}

#[test]
fn an_old_key_that_is_used_stays_until_it_has_been_silent_as_long_as_the_overlap() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let old = current(&bench);
    run(&bench, &[], 0);
    bench.lab().clock().advance(time::Duration::days(10));
    let signs = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "--version", &old];
    bench.kvops(&signs).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(5));
    let used = run(&bench, &[], 0);
    assert_eq!(used["outcome"], "soaking", "{used}");
    assert!(used["soak"]["because"]["used"]["at"].is_string(), "{used}");
    assert_eq!(bench.keys_of(&app).len(), 2);
    bench.lab().clock().advance(time::Duration::days(10));
    assert_eq!(run(&bench, &[], 0)["outcome"], "rotated");
}

#[test]
fn what_nobody_can_tell_the_use_of_stays_until_somebody_takes_the_responsibility() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    run(&bench, &[], 0);
    bench.lab().clock().advance(time::Duration::days(15));
    bench.fault(&json!({ "match": { "service": "graph", "path": "appCredentialSignInActivities" }, "result": { "status": 403, "code": "Authorization_RequestDenied" } }));
    let refused = run(&bench, &[], 7);
    assert!(refused["hints"].to_string().contains("--accept-unknown-use"), "{refused}");
    assert_eq!(bench.keys_of(&app).len(), 2);
    assert_eq!(run(&bench, &["--accept-unknown-use"], 0)["outcome"], "rotated");
}

#[test]
fn an_abort_takes_the_new_key_away_and_leaves_the_old_one_working() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let (old, before) = (current(&bench), bench.keys_of(&app));
    run(&bench, &["--until", "prove"], 0);
    let new = current(&bench);
    let aborted = run(&bench, &["--abort"], 0);
    assert_eq!(aborted["outcome"], "aborted", "{aborted}");
    assert_eq!(bench.keys_of(&app), before);
    assert!(enabled(&bench, &old) && !enabled(&bench, &new));
    bench.kvops(&["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"]).ends_with(0);
    assert_eq!(run(&bench, &["--abort"], 0)["outcome"], "nothing");
    // The next rotation makes a version of its own.
    run(&bench, &["--until", "prove"], 0);
    assert_eq!(bench.versions("billing").len(), 3);
}

#[test]
fn a_compromised_key_goes_at_once_and_what_else_could_sign_in_is_listed() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "theirs"]).ends_with(0);
    let old = current(&bench);
    let arguments = ["rotate", "--app", "billing", "--vault", VAULT, "--name", "billing", "--compromised"];
    let said = bench.kvops(&[&arguments[..], &["--plan", "-o", "table"]].concat()).ends_with(0).stdout;
    assert!(!said.contains("not before"), "{said}");
    let said = bench.kvops(&[&arguments[..], &["-o", "table"]].concat()).ends_with(0).stdout;
    assert!(said.contains("stay valid until they end") && said.contains("certificate "), "{said}");
    assert!(!enabled(&bench, &old));
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn after_expiry_nothing_is_tried_and_the_one_plan_that_is_left_is_told_with_the_owners() {
    let mut bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&[&PROVISION[..], &["--validity", "1"]].concat()).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(40));
    let identity = bench.identity("on-call");
    bench.give_graph(&identity, "Application.Read.All");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
    let before = bench.lab().counts().writes;
    let refused = run(&bench, &[], 7);
    let hints = refused["hints"].to_string();
    assert!(hints.contains("kvops provision --app") && hints.contains("owner"), "{refused}");
    assert_eq!(bench.lab().counts().writes, before, "something was tried that could not work");
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_loosened_policy_is_hardened_before_anything_is_made_under_it() {
    let bench = Bench::tame();
    provisioned(&bench);
    let loosened = json!({
        "key_props": { "exportable": true, "kty": "RSA", "key_size": 3072, "reuse_key": true },
        "lifetime_actions": [{ "trigger": { "lifetime_percentage": 80 }, "action": { "action_type": "AutoRenew" } }],
    });
    bench.vault("PATCH", "/certificates/billing/policy", &loosened);
    let report = run(&bench, &[], 0);
    assert!(report["warnings"].to_string().contains("hardened again"), "{report}");
    assert_eq!(report["certificate"]["exportable"], false);
    let policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    assert_eq!((&policy["key_props"]["exportable"], &policy["key_props"]["reuse_key"]), (&json!(false), &json!(false)));
    assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
}

#[test]
fn a_policy_that_is_hardened_is_not_sent_again_so_that_it_stays_evidence() {
    let bench = Bench::tame();
    provisioned(&bench);
    let before = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    run(&bench, &["--until", "create"], 0);
    let after = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    assert_eq!(before["attributes"]["updated"], after["attributes"]["updated"]);
}

#[test]
fn a_version_that_nobody_attached_is_adopted_if_it_is_hardened() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    // Somebody presses "new version" in the portal.
    bench.certificate("billing", &hardened("CN=billing"), &Value::Null);
    let found = current(&bench);
    let report = run(&bench, &["--until", "prove"], 0);
    assert_eq!((&report["has_created"], &report["certificate"]["version"]), (&json!(false), &json!(found)));
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (2, 2));
}

#[test]
fn a_version_that_nobody_attached_is_replaced_if_it_can_be_copied() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let mut policy = hardened("CN=billing");
    policy["key_props"]["exportable"] = json!(true);
    bench.certificate("billing", &policy, &Value::Null);
    let found = current(&bench);
    let report = run(&bench, &["--until", "prove"], 0);
    assert_ne!(report["certificate"]["version"], json!(found));
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (3, 2));
}

#[test]
fn an_application_that_trusts_no_version_is_not_given_one() {
    let bench = Bench::tame();
    provisioned(&bench);
    let stranger = bench.application("stranger");
    let arguments = ["rotate", "--app", "stranger", "--vault", VAULT, "--name", "billing", "-o", "json"];
    let error = bench.kvops(&arguments).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("trusts no version"), "{error}");
    assert!(bench.keys_of(&stranger).is_empty());
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn a_saved_plan_is_carried_out_in_its_own_world_and_in_no_other() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    run(&bench, &["--until", "prove", "--plan-out", "a.json"], 0);
    let applied = bench.kvops(&["apply", "a.json", "-o", "json"]).ends_with(0).json();
    assert_eq!((&applied["outcome"], &applied["stage"]), (&json!("stopped"), &json!("prove")));
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&["apply", "a.json", "-o", "json"]).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("when the plan was made"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.keys_of(&app).len(), 2);
}

/// A newer version that can be copied comes while both keys are trusted; gives the old and the new one.
fn soaking_beside_a_bad_version(bench: &Bench) -> (String, String) {
    let old = current(bench);
    run(bench, &[], 0);
    let new = current(bench);
    let mut policy = hardened("CN=billing");
    policy["key_props"]["exportable"] = json!(true);
    bench.certificate("billing", &policy, &Value::Null);
    (old, new)
}

#[test]
fn a_bad_version_that_comes_during_a_soak_does_not_keep_the_old_key() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let (old, new) = soaking_beside_a_bad_version(&bench);
    bench.lab().clock().advance(time::Duration::days(15));
    let ended = run(&bench, &["--finish"], 0);
    assert_eq!((&ended["outcome"], &ended["certificate"]["version"]), (&json!("rotated"), &json!(new)));
    assert_eq!((bench.keys_of(&app).len(), enabled(&bench, &old)), (1, false));
}

#[test]
fn a_bad_version_that_comes_during_a_soak_does_not_keep_the_new_key_from_an_abort() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let before = bench.keys_of(&app);
    let (old, new) = soaking_beside_a_bad_version(&bench);
    assert_eq!(run(&bench, &["--abort"], 0)["outcome"], "aborted");
    assert_eq!(bench.keys_of(&app), before);
    assert!(enabled(&bench, &old) && !enabled(&bench, &new));
}

#[test]
fn a_ledger_that_was_changed_ends_no_soak() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    run(&bench, &[], 0);
    let path = bench.file(".local/state/kvops/ledger.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("2026-", "2025-")).unwrap();
    let error = run(&bench, &["--accept-unknown-use"], 6);
    assert!(error["message"].as_str().unwrap().contains("proves nothing"), "{error}");
    assert_eq!(bench.keys_of(&app).len(), 2);
    // What a crash leaves behind is no reason to stop.
    std::fs::write(&path, format!("{text}{{\"v\":1,")).unwrap();
    assert_eq!(run(&bench, &[], 0)["outcome"], "soaking");
}

#[test]
fn an_end_of_the_ledger_that_is_cut_off_after_a_removal_shows_online() {
    let bench = Bench::tame();
    provisioned(&bench);
    run(&bench, &["--overlap", "0"], 0);
    bench.kvops(&["ledger", "verify", "--online"]).ends_with(0);
    let path = bench.file(".local/state/kvops/ledger.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let removal = text.lines().position(|line| line.contains("\"detach\"")).unwrap();
    let cut: String = text.lines().take(removal).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, cut).unwrap();
    bench.kvops(&["ledger", "verify", "--online"]).ends_with(6);
}

#[test]
fn a_ledger_that_is_lost_only_begins_the_soak_anew() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    run(&bench, &[], 0);
    bench.lab().clock().advance(time::Duration::days(15));
    std::fs::remove_file(bench.file(".local/state/kvops/ledger.jsonl")).unwrap();
    let arguments = ["rotate", "--cert", "contoso-kv/billing", "-o", "json"];
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "soaking");
    assert_eq!((bench.keys_of(&app).len(), bench.versions("billing").len()), (2, 2));
    bench.lab().clock().advance(time::Duration::days(15));
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "rotated");
}
