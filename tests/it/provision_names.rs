//! `kvops provision` where the name is not free: deleted, pending, disabled, somebody else's.

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

fn provision<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    [&usual[..], more].concat()
}

/// An application, and a certificate of the wanted name in soft-delete.
fn with_deleted(bench: &Bench) {
    bench.application("billing");
    bench.certificate("billing", &hardened("CN=old"), &Value::Null);
    bench.delete("billing");
}

#[test]
fn a_deleted_name_is_refused_with_its_purge_date_and_three_choices() {
    let bench = Bench::realistic();
    with_deleted(&bench);
    let writes = bench.lab().counts().writes;
    let ran = bench.kvops(&provision(&[])).ends_with(7);
    let error = ran.error();
    let deleted = bench.vault("GET", "/deletedcertificates/billing", &Value::Null);
    let purge = time::OffsetDateTime::from_unix_timestamp(deleted["scheduledPurgeDate"].as_i64().unwrap()).unwrap();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("deleted") && message.contains(&purge.date().to_string()), "{message}");
    let hints = error["hints"].to_string();
    for choice in ["--recover", "--name", "--allow-purge"] {
        assert!(hints.contains(choice), "{hints}");
    }
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_deleted_certificate_is_recovered_when_asked_and_adopted_only_when_asked() {
    let bench = Bench::realistic();
    with_deleted(&bench);
    // What comes back was not made for this application.
    bench.kvops(&provision(&["--recover"])).ends_with(7);
    let report = bench.kvops(&provision(&["--recover", "--adopt"])).ends_with(0).json();
    assert_eq!(report["outcome"], "provisioned");
    assert_eq!(bench.versions("billing").len(), 1, "recovering made a version");
}

#[test]
fn a_deleted_certificate_is_purged_only_when_that_is_allowed() {
    let bench = Bench::realistic();
    with_deleted(&bench);
    let report = bench.kvops(&provision(&["--allow-purge"])).ends_with(0).json();
    assert_eq!(report["outcome"], "provisioned");
    assert_eq!(bench.try_vault(VAULT, "GET", "/deletedcertificates/billing", &Value::Null).0, 404);
}

#[test]
fn purge_protection_leaves_two_choices() {
    let bench = Bench::realistic();
    bench.application("billing");
    bench.lab().control("POST", "/vaults", &json!({ "name": "safe-kv", "purge_protection": true })).unwrap();
    let operator = bench.variable("LAB_CLIENT_ID");
    bench.permit(&json!({ "vault": "safe-kv", "principal": operator, "role": "Key Vault Administrator" }));
    let create = json!({ "policy": hardened("CN=old") });
    assert_eq!(bench.try_vault("safe-kv", "POST", "/certificates/billing/create", &create).0, 202);
    bench.lab().clock().advance(time::Duration::minutes(1));
    assert_eq!(bench.try_vault("safe-kv", "DELETE", "/certificates/billing", &Value::Null).0, 200);
    bench.lab().clock().advance(time::Duration::minutes(2));
    let arguments =
        ["provision", "--app", "billing", "--vault", "safe-kv", "--name", "billing", "-o", "json", "--allow-purge"];
    let error = bench.kvops(&arguments).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("protected against purging"), "{error}");
    let hints = error["hints"].to_string();
    assert!(hints.contains("--recover") && hints.contains("--name") && !hints.contains("--allow-purge"), "{hints}");
    assert_eq!(bench.try_vault("safe-kv", "GET", "/deletedcertificates/billing", &Value::Null).0, 200);
}

#[test]
fn an_operation_that_somebody_left_is_shown_and_left_alone() {
    let bench = Bench::realistic();
    bench.application("billing");
    let mut policy = hardened("CN=theirs");
    policy["issuer"]["name"] = json!("Unknown");
    bench.vault("POST", "/certificates/billing/create", &json!({ "policy": policy }));
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&provision(&[])).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("already in the making"), "{error}");
    let hints = error["hints"].to_string();
    assert!(hints.contains("--merge") && hints.contains("pending delete"), "{hints}");
    assert_eq!(bench.lab().counts().writes, writes);
    let pending = bench.vault("GET", "/certificates/billing/pending", &Value::Null);
    assert_eq!(pending["status"], "inProgress");
}

#[test]
fn a_hardened_certificate_of_somebody_else_needs_adopt() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.certificate("billing", &hardened("CN=shared"), &json!({ "kvops-app": "someone-else" }));
    let error = bench.kvops(&provision(&[])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("someone-else"), "{error}");
    assert!(error["hints"].to_string().contains("--adopt"), "{error}");
    assert!(bench.keys_of(&app).is_empty());

    bench.kvops(&provision(&["--adopt"])).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
    assert_eq!(bench.versions("billing").len(), 1);
    let again = bench.kvops(&provision(&["--adopt"])).ends_with(0).json();
    assert_eq!(again["outcome"], "no-change");
}

#[test]
fn a_certificate_that_is_not_hardened_is_refused_with_each_gap_even_with_adopt() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let mut policy = hardened("CN=weak");
    policy["key_props"]["exportable"] = json!(true);
    policy["key_props"]["reuse_key"] = json!(true);
    policy["x509_props"]["key_usage"] = json!(["digitalSignature", "keyEncipherment"]);
    policy["lifetime_actions"] =
        json!([{ "trigger": { "lifetime_percentage": 80 }, "action": { "action_type": "AutoRenew" } }]);
    bench.certificate("billing", &policy, &Value::Null);
    let message = bench.kvops(&provision(&["--adopt"])).ends_with(7).error()["message"].to_string();
    for gap in ["exportable", "reuse_key", "keyEncipherment", "AutoRenew"] {
        assert!(message.contains(gap), "{gap}: {message}");
    }
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_version_that_somebody_disabled_is_not_used() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&provision(&[])).ends_with(0);
    bench.vault("PATCH", "/certificates/billing", &json!({ "attributes": { "enabled": false } }));
    let error = bench.kvops(&provision(&[])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("disabled"), "{error}");
}

#[test]
fn a_policy_that_somebody_loosened_is_noticed_and_the_next_version_is_hard_again() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&provision(&["--validity", "1"])).ends_with(0);
    bench.vault("PATCH", "/certificates/billing/policy", &json!({ "key_props": { "exportable": true } }));
    let error = bench.kvops(&provision(&[])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("the policy was changed"), "{error}");

    bench.lab().clock().advance(time::Duration::days(40));
    bench.kvops(&provision(&[])).ends_with(0);
    let made = bench.vault("GET", "/certificates/billing", &Value::Null);
    assert_eq!(made["policy"]["key_props"]["exportable"], false);
}
