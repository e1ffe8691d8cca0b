//! A set that is read once in a while, and a server that follows the vault.

use std::io::BufRead as _;
use std::io::BufReader;
use std::process::Stdio;
use std::time::Instant;

use kvops::jwks::Error;
use kvops::jwks::Order;
use kvops::jwks::SetOptions;
use kvops::jwks::Span;
use kvops::lab::Service;
use kvops::pki::Audience;
use kvops::pki::Claims;
use kvops::pki::TokenType;
use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::block_on;
use super::jwks;
use super::key_set;
use super::later;
use super::version;
use crate::support::Bench;

fn down(bench: &Bench) {
    bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "status": 503 } }));
}

#[test]
fn the_vault_is_read_once_a_day_however_many_ask_and_never_for_secrets() {
    let bench = Bench::tame();
    version(&bench);
    let issuer = key_set(&bench, SetOptions::default());
    let mark = bench.mark();
    block_on(async {
        let asking = (0..50).map(|_| issuer.current());
        assert!(futures::future::join_all(asking).await.into_iter().all(|set| set.is_ok()));
    });
    assert_eq!(issuer.readings(), 1, "one reading for all who asked at once");
    for _ in 0..23 {
        later(&bench, Duration::hours(1));
        block_on(issuer.current()).unwrap();
    }
    assert_eq!(issuer.readings(), 1);
    later(&bench, Duration::hours(1));
    block_on(issuer.current()).unwrap();
    assert_eq!(issuer.readings(), 2, "after a day, once more");
    let asked = bench.asked(mark, Service::KeyVault);
    assert!(asked.iter().all(|entry| !entry.route.contains("secrets")), "{asked:?}");
    let read = |route: &str| asked.iter().filter(|entry| entry.route == route).count();
    assert_eq!(read("/certificates/{name}/{version}"), 1, "a version never changes, and is read once");
}

#[test]
fn the_active_key_is_at_hand_in_less_than_a_millisecond() {
    let bench = Bench::tame();
    version(&bench);
    let issuer = key_set(&bench, SetOptions::default());
    block_on(async {
        issuer.current().await.unwrap();
        let started = Instant::now();
        for _ in 0..1_000 {
            issuer.current().await.unwrap().active(issuer.now()).unwrap();
        }
        assert!(started.elapsed().as_millis() < 1_000, "{:?} for a thousand", started.elapsed());
    });
}

#[test]
fn while_the_vault_is_down_the_last_good_set_serves_until_its_limit() {
    let bench = Bench::tame();
    version(&bench);
    later(&bench, Duration::days(20));
    let issuer = key_set(&bench, SetOptions::default());
    let before = block_on(issuer.current()).unwrap();
    down(&bench);
    // Rollover less the verifiers' cache less the margin: 14 d − 1 d − 1 h.
    let limit = issuer.windows().last_good();
    assert_eq!(limit, Span::hours(14 * 24 - 25));
    later(&bench, limit.duration() - Duration::minutes(1));
    let kept = block_on(issuer.current()).unwrap();
    assert_eq!(kept.documents(), before.documents());
    later(&bench, Duration::minutes(2));
    assert!(matches!(block_on(issuer.current()), Err(Error::TooOld { .. })));
    bench.no_faults();
    later(&bench, Duration::minutes(1));
    block_on(issuer.current()).unwrap();
}

#[test]
fn a_disabled_key_signs_no_more_although_the_set_is_kept_for_a_day() {
    let bench = Bench::tame();
    let first = version(&bench);
    later(&bench, Duration::days(30));
    let second = version(&bench);
    later(&bench, Duration::days(15));
    let issuer = key_set(&bench, SetOptions::default());
    let sign = || {
        let audience = Audience::parse("orders", &bench.lab().cloud()).unwrap();
        let claims = Claims::default();
        let order =
            Order { audience: &audience, claims: &claims, lifetime: Duration::minutes(5), kind: TokenType::Jwt };
        block_on(issuer.sign(order)).unwrap().key.kid().to_owned()
    };
    assert_eq!(sign(), second);
    let path = format!("/certificates/signer/{second}");
    bench.vault("PATCH", &path, &json!({ "attributes": { "enabled": false } }));
    assert_eq!(sign(), first, "the very next token is signed by what the rule says now");
    assert!(block_on(issuer.current()).unwrap().validation().key(&second).is_none());
}

#[test]
fn a_server_follows_new_versions_answers_verifiers_and_signs_for_whoever_has_the_key() {
    let bench = Bench::tame();
    let first = version(&bench);
    let mut command = bench.command(&jwks("serve", &["--port", "0", "-o", "json"]));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let (url, key) = (ready["listening"].as_str().unwrap(), ready["key"].as_str().unwrap());
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = |path: &str, tag: Option<&str>| {
        let mut request = http.get(format!("{url}{path}"));
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        runtime.block_on(request.send()).unwrap()
    };
    let post = |path: &str, key: Option<&str>, body: Value| {
        let mut request = http.post(format!("{url}{path}")).json(&body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        runtime.block_on(request.send()).unwrap()
    };
    let discovery: Value = runtime.block_on(get("/.well-known/openid-configuration", None).json()).unwrap();
    assert_eq!(discovery["jwks_uri"], "https://tokens.contoso.example/jwks.json");
    let answer = get("/jwks.json", None);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=86400");
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(get("/jwks.json", Some(&tag)).status(), 304);
    // A version that comes while it runs.
    let second = version(&bench);
    assert_eq!(post("/refresh", Some(key), json!({})).status(), 200);
    let keys: Value = runtime.block_on(get("/jwks.json", Some(&tag)).json()).unwrap();
    let kids: Vec<&str> = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, [second.as_str(), &first]);
    // Signing is for whoever has the key of the run, and for nobody's proof.
    let mark = bench.mark();
    assert_eq!(post("/sign", None, json!({ "audience": "orders" })).status(), 401);
    assert_eq!(post("/sign", Some("wrong"), json!({ "audience": "orders" })).status(), 401);
    assert_eq!(post("/sign", Some(key), json!({ "audience": "https://graph.microsoft.com" })).status(), 403);
    assert_eq!(post("/sign", Some(key), json!({ "audience": "orders", "alg": "none" })).status(), 400);
    assert_eq!(post("/sign", Some(key), json!({ "audience": "orders", "claims": { "iss": "x" } })).status(), 400);
    assert_eq!(post("/sign", Some(key), json!({ "audience": "orders", "lifetime": 86_400 })).status(), 400);
    assert!(bench.asked(mark, Service::KeyVault).is_empty(), "nothing of that was signed");
    let signed: Value = runtime
        .block_on(post("/sign", Some(key), json!({ "audience": "orders", "claims": { "sub": "x" }})).json())
        .unwrap();
    assert!(signed["token"].as_str().is_some_and(|token| token.split('.').count() == 3), "{signed}");
    // The vault is down: the documents go on, a signature has to wait.
    down(&bench);
    assert_eq!(get("/jwks.json", None).status(), 200);
    let refused = post("/sign", Some(key), json!({ "audience": "orders" }));
    assert_eq!(refused.status(), 503);
    let problem: Value = runtime.block_on(refused.json()).unwrap();
    assert_eq!(problem["retryable"], true, "{problem}");
    let stopped = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let output = server.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(key), "the key of the run is in no log");
}
