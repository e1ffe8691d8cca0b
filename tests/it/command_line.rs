//! What the command line itself promises: exit codes, files, forms of output, and hints that work.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;
use crate::token::provisioned;

const UNKNOWN: [&str; 2] = ["11111111-2222-3333-4444-555555555555", "fabrikam.example"];
const VAULT_ONLY: [&str; 6] = ["provision", "--vault-only", "--vault", VAULT, "--name", "billing"];

fn token<'a>(app: &'a App, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    [&usual[..], more].concat()
}

#[test]
fn a_tenant_of_an_application_does_not_move_the_identity_that_reads_the_vault() {
    let mut bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let arguments = token(&app, &["--tenant", UNKNOWN[0], "--expect-error", "AADSTS90002"]);
    for variable in ["KVOPS_TENANT", "AZURE_TENANT_ID"] {
        let signatures = bench.lab().counts().sign;
        bench.kvops(&arguments).ends_with(0);
        assert_eq!(bench.lab().counts().sign - signatures, 1, "no assertion was made with {variable}");
        bench.set("KVOPS_TENANT", "");
    }
}

#[test]
fn refused_by_each_tenant_ends_as_refused_by_one() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let both = ["--tenant", UNKNOWN[0], "--tenant", UNKNOWN[1], "--output", "json"];
    let ran = bench.kvops(&token(&app, &both)).ends_with(3);
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
    let message = ran.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("none of 2 tenants") && message.contains("AADSTS90002"), "{message}");
}

#[test]
fn a_tenant_that_refused_does_not_hide_what_is_wrong_with_the_token_of_another() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let more = ["--tenant", "contoso.com", "--tenant", UNKNOWN[1], "--expect", "role=Nothing.Read", "--output", "json"];
    let error = bench.kvops(&token(&app, &more)).ends_with(5).error();
    let message = error["message"].as_str().unwrap();
    for part in ["1 of 2 tenants", "contoso.com", "role is absent, not Nothing.Read"] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_opened_is_known_before_anything_is_done() {
    let bench = Bench::tame();
    let mark = bench.mark();
    let error = bench
        .kvops(&[&VAULT_ONLY[..], &["--cer-out", "/proc/billing.cer", "-o", "json"]].concat())
        .ends_with(2)
        .error();
    assert!(error["message"].as_str().unwrap().contains("/proc/billing.cer"), "{error}");
    assert_eq!(bench.mark(), mark, "something was sent");
}

#[test]
#[cfg(target_os = "linux")]
fn what_was_made_is_reported_although_its_file_cannot_be_written() {
    let bench = Bench::tame();
    let ran = bench.kvops(&[&VAULT_ONLY[..], &["--cer-out", "/dev/full", "-o", "json"]].concat()).ends_with(2);
    assert_eq!(ran.json()["outcome"], "provisioned");
    assert!(ran.error()["message"].as_str().unwrap().contains("/dev/full"), "{ran:?}");
}

#[test]
fn a_run_that_fails_leaves_the_files_that_it_would_have_written_as_they_were() {
    let bench = Bench::tame();
    fs::write(bench.file("old.cer"), "old").unwrap();
    bench.fault(&json!({ "match": { "path": "/create" }, "result": { "status": 403 } }));
    for file in ["old.cer", "new.cer"] {
        let ran = bench.kvops(&[&VAULT_ONLY[..], &["--cer-out", file]].concat());
        assert_ne!(ran.exit, 0);
    }
    assert_eq!(fs::read_to_string(bench.file("old.cer")).unwrap(), "old");
    assert!(!bench.file("new.cer").exists());
}

#[test]
fn errors_and_settings_have_the_form_that_the_environment_or_a_file_asks_for() {
    let mut bench = Bench::tame();
    let missing = ["cert", "info", "--vault", VAULT, "--name", "missing"];
    bench.kvops(&missing).ends_with(2).error();
    bench.set("KVOPS_OUTPUT", "table");
    let ran = bench.kvops(&missing).ends_with(2);
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    for command in [["config", "show"], ["config", "variables"]] {
        let shown = bench.kvops(&command).ends_with(0).stdout;
        assert!(shown.starts_with('┌'), "{shown}");
        bench.kvops(&[&command[..], &["--output", "json"]].concat()).ends_with(0).json();
    }
    bench.set("KVOPS_OUTPUT", "");
    let file = fs::read_to_string(bench.file("kvops.toml")).unwrap();
    fs::write(bench.file("kvops.toml"), file.replace("[defaults]", "[defaults]\noutput = \"table\"")).unwrap();
    let ran = bench.kvops(&missing).ends_with(2);
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    bench.set("KVOPS_OUTPUT", "yaml");
    bench.kvops(&["config", "show"]).ends_with(2);
}

