//! `kvops detach` against the lab: what goes, what stays, and what it refuses to take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

/// An application that trusts the vault's certificate `billing`, and before that `old`.
fn with_two_keys(bench: &Bench) -> App {
    let app = bench.application("billing");
    for name in ["old", "billing"] {
        bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", name]).ends_with(0);
    }
    // The proofs of the old key are forgotten by then.
    bench.lab().clock().advance(time::Duration::days(20));
    app
}

fn detach<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["detach", "--app", "billing", "--output", "json"], arguments].concat()
}

/// The same with the certificate that remains.
fn detach_from_vault<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&detach(&["--vault", VAULT, "--name", "billing"])[..], arguments].concat()
}

/// An entry whose key no vault holds.
fn entry(usage: &str, days: i64, bench: &Bench) -> Value {
    let now = kvops::domain::Clock::now(&bench.lab().clock());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["elsewhere".to_owned()]).unwrap();
    (parameters.not_before, parameters.not_after) = (now - time::Duration::days(400), now + time::Duration::days(days));
    let made = parameters.self_signed(&key).unwrap();
    json!({ "type": "AsymmetricX509Cert", "usage": usage, "key": STANDARD.encode(made.der()) })
}

fn write(bench: &Bench, app: &App, list: &[Value]) {
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": list }));
    bench.lab().clock().advance(time::Duration::minutes(10));
}

/// Adds an entry and gives its keyId.
fn add(bench: &Bench, app: &App, new: Value) -> String {
    let mut list = bench.keys_of(app);
    let before = ids(&list);
    for known in &mut list {
        known.as_object_mut().unwrap().remove("key");
    }
    list.push(new);
    write(bench, app, &list);
    ids(&bench.keys_of(app)).into_iter().find(|id| !before.contains(id)).unwrap()
}

fn add_secret(bench: &Bench, app: &App) -> (String, String) {
    let path = format!("/v1.0/applications/{}/addPassword", app.id);
    let made = bench.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "production" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("keyId"), text("secretText"))
}

fn secrets(bench: &Bench, app: &App) -> usize {
    let read = bench.graph("GET", &format!("/v1.0/applications/{}", app.id), &Value::Null);
    read["passwordCredentials"].as_array().unwrap().len()
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| entry["keyId"].as_str().unwrap().to_owned()).collect()
}

/// The entry of a certificate of the vault.
fn id_of(bench: &Bench, app: &App, name: &str) -> String {
    let der = bench.vault("GET", &format!("/certificates/{name}"), &Value::Null)["cer"].clone();
    let keys = bench.keys_of(app);
    keys.iter().find(|key| key["key"] == der).unwrap()["keyId"].as_str().unwrap().to_owned()
}

/// Signs in with a secret, as somebody does who still uses it.
fn use_secret(bench: &Bench, app: &App, secret: &str) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &app.app_id)
        .append_pair("client_secret", secret)
        .append_pair("scope", &format!("https://localhost:{}/.default", bench.lab().port()))
        .finish();
    let address =
        format!("https://localhost:{}/{}/oauth2/v2.0/token", bench.lab().port(), bench.variable("LAB_TENANT"));
    let request = http::Request::post(address).header("content-type", "application/x-www-form-urlencoded");
    let answer = bench.lab().call(request.body(form.into()).unwrap()).unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_key_goes_by_proof_of_another_and_everybody_elses_entries_stay_as_they_were() {
    let bench = Bench::realistic();
    let app = with_two_keys(&bench);
    let foreign = add(&bench, &app, entry("Verify", 90, &bench));
    add_secret(&bench, &app);
    let old = id_of(&bench, &app, "old");
    let before = bench.keys_of(&app);
    let mark = bench.mark();
    let report = bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0).json();
    assert_eq!(report["credentials"][0]["detachment"]["method"], "removeKey", "{report}");
    assert_eq!(report["proof"]["azpacr"], "2");
    assert!(!bench.asked(mark, Service::Graph).iter().any(|entry| entry.method == "PATCH"));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let expected: Vec<_> = before.into_iter().filter(|key| key["keyId"] != old).collect();
    assert_eq!(bench.keys_of(&app), expected);
    assert!(ids(&expected).contains(&foreign));
    assert_eq!(secrets(&bench, &app), 1);

    let steps = bench.kvops(&["ledger", "show", "--output", "json"]).ends_with(0).stdout;
    assert!(steps.contains("\"detach\"") && steps.contains(&old), "{steps}");
    let token = ["token", "--app", "billing", "--vault", VAULT, "--name", "old"];
    bench.kvops(&[&token[..], &["--expect-error", "AADSTS700027"]].concat()).ends_with(0);

    let writes = bench.lab().counts().writes;
    assert_eq!(bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0).json()["changes"], false);
    assert_eq!(bench.lab().counts().writes, writes, "the second run wrote something");
}

