//! The lab's sockets, seen from outside: TLS, hosts, the clock in `Date`, faults on the wire.

use kvops::domain::Clock as _;
use kvops::lab::Lab;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use time::macros::datetime;

fn start(clock: LabClock) -> Lab {
    Lab::start_blocking(LabOptions { clock, seed: Seed::Empty, random: Some(1), ..LabOptions::default() }).unwrap()
}

/// A client that trusts the lab and nobody else, and resolves its names as the cloud's table says.
fn client(lab: &Lab) -> reqwest::Client {
    let loopback = [std::net::SocketAddr::from(([127, 0, 0, 1], lab.port()))];
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap()])
        .resolve_to_addrs("contoso-kv.vault.localhost", &loopback)
        .no_proxy()
        .build()
        .unwrap()
}

fn url(lab: &Lab, path: &str) -> String {
    format!("https://localhost:{}{path}", lab.port())
}

#[tokio::test]
async fn every_name_of_the_lab_is_served_with_a_certificate_that_its_ca_signed() {
    let lab = start(LabClock::default());
    let client = client(&lab);
    for host in ["localhost", "127.0.0.1", "contoso-kv.vault.localhost"] {
        let answer = client.get(format!("https://{host}:{}/keys?api-version=7.6", lab.port())).send().await.unwrap();
        assert!(answer.status().as_u16() >= 400, "{host}");
    }
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(stranger.get(url(&lab, "/v1.0/applications")).send().await.is_err());
}

#[tokio::test]
async fn the_date_header_is_the_labs_time() {
    let lab = start(LabClock::frozen(datetime!(2030-02-03 04:05:06 UTC)));
    let answer = client(&lab).get(url(&lab, "/v1.0/applications")).send().await.unwrap();
    assert_eq!(answer.headers()["date"], "Sun, 03 Feb 2030 04:05:06 GMT");
    assert_eq!(lab.clock().now(), datetime!(2030-02-03 04:05:06 UTC));
}

#[tokio::test]
async fn the_control_endpoint_is_on_its_own_port_only() {
    let lab = start(LabClock::default());
    let client = client(&lab);
    for path in ["/counts", "/requests", "/clock", "/faults", "/state"] {
        let answer = client.get(url(&lab, path)).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path} is served by the data plane");
    }
    let counts: Value = client.get(format!("{}/counts", lab.control_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts["total"], 5);
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_and_so_is_a_broken_escape() {
    let lab = start(LabClock::default());
    let client = client(&lab);
    let answer = client.post(url(&lab, "/v1.0/applications")).body(vec![b'x'; 1024 * 1024 + 1]).send().await;
    assert_eq!(answer.unwrap().status(), 413);
    let vault = format!("https://contoso-kv.vault.localhost:{}/keys/a%zz?api-version=7.6", lab.port());
    let answer = client.get(vault).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_fault_can_answer_drop_and_tear() {
    let lab = start(LabClock::default());
    let client = client(&lab);
    let fault = |result: Value| {
        lab.control("POST", "/faults", &json!({ "match": { "service": "graph" }, "result": result, "times": 1 }))
            .unwrap()
    };
    let ask = || client.get(url(&lab, "/v1.0/applications")).send();

    fault(json!({ "status": 503, "headers": { "Retry-After": "7" } }));
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "7"));

    fault(json!({ "drop": "before" }));
    assert!(ask().await.is_err());

    fault(json!({ "torn": true, "body": "0123456789", "content_type": "application/json" }));
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "half a body looked whole");

    let faults = lab.control("GET", "/faults", &Value::Null).unwrap();
    let hits: Vec<_> = faults.as_array().unwrap().iter().map(|fault| fault["hits"].as_u64().unwrap()).collect();
    assert_eq!(hits, [1, 1, 1]);
    let log = lab.requests_since(0);
    assert_eq!(log.iter().map(|entry| entry.fault).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(log[1].status, None, "a dropped request has no status");
}
