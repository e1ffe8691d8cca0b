//! The server as a program: signals, its socket, and what it refuses.

use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::Publisher;
use super::jwks;
use super::version;
use crate::support::Bench;
use crate::support::until;

fn kids(caller: &Caller, url: &str) -> Vec<String> {
    let (_, _, keys) = caller.send(|http| http.get(format!("{url}/jwks.json"))).unwrap();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// One request over a socket, in plain text.
fn over(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_hangup_reads_the_vault_at_once() {
    let bench = Bench::tame();
    let first = version(&bench);
    let publisher = Publisher::start(&bench, &["--refresh", "1d"]);
    let caller = Caller::trusting(None);
    let second = version(&bench);
    assert_eq!(kids(&caller, &publisher.url), [first.as_str()], "it has no reason to look yet");
    publisher.signal("HUP");
    until("the new version is published", || kids(&caller, &publisher.url).len() == 2);
    assert_eq!(kids(&caller, &publisher.url), [second, first]);
    assert!(publisher.stopped().status.success(), "told to end, it ends well");
}

#[test]
fn a_hangup_while_the_vault_is_down_loses_nothing() {
    let bench = Bench::tame();
    let first = version(&bench);
    let publisher = Publisher::start(&bench, &["--refresh", "1d"]);
    let caller = Caller::trusting(None);
    let id = bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "status": 403 } }));
    publisher.signal("HUP");
    until("the vault was asked", || bench.hits(id) > 0);
    assert_eq!(kids(&caller, &publisher.url), [first]);
}

#[test]
fn a_socket_is_its_owners_and_asks_for_the_key_all_the_same() {
    let bench = Bench::tame();
    let only = version(&bench);
    let path = bench.file("signer.sock");
    let publisher = Publisher::of(&bench, &jwks("serve", &["--socket", "signer.sock"]));
    assert!(publisher.url.starts_with("unix:"), "{}", publisher.url);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = over(&path, "GET /jwks.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(keys.starts_with("HTTP/1.1 200 ") && keys.contains(&only), "{keys}");
    let body = r#"{"audience":"orders"}"#;
    let sign = |key: &str| {
        let head = "POST /sign HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
        over(&path, &format!("{head}authorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    };
    assert!(sign("wrong").starts_with("HTTP/1.1 401 "));
    assert!(sign(&publisher.key).starts_with("HTTP/1.1 200 "));
    let elsewhere = over(&path, "GET /jwks.json HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 403 "), "{elsewhere}");
    assert!(publisher.stopped().status.success());
    assert!(!path.exists(), "nobody finds it from now on");
}

#[test]
fn documents_are_for_reading_and_orders_are_read_strictly() {
    let bench = Bench::tame();
    version(&bench);
    let publisher = Publisher::start(&bench, &[]);
    let caller = Caller::trusting(None);
    let url = format!("{}/jwks.json", publisher.url);
    let (status, headers, body) = caller.send(|http| http.head(&url)).unwrap();
    assert_eq!((status, body), (200, Value::Null));
    let tag = headers["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let (status, headers, _) = caller.send(|http| http.get(&url).header("if-none-match", &known)).unwrap();
        assert_eq!((status, headers["etag"].to_str().unwrap()), (304, tag.as_str()), "{known}");
    }
    assert_eq!(caller.send(|http| http.get(&url).header("if-none-match", "\"other\"")).unwrap().0, 200);
    assert_eq!(caller.send(|http| http.post(&url).bearer_auth(&publisher.key).json(&json!({}))).unwrap().0, 405);
    assert_eq!(caller.send(|http| http.delete(&url)).unwrap().0, 405);
    let sign = format!("{}/sign", publisher.url);
    for bad in [
        r#"{"audience":"orders","audience":"others"}"#,
        r#"{"audience":"orders","claims":{"sub":"a","sub":"b"}}"#,
        r#"{"audience":"orders","claims":{"n":123456789012345678901234567890}}"#,
        r#"{"audience":"orders","claims":[]}"#,
        r#"{"audience":"orders","lifetime":0}"#,
        r#"{"audience":"orders","lifetime":-1}"#,
        r#"{"audience":"orders","lifetime":4294967296}"#,
        r#"{"audience":"orders","kid":"x"}"#,
        "",
    ] {
        let request = |http: &reqwest::Client| {
            let request = http.post(&sign).bearer_auth(&publisher.key).header("content-type", "application/json");
            request.body(bad)
        };
        assert_eq!(caller.send(request).unwrap().0, 400, "{bad}");
    }
}

#[test]
fn a_reading_that_was_asked_for_is_not_one_that_began_before() {
    let bench = Bench::tame();
    let first = version(&bench);
    let publisher = Publisher::start(&bench, &["--refresh", "0s"]);
    let caller = Caller::trusting(None);
    // A reading in the background, of which the vault has made the list and not yet sent it.
    let held = json!({ "match": { "service": "keyvault" }, "result": { "late_ms": 3_000 }, "times": 1 });
    let id = bench.fault(&held);
    assert_eq!(kids(&caller, &publisher.url), [first.as_str()]);
    until("a reading is under way", || bench.hits(id) > 0);
    let second = version(&bench);
    let refresh = format!("{}/refresh", publisher.url);
    let (status, _, view) = caller.send(|http| http.post(refresh).bearer_auth(&publisher.key)).unwrap();
    assert_eq!((status, view["keys"].as_array().unwrap().len()), (200, 2), "{view}");
    assert_eq!(kids(&caller, &publisher.url), [second, first]);
}
