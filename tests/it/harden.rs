//! `kvops harden` against the lab: to a clean audit, with a way back, and without touching what is in use.

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const USER_READ: &str = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";

const HARDEN: [&str; 9] = ["harden", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

fn path(app: &App) -> String {
    format!("/v1.0/applications/{}", app.id)
}

fn read(bench: &Bench, app: &App) -> Value {
    bench.graph("GET", &path(app), &Value::Null)
}

/// Object id of a service principal.
fn principal(bench: &Bench, app_id: &str) -> String {
    let read = bench.graph("GET", &format!("/v1.0/servicePrincipals(appId='{app_id}')"), &Value::Null);
    read["id"].as_str().unwrap().to_owned()
}

/// A service as the portal leaves it: addresses, User.Read, implicit grant, public client, no lock.
fn as_the_portal_leaves_it(bench: &Bench) -> App {
    let operator = principal(bench, &bench.variable("LAB_CLIENT_ID"));
    bench.permit(&json!({ "principal": operator, "graph_role": "DelegatedPermissionGrant.ReadWrite.All" }));
    let app = bench.application("billing");
    let id = principal(bench, &app.app_id);
    bench.permit(&json!({ "principal": id, "graph_role": "User.Read.All" }));
    let asked = json!({ "resourceAppId": GRAPH, "resourceAccess": [
        { "id": USER_READ, "type": "Scope" }, { "id": USER_READ_ALL, "type": "Role" }] });
    let members = json!({
        "web": {
            "redirectUris": ["https://billing.contoso.com/it's back"],
            "implicitGrantSettings": { "enableAccessTokenIssuance": true, "enableIdTokenIssuance": true },
        },
        "spa": { "redirectUris": ["https://billing.contoso.com/spa"] },
        "publicClient": { "redirectUris": ["https://login.microsoftonline.com/common/oauth2/nativeclient"] },
        "isFallbackPublicClient": true,
        "requiredResourceAccess": [asked],
        "serviceManagementReference": "4711",
    });
    bench.graph("PATCH", &path(&app), &members);
    let grant = json!({ "clientId": id, "consentType": "AllPrincipals", "resourceId": principal(bench, GRAPH),
        "scope": "User.Read" });
    bench.graph("POST", "/v1.0/oauth2PermissionGrants", &grant);
    let owner = format!("https://localhost:{}/v1.0/directoryObjects/{operator}", bench.lab().port());
    bench.graph("POST", &format!("{}/owners/$ref", path(&app)), &json!({ "@odata.id": owner }));
    bench.vault("PUT", "/certificates/contacts", &json!({ "contacts": [{ "email": "ops@contoso.com" }] }));
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    app
}

/// A secret that somebody still uses, or nobody.
fn add_secret(bench: &Bench, app: &App, is_used: bool) {
    let made = bench.graph("POST", &format!("{}/addPassword", path(app)), &json!({}));
    bench.lab().clock().advance(time::Duration::minutes(10));
    if !is_used {
        return;
    }
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &app.app_id)
        .append_pair("client_secret", made["secretText"].as_str().unwrap())
        .append_pair("scope", &format!("https://localhost:{}/.default", bench.lab().port()))
        .finish();
    let origin = format!("https://localhost:{}", bench.lab().port());
    let request = http::Request::post(format!("{origin}/{}/oauth2/v2.0/token", bench.variable("LAB_TENANT")))
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(bench.lab().call(request.body(form.into()).unwrap()).unwrap().status(), 200);
}

/// What an audit finds on the application.
fn findings(bench: &Bench, app: &App) -> Vec<String> {
    let report = bench.kvops(&["audit", "--format", "json", "--fail-on", "none"]).ends_with(0).json();
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["subject"]["id"] == app.id)
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&HARDEN[..], arguments].concat()
}

