//! Entra trusts an issuer by what it publishes, live: an application without any key signs in.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;

use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::Caller;
use super::ISSUER;
use super::Publisher;
use super::later;
use super::version;
use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

const EXCHANGE: &str = "api://AzureADTokenExchange";

/// An application that trusts the issuer, and has no key.
fn worker(bench: &Bench, issuer: &str) -> App {
    let app = bench.application("worker");
    let trust = json!({ "name": "own-issuer", "issuer": issuer, "subject": "worker", "audiences": [EXCHANGE] });
    bench.graph("POST", &format!("/v1.0/applications/{}/federatedIdentityCredentials", app.id), &trust);
    later(bench, Duration::minutes(10));
    app
}

/// Where the documents of an issuer are: what DNS and a TLS front end do for others.
fn publish(bench: &Bench, issuer: &str, place: &Value) {
    let mut body = json!({ "issuer": issuer });
    body.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    bench.lab().control("POST", "/issuers", &body).unwrap();
}

fn order(audience: &str, subject: &str) -> Value {
    json!({ "audience": audience, "claims": { "sub": subject } })
}

/// Presents a token in place of a credential: 200, or what Entra says.
fn sign_in(bench: &Bench, app: &App, token: &str) -> u64 {
    let caller = Caller::trusting(Some(bench.lab().ca_pem()));
    let origin = format!("https://localhost:{}", bench.lab().port());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.app_id),
        ("scope", &bench.graph_scope()),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", token),
    ];
    let url = format!("{origin}/{}/oauth2/v2.0/token", bench.variable("LAB_TENANT"));
    let (status, _, answer) = caller.send(|http| http.post(url).form(&form)).unwrap();
    if status == 200 { 200 } else { answer["error_codes"][0].as_u64().unwrap() }
}

/// Three days of sign-ins, hour by hour, with a new version in the first: what Entra refused, and the story.
/// Entra keeps what it has read for a day.
fn rollover(windows: &[&str]) -> (Vec<String>, String) {
    let bench = Bench::tame();
    bench.settings(&json!({ "issuer_cache": 86_400 }));
    let first = version(&bench);
    later(&bench, Duration::days(30));
    let app = worker(&bench, ISSUER);
    let publisher = Publisher::start(&bench, windows);
    publish(&bench, ISSUER, &json!({ "at": publisher.url }));
    let caller = Caller::trusting(None);
    let (mut refused, mut story, mut signer, mut second) = (Vec::new(), String::new(), String::new(), String::new());
    for hour in 0..72 {
        if hour == 1 {
            second = version(&bench);
            let _ = writeln!(story, "hour {hour:>2}: {second} is made");
        }
        // A server whose time moves by an hour at once learns it from the vault's next answer.
        let refresh = format!("{}/refresh", publisher.url);
        assert_eq!(caller.send(|http| http.post(refresh).bearer_auth(&publisher.key)).unwrap().0, 200);
        let issued = caller.signed(&publisher.url, &publisher.key, &order(EXCHANGE, "worker"));
        if issued["kid"] != signer {
            signer = issued["kid"].as_str().unwrap().to_owned();
            let _ = writeln!(story, "hour {hour:>2}: {signer} signs");
        }
        let outcome = sign_in(&bench, &app, issued["token"].as_str().unwrap());
        if outcome != 200 {
            refused.push(format!("hour {hour}: AADSTS{outcome}"));
        }
        later(&bench, Duration::hours(1));
    }
    assert_ne!(first, second);
    assert_eq!(signer, second, "the new key signs in the end\n{story}");
    assert_eq!(bench.keys_of(&app), Vec::<Value>::new(), "it has no key at all");
    (refused, story)
}

#[test]
#[expect(clippy::print_stdout, reason = "captured by the test harness: the rollover as a timeline")]
fn an_application_without_keys_signs_in_through_a_whole_rollover_by_what_is_served() {
    let (refused, story) = rollover(&["--rollover", "49h"]);
    println!("{story}");
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn with_forced_windows_entra_refuses_a_key_that_it_has_not_read_yet() {
    let (refused, _) = rollover(&["--rollover", "12h", "--force-windows"]);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|line| line.ends_with("AADSTS7000272")), "{refused:?}");
}

