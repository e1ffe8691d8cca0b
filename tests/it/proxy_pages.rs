//! The proxy's document, pages and snippets.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Bench;
use crate::support::Manners;
use crate::support::Served;
use crate::support::for_certificate;
use crate::token::provisioned;

fn served() -> (Bench, Served) {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    (bench, served)
}

fn text(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let served = Bench::tame().serve(Manners::default());
    let document = served.send(served.stranger("GET", "/swagger/v1/swagger.json")).is(200).body;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = format!("{document:#}\n");
    // To write it: KVOPS_WRITE=1 scripts/test the_document_in_the_repository
    #[expect(clippy::disallowed_methods, reason = "whoever changes the interface writes the document by this test")]
    if std::env::var_os("KVOPS_WRITE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == text, "docs/openapi.json is not what is served");
}

#[test]
fn the_document_names_every_address_with_what_it_answers_and_where_the_key_goes() {
    let (_bench, served) = served();
    let document = served.send(served.stranger("GET", "/swagger/v1/swagger.json")).is(200).body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    for endpoint in ["kv-key", "kv-key-info", "kv-certificate", "local-certificate", "computer-certificate"] {
        assert!(paths.contains_key(&format!("/api/Token/{endpoint}")), "{endpoint}");
    }
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("200"), "{method} {path}");
            assert!(responses.keys().any(|status| status.starts_with('4')), "{method} {path}");
        }
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "identityHeader", "kvopsKey"]);
    // Whatever is referred to is there.
    let whole = document.to_string();
    for reference in whole.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn the_pages_are_shown_without_a_key_and_take_nothing_from_elsewhere() {
    let (bench, served) = served();
    let mark = bench.mark();
    for path in ["/", "/page.css", "/swagger/index.html", "/swagger/swagger-ui-bundle.js", "/swagger/swagger-ui.css"] {
        let answer = served.send(served.stranger("GET", path)).is(200);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        let shown = text(&answer.body);
        assert!(!shown.contains(&served.key), "{path}");
        served.send(served.stranger("GET", path).header("host", "evil.example")).is(403);
    }
    let page = text(&served.send(served.stranger("GET", "/")).body);
    assert!(page.contains(&format!("http://localhost:{}/api/Token/kv-certificate", served.port)), "{page}");
    assert!(bench.lab().requests_since(mark).is_empty());
}

#[test]
fn px45_health_is_for_everybody_and_the_counters_are_for_whoever_has_the_key() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    assert_eq!(served.send(served.stranger("GET", "/healthz")).is(200).body, "ok\n");
    for outcome in ["miss", "hit"] {
        assert_eq!(served.post("kv-certificate", &for_certificate(&bench, &app)).is(200).cache(), outcome);
    }
    served.send(served.stranger("GET", "/metrics")).is(401);
    let counters = text(&served.send(served.request("GET", "/metrics")).is(200).body);
    for line in [
        "kvops_tokens_total{outcome=\"miss\"} 1",
        "kvops_tokens_total{outcome=\"hit\"} 1",
        "kvops_refused_total{rule=\"run-key\"} 1",
        "kvops_requests_total{method=\"POST\",route=\"/api/Token/kv-certificate\",status=\"200\"} 2",
        "kvops_tokens_remembered 1",
    ] {
        assert!(counters.contains(line), "{line} is missing:\n{counters}");
    }
    for secret in ["eyJ", served.key.as_str(), app.app_id.as_str()] {
        assert!(!counters.contains(secret), "{counters}");
    }
}

#[test]
fn a_snippet_is_filled_in_from_the_profile_and_holds_no_key() {
    let (bench, served) = served();
    for form in ["curl", "http", "bruno", "postman", "insomnia"] {
        let path = format!("/api/Token/snippet/{form}");
        served.send(served.stranger("GET", &path)).is(401);
        let snippet = text(&served.send(served.request("GET", &path)).is(200).body);
        assert!(snippet.contains("billing") && snippet.contains(&bench.variable("LAB_TENANT")), "{form}: {snippet}");
        assert!(!snippet.contains(&served.key), "{form}");
    }
    let same = served.send(served.request("GET", "/api/Token/curl")).is(200);
    assert!(text(&same.body).starts_with("curl "), "{}", same.body);
    served.send(served.request("GET", "/api/Token/snippet/soap")).is(404);
    served.send(served.request("GET", "/api/Token/curl?profile=other")).is(403);
}
