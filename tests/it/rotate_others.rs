//! `kvops rotate` beside others: a second rotation, tags and policies of other people, many applications.

use serde_json::Value;
use serde_json::json;

use crate::rotate::provisioned;
use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const ROTATE: [&str; 9] = ["rotate", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

fn creating(bench: &Bench) -> u64 {
    bench.fault(&json!({ "match": { "path": "/create" }, "result": { "stall_ms": 600 }, "times": 1 }))
}

#[test]
fn of_two_rotations_on_one_machine_the_second_is_turned_away_and_the_first_goes_on() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let held = creating(&bench);
    let first = bench.spawn_until_held(&ROTATE, held);
    let error = bench.kvops(&ROTATE).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("on this machine"), "{error}");
    assert_eq!(first.wait().ends_with(0).json()["outcome"], "soaking");
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (2, 2));
}

#[test]
fn of_two_rotations_elsewhere_the_second_sees_the_lease_and_has_written_nothing() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    let held = creating(&bench);
    let first = bench.spawn_until_held(&ROTATE, held);
    let other = bench.file("elsewhere/ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &other);
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&ROTATE).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("under way elsewhere"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(first.wait().ends_with(0).json()["outcome"], "soaking");
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (2, 2));
    // Nobody holds it any more, and whoever comes goes on with what is there.
    assert_eq!(bench.kvops(&ROTATE).ends_with(0).json()["outcome"], "soaking");
    assert_eq!(bench.versions("billing").len(), 2);
}

#[test]
fn a_rotation_that_was_killed_is_taken_over_at_once_where_its_ledger_is_and_after_an_hour_elsewhere() {
    let mut bench = Bench::tame();
    provisioned(&bench);
    let held = creating(&bench);
    bench.spawn_until_held(&ROTATE, held).kill();
    bench.no_faults();
    let home = bench.file(".local/state/kvops/ledger.jsonl").display().to_string();
    let other = bench.file("elsewhere/ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &other);
    bench.kvops(&ROTATE).ends_with(6);
    bench.set("KVOPS_LEDGER", &home);
    assert_eq!(bench.kvops(&ROTATE).ends_with(0).json()["outcome"], "soaking");
    assert_eq!(bench.versions("billing").len(), 2);

    let held = bench.fault(
        &json!({ "match": { "path": "/removeKey" }, "result": { "stall_ms": 20_000, "drop": "before" }, "times": 1 }),
    );
    bench.lab().clock().advance(time::Duration::days(15));
    bench.spawn_until_held(&ROTATE, held).kill();
    bench.no_faults();
    bench.set("KVOPS_LEDGER", &other);
    bench.kvops(&ROTATE).ends_with(6);
    bench.lab().clock().advance(time::Duration::hours(2));
    // Its own soak begins, since that ledger knows of none.
    assert_eq!(bench.kvops(&ROTATE).ends_with(0).json()["outcome"], "soaking");
    let listed = bench.vault("GET", "/certificates/billing/versions", &Value::Null);
    assert!(!listed.to_string().contains("kvops-lease"), "{listed}");
}

#[test]
fn a_key_with_our_label_and_other_bytes_neither_blocks_a_rotation_nor_gets_our_key() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let stranger = bench.application("stranger");
    bench.kvops(&["provision", "--app", "stranger", "--vault", VAULT, "--name", "theirs"]).ends_with(0);
    let label = bench.keys_of(&app)[0]["customKeyIdentifier"].clone();
    let path = format!("/v1.0/applications/{}", stranger.id);
    let key = bench.vault("GET", "/certificates/theirs", &Value::Null)["cer"].clone();
    let mislabelled =
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "customKeyIdentifier": label, "key": key });
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [mislabelled] }));
    let arguments = ["rotate", "--cert", "contoso-kv/billing", "--overlap", "0", "-o", "json"];
    bench.kvops(&[&arguments[..], &["--until", "prove"]].concat()).ends_with(0);
    assert_eq!(bench.keys_of(&stranger).len(), 1);
    assert_eq!(bench.kvops(&arguments).ends_with(0).json()["outcome"], "rotated");
    assert_eq!((bench.keys_of(&stranger).len(), bench.keys_of(&app).len()), (1, 1));
}

/// The entry of a certificate of the vault.
fn entry_of(bench: &Bench, name: &str) -> Value {
    let key = bench.vault("GET", &format!("/certificates/{name}"), &Value::Null)["cer"].clone();
    json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": key }])
}

fn is_enabled(bench: &Bench) -> bool {
    bench.vault("GET", "/certificates/billing", &Value::Null)["attributes"]["enabled"] == json!(true)
}

