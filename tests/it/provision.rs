//! `kvops provision` on its usual way: nothing, plan, first certificate, second certificate, no change.

use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

#[test]
fn a_certificate_is_made_attached_and_proven_and_the_second_run_writes_nothing() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let first = bench.kvops(&BILLING).ends_with(0).json();
    assert_eq!(first["outcome"], "provisioned");
    assert_eq!(first["certificate"]["exportable"], false);
    assert_eq!(first["attachment"]["method"], "PATCH");
    assert_eq!(first["proof"]["azpacr"], "2");
    assert_eq!(bench.keys_of(&app).len(), 1);

    let before = bench.lab().counts();
    let second = bench.kvops(&BILLING).ends_with(0).json();
    assert_eq!(second["outcome"], "no-change");
    assert_eq!(bench.lab().counts().writes, before.writes, "the second run wrote something");
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn the_report_states_what_a_reader_needs_in_order() {
    let bench = Bench::realistic();
    bench.application("billing");
    bench.vault("PUT", "/certificates/contacts", &json!({ "contacts": [{ "email": "ops@contoso.com" }] }));
    let mut arguments = BILLING;
    arguments[8] = "table";
    let said = bench.kvops(&arguments).ends_with(0).stdout;
    let order = [
        "provisioned:",
        "exportable",
        "key may",
        "sign, verify",
        "key usage",
        "digitalSignature",
        "thumbprint",
        "x5t#S256",
        "keyId",
        "attached by",
        "3 tokens in a row, accepted after",
        "azpacr 2",
        "next rotation",
        "ops@contoso.com",
    ];
    let mut rest = said.as_str();
    for text in order {
        let at = rest.find(text).unwrap_or_else(|| panic!("`{text}` is missing, or not in its place:\n{said}"));
        rest = &rest[at..];
    }
}

#[test]
fn what_is_made_is_hardened_in_policy_certificate_and_key() {
    let bench = Bench::tame();
    bench.application("billing");
    let report = bench.kvops(&BILLING).ends_with(0).json();
    assert_eq!(report["certificate"]["key_usage"], json!(["digitalSignature"]));

    let made = bench.vault("GET", "/certificates/billing", &Value::Null);
    let policy = &made["policy"];
    assert_eq!(policy["key_props"]["exportable"], false);
    assert_eq!(policy["key_props"]["reuse_key"], false);
    assert_eq!((&policy["key_props"]["kty"], &policy["key_props"]["key_size"]), (&json!("RSA"), &json!(3072)));
    assert_eq!(policy["x509_props"]["key_usage"], json!(["digitalSignature"]));
    assert_eq!(policy["x509_props"]["ekus"], json!(["1.3.6.1.5.5.7.3.2"]));
    assert_eq!(policy["x509_props"]["validity_months"], 12);
    assert_eq!(policy["issuer"]["name"], "Self");
    assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
    let subject = policy["x509_props"]["subject"].as_str().unwrap();
    assert!(subject.starts_with("CN=billing.") && subject.ends_with(".internal"), "{subject}");
    let key = bench.vault("GET", "/keys/billing", &Value::Null);
    let mut operations: Vec<_> =
        key["key"]["key_ops"].as_array().unwrap().iter().map(|op| op.as_str().unwrap()).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["sign", "verify"]);
}

#[test]
fn the_version_is_tagged_with_its_application_its_key_id_and_how_far_it_came() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let report = bench.kvops(&BILLING).ends_with(0).json();
    let tags = bench.vault("GET", "/certificates/billing", &Value::Null)["tags"].clone();
    assert_eq!(tags["kvops-app"], app.id.as_str());
    assert_eq!(tags["kvops-keyid"], report["attachment"]["key_id"]);
    assert_eq!(tags["kvops-state"], "proven");
    assert_eq!(bench.keys_of(&app)[0]["keyId"], report["attachment"]["key_id"]);
}

#[test]
fn an_application_is_found_by_object_id_client_id_and_name() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    for reference in ["billing", &app.id, &app.app_id] {
        let report = bench
            .kvops(&["provision", "--app", reference, "--vault", VAULT, "--name", "billing", "--output", "json"])
            .ends_with(0)
            .json();
        assert_eq!(report["application"]["app_id"], app.app_id.as_str(), "{reference}");
    }
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn the_plan_names_each_write_its_identity_and_its_right_and_writes_nothing() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let writes = bench.lab().counts().writes;
    let plan = bench.kvops(&[&BILLING[..], &["--plan"]].concat()).ends_with(0).json();
    assert_eq!(plan["changes"], true);
    let steps: Vec<_> = plan["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["create", "await-issue", "inspect", "attach", "prove", "record"]);
    for step in plan["steps"].as_array().unwrap() {
        for member in ["what", "identity", "right", "held"] {
            assert!(step[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {step}");
        }
    }
    assert_eq!(plan["steps"][0]["writes_to"], "vault");
    assert_eq!(plan["steps"][3]["writes_to"], "Graph");
    assert_eq!(plan["policy"]["exportable"], false);
    let people =
        bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "-o", "table", "--plan"]);
    assert!(people.ends_with(0).stdout.contains("nothing has been written yet"));
    assert_eq!(bench.lab().counts().writes, writes, "a plan wrote something");
    assert!(bench.keys_of(&app).is_empty());

    bench.kvops(&BILLING).ends_with(0);
    let plan = bench.kvops(&[&BILLING[..], &["--plan"]].concat()).ends_with(0).json();
    assert_eq!(plan["changes"], false);
}