#[test]
fn an_application_as_the_portal_leaves_it_is_led_to_a_clean_audit() {
    let bench = Bench::realistic();
    let app = as_the_portal_leaves_it(&bench);
    add_secret(&bench, &app, false);
    let before = findings(&bench, &app);
    for rule in ["KVO401", "KVO402", "KVO403", "KVO404", "KVO407"] {
        assert!(before.iter().any(|found| found == rule), "{rule} is not there to begin with: {before:?}");
    }
    let report = bench.kvops(&with(&["--yes"])).ends_with(0).json();
    assert_eq!(report["proof"]["azpacr"], "2", "{report}");
    bench.lab().clock().advance(time::Duration::minutes(10));
    assert_eq!(findings(&bench, &app), [""; 0]);
    let asked = &read(&bench, &app)["requiredResourceAccess"];
    assert_eq!(asked[0]["resourceAccess"], json!([{ "id": USER_READ_ALL, "type": "Role" }]), "{asked}");

    let writes = bench.lab().counts().writes;
    let again = bench.kvops(&with(&["--yes"])).ends_with(0).json();
    assert_eq!((&again["changes"], &again["credentials"]), (&json!([]), &json!([])));
    assert_eq!(bench.lab().counts().writes, writes, "the second run wrote something");
    bench.kvops(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn the_undo_of_each_step_brings_the_old_value_back() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let before = read(&bench, &app);
    let report = bench.kvops(&with(&["--yes"])).ends_with(0).json();
    let origin = format!("https://localhost:{}", bench.lab().port());
    for change in report["changes"].as_array().unwrap() {
        let undo = change["undo"].as_str().unwrap();
        // As a shell takes it apart.
        let words = words_of(undo);
        let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).unwrap().clone();
        let body: Value = serde_json::from_str(&after("--body")).unwrap();
        bench.graph(&after("--method"), after("--uri").strip_prefix(&origin).unwrap(), &body);
    }
    let after = read(&bench, &app);
    for member in ["web", "spa", "publicClient", "isFallbackPublicClient", "requiredResourceAccess"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    let grants = format!("/v1.0/servicePrincipals/{}/oauth2PermissionGrants", principal(&bench, &app.app_id));
    assert_eq!(bench.graph("GET", &grants, &Value::Null)["value"][0]["scope"], "User.Read");
}

#[test]
fn a_plan_shows_both_values_and_the_way_back_and_nothing_happens_without_approval() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    add_secret(&bench, &app, false);
    let before = read(&bench, &app);
    let writes = bench.lab().counts().writes;
    let plan = bench.kvops(&with(&["--plan"])).ends_with(0).json();
    let redirects =
        plan["changes"].as_array().unwrap().iter().find(|change| change["path"] == "web/redirectUris").unwrap();
    assert_eq!((&redirects["now"], &redirects["then"]), (&before["web"]["redirectUris"], &json!([])));
    assert_eq!(plan["credentials"][0]["kind"], "secret");
    let table = bench
        .kvops(&["harden", "--app", "billing", "--vault", VAULT, "--name", "billing", "--plan", "--output", "table"]);
    let text = table.ends_with(0).stdout;
    assert!(text.matches("undo").count() > 6 && text.contains("az rest --method PATCH"), "{text}");
    let error = bench.kvops(&HARDEN).ends_with(2).error();
    assert!(error["hints"].to_string().contains("--yes"), "{error}");
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(read(&bench, &app), before);
}

#[test]
fn a_secret_that_is_in_use_or_not_known_to_be_unused_stays_and_that_is_no_success() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    add_secret(&bench, &app, true);
    let report = bench.kvops(&with(&["--yes"])).ends_with(5).json();
    assert!(report["kept"][0].as_str().unwrap().contains("was used on"), "{report}");
    assert_eq!(read(&bench, &app)["web"]["redirectUris"], json!([]));
    bench.lab().clock().advance(time::Duration::days(20));
    bench.settings(&json!({ "licence": "free" }));
    bench.kvops(&with(&["--yes"])).ends_with(5);
    // And without a certificate that could prove anything.
    bench.settings(&json!({ "licence": "p1" }));
    bench.kvops(&["harden", "--app", "billing", "--yes"]).ends_with(5);
    assert_eq!(read(&bench, &app)["passwordCredentials"].as_array().unwrap().len(), 1);
    bench.kvops(&with(&["--yes"])).ends_with(0);
    assert_eq!(read(&bench, &app)["passwordCredentials"], json!([]));
}

