//! `kvops token`: how many calls, which rights, which claims, which refusals.

use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

/// An application that has a proven certificate, and the report of how it got it.
pub(crate) fn provisioned(bench: &Bench) -> (App, Value) {
    let app = bench.application("billing");
    let arguments = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];
    let report = bench.kvops(&arguments).ends_with(0).json();
    (app, report["certificate"].clone())
}

fn by_name<'a>(app: &'a App, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    [&usual[..], more].concat()
}

#[test]
fn with_key_id_and_thumbprint_one_signature_and_one_exchange_are_made_with_keys_sign_alone() {
    let mut bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let identity = bench.identity("signer");
    let sign = "Microsoft.KeyVault/vaults/keys/sign/action";
    bench.permit(&json!({
        "vault": VAULT, "principal": identity.principal, "actions": [sign], "scope": "keys/billing",
    }));
    bench.work_as(&identity);
    let key_id = certificate["key_id"].as_str().unwrap();
    for thumbprint in ["x5t#S256", "thumbprint_sha256"] {
        let mark = bench.mark();
        let thumbprint = certificate[thumbprint].as_str().unwrap();
        let arguments =
            ["token", "--app", &app.app_id, "--key-id", key_id, "--thumbprint", thumbprint, "--output", "json"];
        let token = bench.kvops(&arguments).ends_with(0).json();
        assert_eq!(token["claims"]["appid"], app.app_id.as_str());
        assert_eq!(token["assertion_header"]["alg"], "PS256");
        let vault = bench.asked(mark, Service::KeyVault);
        assert_eq!(vault.iter().map(|entry| entry.route.as_str()).collect::<Vec<_>>(), ["/keys/{name}/{version}/sign"]);
        assert!(bench.asked(mark, Service::Graph).is_empty());
        // One for the signer's own token, one for the application's.
        assert_eq!(bench.routes(mark)["POST /{tenant}/oauth2/v2.0/token"], 2);
        assert_eq!(bench.lab().requests_since(mark).len(), 3);
    }
    // The same identity may not read, and so cannot look the certificate up.
    bench.kvops(&by_name(&app, &[])).ends_with(3);
}

#[test]
fn with_a_sha1_thumbprint_the_assertion_is_rs256_in_any_spelling_of_it() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let text = |member: &str| certificate[member].as_str().unwrap().to_owned();
    let hex = text("thumbprint");
    let colons = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":");
    for thumbprint in [hex.clone(), hex.to_lowercase(), colons, text("x5t"), text("thumbprint_base64")] {
        let arguments = [
            "token",
            "--app",
            &app.app_id,
            "--key-id",
            &text("key_id"),
            "--thumbprint",
            &thumbprint,
            "--output",
            "json",
        ];
        let token = bench.kvops(&arguments).ends_with(0).json();
        assert_eq!(token["assertion_header"]["alg"], "RS256", "{thumbprint}");
        assert_eq!(token["assertion_header"]["x5t"], text("x5t").as_str(), "{thumbprint}");
    }
    let wrong = ["token", "--app", &app.app_id, "--key-id", &text("key_id"), "--thumbprint", "abc", "-o", "json"];
    bench.kvops(&wrong).ends_with(2);
    // A thumbprint that cannot name the key for this algorithm.
    let mismatch = [
        "token",
        "--app",
        &app.app_id,
        "--key-id",
        &text("key_id"),
        "--thumbprint",
        &hex,
        "--alg",
        "PS256",
        "-o",
        "json",
    ];
    bench.kvops(&mismatch).ends_with(2);
}

#[test]
fn by_vault_and_name_one_reading_precedes_the_signature() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let mark = bench.mark();
    let token = bench.kvops(&by_name(&app, &["--output", "json"])).ends_with(0).json();
    assert_eq!(token["key_id"], certificate["key_id"]);
    let routes: Vec<_> = bench.asked(mark, Service::KeyVault).into_iter().map(|entry| entry.route).collect();
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes[0].starts_with("/certificates/{name}"), "{routes:?}");
    assert_eq!(routes[1], "/keys/{name}/{version}/sign");
    assert_eq!(bench.lab().counts().sign, 3 + 1, "three proofs and this one");
}

