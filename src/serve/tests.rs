//! The server over real sockets.

use std::time::Duration;

use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Address, Door, Ended, Error, Limits, Listen, Meters, Options, RunKey, Scheme, Server};

const DOORS: &[Door] = &[Door::open("/healthz")];

fn key() -> RunKey {
    RunKey::from_bytes([7; 32])
}

fn options(limits: Limits) -> Options {
    let listen = Listen::Loopback { port: 0 };
    Options { listen, hosts: Vec::new(), key: Some(key()), doors: DOORS, limits, meters: Meters::new().unwrap() }
}

fn routes() -> Router {
    Router::new()
        .route("/echo", post(async |body: String| body))
        .route("/never", get(async || std::future::pending::<&'static str>().await))
}

async fn start(limits: Limits) -> (Server, u16) {
    let server = Server::start(routes(), options(limits)).await.unwrap();
    let Address::Loopback(port) = *server.address() else { panic!("{:?}", server.address()) };
    (server, port)
}

/// Sends bytes, and reads until the other side ends.
async fn said(port: u16, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // Whoever is turned away may find the connection closed while it is still talking.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(port: u16, request: &str, more: &str) -> String {
    let key = key().text().expose().clone();
    format!("{request} HTTP/1.1\r\nHost: localhost:{port}\r\nX-Kvops-Key: {key}\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn whoever_shows_the_key_is_answered_and_nothing_is_cached_or_framed() {
    let (_server, port) = start(Limits::default()).await;
    let answer =
        said(port, head(port, "POST /echo", "Content-Length: 2\r\nContent-Type: application/json\r\n") + "hi").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
    for header in ["cache-control: no-store", "x-content-type-options: nosniff", "frame-ancestors 'none'"] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    let health = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    assert!(said(port, health).await.ends_with("ok\n"));
    assert!(said(port, head(port, "GET /nothing", "")).await.contains("urn:kvops:problem:no-route"));
    assert!(said(port, head(port, "GET /echo", "")).await.contains("405 Method Not Allowed"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_server_lives_on() {
    let (_server, port) = start(Limits { body: 1000, head: 8192, ..Limits::default() }).await;
    let length = "Content-Length: 1001\r\n";
    assert!(said(port, head(port, "POST /echo", length) + &"x".repeat(1001)).await.contains("413 Payload Too Large"));
    let chunked =
        head(port, "POST /echo", "Transfer-Encoding: chunked\r\n") + "3e9\r\n" + &"x".repeat(1001) + "\r\n0\r\n\r\n";
    assert!(said(port, chunked).await.contains("413 Payload Too Large"));
    let long = format!("X-Long: {}\r\n", "x".repeat(9000));
    assert!(said(port, head(port, "POST /echo", &long)).await.contains("431 Request Header Fields Too Large"));
    let nonsense = said(port, "\u{0}\u{1}\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.contains("400 Bad Request"), "{nonsense}");
    assert!(said(port, head(port, "POST /echo", "Content-Length: 2\r\n") + "hi").await.ends_with("hi"));
}

#[tokio::test]
async fn whoever_takes_too_long_is_left() {
    let soon = Duration::from_millis(50);
    let (_server, port) = start(Limits { head_timeout: soon, request_timeout: soon * 2, ..Limits::default() }).await;
    assert_eq!(said(port, "").await, "", "a connection without a word ends");
    let half = said(port, "GET /healthz HTTP/1.1\r\nHost: lo").await;
    assert!(half.is_empty() || half.contains("408"), "{half}");
    let body = said(port, head(port, "POST /echo", "Content-Length: 9\r\n") + "half").await;
    assert!(body.contains("408 Request Timeout") && body.contains("slow-body"), "{body}");
    let never = said(port, head(port, "GET /never", "")).await;
    assert!(never.contains("503 Service Unavailable") && never.contains("retry-after: 1"), "{never}");
}

#[tokio::test]
async fn whoever_does_not_take_the_answer_loses_the_connection() {
    const MUCH: usize = 32 << 20;
    let routes = Router::new().route("/much", get(async || vec![b'x'; MUCH]));
    let soon = Duration::from_millis(100);
    let limits = Limits { connections: 1, head_timeout: soon, ..Limits::default() };
    let server = Server::start(routes, options(limits)).await.unwrap();
    let Address::Loopback(port) = *server.address() else { panic!() };
    let mut greedy = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    greedy.write_all(head(port, "GET /much", "").as_bytes()).await.unwrap();
    greedy.readable().await.unwrap();
    let health = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    while said(port, &health).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut taken = Vec::new();
    let _ = greedy.read_to_end(&mut taken).await;
    assert!(taken.len() < MUCH, "all of it was sent");
    let whole = said(port, head(port, "GET /much", "")).await;
    assert_eq!(whole.split_once("\r\n\r\n").unwrap().1.len(), MUCH, "whoever reads gets all of it");
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_free_place_is_taken_again() {
    let (_server, port) = start(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let health = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    first.write_all(health.as_bytes()).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    assert_eq!(said(port, &health).await, "");
    drop(first);
    let closing = health.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    while said(port, &closing).await.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_ends() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (entered, was_entered) = tokio::sync::oneshot::channel::<()>();
    let channels = std::sync::Arc::new(std::sync::Mutex::new(Some((entered, released))));
    let routes = Router::new().route(
        "/slow",
        get(move || {
            let (entered, released) = channels.lock().unwrap().take().unwrap();
            async move {
                entered.send(()).unwrap();
                released.await.unwrap();
                "at last"
            }
        }),
    );
    let mut server = Server::start(routes, options(Limits::default())).await.unwrap();
    let Address::Loopback(port) = *server.address() else { panic!() };
    let asking = tokio::spawn(said(port, head(port, "GET /slow", "")));
    was_entered.await.unwrap();
    server.stop();
    let mut ended = Box::pin(server.ended());
    assert!(futures::poll!(&mut ended).is_pending());
    release.send(()).unwrap();
    assert!(asking.await.unwrap().ends_with("at last"));
    assert_eq!(ended.await, Ended::Stopped);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_server_that_nobody_uses_ends_by_itself_even_with_a_connection_open() {
    let (mut server, port) = start(Limits { idle: Some(Duration::from_millis(60)), ..Limits::default() }).await;
    let _open = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(server.ended().await, Ended::Idle);
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_is_the_users_alone_and_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listening = || Options { listen: Listen::Socket { path: path.clone() }, ..options(Limits::default()) };
    let mut server = Server::start(routes(), listening()).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Server::start(routes(), listening()).await, Err(Error::SocketInUse { .. })));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(head(1, "POST /echo", "Content-Length: 2\r\n").as_bytes()).await.unwrap();
    stream.write_all(b"hi").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hi"), "{answer}");
    server.stop();
    server.ended().await;
    assert!(!path.exists());
    std::fs::write(&path, "somebody's file").unwrap();
    assert!(matches!(Server::start(routes(), listening()).await, Err(Error::Socket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's file");
}

#[tokio::test]
async fn another_address_needs_tls_and_the_key_and_is_called_by_its_certificates_names() {
    let made =
        rcgen::generate_simple_self_signed(["proxy.contoso.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let listen = Listen::Tls {
        address: ([127, 0, 0, 1], 0).into(),
        certificate: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes().into(),
    };
    let open = Options { listen: listen.clone(), key: None, ..options(Limits::default()) };
    assert!(matches!(Server::start(routes(), open).await, Err(Error::Open(_))));
    let routes = routes().route("/scheme", get(async |Extension(Scheme(scheme)): Extension<Scheme>| scheme));
    let server = Server::start(routes, Options { listen, ..options(Limits::default()) }).await.unwrap();
    let Address::Tls(address) = *server.address() else { panic!() };
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .resolve("proxy.contoso.example", address)
        .build()
        .unwrap();
    let status = async |host: &str, name: &str| {
        let request = client.get(format!("https://{host}:{}/healthz", address.port()));
        request.header("host", format!("{name}:{}", address.port())).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("proxy.contoso.example", "proxy.contoso.example").await, 200);
    assert_eq!(status("127.0.0.1", "127.0.0.1").await, 200);
    let scheme = client.get(format!("https://127.0.0.1:{}/scheme", address.port())).bearer_auth(key().text().expose());
    assert_eq!(scheme.send().await.unwrap().text().await.unwrap(), "https");
    assert_eq!(status("127.0.0.1", "localhost").await, 403, "the certificate does not say so");
    let plain = said(address.port(), format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
    assert!(!plain.contains("ok\n"), "{plain}");
}
