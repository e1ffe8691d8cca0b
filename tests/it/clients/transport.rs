//! Repeats, challenges, pins, clocks and what is never printed.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvops::domain::{CertificateName, Chain, Clock as _};
use kvops::entra::credential::credential;
use kvops::entra::{Choice, Tokens};
use kvops::http::{self, Cause, Options, TokenSource};
use kvops::keyvault::{self, NewCertificate};
use kvops::lab::{LabClock, LabOptions, Seed};
use serde_json::{Value, json};
use time::macros::datetime;
use tracing_subscriber::fmt::MakeWriter;

use super::bench::{Bench, hardened, setup, variable};

const CERTIFICATES: &str = "GET /certificates";

fn name() -> CertificateName {
    "billing".parse().unwrap()
}

/// The exchange that ended in an error.
fn exchange(error: &keyvault::Error) -> &http::Error {
    error.http().unwrap()
}

#[tokio::test]
async fn a_retry_after_is_waited_out_in_full() {
    let bench = Bench::new();
    bench.fault(json!({ "path": "/certificates" }), json!({ "status": 429, "headers": { "retry-after": "7" } }), 2);
    let before = bench.lab.clock().now();
    assert!(bench.vault.list(false).await.unwrap().is_empty());
    assert_eq!(bench.count(CERTIFICATES), 3);
    assert!(bench.lab.clock().now() - before >= time::Duration::seconds(14));
}

#[tokio::test]
async fn without_a_retry_after_the_waits_are_our_own_and_grow() {
    let bench = Bench::new();
    bench.fault(json!({ "path": "/certificates" }), json!({ "status": 429 }), 3);
    let before = bench.lab.clock().now();
    bench.vault.list(false).await.unwrap();
    assert!(bench.lab.clock().now() - before >= time::Duration::seconds_f64(3.5));
}

