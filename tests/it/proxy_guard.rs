//! Everybody who wants something from the proxy and must not get it: none mints, signs or crashes.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use kvops::serve::Limits;
use serde_json::Value;

use crate::support::Bench;
use crate::support::Manners;
use crate::support::Served;
use crate::support::for_certificate;
#[cfg(unix)]
use crate::support::most_files;
use crate::token::provisioned;

/// A proxy, a request that it would answer, and a number of the lab's log after which there is nothing.
struct Besieged {
    bench: Bench,
    served: Served,
    body: Value,
    mark: u64,
}

impl Besieged {
    fn new(limits: Limits) -> Self {
        let bench = Bench::tame();
        let (app, _) = provisioned(&bench);
        let served = bench.serve(Manners { limits, ..Manners::for_billing(&bench, &app) });
        let (body, mark) = (for_certificate(&bench, &app), bench.mark());
        Self { bench, served, body, mark }
    }

    /// A good request with one header more, or another one.
    fn with_header(&self, name: &str, value: &str) -> reqwest::RequestBuilder {
        self.served.request("POST", "/api/Token/kv-certificate").json(&self.body).header(name, value)
    }

    #[track_caller]
    fn is_refused(&self, request: reqwest::RequestBuilder, status: u16, rule: &str) {
        let answer = self.served.send(request).is(status);
        assert_eq!(answer.body["rule"], rule, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }

    /// Bytes as they are, and whatever comes back until the connection ends.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.served.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Nobody was asked for anything, and the next good request is answered.
    #[track_caller]
    fn stands(self) {
        let asked = self.bench.lab().requests_since(self.mark);
        assert!(asked.is_empty(), "{asked:?}");
        self.served.post("kv-certificate", &self.body).is(200);
    }
}

#[test]
fn wd3_another_name_for_this_machine_is_refused() {
    let besieged = Besieged::new(Limits::default());
    let port = besieged.served.port;
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("localhost:{}", port ^ 1),
        "localhost".to_owned(),
        String::new(),
    ] {
        besieged.is_refused(besieged.with_header("host", &host), 403, "host");
    }
    let head = format!("X-Kvops-Key: {}\r\nConnection: close\r\n\r\n", besieged.served.key);
    let nameless = besieged.raw(format!("GET /healthz HTTP/1.1\r\n{head}").as_bytes());
    assert!(nameless.contains("403 Forbidden"), "{nameless}");
    let absolute = format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost:{port}\r\n{head}");
    assert!(besieged.raw(absolute.as_bytes()).contains("403 Forbidden"));
    let twice = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n{head}");
    assert!(!besieged.raw(twice.as_bytes()).contains("200 OK"));
    besieged.stands();
}

#[test]
fn wd3_pages_of_other_sites_are_refused_whatever_they_send() {
    let besieged = Besieged::new(Limits::default());
    for origin in ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1", "file://"] {
        besieged.is_refused(besieged.with_header("origin", origin), 403, "origin");
    }
    for site in ["cross-site", "same-site"] {
        besieged.is_refused(besieged.with_header("sec-fetch-site", site), 403, "fetch-site");
    }
    let preflight = besieged
        .served
        .stranger("OPTIONS", "/api/Token/kv-certificate")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-kvops-key");
    besieged.is_refused(preflight, 403, "origin");
    for form in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        let request = besieged.served.request("POST", "/api/Token/kv-certificate");
        let request = request.header("content-type", form).body(besieged.body.to_string());
        besieged.is_refused(request, 415, "form");
    }
    besieged.stands();
}