#[test]
fn an_abort_disables_no_version_that_a_service_principal_trusts() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    bench.kvops(&ROTATE).ends_with(0);
    let other = bench.application("other");
    let principal = bench.graph("GET", &format!("/v1.0/servicePrincipals(appId='{}')", other.app_id), &Value::Null);
    let principal = principal["id"].as_str().unwrap();
    let keys = json!({ "keyCredentials": entry_of(&bench, "billing") });
    bench.graph("PATCH", &format!("/v1.0/servicePrincipals/{principal}"), &keys);
    let report = bench.kvops(&[&ROTATE[..], &["--abort"]].concat()).ends_with(0).json();
    assert_eq!((&report["outcome"], &report["disabled"]), (&json!("aborted"), &json!([])), "{report}");
    assert!(report["warnings"].to_string().contains(principal), "{report}");
    assert!(is_enabled(&bench));
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn an_abort_stops_when_another_application_has_begun_to_trust_the_new_version() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    bench.kvops(&ROTATE).ends_with(0);
    let other = bench.application("other");
    let fault = json!({ "match": { "path": "/removeKey" }, "result": { "stall_ms": 400 }, "times": 1 });
    let abort = [&ROTATE[..], &["--abort"]].concat();
    let running = bench.spawn_until_held(&abort, bench.fault(&fault));
    let keys = json!({ "keyCredentials": entry_of(&bench, "billing") });
    bench.graph("PATCH", &format!("/v1.0/applications/{}", other.id), &keys);
    let error = running.wait().ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains(&other.id), "{error}");
    assert!(is_enabled(&bench), "the newcomer's only key");
    // It has no other version, so there is no way back for it.
    bench.kvops(&abort).ends_with(7);
    assert!(is_enabled(&bench));
    assert_eq!((bench.keys_of(&app).len(), bench.keys_of(&other).len()), (1, 1));
}

/// Takes the label, which is only one by custom, from each entry of a certificate.
fn unlabel(state: &mut Value, label: &str) -> usize {
    match state {
        Value::Object(members) => {
            let is_it = members.get("custom_key_identifier").is_some_and(|known| known == label);
            if is_it {
                members.insert("custom_key_identifier".to_owned(), Value::Null);
            }
            usize::from(is_it) + members.values_mut().map(|member| unlabel(member, label)).sum::<usize>()
        }
        Value::Array(items) => items.iter_mut().map(|item| unlabel(item, label)).sum(),
        _ => 0,
    }
}

#[test]
fn a_key_without_a_label_is_known_by_its_bytes_on_an_application_and_on_a_service_principal() {
    let bench = Bench::tame();
    let app = provisioned(&bench);
    let other = bench.application("other");
    let entry = entry_of(&bench, "billing");
    bench.graph("PATCH", &format!("/v1.0/applications/{}", other.id), &json!({ "keyCredentials": entry }));
    let third = bench.application("third");
    let principal = bench.graph("GET", &format!("/v1.0/servicePrincipals(appId='{}')", third.app_id), &Value::Null);
    let principal = principal["id"].as_str().unwrap();
    bench.graph("PATCH", &format!("/v1.0/servicePrincipals/{principal}"), &json!({ "keyCredentials": entry }));
    let label = bench.keys_of(&app)[0]["customKeyIdentifier"].as_str().unwrap().to_owned();
    let mut state = bench.remembered();
    assert_eq!(unlabel(&mut state, &label), 3);
    bench.lab().control("PUT", "/state", &state).unwrap();

    let report = bench.kvops(&[&ROTATE[..], &["--overlap", "0"]].concat()).ends_with(0).json();
    assert_eq!((&report["outcome"], &report["disabled"]), (&json!("rotated"), &json!([])), "{report}");
    assert_eq!(report["applications"].as_array().unwrap().len(), 2);
    assert!(report["warnings"].to_string().contains(principal), "{report}");
}

#[test]
fn the_tags_of_other_people_go_along_and_fifteen_of_them_leave_no_room() {
    let bench = Bench::tame();
    provisioned(&bench);
    let mut tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    tags["owner"] = json!("team-billing");
    bench.vault("PATCH", "/certificates/billing", &json!({ "tags": tags }));
    bench.kvops(&[&ROTATE[..], &["--overlap", "0"]].concat()).ends_with(0);
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!((&tags["owner"], &tags["kvops-state"]), (&json!("team-billing"), &json!("proven")));

    let full: serde_json::Map<String, Value> = (0..15).map(|number| (format!("tag-{number}"), json!("x"))).collect();
    bench.vault("PATCH", "/certificates/billing", &json!({ "tags": full }));
    let report = bench.kvops(&[&ROTATE[..], &["--overlap", "0"]].concat()).ends_with(0).json();
    assert_eq!(report["outcome"], "rotated");
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!(tags, json!(full));
}

#[test]
fn a_policy_of_the_tenant_shortens_the_next_version() {
    let bench = Bench::tame();
    provisioned(&bench);
    let operator = bench.variable("LAB_CLIENT_ID");
    bench.permit(&json!({ "principal": operator, "graph_role": "Policy.ReadWrite.ApplicationConfiguration" }));
    let restriction = json!({ "restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P100D" });
    let policy = json!({ "isEnabled": true, "applicationRestrictions": { "keyCredentials": [restriction] } });
    bench.graph("PATCH", "/v1.0/policies/defaultAppManagementPolicy", &policy);
    bench.kvops(&[&ROTATE[..], &["--until", "prove"]].concat()).ends_with(0);
    let policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    assert_eq!(policy["x509_props"]["validity_months"], 3);
}