#[test]
fn a_second_certificate_is_added_by_the_application_itself_with_a_proof_and_no_graph_permission() {
    let mut bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&BILLING).ends_with(0);

    // Somebody who may read the directory, and write nothing in it.
    let identity = bench.identity("deployer");
    bench.give_graph(&identity, "Application.Read.All");
    bench.give_graph(&identity, "Policy.Read.All");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
    let mark = bench.mark();
    let report = bench
        .kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing-2", "--output", "json"])
        .ends_with(0)
        .json();
    assert_eq!(report["attachment"]["method"], "addKey");
    assert_eq!(
        report["attachment"]["reason"],
        "an attached certificate of this vault proves possession; no permission is needed"
    );
    let graph = bench.asked(mark, Service::Graph);
    let writes: Vec<_> = graph.iter().filter(|entry| entry.method != "GET").collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].path.ends_with("/addKey"));
    assert_eq!(writes[0].app_id.map(|id| id.to_string()).as_deref(), Some(app.app_id.as_str()), "not its own token");
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn everything_that_was_on_the_application_is_there_afterwards_as_it_was() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    for name in ["old-1", "old-2"] {
        bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", name]).ends_with(0);
    }
    let path = format!("/v1.0/applications/{}", app.id);
    bench.graph("POST", &format!("{path}/addPassword"), &json!({ "passwordCredential": { "displayName": "old" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let read = || bench.graph("GET", &format!("{path}?$select=keyCredentials,passwordCredentials"), &Value::Null);
    let before = read();

    // In a vault that holds none of its keys, so that the whole list has to be written.
    bench.lab().control("POST", "/vaults", &json!({ "name": "fabrikam-kv" })).unwrap();
    let operator = bench.variable("LAB_CLIENT_ID");
    bench.permit(&json!({ "vault": "fabrikam-kv", "principal": operator, "role": "Key Vault Administrator" }));
    let report = bench
        .kvops(&["provision", "--app", "billing", "--vault", "fabrikam-kv", "--name", "new", "--output", "json"])
        .ends_with(0)
        .json();
    assert_eq!(report["attachment"]["method"], "PATCH");
    assert_eq!(report["attachment"]["reason"], "no certificate that the application trusts has its key in this vault");

    let after = read();
    assert_eq!(after["passwordCredentials"], before["passwordCredentials"]);
    let keys = after["keyCredentials"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for old in before["keyCredentials"].as_array().unwrap() {
        assert!(old["key"].is_string(), "the reading shows no bytes, so the test would prove nothing");
        assert!(keys.contains(old), "an entry was changed or lost: {old}");
    }
}

#[test]
fn a_key_that_encrypts_tokens_is_not_ours_and_stays() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let path = format!("/v1.0/applications/{}", app.id);
    bench.certificate("encryption", &hardened("CN=encryption"), &Value::Null);
    let certificate = bench.vault("GET", "/certificates/encryption", &Value::Null)["cer"].clone();
    let key_id = "5a1b6f0e-6c0f-4d8e-9a54-0d8f3b0c7a11";
    let entry = json!({ "type": "AsymmetricX509Cert", "usage": "Encrypt", "key": certificate, "keyId": key_id, "displayName": "enc" });
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [entry], "tokenEncryptionKeyId": key_id }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let before = bench.keys_of(&app);
    assert_eq!((before.len(), &before[0]["usage"]), (1, &json!("Encrypt")));

    // Its key is in the vault, but it proves nothing.
    let report = bench.kvops(&BILLING).ends_with(0).json();
    assert_eq!(report["attachment"]["method"], "PATCH");
    let after = bench.keys_of(&app);
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[0]), "{after:?}");
    assert_eq!(bench.graph("GET", &path, &Value::Null)["tokenEncryptionKeyId"], key_id);
}

#[test]
fn keys_of_the_requested_kind_and_validity_are_made() {
    let bench = Bench::tame();
    bench.application("billing");
    let report = bench.kvops(&[&BILLING[..], &["--key", "RSA-HSM:2048", "--validity", "3", "--alg", "RS256"]].concat());
    let report = report.ends_with(0).json();
    let policy = bench.vault("GET", "/certificates/billing", &Value::Null)["policy"].clone();
    assert_eq!((&policy["key_props"]["kty"], &policy["key_props"]["key_size"]), (&json!("RSA-HSM"), &json!(2048)));
    assert_eq!(policy["x509_props"]["validity_months"], 3);
    assert_eq!(report["certificate"]["exportable"], false);
    assert_eq!(report["proof"]["azpacr"], "2");
}

#[test]
fn an_expired_certificate_is_replaced_by_a_new_version_and_stays_on_the_application() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&[&BILLING[..], &["--validity", "1"]].concat()).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(40));
    let report = bench.kvops(&BILLING).ends_with(0).json();
    assert_eq!(report["attachment"]["method"], "PATCH");
    assert_eq!(
        report["attachment"]["reason"],
        "every certificate of the application has expired, and an expired one proves nothing"
    );
    assert_eq!(bench.versions("billing").len(), 2);
    assert_eq!(bench.keys_of(&app).len(), 2);
}