#[test]
fn entra_says_what_does_not_fit_and_asks_again_for_what_it_could_not_read() {
    let bench = Bench::tame();
    version(&bench);
    let app = worker(&bench, ISSUER);
    let publisher = Publisher::start(&bench, &[]);
    let caller = Caller::trusting(None);
    let token = |order: &Value| {
        let issued = caller.signed(&publisher.url, &publisher.key, order);
        issued["token"].as_str().unwrap().to_owned()
    };
    let good = token(&order(EXCHANGE, "worker"));
    // Nobody is there, or somebody else.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    publish(&bench, ISSUER, &json!({ "at": format!("http://{nobody}") }));
    assert_eq!(sign_in(&bench, &app, &good), 50_166);
    let which = ["--vault", VAULT, "--name", "signer", "--issuer", "https://others.contoso.example"];
    let other = Publisher::of(&bench, &[&["jwks", "serve", "--port", "0"], &which[..]].concat());
    publish(&bench, ISSUER, &json!({ "at": other.url }));
    assert_eq!(sign_in(&bench, &app, &good), 50_166, "the document of another issuer");
    let told = bench.lab().control("GET", "/issuers", &Value::Null).unwrap();
    assert!(told[ISSUER]["problem"].as_str().unwrap().contains("others.contoso.example"), "{told}");
    publish(&bench, ISSUER, &json!({ "at": publisher.url }));
    assert_eq!(sign_in(&bench, &app, &good), 200);
    assert_eq!(sign_in(&bench, &app, &token(&order(EXCHANGE, "another"))), 700_213);
    assert_eq!(sign_in(&bench, &app, &token(&order("orders", "worker"))), 700_212);
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, "AAAA");
    assert_eq!(sign_in(&bench, &app, &forged), 50_013);
}

#[test]
fn a_token_of_the_issuer_is_no_proof_of_an_application_that_trusts_the_same_certificate() {
    let bench = Bench::tame();
    version(&bench);
    let app = bench.application("careless");
    let made = bench.vault("GET", "/certificates/signer", &Value::Null);
    let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"] });
    let path = format!("/v1.0/applications/{}", app.id);
    bench.graph("PATCH", &path, &json!({ "keyCredentials": [key] }));
    later(&bench, Duration::minutes(10));
    let publisher = Publisher::start(&bench, &[]);
    let caller = Caller::trusting(None);
    for subject in [&app.app_id, &app.id] {
        let issued = caller.signed(&publisher.url, &publisher.key, &order(EXCHANGE, subject));
        let token = issued["token"].as_str().unwrap();
        assert_eq!(sign_in(&bench, &app, token), 70_021, "nobody trusts such an issuer");
        let body = json!({ "keyCredential": key, "passwordCredential": null, "proof": token });
        let (status, answer) = bench.try_graph("POST", &format!("{path}/addKey"), &body);
        assert!((400..500).contains(&status), "{status} {answer}");
    }
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn documents_are_served_over_tls_to_whoever_trusts_the_certificate() {
    let bench = Bench::tame();
    version(&bench);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(bench.file("tls.pem"), made.cert.pem()).unwrap();
    fs::write(bench.file("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = format!("https://localhost:{}", address.port());
    let issuer = format!("{origin}/tokens");
    let app = worker(&bench, &issuer);
    let (listen, which) = (address.to_string(), ["--vault", VAULT, "--name", "signer", "--issuer", &issuer]);
    let tls = ["--listen", &listen, "--tls-cert", "tls.pem", "--tls-key", "tls.key"];
    let publisher = Publisher::of(&bench, &[&["jwks", "serve"], &which[..], &tls].concat());
    assert_eq!(publisher.url, format!("https://{address}"));
    let sign = format!("{origin}/sign");
    let caller = Caller::trusting(Some(&made.cert.pem()));
    let (status, headers, keys) = caller.send(|http| http.get(format!("{issuer}/jwks.json"))).unwrap();
    assert_eq!((status, keys["keys"].as_array().unwrap().len()), (200, 1), "{headers:?}");
    assert_eq!(caller.send(|http| http.post(&sign).json(&order(EXCHANGE, "worker"))).unwrap().0, 401);
    let at_the_root = caller.send(|http| http.get(format!("{origin}/jwks.json"))).unwrap();
    assert_eq!(at_the_root.2, keys, "for a proxy that takes the path away");
    assert!(Caller::trusting(None).send(|http| http.get(&issuer)).is_none(), "not for who does not trust it");
    let plain = sign.replace("https:", "http:");
    assert!(caller.send(|http| http.post(plain).bearer_auth(&publisher.key)).is_none_or(|answer| answer.0 != 200));
    let issued = caller.signed(&origin, &publisher.key, &order(EXCHANGE, "worker"));
    let token = issued["token"].as_str().unwrap();
    assert_eq!(sign_in(&bench, &app, token), 50_166, "Entra does not trust the certificate");
    publish(&bench, &issuer, &json!({ "ca": made.cert.pem() }));
    assert_eq!(sign_in(&bench, &app, token), 200);
    assert!(publisher.stopped().status.success());
}