#[test]
fn an_application_for_users_keeps_its_addresses_and_its_permissions() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let scope = json!({ "id": "5f6b2b2e-6f0a-4b43-9a0c-0a4e2b1d9c11", "value": "use", "type": "User", "isEnabled": true,
        "adminConsentDisplayName": "use", "adminConsentDescription": "use" });
    bench.graph("PATCH", &path(&app), &json!({ "api": { "oauth2PermissionScopes": [scope] } }));
    let before = read(&bench, &app);
    bench.kvops(&with(&["--yes"])).ends_with(0);
    let after = read(&bench, &app);
    for member in ["spa", "publicClient", "requiredResourceAccess"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!(after["web"]["redirectUris"], before["web"]["redirectUris"]);
    assert_eq!(after["web"]["implicitGrantSettings"]["enableAccessTokenIssuance"], false);
}

#[test]
fn what_somebody_changes_after_the_plan_was_made_is_not_overwritten() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let reading = json!({ "service": "graph", "method": "GET", "query": "$select=id,keyCredentials" });
    // The first belongs to what an audit looks at, the second to the secrets: the plan is made by then.
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 600 }, "skip": 1, "times": 1 }));
    let running = bench.spawn_until_held(&with(&["--yes"]), held);
    let theirs = json!({ "web": { "redirectUris": ["https://new.contoso.com/"] } });
    bench.graph("PATCH", &path(&app), &theirs);
    let ran = running.wait().ends_with(6);
    assert!(ran.stderr.contains("undo") && ran.stderr.contains("az rest --method PATCH"), "{}", ran.stderr);
    assert_eq!(read(&bench, &app)["web"]["redirectUris"], theirs["web"]["redirectUris"]);
}

#[test]
fn a_grant_that_has_grown_since_the_plan_was_made_is_not_revoked() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let grants = format!("/v1.0/servicePrincipals/{}/oauth2PermissionGrants", principal(&bench, &app.app_id));
    let id = bench.graph("GET", &grants, &Value::Null)["value"][0]["id"].as_str().unwrap().to_owned();
    let reading = json!({ "service": "graph", "method": "GET", "query": "$select=id,keyCredentials" });
    let held = bench.fault(&json!({ "match": reading, "result": { "stall_ms": 600 }, "skip": 1, "times": 1 }));
    let running = bench.spawn_until_held(&with(&["--yes"]), held);
    bench.graph("PATCH", &format!("/v1.0/oauth2PermissionGrants/{id}"), &json!({ "scope": "User.Read Mail.Read" }));
    running.wait().ends_with(6);
    assert_eq!(bench.graph("GET", &grants, &Value::Null)["value"][0]["scope"], "User.Read Mail.Read");
}

#[test]
fn a_confirmation_that_nothing_follows_is_not_believed() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let change = json!({ "service": "graph", "method": "PATCH", "path": "/v1.0/applications/" });
    let id = bench.fault(&json!({ "match": change, "result": { "status": 204 }, "times": 2 }));
    bench.kvops(&with(&["--yes"])).ends_with(0);
    assert_eq!(bench.hits(id), 2);
    assert_eq!(read(&bench, &app)["web"]["redirectUris"], json!([]));
    assert_eq!(findings(&bench, &app), [""; 0]);
}

#[test]
fn a_federated_credential_goes_only_by_its_id() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let list = format!("{}/federatedIdentityCredentials", path(&app));
    let open = json!({ "name": "open", "issuer": "https://somebody.example/", "subject": "anybody", "audiences": ["api://AzureADTokenExchange"] });
    let id = bench.graph("POST", &list, &open)["id"].as_str().unwrap().to_owned();
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.kvops(&with(&["--yes"])).ends_with(0);
    assert_eq!(bench.graph("GET", &list, &Value::Null)["value"].as_array().unwrap().len(), 1);
    let report = bench.kvops(&with(&["--fic", &id, "--yes"])).ends_with(0).json();
    assert!(report["changes"][0]["undo"].as_str().unwrap().contains("https://somebody.example/"), "{report}");
    assert_eq!(bench.graph("GET", &list, &Value::Null)["value"], json!([]));
}