#[tokio::test]
async fn a_retry_after_beyond_the_budget_is_not_cut_short() {
    let bench = Bench::new();
    bench.fault(json!({ "path": "/certificates" }), json!({ "status": 429, "headers": { "retry-after": "300" } }), 9);
    let error = bench.vault.list(false).await.unwrap_err();
    let keyvault::Error::Throttled { retry_after, .. } = &error else { panic!("{error}") };
    assert_eq!(*retry_after, Some(Duration::from_secs(300)));
    assert_eq!(bench.count(CERTIFICATES), 1);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_not_repeated() {
    let bench = Bench::new();
    bench.fault(json!({ "path": "/create" }), json!({ "drop": "after" }), 9);
    let new = NewCertificate { policy: Some(hardened()), ..NewCertificate::default() };
    let error = bench.vault.create(&name(), &new).await.unwrap_err();
    assert!(exchange(&error).may_have_acted(), "{}", Chain(&error));
    assert_eq!(bench.count("POST /certificates/{name}/create"), 1);
    bench.vault.operation(&name()).await.expect("the lost creation can be found by its pending operation");
}

#[tokio::test]
async fn a_creation_that_was_turned_away_is_repeated() {
    let bench = Bench::new();
    bench.fault(json!({ "path": "/create" }), json!({ "status": 503 }), 2);
    let new = NewCertificate { policy: Some(hardened()), ..NewCertificate::default() };
    bench.vault.create(&name(), &new).await.unwrap();
    assert_eq!(bench.count("POST /certificates/{name}/create"), 3);
}

#[tokio::test]
async fn a_list_of_certificates_is_written_once_whatever_happens() {
    let bench = Bench::new();
    let app = bench.graph.register_application("billing").await.unwrap().application;
    for result in [json!({ "status": 429 }), json!({ "status": 503 }), json!({ "drop": "before" })] {
        bench.lab.control("DELETE", "/requests", &Value::Null).unwrap();
        bench.fault(json!({ "method": "PATCH", "service": "graph" }), result.clone(), 1);
        bench.graph.replace_key_credentials(app.id, &[], &[]).await.unwrap_err();
        assert_eq!(bench.count("PATCH /v1.0/applications/{id}"), 1, "{result}");
    }
}

#[tokio::test]
async fn a_torn_answer_to_a_reading_is_asked_for_again_and_then_told() {
    let bench = Bench::new();
    let version = bench.certificate(&name()).await;
    let path = json!({ "path": "*/certificates/billing/*", "method": "GET" });
    bench.fault(path.clone(), json!({ "torn": true }), 1);
    bench.vault.certificate(&name(), Some(version.key.version())).await.unwrap();
    bench.fault(path, json!({ "torn": true }), 99);
    let error = bench.vault.certificate(&name(), Some(version.key.version())).await.unwrap_err();
    assert!(matches!(exchange(&error).cause(), Cause::Lost(_)), "{}", Chain(&error));
    assert!(exchange(&error).attempts() > 1);
}

#[tokio::test]
async fn a_page_of_a_proxy_is_named_for_what_it_is() {
    let bench = Bench::new();
    let page = "<html><title>Sign in to the network</title></html>";
    let result = json!({ "status": 200, "body": page, "content_type": "text/html" });
    bench.fault(json!({ "path": "/certificates" }), result, 1);
    let error = bench.vault.list(false).await.unwrap_err();
    assert!(Chain(&error).to_string().contains("is text/html where JSON was expected"), "{}", Chain(&error));
    bench.fault(
        json!({ "path": "/certificates" }),
        json!({ "status": 302, "headers": { "location": "https://example.com/" } }),
        1,
    );
    let error = bench.vault.list(false).await.unwrap_err();
    assert_eq!(exchange(&error).status().unwrap().as_u16(), 302, "a redirect is not followed");
}

#[tokio::test]
async fn a_link_is_followed_only_within_the_vault_and_never_in_a_circle() {
    let bench = Bench::new();
    let page = |link: &str| json!({ "status": 200, "content_type": "application/json", "body": { "value": [], "nextLink": link } });
    let vault = bench.vault.vault().url().clone();
    let graph = bench.http.cloud().graph();
    for foreign in ["https://evil.example/certificates?x=1", graph.as_str(), "http://contoso-kv.vault.localhost/x"] {
        bench.fault(json!({ "path": "/certificates" }), page(foreign), 1);
        let error = bench.vault.list(false).await.unwrap_err();
        assert!(matches!(exchange(&error).cause(), Cause::Foreign { .. }), "{foreign}: {}", Chain(&error));
    }
    let before = bench.count(CERTIFICATES);
    let circle = vault.join("certificates?api-version=7.4&$skiptoken=a").unwrap();
    bench.fault(json!({ "path": "/certificates" }), page(circle.as_str()), 9);
    let error = bench.vault.list(false).await.unwrap_err();
    assert!(matches!(exchange(&error).cause(), Cause::PageLoop), "{}", Chain(&error));
    assert_eq!(bench.count(CERTIFICATES) - before, 2);
}

#[tokio::test]
async fn all_pages_are_read_the_empty_ones_too() {
    let bench = Bench::with(LabOptions {
        seed: Seed::Empty,
        behaviour: kvops::lab::Behaviour::Hostile,
        random: Some(3),
        ..LabOptions::default()
    });
    for number in 0..5 {
        bench.graph.register_application(&format!("app {number}")).await.unwrap();
    }
    // The directory needs a moment until all of its replicas show them.
    bench.lab.clock().advance(time::Duration::minutes(1));
    let names: Vec<Value> = bench.graph.applications(&["id", "appId"]).all().await.unwrap();
    let ids: std::collections::BTreeSet<_> = names.iter().map(|app| app["id"].to_string()).collect();
    assert_eq!(ids.len(), names.len());
    assert_eq!(ids.len(), 6, "the operator and the five");
    assert!(bench.count("GET /v1.0/applications") > 3, "pages of two, with empty ones between");
}

#[tokio::test]
async fn a_claims_challenge_is_answered_once_with_the_claims() {
    let bench = Bench::new();
    bench.vault.list(false).await.unwrap();
    let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ==";
    let challenge = format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{claims}\"");
    let refused = json!({ "status": 401, "headers": { "www-authenticate": challenge } });
    bench.lab.control("DELETE", "/requests", &Value::Null).unwrap();
    bench.fault(json!({ "service": "keyvault" }), refused.clone(), 1);
    bench.vault.list(false).await.unwrap();
    assert_eq!((bench.count(CERTIFICATES), bench.lab.counts().total), (2, 3), "{:?}", bench.lab.counts().routes);
    bench.vault.list(false).await.unwrap();
    assert_eq!(bench.lab.counts().total, 4, "the new token is kept");

    bench.fault(json!({ "service": "keyvault" }), refused, 99);
    let error = bench.vault.list(false).await.unwrap_err();
    assert_eq!(exchange(&error).status().unwrap().as_u16(), 401);
    assert!(exchange(&error).attempts() <= 3, "no endless conversation");
}

#[tokio::test]
async fn a_challenge_for_somebody_elses_token_is_not_answered() {
    let bench = Bench::new();
    bench.vault.list(false).await.unwrap();
    let challenge = "Bearer authorization=\"https://localhost/t\", resource=\"https://graph.microsoft.com\"";
    bench.fault(
        json!({ "service": "keyvault" }),
        json!({ "status": 401, "headers": { "www-authenticate": challenge } }),
        1,
    );
    bench.lab.control("DELETE", "/requests", &Value::Null).unwrap();
    let error = bench.vault.list(false).await.unwrap_err();
    assert!(matches!(exchange(&error).cause(), Cause::Challenge { .. }), "{}", Chain(&error));
    assert_eq!(bench.lab.counts().total, 1, "no token was asked for");
}

