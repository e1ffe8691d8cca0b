//! `kvops token` in several tenants, and without any key: by the word of a managed identity.

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;
use crate::token::provisioned;

const UNKNOWN: [&str; 2] = ["11111111-2222-3333-4444-555555555555", "fabrikam.example"];

fn token<'a>(app: &'a App, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    [&usual[..], more].concat()
}

#[test]
fn each_tenant_gets_an_assertion_of_its_own_and_the_table_says_what_came_of_it() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let tenant = bench.variable("LAB_TENANT");
    let tenants = ["--tenant", &tenant, "--tenant", UNKNOWN[0], "--tenant", UNKNOWN[1]];
    let signatures = bench.lab().counts().sign;
    let ran = bench.kvops(&token(&app, &[&tenants[..], &["--output", "json"]].concat())).ends_with(5);
    assert_eq!(bench.lab().counts().sign - signatures, 3);
    let attempts = ran.json();
    let results: Vec<_> = attempts
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (&attempt["tenant"], &attempt["result"], &attempt["code"]))
        .collect();
    assert_eq!(results[0], (&json!(tenant), &json!("token"), &Value::Null));
    for (result, unknown) in results[1..].iter().zip(UNKNOWN) {
        assert_eq!(*result, (&json!(unknown), &json!("refused"), &json!("AADSTS90002")));
    }
    assert!(ran.error()["message"].as_str().unwrap().contains("2 of 3"), "{}", ran.stderr);
    let table = bench.kvops(&token(&app, &[&tenants[..], &["--output", "table"]].concat())).ends_with(5).stdout;
    for cell in [tenant.as_str(), UNKNOWN[0], UNKNOWN[1], "AADSTS90002", "refused", " ms"] {
        assert!(table.contains(cell), "{cell} is missing:\n{table}");
    }
}

#[test]
fn tenants_come_from_a_file_with_comments_and_each_is_asked_once() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let tenant = bench.variable("LAB_TENANT");
    let list = format!("# customers\n{tenant}\n\ncontoso.com # the same tenant by name\n{tenant}\n");
    std::fs::write(bench.file("tenants"), list).unwrap();
    let ran = bench.kvops(&token(&app, &["--tenants-file", "tenants", "--output", "json"])).ends_with(0);
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
    std::fs::write(bench.file("tenants"), "contoso.com\nnot a tenant\n").unwrap();
    let error = bench.kvops(&token(&app, &["--tenants-file", "tenants", "--output", "json"])).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("tenants line 2"), "{error}");
    bench.kvops(&token(&app, &["--tenants-file", "missing"])).ends_with(2);
}

#[test]
fn one_token_is_handed_out_for_one_tenant_only() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let both = ["--tenant", "contoso.com", "--tenant", "contoso.onmicrosoft.com"];
    let mark = bench.mark();
    let ran = bench.kvops(&token(&app, &[&both[..], &["--output", "raw"]].concat())).ends_with(2);
    assert!(ran.stdout.is_empty(), "{ran:?}");
    bench.kvops(&token(&app, &[&both[..], &["--assertion-only"]].concat())).ends_with(2);
    assert_eq!(bench.mark(), mark, "something was sent");
}

#[test]
fn dead_everywhere_means_refused_by_each_tenant() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    bench
        .kvops(&token(&app, &["--tenant", UNKNOWN[0], "--tenant", UNKNOWN[1], "--expect-error", "90002"]))
        .ends_with(0);
    let mixed = ["--tenant", UNKNOWN[0], "--tenant", "contoso.com", "--expect-error", "AADSTS90002"];
    bench.kvops(&token(&app, &mixed)).ends_with(1);
}

/// Lets the program run on a machine with a managed identity.
fn on_a_machine(bench: &mut Bench, endpoint: &str) -> Value {
    let identity = bench.lab().control("POST", "/identities", &json!({ "name": "vm", "kind": "system" })).unwrap();
    for name in ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        bench.set(name, "");
    }
    bench.set("KVOPS_CREDENTIAL", "mi");
    match endpoint {
        "imds" => bench.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", &bench.lab().identity_url()),
        _ => {
            bench.set("IDENTITY_ENDPOINT", &format!("{}/msi/token", bench.lab().identity_url()));
            bench.set("IDENTITY_HEADER", &bench.variable("LAB_IDENTITY_HEADER"));
        }
    }
    identity
}

#[test]
fn a_managed_identity_stands_in_for_a_key_where_the_application_trusts_it() {
    for endpoint in ["imds", "app-service"] {
        let mut bench = Bench::tame();
        let app = bench.application("billing");
        let identity = on_a_machine(&mut bench, endpoint);
        let federated = ["token", "--app", &app.app_id, "--federated", "--output", "json"];
        bench.kvops(&federated).ends_with(3);

        let issuer = format!("{}/{}/v2.0", bench.variable("LAB_AUTHORITY"), bench.variable("LAB_TENANT"));
        let trust = json!({
            "name": "vm", "issuer": issuer, "subject": identity["object_id"], "audiences": ["api://AzureADTokenExchange"],
        });
        bench.graph("POST", &format!("/v1.0/applications/{}/federatedIdentityCredentials", app.id), &trust);
        bench.lab().clock().advance(time::Duration::minutes(10));
        let mark = bench.mark();
        let ran = bench.kvops(&federated).ends_with(0);
        assert_eq!(ran.json()["claims"]["appid"], app.app_id.as_str());
        assert!(bench.asked(mark, kvops::lab::Service::KeyVault).is_empty(), "no vault is needed");
        assert!(!ran.stderr.contains("eyJ"), "{ran:?}");
    }
}

#[test]
fn a_managed_identity_signs_in_the_vault_for_the_application() {
    let mut bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let identity = on_a_machine(&mut bench, "imds");
    bench.permit(&json!({ "vault": VAULT, "principal": identity["object_id"], "role": "Key Vault Crypto User" }));
    let (key_id, thumbprint) = (certificate["key_id"].as_str().unwrap(), certificate["x5t#S256"].as_str().unwrap());
    let arguments =
        ["token", "--app", &app.app_id, "--key-id", key_id, "--thumbprint", thumbprint, "--expect", "azpacr=2", "-v"];
    let ran = bench.kvops(&arguments).ends_with(0);
    assert!(ran.stderr.contains("mi"), "the identity is not said: {}", ran.stderr);
    // The identity has its home in one tenant; the application's tokens come from any.
    let signatures = bench.lab().counts().sign;
    let tenants = ["--tenant", "contoso.com", "--tenant", "contoso.onmicrosoft.com", "--tenant", UNKNOWN[1]];
    let ran = bench.kvops(&[&arguments[..7], &tenants[..], &["-o", "json"]].concat()).ends_with(5);
    let results: Vec<_> = ran.json().as_array().unwrap().iter().map(|attempt| attempt["result"].clone()).collect();
    assert_eq!(results, ["token", "token", "refused"]);
    assert_eq!(bench.lab().counts().sign - signatures, 3);
}

#[test]
fn an_identity_that_was_chosen_is_never_replaced_by_another() {
    let mut bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    // A secret of the environment would do, and was not asked for.
    bench.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9");
    let mark = bench.mark();
    bench.kvops(&token(&app, &["--credential", "mi", "--output", "json"])).ends_with(3);
    assert_eq!(bench.mark(), mark, "somebody else signed in");
}
