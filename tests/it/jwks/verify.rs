//! Published documents that are not what the vault says, as somebody else may serve them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;

use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::jwks;
use super::later;
use super::version;
use crate::support::Bench;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Serves documents until the test's process ends.
fn site(documents: BTreeMap<&'static str, Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
            let read = stream.read(&mut head).unwrap_or(0);
            let path = String::from_utf8_lossy(&head[..read]).split(' ').nth(1).unwrap_or_default().to_owned();
            let body = documents.get(path.as_str()).map(Value::to_string).unwrap_or_default();
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=60\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

/// What the vault says, to be changed.
fn built(bench: &Bench) -> BTreeMap<&'static str, Value> {
    bench.kvops(&jwks("build", &["--out", "site"])).ends_with(0);
    let read = |path: &str| serde_json::from_slice(&fs::read(bench.file(&format!("site{path}"))).unwrap()).unwrap();
    [(DISCOVERY, read(DISCOVERY)), ("/jwks.json", read("/jwks.json"))].into()
}

fn bad(bench: &Bench, documents: BTreeMap<&'static str, Value>, exit: i32) -> Vec<String> {
    let url = site(documents);
    let verified = bench.kvops(&jwks("verify", &["--url", &url, "-o", "json"])).ends_with(exit).json();
    let checks = verified["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "bad");
    checks.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_planted_key_is_found_whatever_name_it_has() {
    let bench = Bench::tame();
    version(&bench);
    let documents = built(&bench);
    assert_eq!(bad(&bench, documents.clone(), 0), Vec::<String>::new());
    let planted = |change: &dyn Fn(&mut Value)| {
        let mut documents = documents.clone();
        let keys = documents.get_mut("/jwks.json").unwrap()["keys"].as_array_mut().unwrap();
        let mut key = keys[0].clone();
        key["n"] = json!("v".repeat(342));
        change(&mut key);
        keys.push(key);
        documents
    };
    // Verifiers try every key of a name.
    assert_eq!(bad(&bench, planted(&|_| {}), 1), ["foreign key"]);
    assert_eq!(bad(&bench, planted(&|key| key["kid"] = json!("another")), 1), ["foreign key"]);
    assert_eq!(bad(&bench, planted(&|key| drop(key.as_object_mut().unwrap().remove("kid"))), 1), ["foreign key"]);
}

#[test]
fn a_key_that_is_shown_for_another_algorithm_is_found() {
    let bench = Bench::tame();
    version(&bench);
    let mut documents = built(&bench);
    documents.get_mut("/jwks.json").unwrap()["keys"][0]["alg"] = json!("PS256");
    assert_eq!(bad(&bench, documents, 1), ["the key that signs"]);
}

#[test]
fn no_key_is_promoted_for_what_another_issuer_shows() {
    let bench = Bench::tame();
    version(&bench);
    later(&bench, Duration::days(30));
    version(&bench);
    let mut documents = built(&bench);
    let staging = "https://staging.contoso.example";
    documents.insert(DISCOVERY, json!({ "issuer": staging, "jwks_uri": format!("{staging}/jwks.json") }));
    let url = site(documents);
    let error = bench.kvops(&jwks("promote", &["--url", &url, "--no-wait", "-o", "json"])).ends_with(7).error();
    assert!(
        error["message"].as_str().unwrap().contains("is the document of https://staging.contoso.example"),
        "{error}"
    );
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    assert!(view["keys"][0].get("promoted_at").is_none(), "{view}");
    let newest = bench.vault("GET", "/certificates/signer", &Value::Null);
    assert!(newest["tags"].as_object().is_none_or(serde_json::Map::is_empty), "nothing was noted: {newest}");
}
