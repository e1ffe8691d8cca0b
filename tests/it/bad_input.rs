//! Names that mean nothing, names that mean two things, and hosts that are not part of the cloud.

use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;

fn provision<'a>(app: &'a str, vault: &'a str) -> [&'a str; 9] {
    ["provision", "--app", app, "--vault", vault, "--name", "billing", "--output", "json"]
}

#[test]
fn an_unknown_application_is_refused_before_anything_is_written() {
    let bench = Bench::tame();
    let writes = bench.lab().counts().writes;
    for unknown in ["billing", "0b3c5b1e-1d0a-4c55-9d3f-111111111111"] {
        let error = bench.kvops(&provision(unknown, VAULT)).ends_with(2).error();
        assert!(error["message"].as_str().unwrap().contains(unknown), "{error}");
        assert!(error["hints"].to_string().contains("--tenant"), "{error}");
    }
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_name_that_two_applications_have_lists_both_with_ids_that_can_be_pasted() {
    let bench = Bench::tame();
    let (one, two) = (bench.application("billing"), bench.application("billing"));
    let error = bench.kvops(&provision("billing", VAULT)).ends_with(2).error();
    let text = error.to_string();
    for app in [&one, &two] {
        assert!(text.contains(&app.id) && text.contains(&app.app_id), "a candidate is missing: {error}");
    }
    assert!(bench.keys_of(&one).is_empty() && bench.keys_of(&two).is_empty());
    bench.kvops(&provision(&two.app_id, VAULT)).ends_with(0);
    assert_eq!((bench.keys_of(&one).len(), bench.keys_of(&two).len()), (0, 1));
}

#[test]
fn names_are_compared_to_the_letter_and_hostile_ones_stay_text() {
    let bench = Bench::tame();
    let hostile = "it's \u{1b}[2Jred' or displayName eq 'billing";
    bench.application("billing");
    bench.application(hostile);
    bench.kvops(&provision("Billing", VAULT)).ends_with(2);
    let ran = bench.kvops(&["provision", "--app", hostile, "--vault", VAULT, "--name", "billing", "-o", "table"]);
    let ran = ran.ends_with(0);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    let made = bench.vault("GET", "/certificates/billing", &Value::Null);
    let subject = made["policy"]["x509_props"]["subject"].as_str().unwrap();
    assert!(!subject.contains('\'') && !subject.contains(' '), "{subject}");
}

#[test]
fn a_vault_that_does_not_exist_cannot_be_reached_and_says_what_to_check() {
    let mut bench = Bench::tame();
    bench.application("billing");
    // Unlike the lab's, Azure's DNS knows only vaults that exist.
    let config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    std::fs::write(bench.file("kvops.toml"), config.replace("*.vault.localhost", &format!("{VAULT}.vault.localhost")))
        .unwrap();
    bench.set("KVOPS_TENANT", &bench.variable("LAB_TENANT"));
    let error = bench.kvops(&provision("billing", "nowhere-kv.invalid")).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("nowhere-kv.invalid"), "{error}");
    let error = bench.kvops(&provision("billing", "nowhere-kv")).ends_with(4).error();
    let text = error.to_string();
    assert!(text.contains("nowhere-kv.vault.localhost") && text.contains("vault's name"), "{error}");
}

#[test]
fn a_vault_of_another_host_is_refused_and_nothing_is_sent() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let mark = bench.mark();
    let port = bench.lab().port();
    for wrong in [
        "https://contoso-kv.vault.azure.net".to_owned(),
        "https://evil.example/".to_owned(),
        format!("http://contoso-kv.vault.localhost:{port}"),
        format!("https://contoso-kv.vault.localhost:{}", port.wrapping_add(1)),
        format!("https://user@contoso-kv.vault.localhost:{port}"),
        format!("https://contoso-kv.vault.localhost:{port}.evil.example"),
        format!("https://a.contoso-kv.vault.localhost:{port}"),
        "contoso_kv".to_owned(),
        String::new(),
    ] {
        bench.kvops(&provision("billing", &wrong)).ends_with(2);
    }
    for wrong in [
        "https://contoso-kv.vault.azure.net/keys/billing/0123456789abcdef0123456789abcdef".to_owned(),
        format!("https://contoso-kv.vault.localhost:{port}/keys/billing"),
        format!("https://contoso-kv.vault.localhost:{port}/secrets/billing/0123456789abcdef0123456789abcdef"),
    ] {
        let thumbprint = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        bench
            .kvops(&["token", "--app", &app.app_id, "--key-id", &wrong, "--thumbprint", thumbprint, "-o", "json"])
            .ends_with(2);
    }
    assert_eq!(bench.mark(), mark, "something was sent: {:?}", bench.lab().requests_since(mark));
}