#[test]
fn an_identity_that_may_not_write_applications_removes_a_key_by_proof() {
    let mut bench = Bench::tame();
    let app = with_two_keys(&bench);
    let old = id_of(&bench, &app, "old");
    let reader = bench.identity("reader");
    bench.give_graph(&reader, "Application.Read.All");
    bench.give_role(&reader, "Key Vault Reader");
    bench.give_role(&reader, "Key Vault Crypto User");
    bench.work_as(&reader);
    bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_thumbprint_in_any_spelling_names_the_entry() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let info =
        bench.kvops(&["cert", "info", "--vault", VAULT, "--name", "old", "--output", "json"]).ends_with(0).json();
    for spelling in ["thumbprint", "x5t", "x5t#S256", "thumbprint_base64", "thumbprint_sha256"] {
        let print = info[spelling].as_str().unwrap_or_else(|| panic!("{info}"));
        let plan = bench.kvops(&detach_from_vault(&["--thumbprint", print, "--plan"])).ends_with(0).json();
        assert_eq!(plan["credentials"][0]["key_id"], id_of(&bench, &app, "old"), "{spelling}");
    }
}

#[test]
fn a_plan_removes_nothing_and_says_what_would_remain() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let (old, kept) = (id_of(&bench, &app, "old"), id_of(&bench, &app, "billing"));
    let writes = bench.lab().counts().writes;
    let plan = bench.kvops(&detach_from_vault(&["--key", &old, "--plan"])).ends_with(0).json();
    assert_eq!((&plan["changes"], &plan["credentials"][0]["method"]), (&json!(true), &json!("removeKey")));
    assert_eq!(plan["remains"]["keys"], json!([kept]));
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn the_last_key_that_works_is_never_removed() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(20));
    let only = id_of(&bench, &app, "billing");
    let writes = bench.lab().counts().writes;
    for arguments in [detach_from_vault(&["--key", &only]), detach(&["--key", &only])] {
        let error = bench.kvops(&arguments).ends_with(7).error();
        assert!(error["hints"].to_string().contains("kvops provision"), "{error}");
    }
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_key_stays_while_the_one_that_would_remain_gets_no_token() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let old = id_of(&bench, &app, "old");
    // Entra does not know the key that Graph shows.
    let sign_in = json!({ "service": "entra", "method": "POST", "path": "/oauth2/v2.0/token" });
    let error = json!({ "error": "invalid_client", "error_codes": [700027],
        "error_description": "AADSTS700027: The certificate with identifier used to sign the client assertion is not \
                              registered on application. [Reason - The key was not found.]" });
    bench.fault(&json!({ "match": sign_in, "result": { "status": 401, "body": error }, "skip": 1 }));
    let ran = bench.kvops(&detach_from_vault(&["--key", &old]));
    assert!([3, 4].contains(&ran.exit), "{ran:?}");
    bench.no_faults();
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn keys_for_saml_and_for_encryption_are_never_touched() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let encryption = add(&bench, &app, entry("Encrypt", 1, &bench));
    bench.lab().clock().advance(time::Duration::days(2));
    let error = bench.kvops(&detach_from_vault(&["--key", &encryption])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("encryption"), "{error}");
    let report = bench.kvops(&detach_from_vault(&["--expired"])).ends_with(0).json();
    assert_eq!(report["changes"], false);
    assert!(ids(&bench.keys_of(&app)).contains(&encryption));
}

