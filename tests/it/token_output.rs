//! `kvops token`: what is handed out, to whom, and what an assertion is made of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;
use crate::token::provisioned;

fn token<'a>(app: &'a App, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    [&usual[..], more].concat()
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Fails unless the text is a token of the application.
#[track_caller]
fn is_token_of(app: &App, text: &str) {
    let parts: Vec<_> = text.split('.').collect();
    assert_eq!(parts.len(), 3, "{text}");
    assert_eq!(decoded(parts[1])["appid"], app.app_id.as_str());
}

#[test]
fn claims_are_shown_and_the_token_is_not_unless_an_output_asks_for_it() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    for shows in [&["-o", "json"][..], &["-o", "table"], &[]] {
        let ran = bench.kvops(&token(&app, shows)).ends_with(0);
        assert!(ran.stdout.contains("azpacr") || ran.stdout.contains("appidacr"), "{ran:?}");
        assert!(!ran.stdout.contains("eyJ") && !ran.stderr.contains("eyJ"), "a token was shown: {ran:?}");
    }
}

#[test]
fn each_output_has_the_form_that_its_program_reads() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let handed_out = |format| {
        let ran = bench.kvops(&token(&app, &["--output", format])).ends_with(0);
        assert!(!ran.stderr.contains("eyJ"), "{ran:?}");
        ran.stdout.trim_end().to_owned()
    };
    is_token_of(&app, &handed_out("raw"));
    is_token_of(&app, handed_out("env").strip_prefix("ACCESS_TOKEN=").unwrap());
    is_token_of(&app, handed_out("header").strip_prefix("Authorization: Bearer ").unwrap());
    let curl = handed_out("curl-config");
    let curl = curl.strip_prefix("header = \"Authorization: Bearer ").and_then(|rest| rest.strip_suffix('"'));
    is_token_of(&app, curl.unwrap());
    let kubectl: Value = serde_json::from_str(&handed_out("kubectl-exec")).unwrap();
    assert_eq!(
        (&kubectl["kind"], kubectl["status"]["expirationTimestamp"].is_string()),
        (&json!("ExecCredential"), true)
    );
    is_token_of(&app, kubectl["status"]["token"].as_str().unwrap());
    let gcp: Value = serde_json::from_str(&handed_out("gcp-executable")).unwrap();
    assert_eq!((&gcp["success"], gcp["expiration_time"].is_i64()), (&json!(true), true));
    is_token_of(&app, gcp["id_token"].as_str().unwrap());
}

#[test]
fn a_token_that_was_handed_out_works() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    bench.permit(&json!({ "principal": app.app_id, "graph_role": "Application.Read.All" }));
    let raw = bench.kvops(&token(&app, &["--output", "raw", "--expect", "azpacr=2"])).ends_with(0).stdout;
    let request = http::Request::get(format!("https://localhost:{}/v1.0/applications/{}", bench.lab().port(), app.id))
        .header("authorization", format!("Bearer {}", raw.trim()));
    assert_eq!(bench.lab().call(request.body(bytes::Bytes::new()).unwrap()).unwrap().status(), 200);
}

#[test]
fn an_assertion_has_the_documented_header_and_claims_and_nothing_else() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    for (algorithm, thumbprint) in [("PS256", "x5t#S256"), ("RS256", "x5t")] {
        let mark = bench.mark();
        let arguments = token(&app, &["--assertion-only", "--alg", algorithm, "--lifetime", "120", "--output", "json"]);
        let made = bench.kvops(&arguments).ends_with(0).json();
        assert_eq!(made["header"], json!({ "alg": algorithm, "typ": "JWT", thumbprint: certificate[thumbprint] }));
        let mut claims = made["claims"].as_object().unwrap().clone();
        let mut number = |name: &str| claims.remove(name).unwrap().as_i64().unwrap();
        let (issued, start, end) = (number("iat"), number("nbf"), number("exp"));
        let now = kvops::domain::Clock::now(&bench.lab().clock()).unix_timestamp();
        assert!((now - 60..=now).contains(&issued), "{issued} {now}");
        assert_eq!(issued - start, 30, "not dated back");
        assert_eq!(end - issued, 120);
        let id = claims.remove("jti").unwrap();
        assert!(uuid::Uuid::try_parse(id.as_str().unwrap()).is_ok());
        let endpoint =
            format!("{}/{}/oauth2/v2.0/token", bench.variable("LAB_AUTHORITY"), bench.variable("LAB_TENANT"));
        assert_eq!(Value::Object(claims), json!({ "aud": endpoint, "iss": app.app_id, "sub": app.app_id }));
        let exchanges = bench.routes(mark)["POST /{tenant}/oauth2/v2.0/token"];
        assert_eq!(exchanges, 1, "it was exchanged");
    }
}

#[test]
fn a_raw_assertion_is_signed_by_the_vaults_key_and_accepted_by_the_token_endpoint() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    for algorithm in ["PS256", "RS256"] {
        let arguments = token(&app, &["--assertion-only", "--alg", algorithm, "--output", "raw"]);
        let raw = bench.kvops(&arguments).ends_with(0).stdout.trim().to_owned();
        let (input, signature) = raw.rsplit_once('.').unwrap();
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(input));
        let version = certificate["version"].as_str().unwrap();
        let verify = json!({ "alg": algorithm, "digest": digest, "value": signature });
        let verified = bench.vault("POST", &format!("/keys/billing/{version}/verify"), &verify);
        assert_eq!(verified["value"], true);

        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &app.app_id)
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .append_pair("client_assertion", &raw)
            .append_pair("scope", &format!("{}/.default", bench.variable("LAB_GRAPH_URL")))
            .finish();
        let endpoint =
            format!("{}/{}/oauth2/v2.0/token", bench.variable("LAB_AUTHORITY"), bench.variable("LAB_TENANT"));
        let request = http::Request::post(endpoint).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(bench.lab().call(request.body(form.into()).unwrap()).unwrap().status(), 200);
    }
}

#[test]
fn two_assertions_are_never_the_same() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let id = || {
        let made = bench.kvops(&token(&app, &["--assertion-only", "--output", "json"])).ends_with(0).json();
        made["claims"]["jti"].clone()
    };
    assert_ne!(id(), id());
}

#[test]
fn what_could_not_be_made_or_written_is_refused_before_anything_is_sent() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let mark = bench.mark();
    for lifetime in ["0", "601", "-1", "x"] {
        bench.kvops(&token(&app, &["--lifetime", lifetime])).ends_with(2);
    }
    bench.kvops(&["token", "--app", &app.app_id]).ends_with(2);
    bench.kvops(&token(&app, &["--assertion-only", "--output", "env"])).ends_with(2);
    assert_eq!(bench.mark(), mark, "something was sent");
}