#[test]
fn a_vaults_half_that_is_done_already_is_named() {
    let bench = Bench::tame();
    bench.kvops(&VAULT_ONLY).ends_with(0);
    let again = bench.kvops(&[&VAULT_ONLY[..], &["--output", "table"]].concat()).ends_with(0).stdout;
    assert!(again.starts_with("no change: billing in https://contoso-kv."), "{again}");
}

#[test]
fn what_attach_advises_attach_can_do() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.certificate("gone", &hardened("CN=gone"), &Value::Null);
    bench.delete("gone");
    let policy = json!({
        "issuer": { "name": "Unknown" }, "key_props": { "exportable": false, "kty": "RSA", "key_size": 2048 },
        "x509_props": { "subject": "CN=waiting", "key_usage": ["digitalSignature"] },
    });
    bench.vault("POST", "/certificates/waiting/create", &json!({ "policy": policy }));
    for name in ["gone", "waiting"] {
        let arguments = ["attach", "--app", "billing", "--vault", VAULT, "--name", name, "--output", "json"];
        let error = bench.kvops(&arguments).error();
        let hints = error["hints"].to_string();
        assert!(hints.contains("kvops provision"), "{hints}");
        // What stands in backticks is a command of its own.
        let own: String = hints.split('`').step_by(2).collect();
        for flag in ["--recover", "--allow-purge", "--adopt", "--validity", "--merge"] {
            assert!(!own.contains(flag), "attach has no {flag}: {hints}");
        }
    }
}

#[test]
fn the_command_that_enables_a_version_names_the_certificate() {
    let bench = Bench::tame();
    let (_, certificate) = provisioned(&bench);
    let version = certificate["version"].as_str().unwrap();
    bench.vault("PATCH", &format!("/certificates/billing/{version}"), &json!({ "attributes": { "enabled": false } }));
    let again = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    let hints = bench.kvops(&again).ends_with(7).error()["hints"].to_string();
    assert!(!hints.contains("/keys/"), "{hints}");
    assert!(hints.contains(&format!("--vault-name {VAULT} --name billing --version {version}")), "{hints}");
}

#[test]
fn a_plan_says_who_would_act_and_by_which_right() {
    let bench = Bench::tame();
    bench.application("billing");
    let client = bench.variable("LAB_CLIENT_ID");
    let plan = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--plan", "-o", "json"];
    let steps = bench.kvops(&plan).ends_with(0).json()["steps"].clone();
    let writing: Vec<_> = steps.as_array().unwrap().iter().filter(|step| step["writes_to"].is_string()).collect();
    assert!(writing.len() >= 2, "{steps}");
    for step in writing {
        assert!(step["identity"].as_str().unwrap().contains(&client), "{step}");
    }
}

#[test]
fn a_table_of_the_application_stands_in_for_the_flags_that_were_not_given() {
    let mut bench = Bench::tame();
    // The file is found in the folder, not named.
    bench.set("KVOPS_CONFIG", "");
    bench.set("KVOPS_CLOUD", "lab");
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "invoices"]).ends_with(2);
    let table = format!(
        "\n[app.invoices]\napp = \"{}\"\nvault = \"{VAULT}\"\ncertificate = \"billing\"\nowner = \"ann\"\ntype = \"daemon\"\n",
        app.app_id
    );
    let file = fs::read_to_string(bench.file("kvops.toml")).unwrap();
    fs::write(bench.file("kvops.toml"), file + &table).unwrap();
    let ran = bench.kvops(&["provision", "--app", "invoices", "-o", "json"]).ends_with(0);
    assert!(ran.stderr.contains(&format!("application invoices is {}", app.app_id)), "{}", ran.stderr);
    assert_eq!(bench.versions("billing").len(), 1);
    bench.kvops(&["attach", "--app", "invoices"]).ends_with(0);
    bench.kvops(&["cert", "info", "--app", "invoices"]).ends_with(0);
    bench.kvops(&["token", "--app", "invoices", "--expect", "azpacr=2"]).ends_with(0);
    let error = bench.kvops(&["token", "--app", "billing", "-o", "json"]).ends_with(2).error();
    assert!(error["hints"].to_string().contains("--key-id"), "{error}");
    assert!(bench.kvops(&["config", "show"]).ends_with(0).stdout.contains("app.invoices.owner"));
}