#[test]
fn what_has_expired_goes_without_any_vault() {
    let bench = Bench::realistic();
    let app = with_two_keys(&bench);
    let spent = add(&bench, &app, entry("Verify", 1, &bench));
    let (_, _) = add_secret(&bench, &app);
    bench.lab().clock().advance(time::Duration::days(2));
    let before = bench.keys_of(&app);
    let mark = bench.mark();
    let report = bench.kvops(&detach(&["--expired"])).ends_with(0).json();
    assert_eq!(report["credentials"][0]["key_id"], json!(spent));
    assert_eq!(report["credentials"][0]["detachment"]["method"], "PATCH");
    assert!(bench.asked(mark, Service::KeyVault).is_empty());
    bench.lab().clock().advance(time::Duration::minutes(10));
    let expected: Vec<_> = before.into_iter().filter(|key| key["keyId"] != spent).collect();
    assert_eq!(bench.keys_of(&app), expected);
    assert_eq!(secrets(&bench, &app), 1, "a secret that is valid went");
}

#[test]
fn a_confirmation_that_nothing_follows_is_not_believed() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let old = id_of(&bench, &app, "old");
    let removal = json!({ "service": "graph", "method": "POST", "path": "/removeKey" });
    bench.fault(&json!({ "match": removal, "result": { "status": 204 }, "times": 1 }));
    let report = bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0).json();
    assert_eq!(report["credentials"][0]["detachment"]["repairs"], 1);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn a_directory_that_only_ever_confirms_is_reported() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let old = id_of(&bench, &app, "old");
    let removal = json!({ "service": "graph", "method": "POST", "path": "/removeKey" });
    bench.fault(&json!({ "match": removal, "result": { "status": 204 } }));
    let error = bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(4).error();
    assert!(error["message"].as_str().unwrap().contains("still on"), "{error}");
    assert_eq!(bench.keys_of(&app).len(), 2);
    bench.no_faults();
    bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0);
}

#[test]
fn a_lost_answer_to_the_removal_is_made_good_and_a_request_that_never_arrived_too() {
    for (drop, name) in [("after", "billing"), ("before", "billing")] {
        let bench = Bench::realistic();
        let app = with_two_keys(&bench);
        let old = id_of(&bench, &app, "old");
        let removal = json!({ "service": "graph", "method": "POST", "path": "/removeKey" });
        let id = bench.fault(&json!({ "match": removal, "result": { "drop": drop }, "times": 1 }));
        bench.kvops(&detach_from_vault(&["--key", &old])).ends_with(0);
        assert_eq!(bench.hits(id), 1, "{drop}");
        bench.lab().clock().advance(time::Duration::minutes(10));
        assert_eq!(ids(&bench.keys_of(&app)), [id_of(&bench, &app, name)], "{drop}");
    }
}

#[test]
fn a_writer_who_brings_the_key_back_and_drops_another_loses_and_keeps_their_own() {
    let bench = Bench::realistic();
    let app = with_two_keys(&bench);
    let (old, kept) = (id_of(&bench, &app, "old"), id_of(&bench, &app, "billing"));
    let before = bench.keys_of(&app);
    let kept_entry = before.iter().find(|key| key["keyId"] == kept).unwrap().clone();
    let mut old_entry = before.iter().find(|key| key["keyId"] == old).unwrap().clone();
    bench.lab().clock().advance(time::Duration::minutes(10));
    let mark = bench.mark();
    // The readings that follow the removal: the second of them waits while somebody writes.
    let reading = json!({ "service": "graph", "method": "GET", "query": "keyCredentials" });
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 600 }, "skip": 4, "times": 1 }));
    let running = bench.spawn_until_held(&detach_from_vault(&["--key", &old]), held);
    let is_sent = bench.asked(mark, Service::Graph).iter().any(|entry| entry.route.ends_with("/removeKey"));
    assert!(is_sent, "the removal has not been sent yet");
    let theirs = entry("Verify", 90, &bench);
    // They had read the list before the removal, and before the other key was there. As the entry is
    // unknown by now, it comes back with its bytes.
    old_entry.as_object_mut().unwrap().remove("customKeyIdentifier");
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": [old_entry, theirs] }));
    let report = running.wait().ends_with(0).json();
    let gone = &report["credentials"][0]["detachment"];
    assert_eq!((&gone["restored"], &gone["repairs"]), (&json!([kept]), &json!(1)), "{report}");
    bench.lab().clock().advance(time::Duration::minutes(10));
    let after = bench.keys_of(&app);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.contains(&kept_entry) && after.iter().any(|key| key["key"] == theirs["key"]), "{after:?}");
}