#[test]
fn expectations_that_hold_end_with_zero_and_those_that_do_not_with_one() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let tenant = bench.variable("LAB_TENANT");
    let met = format!("azpacr=2,tid={tenant},appid={},aud={}", app.app_id, bench.variable("LAB_GRAPH_URL"));
    bench.kvops(&by_name(&app, &["--expect", &met, "--output", "json"])).ends_with(0);
    for unmet in ["azpacr=1", "role=Directory.Read.All", "tid=00000000-0000-0000-0000-000000000000", "nothing=here"] {
        let ran = bench.kvops(&by_name(&app, &["--expect", unmet, "--output", "json"])).ends_with(1);
        let message = ran.error()["message"].to_string();
        let claim = unmet.split('=').next().unwrap();
        assert!(message.contains(claim), "{unmet}: {message}");
        // Who fails an expectation gets no token either.
        let raw = bench.kvops(&by_name(&app, &["--expect", unmet, "--output", "raw"])).ends_with(1);
        assert!(raw.stdout.is_empty(), "{raw:?}");
    }
    bench.kvops(&by_name(&app, &["--expect", "azpacr"])).ends_with(2);
}

#[test]
fn an_expected_role_is_found_once_it_is_granted() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let arguments = by_name(&app, &["--expect", "role=Application.Read.All,azpacr=2", "--output", "json"]);
    bench.kvops(&arguments).ends_with(1);
    bench.permit(&json!({ "principal": app.app_id, "graph_role": "Application.Read.All" }));
    bench.kvops(&arguments).ends_with(0);
}

#[test]
fn a_signature_that_no_published_key_made_is_no_token_as_expected() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let vault = format!("https://vault.localhost:{}/.default", bench.lab().port());
    let arguments = by_name(&app, &["--scope", &vault, "--expect", "azpacr=2", "--output", "json"]);
    let token = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(token["signature"], "verified", "{token}");
    bench.fault(&json!({ "match": { "service": "entra", "path": "/keys" }, "result": { "body": { "keys": [] } } }));
    bench.kvops(&arguments).ends_with(1);
}

#[test]
fn a_dead_credential_is_proven_dead_and_a_living_one_is_not() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let negative = by_name(&app, &["--expect-error", "AADSTS700027", "--output", "json"]);
    let error = bench.kvops(&negative).ends_with(1).error();
    assert!(error["message"].as_str().unwrap().contains("still alive"), "{error}");

    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": [] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.kvops(&negative).ends_with(0);
    bench.kvops(&by_name(&app, &["--expect-error", "700027"])).ends_with(0);
    let error = bench.kvops(&by_name(&app, &["--expect-error", "AADSTS7000222", "-o", "json"])).ends_with(1).error();
    assert!(error["message"].as_str().unwrap().contains("AADSTS700027"), "{error}");
    // Nothing is known when Entra was not even asked.
    bench.fault(&json!({ "match": { "path": "/sign" }, "result": { "status": 403 } }));
    bench.kvops(&negative).ends_with(3);
    bench.no_faults();
    let error = bench.kvops(&by_name(&app, &["-o", "json"])).ends_with(3).error();
    assert_eq!(error["code"], "AADSTS700027");
}

#[test]
fn an_older_version_signs_while_the_newest_is_not_attached_yet() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    // Somebody renews by hand, and attaches nothing.
    let policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    bench.certificate("billing", &policy, &Value::Null);
    assert_eq!(bench.versions("billing").len(), 2);
    let token = bench.kvops(&by_name(&app, &["--output", "json", "--expect", "azpacr=2"])).ends_with(0).json();
    assert_eq!(token["key_id"], certificate["key_id"], "signed with a version that Entra does not know");
    // A version that is asked for by name is the only one that is tried.
    let newest = bench.vault("GET", "/certificates/billing", &Value::Null)["id"].as_str().unwrap().to_owned();
    let newest = newest.rsplit('/').next().unwrap();
    bench.kvops(&by_name(&app, &["--version", newest, "--expect-error", "AADSTS700027"])).ends_with(0);
    let proven = certificate["version"].as_str().unwrap();
    bench.kvops(&by_name(&app, &["--version", proven])).ends_with(0);
}