#[test]
fn px41_and_wd2_whoever_shows_no_key_or_shows_it_in_the_wrong_place_is_refused() {
    let besieged = Besieged::new(Limits::default());
    let served = &besieged.served;
    let key = &served.key;
    let bare = |path: &str| served.stranger("POST", path).json(&besieged.body);
    let endpoint = "/api/Token/kv-certificate";
    besieged.is_refused(bare(endpoint), 401, "run-key");
    for query in [format!("key={key}"), format!("access_token={key}"), format!("x-kvops-key={key}")] {
        besieged.is_refused(bare(&format!("{endpoint}?{query}")), 401, "run-key");
    }
    besieged.is_refused(bare(endpoint).header("cookie", format!("key={key}")), 401, "run-key");
    besieged.is_refused(bare(endpoint).basic_auth("kvops", Some(key)), 401, "run-key");
    for wrong in ["", "x", &key[1..], &format!("{key}x"), &key.to_lowercase()] {
        besieged.is_refused(bare(endpoint).header("x-kvops-key", wrong), 401, "run-key");
        besieged.is_refused(bare(endpoint).bearer_auth(wrong), 401, "run-key");
    }
    for path in ["/metrics", "/api/Token/kv-key-info", "/nothing", "//", "/swagger/../metrics", "/healthz/../metrics"] {
        let answer = besieged.raw(
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", served.port).as_bytes(),
        );
        assert!(answer.contains("401 Unauthorized") || answer.contains("404 Not Found"), "{path}: {answer}");
        assert!(!answer.contains("kvops_"), "{path}: {answer}");
    }
    besieged.stands();
}

#[test]
fn requests_that_are_too_large_or_no_requests_are_refused() {
    let besieged = Besieged::new(Limits::default());
    let (served, key) = (&besieged.served, &besieged.served.key);
    let large = served.request("POST", "/api/Token/kv-certificate").header("content-type", "application/json");
    served.send(large.body(vec![b' '; 64 * 1024 + 1])).is(413);
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\nX-Kvops-Key: {key}\r\n", served.port);
    let long = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(17 * 1024));
    assert!(besieged.raw(long.as_bytes()).contains("431"));
    let many = format!("{head}{}\r\n", "X-A: b\r\n".repeat(500));
    assert!(!besieged.raw(many.as_bytes()).contains("200 OK"));
    let nonsense: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /api/Token/kv-key HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/Token/kv-key HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    // A second request that hides in the first one's body is no request.
    let hidden = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let smuggled = format!(
        "POST /nothing HTTP/1.1\r\nHost: localhost:{}\r\nX-Kvops-Key: {key}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{hidden}",
        served.port,
        hidden.len()
    );
    assert_eq!(besieged.raw(smuggled.as_bytes()).matches("HTTP/1.1 ").count(), 1);
    besieged.stands();
}

#[test]
fn slow_requests_are_left_and_others_are_served_meanwhile() {
    let soon = Duration::from_millis(100);
    let besieged = Besieged::new(Limits { head_timeout: soon, ..Limits::default() });
    let port = besieged.served.port;
    let head = format!("POST /api/Token/kv-key HTTP/1.1\r\nHost: localhost:{port}\r\n");
    let mut half: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert!(
        besieged
            .raw(format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").as_bytes())
            .contains("200 OK")
    );
    for stream in &mut half {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("200 OK"));
    }
    let slow =
        format!("{head}X-Kvops-Key: {}\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{", besieged.served.key);
    assert!(besieged.raw(slow.as_bytes()).contains("408 Request Timeout"));
    besieged.stands();
}

#[test]
#[cfg(unix)]
fn ten_thousand_connections_do_not_bring_it_down() {
    // Both ends are in this process, which closes those that it has no place for.
    let number = 10_000.min(most_files() - 2_000);
    let besieged = Besieged::new(Limits::default());
    let connections: Vec<_> = (0..number).map(|_| TcpStream::connect(("127.0.0.1", besieged.served.port))).collect();
    let open = connections.iter().flatten().count();
    assert!(open > number / 2, "only {open} of {number} came through");
    drop(connections);
    let health =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", besieged.served.port);
    // Their ends are noticed one after the other.
    while !besieged.raw(health.as_bytes()).contains("200 OK") {
        std::thread::yield_now();
    }
    besieged.stands();
}

#[test]
fn wd1_compat_open_asks_for_no_key_and_still_for_the_name() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners { is_open: true, ..Manners::default() });
    let body = for_certificate(&bench, &app);
    let bare = || served.stranger("POST", "/api/Token/kv-certificate").json(&body);
    assert!(served.send(bare()).is(200).body["access_token"].is_string());
    let mark = bench.mark();
    served.send(bare().header("host", "evil.example")).is(403);
    served.send(bare().header("origin", "https://evil.example")).is(403);
    assert_eq!(bench.mark(), mark);
}