#[tokio::test]
async fn a_clock_that_is_six_minutes_off_is_measured_and_made_up_for() {
    let noon = datetime!(2030-03-01 12:00 UTC);
    for minutes in [-6, 6] {
        let bench = Bench::with(LabOptions {
            clock: LabClock::frozen(noon),
            seed: Seed::Empty,
            random: Some(7),
            keys: Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/lab-keys").into()),
            ..LabOptions::default()
        });
        let wrong = Arc::new(LabClock::frozen(noon - time::Duration::minutes(minutes)));
        let options = Options { clock: wrong.clone(), ..Options::default() };
        let http = http::Client::new(bench.http.cloud(), options).unwrap();
        let tokens: Arc<dyn TokenSource> =
            Tokens::new(credential(Choice::Auto, &setup(&bench.lab, &http)).unwrap(), wrong);
        let vault = keyvault::Client::new(&http, &tokens, bench.vault.vault().clone());
        assert_eq!(http.skew(), None);
        vault.list(false).await.unwrap();
        assert_eq!((http.service_now() - noon).whole_seconds(), 0);
        assert!((http.skew().unwrap() - time::Duration::minutes(minutes)).abs() < time::Duration::SECOND);
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked_twice() {
    let bench = Bench::new();
    let origin = format!("https://localhost:{}", bench.lab.port());
    let suffix = format!("vault.localhost:{}", bench.lab.port());
    let table = [("*.vault.localhost", "127.0.0.1"), ("localhost", "127.0.0.1")];
    let resolve = table.map(|(name, address)| (name.to_owned(), address.parse().unwrap())).into();
    let untrusted =
        kvops::domain::Cloud::custom("x", &origin, &origin, &suffix, &origin).unwrap().with_resolve(resolve);
    let bench = Bench::over(bench.lab, &untrusted);
    let before = bench.lab.clock().now();
    let error = bench.graph.find_application("billing").await.unwrap_err();
    let said = Chain(&error).to_string();
    assert!(said.contains("cannot reach localhost") || said.contains("no token"), "{said}");
    assert!(said.contains("certificate"), "{said}");
    assert!(bench.lab.clock().now() - before < time::Duration::seconds(1), "no waiting for a better certificate");
}

#[tokio::test]
async fn a_server_that_is_down_is_tried_three_times() {
    // The discard port of loopback, where nobody listens.
    let down = "https://localhost:9";
    let cloud = kvops::domain::Cloud::custom("down", down, down, "vault.localhost:9", down).unwrap();
    let cloud = cloud.with_resolve([("localhost".to_owned(), "127.0.0.1".parse().unwrap())].into());
    let options = Options { clock: Arc::new(LabClock::default()), ..Options::default() };
    let http = http::Client::new(&cloud, options).unwrap();
    let error = kvops::entra::openid_configuration(&http, &"contoso.com".parse().unwrap()).await.unwrap_err();
    let exchange = error.http().unwrap();
    assert!(matches!(exchange.cause(), Cause::Unreachable(_)), "{}", Chain(&error));
    assert_eq!(exchange.attempts(), 3, "{}", Chain(&error));
}

/// Everything that was logged, at the most talkative level.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_token_or_secret_is_in_any_log_error_or_debug_output() {
    let captured = Captured::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(captured.clone()).finish();
    // With a single subscriber in the process, log lines that another test meets first count as
    // unwanted for good; with two they don't.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    tracing::callsite::rebuild_interest_cache();
    let bench = Bench::new();
    let token =
        bench.tokens.token(&http::TokenRequest::for_resource(bench.http.cloud().vault_resource())).await.unwrap();
    // A service that quotes what it was sent, as some do.
    let quote = format!("you sent Bearer {} to us", token.expose());
    let body = json!({ "error": { "code": "Unauthorized", "message": quote } });
    bench.fault(
        json!({ "path": "/certificates" }),
        json!({ "status": 400, "body": body, "content_type": "application/json" }),
        1,
    );
    let error = bench.vault.list(false).await.unwrap_err();
    bench.vault.list(false).await.unwrap();
    let app = bench.graph.find_application("kvops lab operator").await.unwrap();
    drop(guard);

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let said =
        format!("{log}\n{error:?}\n{}\n{:?}\n{:?}\n{:?}", Chain(&error), bench.http, bench.tokens, app.application);
    assert!(log.contains("GET contoso-kv.vault.localhost"), "the trace is there: {log}");
    for secret in [token.expose(), &variable(&bench.lab, "LAB_CLIENT_SECRET")] {
        assert!(!said.contains(secret.as_str()));
    }
    assert!(!said.contains("Bearer ey") && !said.contains("client_secret"));
}