#[test]
fn the_proven_version_signs_even_if_a_newer_one_has_no_tags() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let policy = bench.vault("GET", "/certificates/billing/policy", &Value::Null);
    bench.certificate("billing", &policy, &Value::Null);
    // Nobody at Entra can correct an assertion that is only handed out.
    let made = bench.kvops(&by_name(&app, &["--assertion-only", "--output", "json"])).ends_with(0);
    let version = certificate["version"].as_str().unwrap();
    assert!(made.stdout.contains(version), "the newest signed, which nobody trusts: {made:?}");
    let mark = bench.mark();
    let token = bench.kvops(&by_name(&app, &["--output", "json"])).ends_with(0).json();
    assert_eq!(token["key_id"], certificate["key_id"]);
    assert_eq!(bench.routes(mark)["POST /keys/{name}/{version}/sign"], 1, "nothing was tried with the newest");
    // Neither does a newest that can sign no more keep the proven one from signing.
    bench.vault("PATCH", "/certificates/billing", &json!({ "attributes": { "enabled": false } }));
    let token = bench.kvops(&by_name(&app, &["--output", "json"])).ends_with(0).json();
    assert_eq!(token["key_id"], certificate["key_id"]);
}

#[test]
fn a_lifetime_that_ends_at_no_date_is_an_answer_that_cannot_be_read() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let body = json!({ "token_type": "Bearer", "access_token": "a.b.c", "expires_in": i64::MAX });
    let result = json!({ "status": 200, "body": body, "content_type": "application/json" });
    bench.fault(&json!({ "match": { "service": "entra", "path": "/token" }, "result": result }));
    let error = bench.kvops(&by_name(&app, &["--output", "json"])).ends_with(4).error();
    assert!(error["message"].as_str().unwrap().contains("lifetime"), "{error}");
}

#[test]
fn a_service_that_lives_at_the_end_of_time_breaks_nothing() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let headers = json!({ "date": "Fri, 31 Dec 9999 23:59:59 GMT" });
    let result = json!({ "status": 400, "code": "AADSTS700024", "headers": headers });
    bench.fault(&json!({ "match": { "service": "entra", "path": "/token" }, "result": result }));
    let ran = bench.kvops(&by_name(&app, &["--output", "json"]));
    assert_ne!(ran.exit, 101, "{ran:?}");
    ran.error();
}

#[test]
fn a_certificate_that_cannot_sign_says_why() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let missing = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "nothing", "-o", "json"];
    let error = bench.kvops(&missing).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("nothing"), "{error}");
    bench.vault("PATCH", "/certificates/billing", &json!({ "attributes": { "enabled": false } }));
    let error = bench.kvops(&by_name(&app, &["-o", "json"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("disabled"), "{error}");
    bench.vault("PATCH", "/certificates/billing", &json!({ "attributes": { "enabled": true } }));
    bench.lab().clock().advance(time::Duration::days(400));
    let error = bench.kvops(&by_name(&app, &["-o", "json"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("expired"), "{error}");
}

#[test]
fn a_sign_in_with_a_wrong_clock_succeeds_and_says_so_once() {
    for minutes in [-6, 6] {
        let mut bench = Bench::tame();
        let now = kvops::domain::Clock::now(&kvops::domain::SystemClock);
        bench.lab().clock().set(now - time::Duration::hours(2));
        let (app, _) = provisioned(&bench);
        // From here on the program goes by the machine's clock, which is that far from the services'.
        bench.set("KVOPS_CLOCK", "");
        bench.lab().clock().set(now + time::Duration::minutes(-minutes));
        let ran = bench.kvops(&by_name(&app, &["--expect", "azpacr=2", "--output", "json"])).ends_with(0);
        assert_eq!(ran.stderr.matches("this machine's clock is 3").count(), 1, "{}", ran.stderr);
    }
}