#[test]
fn all_that_is_due_is_rotated_and_what_is_not_is_left_alone() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let named = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--validity", "2"];
    bench.kvops(&named).ends_with(0);
    let far = bench.application("shipping");
    bench.kvops(&["provision", "--app", "shipping", "--vault", VAULT, "--name", "shipping"]).ends_with(0);
    let mut config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    for (name, app) in [("billing", &app), ("shipping", &far)] {
        config.push_str(&format!(
            "\n[app.{name}]\napp = \"{}\"\nvault = \"{VAULT}\"\ncertificate = \"{name}\"\n",
            app.app_id
        ));
    }
    std::fs::write(bench.file("kvops.toml"), config).unwrap();
    bench.lab().clock().advance(time::Duration::days(40));
    let all = ["rotate", "--all", "--within", "30d", "-o", "json"];
    let planned = bench.kvops(&[&all[..], &["--plan"]].concat()).ends_with(0).json();
    assert!(planned[0]["plan"].is_object() && planned[1]["plan"].is_null(), "{planned}");
    let rows = bench.kvops(&all).ends_with(0).json();
    assert_eq!((&rows[0]["app"], &rows[0]["report"]["outcome"]), (&json!("billing"), &json!("soaking")));
    assert_eq!((&rows[1]["app"], &rows[1]["is_due"]), (&json!("shipping"), &json!(false)));
    assert_eq!((bench.versions("billing").len(), bench.versions("shipping").len()), (2, 1));
    bench.lab().clock().advance(time::Duration::days(15));
    let rows = bench.kvops(&all).ends_with(0).json();
    assert_eq!(rows[0]["report"]["outcome"], "rotated", "what was begun is ended though the new one ends later");
    assert_eq!((bench.keys_of(&app).len(), bench.keys_of(&far).len()), (1, 1));
}

#[test]
fn a_newer_version_that_is_disabled_does_not_hide_that_the_trusted_one_ends() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let named = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--validity", "2"];
    bench.kvops(&named).ends_with(0);
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.certificate("billing", &hardened("CN=billing"), &Value::Null);
    bench.vault("PATCH", "/certificates/billing", &json!({ "attributes": { "enabled": false } }));
    let mut config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    config.push_str(&format!(
        "\n[app.billing]\napp = \"{}\"\nvault = \"{VAULT}\"\ncertificate = \"billing\"\n",
        app.app_id
    ));
    std::fs::write(bench.file("kvops.toml"), config).unwrap();
    bench.lab().clock().advance(time::Duration::days(40));
    let rows = bench.kvops(&["rotate", "--all", "--within", "30d", "--plan", "-o", "json"]).ends_with(0).json();
    assert_eq!(rows[0]["is_due"], true, "{rows}");
}

#[test]
fn a_saved_plan_keeps_its_algorithm_and_is_refused_once_it_has_been_edited() {
    let bench = Bench::tame();
    provisioned(&bench);
    bench.kvops(&[&ROTATE[..], &["--until", "prove", "--alg", "RS256", "--plan-out", "a.json"]].concat()).ends_with(0);
    let text = std::fs::read_to_string(bench.file("a.json")).unwrap();
    let saved: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["alg"], "RS256");
    let writes = bench.lab().counts().writes;
    for (member, value) in [("until", json!("detach")), ("overlap_days", json!(0)), ("purpose", json!("compromised"))] {
        let mut edited = saved.clone();
        edited["demand"][member] = value;
        std::fs::write(bench.file("a.json"), edited.to_string()).unwrap();
        let error = bench.kvops(&["apply", "a.json", "-o", "json"]).ends_with(2).error();
        assert!(error["message"].as_str().unwrap().contains("edited"), "{error}");
    }
    assert_eq!(bench.lab().counts().writes, writes);
    std::fs::write(bench.file("a.json"), text).unwrap();
    bench.kvops(&["apply", "a.json"]).ends_with(0);
}

#[test]
fn a_plan_of_somebody_who_may_only_read_is_carried_out_by_somebody_who_may_write() {
    let mut bench = Bench::tame();
    let app = provisioned(&bench);
    let reader = bench.identity("reader");
    bench.give_graph(&reader, "Application.Read.All");
    bench.give_role(&reader, "Key Vault Reader");
    bench.work_as(&reader);
    bench.kvops(&[&ROTATE[..], &["--until", "prove", "--plan-out", "a.json"]].concat()).ends_with(0);
    let writer = bench.identity("writer");
    bench.give_graph(&writer, "Application.ReadWrite.All");
    for role in ["Key Vault Certificates Officer", "Key Vault Crypto User"] {
        bench.give_role(&writer, role);
    }
    bench.work_as(&writer);
    bench.kvops(&["apply", "a.json"]).ends_with(0);
    assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (2, 2));
}