#[test]
fn what_nobody_uses_goes_only_where_that_can_be_known() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    bench.lab().clock().advance(time::Duration::days(40));
    let (old, kept) = (id_of(&bench, &app, "old"), id_of(&bench, &app, "billing"));
    bench.settings(&json!({ "licence": "free" }));
    let writes = bench.lab().counts().writes;
    bench.kvops(&detach_from_vault(&["--unused"])).ends_with(7);
    assert_eq!(bench.lab().counts().writes, writes);
    bench.settings(&json!({ "licence": "p1" }));
    let report = bench.kvops(&detach_from_vault(&["--unused"])).ends_with(0).json();
    assert_eq!(report["credentials"][0]["key_id"], json!(old));
    assert_eq!(ids(&bench.keys_of(&app)), [kept]);
}

#[test]
fn a_secret_goes_after_a_token_by_certificate_and_not_while_it_is_in_use() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    let (id, text) = add_secret(&bench, &app);
    use_secret(&bench, &app, &text);
    let writes = bench.lab().counts().writes;
    for secret in ["all", &id] {
        let error = bench.kvops(&detach_from_vault(&["--secret", secret])).ends_with(7).error();
        assert!(error["message"].as_str().unwrap().contains("was used on"), "{error}");
    }
    assert_eq!(bench.kvops(&detach(&["--secret", "all"])).exit, 7, "without a certificate that remains");
    assert_eq!(bench.lab().counts().writes, writes);

    bench.lab().clock().advance(time::Duration::days(20));
    bench.settings(&json!({ "licence": "free" }));
    bench.kvops(&detach_from_vault(&["--secret", "all"])).ends_with(7);
    assert_eq!(secrets(&bench, &app), 1);
    bench.settings(&json!({ "licence": "p1" }));
    let report = bench.kvops(&detach_from_vault(&["--secret", "all"])).ends_with(0).json();
    assert_eq!((&report["credentials"][0]["kind"], &report["proof"]["azpacr"]), (&json!("secret"), &json!("2")));
    assert_eq!((secrets(&bench, &app), bench.keys_of(&app).len()), (0, 1));
}

#[test]
fn a_secret_that_has_leaked_goes_while_it_is_in_use_and_that_is_said() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    let (id, text) = add_secret(&bench, &app);
    use_secret(&bench, &app, &text);
    let ran = bench.kvops(&detach_from_vault(&["--secret", &id, "--despite-use"])).ends_with(0);
    assert!(ran.stderr.contains("locked out"), "{}", ran.stderr);
    assert_eq!(secrets(&bench, &app), 0);
}

#[test]
fn credentials_of_the_service_principal_are_shown_and_written_only_with_a_reason() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let principal = format!("/v1.0/servicePrincipals(appId='{}')", app.app_id);
    let id = bench.graph("GET", &principal, &Value::Null)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1.0/servicePrincipals/{id}");
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [entry("Verify", 90, &bench)] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let hidden = || ids(bench.graph("GET", &path, &Value::Null)["keyCredentials"].as_array().unwrap());
    let key = hidden()[0].clone();

    let old = id_of(&bench, &app, "old");
    let plan = bench.kvops(&detach_from_vault(&["--key", &old, "--plan"])).ends_with(0).json();
    assert_eq!(plan["service_principal"]["keys"], json!([key]));
    // Not under the application's own.
    assert_eq!(bench.kvops(&detach_from_vault(&["--key", &key])).ends_with(0).json()["changes"], false);
    let on = ["--on", "service-principal", "--key", &key];
    bench.kvops(&detach_from_vault(&on)).ends_with(2);
    assert_eq!(hidden().len(), 1);
    let with_reason = [&on[..], &["--reason", "nobody knows who added it"]].concat();
    bench.kvops(&detach(&with_reason)).ends_with(7);
    bench.kvops(&detach_from_vault(&with_reason)).ends_with(0);
    assert!(hidden().is_empty());
    assert_eq!(bench.keys_of(&app).len(), 2, "a key of the application went");
    let story = bench.kvops(&["ledger", "show", "--output", "json"]).ends_with(0).stdout;
    assert!(story.contains("nobody knows who added it"), "{story}");
}

