//! Decisions that once went wrong: whose certificate it is, what was asked for, what is recorded.

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

fn provision<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    [&usual[..], more].concat()
}

/// A certificate of one month, and forty days later.
fn with_expired(bench: &Bench, tags: &Value) {
    let mut policy = hardened("CN=old");
    policy["x509_props"]["validity_months"] = json!(1);
    policy["lifetime_actions"][0]["trigger"]["days_before_expiry"] = json!(7);
    bench.certificate("billing", &policy, tags);
    bench.lab().clock().advance(time::Duration::days(40));
}

#[test]
fn an_expired_certificate_of_somebody_else_gets_no_new_version_without_adopt() {
    for is_tagged in [true, false] {
        let bench = Bench::tame();
        let theirs = bench.application("shipping");
        let app = bench.application("billing");
        with_expired(&bench, &if is_tagged { json!({ "kvops-app": theirs.id }) } else { Value::Null });
        let writes = bench.lab().counts().writes;
        let error = bench.kvops(&provision(&[])).ends_with(7).error();
        assert!(error["hints"].to_string().contains("--adopt"), "{error}");
        assert_eq!(bench.lab().counts().writes, writes, "something was written");
        assert_eq!((bench.versions("billing").len(), bench.keys_of(&app).len()), (1, 0));
    }
}

#[test]
fn a_lost_answer_to_a_creation_never_lets_an_expired_version_stand_in_for_the_new_one() {
    for result in [json!({ "drop": "after" }), json!({ "drop": "before" }), json!({ "status": 500 })] {
        let bench = Bench::tame();
        let app = bench.application("billing");
        with_expired(&bench, &json!({ "kvops-app": app.id }));
        let old = bench.vault("GET", "/certificates/billing", &Value::Null)["cer"].clone();
        let creation = json!({ "service": "keyvault", "path": "/create" });
        let id = bench.fault(&json!({ "match": creation, "result": result, "times": 1 }));
        let ran = bench.kvops(&provision(&[]));
        assert!(matches!(ran.exit, 0 | 4), "{result}: {ran:?}");
        assert_eq!(bench.hits(id), 1);
        assert_eq!(bench.keys_of(&app).len(), usize::from(ran.exit == 0), "{result}");
        bench.kvops(&provision(&[])).ends_with(0);
        let keys = bench.keys_of(&app);
        assert!(keys.len() == 1 && keys[0]["key"] != old, "{result}: {keys:?}");
        assert_eq!(bench.versions("billing").len(), 2, "{result}");
    }
}

#[test]
fn a_request_that_is_pending_is_not_taken_for_something_to_attach() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let mut policy = hardened("CN=billing");
    policy["issuer"]["name"] = json!("Unknown");
    let tags = json!({ "kvops-app": app.id });
    bench.vault("POST", "/certificates/billing/create", &json!({ "policy": policy, "tags": tags }));
    let writes = bench.lab().counts().writes;
    let arguments = ["attach", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    bench.kvops(&arguments).ends_with(6);
    bench.kvops(&[&arguments[..], &["--plan"]].concat()).ends_with(6);
    assert_eq!(bench.lab().counts().writes, writes);
    assert!(bench.keys_of(&app).is_empty());
}

#[test]
fn a_limit_of_365_days_is_found_before_the_vault_makes_twelve_months_and_eleven_fit() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let right = json!({
        "principal": bench.variable("LAB_CLIENT_ID"), "graph_role": "Policy.ReadWrite.ApplicationConfiguration",
    });
    bench.permit(&right);
    let lifetime = json!({ "restrictionType": "asymmetricKeyLifetime", "maxLifetime": "P365D", "state": "enabled" });
    let policy = json!({ "isEnabled": true, "applicationRestrictions": { "keyCredentials": [lifetime] } });
    bench.graph("PATCH", "/v1.0/policies/defaultAppManagementPolicy", &policy);
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&provision(&[])).ends_with(7).error();
    assert!(error["hints"].to_string().contains("--validity 11"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes, "the vault was written to");
    bench.kvops(&provision(&["--validity", "11"])).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_policy_that_asks_for_an_hsm_afterwards_proves_nothing_about_a_software_key() {
    let bench = Bench::tame();
    bench.certificate("billing", &hardened("CN=billing"), &Value::Null);
    let key = bench.vault("GET", "/keys/billing", &Value::Null);
    bench.lab().clock().advance(time::Duration::hours(1));
    bench.vault("PATCH", "/certificates/billing/policy", &json!({ "key_props": { "kty": "RSA-HSM" } }));
    // As the service answers that does not state it of keys behind certificates.
    let mut silent = key;
    silent["attributes"].as_object_mut().unwrap().remove("exportable");
    let reading = json!({ "service": "keyvault", "method": "GET", "path": "/keys/billing" });
    bench.fault(&json!({ "match": reading, "result": { "status": 200, "body": silent } }));
    let info = ["cert", "info", "--vault", VAULT, "--name", "billing", "--output", "json"];
    let info = bench.kvops(&info).ends_with(0).json();
    assert_eq!((&info["exportable"], &info["is_hardened"]), (&Value::Null, &json!(false)), "{info}");
}

#[test]
fn an_existing_certificate_with_another_subject_is_not_the_one_asked_for() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&provision(&[])).ends_with(0);
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&provision(&["--subject", "CN=another"])).ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("CN=another"), "{error}");
    bench.kvops(&provision(&["--csr-out", "billing.csr"])).ends_with(2);
    assert!(!bench.file("billing.csr").exists());
    assert_eq!((bench.lab().counts().writes, bench.keys_of(&app).len()), (writes, 1));
}

#[test]
fn a_certificate_that_was_attached_from_its_file_is_proven_and_recorded_by_provision() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let made = ["provision", "--vault-only", "--vault", VAULT, "--name", "billing", "--cer-out", "app.cer"];
    bench.kvops(&made).ends_with(0);
    bench.kvops(&["attach", "--app", "billing", "--cer", "app.cer"]).ends_with(0);
    let report = bench.kvops(&provision(&[])).ends_with(0).json();
    assert_eq!(report["proof"]["tokens"], 3, "{report}");
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!((&tags["kvops-app"], &tags["kvops-state"]), (&json!(app.id), &json!("proven")), "{tags}");
    assert_eq!(tags["kvops-keyid"], bench.keys_of(&app)[0]["keyId"]);
    assert_eq!(bench.kvops(&provision(&[])).ends_with(0).json()["outcome"], "no-change");
}

#[test]
fn tags_that_somebody_adds_while_the_certificate_is_proven_survive() {
    let bench = Bench::tame();
    bench.application("billing");
    let signing = json!({ "service": "keyvault", "path": "/sign" });
    let held = bench.fault(&json!({ "match": signing, "result": { "stall_ms": 400 }, "times": 1 }));
    let running = bench.spawn_until_held(&provision(&[]), held);
    let mut tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    tags["cost-center"] = json!("4711");
    bench.vault("PATCH", "/certificates/billing", &json!({ "tags": tags }));
    running.wait().ends_with(0);
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!((&tags["cost-center"], &tags["kvops-state"]), (&json!("4711"), &json!("proven")), "{tags}");
}