#[test]
fn a_federated_credential_that_somebody_changes_meanwhile_stays() {
    let bench = Bench::tame();
    let app = as_the_portal_leaves_it(&bench);
    let list = format!("{}/federatedIdentityCredentials", path(&app));
    let of = |subject: &str| json!({ "name": "open", "issuer": "https://somebody.example/", "subject": subject, "audiences": ["api://AzureADTokenExchange"] });
    let id = bench.graph("POST", &list, &of("anybody"))["id"].as_str().unwrap().to_owned();
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.kvops(&with(&["--yes"])).ends_with(0);
    let mark = bench.mark();
    bench.kvops(&with(&["--fic", &id, "--plan"])).ends_with(0);
    let reads = bench.lab().requests_since(mark).iter().filter(|entry| entry.path.ends_with(&list)).count();
    // The first reading after those of the plan is the one just before the removal.
    let matches = json!({ "method": "GET", "path": list });
    let held = bench.fault(&json!({ "match": matches, "result": { "stall_ms": 400 }, "skip": reads, "times": 1 }));
    let command = with(&["--fic", &id, "--yes"]);
    let running = bench.spawn_until_held(&command, held);
    bench.graph("PATCH", &format!("{list}/{id}"), &json!({ "subject": "somebody else" }));
    let error = running.wait().ends_with(6).error();
    assert!(error["message"].as_str().unwrap().contains("has changed"), "{error}");
    assert_eq!(bench.graph("GET", &list, &Value::Null)["value"][0]["subject"], "somebody else");
}

#[test]
fn a_weak_policy_is_hardened_before_it_makes_the_next_version() {
    let bench = Bench::tame();
    let weak = json!({
        "issuer": { "name": "Self" },
        "key_props": { "exportable": true, "kty": "RSA", "key_size": 2048, "reuse_key": true },
        "secret_props": { "contentType": "application/x-pkcs12" },
        "x509_props": { "subject": "CN=weak", "validity_months": 24, "key_usage": ["digitalSignature", "keyEncipherment"] },
        "lifetime_actions": [{ "trigger": { "days_before_expiry": 90 }, "action": { "action_type": "AutoRenew" } }],
    });
    bench.certificate("weak", &weak, &Value::Null);
    let policy = || bench.vault("GET", "/certificates/weak/policy", &Value::Null);
    let before = policy();
    let arguments = ["harden", "--vault", VAULT, "--name", "weak", "--output", "json"];
    let plan = bench.kvops(&[&arguments[..], &["--plan"]].concat()).ends_with(0).json();
    assert_eq!(policy(), before, "a plan wrote something");
    assert!(plan["undo"].as_str().unwrap().contains("\"exportable\":true"), "{plan}");
    bench.kvops(&arguments).ends_with(2);
    bench.kvops(&[&arguments[..], &["--yes"]].concat()).ends_with(0);
    let after = policy();
    assert_eq!((&after["key_props"]["exportable"], &after["key_props"]["reuse_key"]), (&json!(false), &json!(false)));
    assert_eq!(after["x509_props"]["key_usage"], json!(["digitalSignature"]));
    assert_eq!(after["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
    assert_eq!(after["x509_props"]["subject"], "CN=weak");
    let writes = bench.lab().counts().writes;
    let again = bench.kvops(&[&arguments[..], &["--yes"]].concat()).ends_with(0).json();
    assert_eq!((&again["changes"], bench.lab().counts().writes), (&json!([]), writes));
    assert_eq!(bench.versions("weak").len(), 1, "a version was made");
}

/// A command, taken apart by a shell.
fn words_of(command: &str) -> Vec<String> {
    let script = format!("set -- {command}; for word; do printf '%s\\n' \"$word\"; done");
    let ran = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(ran.status.success(), "{command}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}
