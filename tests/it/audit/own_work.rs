//! What kvops makes passes what kvops audits, and what the usual command makes does not.

use serde_json::Value;
use serde_json::json;

use super::found;
use crate::support::Bench;
use crate::support::VAULT;

/// The findings about an application and about its certificate.
fn about(bench: &Bench, id: &str, certificate: &str) -> Vec<String> {
    let report = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    assert_eq!(report["coverage"]["percent"], 100.0, "{}", report["coverage"]);
    let certificate = format!("{VAULT}/{certificate}");
    let is_it = |finding: &&Value| finding["subject"]["id"] == *id || finding["subject"]["id"] == *certificate;
    let its: Vec<Value> = report["findings"].as_array().unwrap().iter().filter(is_it).cloned().collect();
    found(&json!({ "findings": its }))
}

/// A registration as an audit wants it, so that only its credential is left to judge.
fn registered(bench: &Bench) -> String {
    let owners: Vec<String> = vec![bench.variable("LAB_CLIENT_ID")];
    let app = bench.application("billing");
    let lock = json!({ "servicePrincipalLockConfiguration": { "isEnabled": true, "allProperties": true },
        "serviceManagementReference": "4711" });
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &lock);
    let principal = bench.graph("GET", &format!("/v1.0/servicePrincipals(appId='{}')", owners[0]), &Value::Null);
    let reference =
        format!("https://localhost:{}/v1.0/directoryObjects/{}", bench.lab().port(), principal["id"].as_str().unwrap());
    bench.graph("POST", &format!("/v1.0/applications/{}/owners/$ref", app.id), &json!({ "@odata.id": reference }));
    bench.vault("PUT", "/certificates/contacts", &json!({ "contacts": [{ "email": "ops@contoso.com" }] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    app.id
}

#[test]
fn an_application_that_kvops_provisioned_has_no_finding_of_its_credential() {
    let bench = Bench::realistic();
    let id = registered(&bench);
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    assert_eq!(about(&bench, &id, "billing"), Vec::<String>::new());
}

#[test]
fn the_default_policy_of_the_usual_command_has_many() {
    let bench = Bench::realistic();
    let id = registered(&bench);
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    // What `az keyvault certificate get-default-policy` prints.
    let usual = json!({
        "issuer": { "name": "Self" },
        "key_props": { "exportable": true, "kty": "RSA", "key_size": 2048, "reuse_key": true },
        "secret_props": { "contentType": "application/x-pkcs12" },
        "x509_props": {
            "subject": "CN=CLIGetDefaultPolicy", "validity_months": 12,
            "key_usage": ["cRLSign", "dataEncipherment", "digitalSignature", "keyEncipherment", "keyAgreement", "keyCertSign"],
        },
        "lifetime_actions": [{ "trigger": { "days_before_expiry": 90 }, "action": { "action_type": "AutoRenew" } }],
    });
    bench.lab().clock().advance(time::Duration::hours(1));
    bench.certificate("usual", &usual, &Value::Null);
    let made = bench.vault("GET", "/certificates/usual", &Value::Null);
    let key = json!({ "keyCredentials": [{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"] }] });
    bench.graph("PATCH", &format!("/v1.0/applications/{id}"), &key);
    bench.lab().clock().advance(time::Duration::hours(2));
    let lines = about(&bench, &id, "usual");
    for rule in ["KVO201", "KVO206", "KVO209", "KVO211", "KVO114"] {
        assert!(lines.iter().any(|line| line.starts_with(rule)), "{rule} is missing: {lines:#?}");
    }
}