#[test]
fn arguments_that_make_no_sense_are_refused_and_nothing_is_sent() {
    let bench = Bench::tame();
    bench.application("billing");
    let mark = bench.mark();
    let usual = provision("billing", VAULT);
    for more in [
        &["--key", "EC:P-256"][..],
        &["--key", "RSA:1024"],
        &["--validity", "13"],
        &["--validity", "0"],
        &["--issuer", "Unknown"],
        &["--merge", "missing.pem"],
        &["--recover", "--allow-purge"],
        &["--tenant", "not a tenant"],
        &["--cloud", "mars"],
        &["--credential", "magic"],
    ] {
        let ran = bench.kvops(&[&usual[..], more].concat()).ends_with(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{more:?}: {ran:?}");
    }
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "bad name"]).ends_with(2);
    bench.kvops(&["provision", "--vault", VAULT, "--name", "billing"]).ends_with(2);
    assert_eq!(bench.mark(), mark);
}

#[test]
fn a_lifetime_that_the_tenant_forbids_stops_before_the_vault_is_written_to() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    limit_lifetime(&bench, "P180D");
    let writes = bench.lab().counts().writes;
    let error = bench.kvops(&provision("billing", VAULT)).ends_with(7).error();
    let text = error.to_string();
    assert!(text.contains("P180D") && text.contains("--validity 5"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.try_vault(VAULT, "GET", "/certificates/billing", &Value::Null).0, 404);
    bench.kvops(&[&provision("billing", VAULT)[..], &["--validity", "5"]].concat()).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_policy_that_may_not_be_read_is_said_and_its_refusal_ends_with_seven() {
    let mut bench = Bench::tame();
    let app = bench.application("billing");
    limit_lifetime(&bench, "P180D");
    let identity = bench.identity("deployer");
    bench.give_graph(&identity, "Application.ReadWrite.All");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
    let error = bench.kvops(&provision("billing", VAULT)).ends_with(7).error();
    assert_eq!(error["code"], "CredentialInvalidLifetimeAsPerAppPolicy", "{error}");
    assert!(bench.keys_of(&app).is_empty());
    let plan = bench.kvops(&[&provision("billing", VAULT)[..], &["--plan"]].concat()).ends_with(0).json();
    assert!(plan["warnings"].to_string().contains("Policy.Read.All"), "{plan}");
}

fn limit_lifetime(bench: &Bench, longest: &str) {
    let right = json!({
        "principal": bench.variable("LAB_CLIENT_ID"), "graph_role": "Policy.ReadWrite.ApplicationConfiguration",
    });
    bench.permit(&right);
    let lifetime = json!({ "restrictionType": "asymmetricKeyLifetime", "maxLifetime": longest, "state": "enabled" });
    let policy = json!({ "isEnabled": true, "applicationRestrictions": { "keyCredentials": [lifetime] } });
    bench.graph("PATCH", "/v1.0/policies/defaultAppManagementPolicy", &policy);
}

#[test]
fn a_vault_without_contacts_is_warned_about_with_the_command_that_adds_one() {
    let bench = Bench::tame();
    bench.application("billing");
    let report = bench.kvops(&provision("billing", VAULT)).ends_with(0).json();
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("no contacts") && warning.contains("az keyvault certificate contact add"), "{warning}");
    assert_eq!(report["contacts"], json!([]));
    bench.vault("PUT", "/certificates/contacts", &json!({ "contacts": [{ "email": "ops@contoso.com" }] }));
    let report = bench.kvops(&provision("billing", VAULT)).ends_with(0).json();
    assert_eq!((&report["warnings"], &report["contacts"]), (&json!([]), &json!(["ops@contoso.com"])));
}