#[test]
fn nothing_is_removed_when_the_ledger_cannot_be_written() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    let old = id_of(&bench, &app, "old");
    let folder = bench.file("ledger-is-a-folder");
    std::fs::create_dir(&folder).unwrap();
    let writes = bench.lab().counts().writes;
    let arguments = [&detach_from_vault(&["--key", &old])[..], &["--ledger", folder.to_str().unwrap()]].concat();
    bench.kvops(&arguments).ends_with(2);
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.keys_of(&app).len(), 2);
}

#[test]
fn a_foreign_certificate_in_the_vault_proves_nothing_for_an_application_that_does_not_trust_it() {
    let bench = Bench::tame();
    let app = with_two_keys(&bench);
    bench.certificate("stranger", &hardened("CN=stranger"), &Value::Null);
    let ids = ids(&bench.keys_of(&app));
    let arguments = detach(&["--vault", VAULT, "--name", "stranger", "--key", &ids[0], "--key", &ids[1]]);
    bench.kvops(&arguments).ends_with(7);
    assert_eq!(bench.keys_of(&app).len(), 2);
}

/// The seed's application whose one entry has the label of the vault's `spare`, and other bytes.
fn ghost(bench: &Bench) -> Value {
    let filter = "$filter=displayName%20eq%20'ghost-signer'&$select=id,keyCredentials";
    bench.graph("GET", &format!("/v1.0/applications?{filter}"), &Value::Null)["value"][0].clone()
}

fn keys_at(bench: &Bench, path: &str) -> Vec<Value> {
    let read = bench.graph("GET", &format!("{path}?$select=id,keyCredentials"), &Value::Null);
    read["keyCredentials"].as_array().unwrap().clone()
}

#[test]
fn the_last_key_that_works_stays_where_only_the_label_of_another_one_says_that_it_would_work_too() {
    let bench = Bench::with(LabOptions { seed: Seed::Small, ..LabOptions::default() });
    let ghost = ghost(&bench);
    let path = format!("/v1.0/applications/{}", ghost["id"].as_str().unwrap());
    let der = bench.vault("GET", "/certificates/spare", &Value::Null)["cer"].clone();
    let real = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": der });
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [ghost["keyCredentials"][0], real] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let keys = keys_at(&bench, &path);
    let works = keys.iter().find(|key| key["key"] == der).unwrap()["keyId"].as_str().unwrap();
    let named = ["detach", "--app", "ghost-signer", "--vault", VAULT, "--name", "spare", "--despite-use"];
    bench.kvops(&[&named[..], &["--key", works]].concat()).ends_with(7);
    assert_eq!(keys_at(&bench, &path), keys);
}

#[test]
fn a_certificate_whose_label_another_entry_has_is_not_taken_for_attached() {
    let bench = Bench::with(LabOptions { seed: Seed::Small, ..LabOptions::default() });
    let path = format!("/v1.0/applications/{}", ghost(&bench)["id"].as_str().unwrap());
    let der = bench.vault("GET", "/certificates/spare", &Value::Null)["cer"].clone();
    bench.kvops(&["attach", "--app", "ghost-signer", "--vault", VAULT, "--name", "spare"]).ends_with(0);
    bench.lab().clock().advance(time::Duration::minutes(10));
    let keys = keys_at(&bench, &path);
    assert!(keys.len() == 2 && keys.iter().any(|key| key["key"] == der), "{keys:?}");
}
