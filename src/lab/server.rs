//! The lab's sockets: HTTPS for the data plane, plain HTTP on loopback for control and identities.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http::header::{CONTENT_LENGTH, DATE, HOST};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::control;
use super::exchange::Reply;
use super::exchange::Request;
use super::router::Fate;
use super::router::Routed;
use super::router::Shared;
use crate::domain::Clock as _;

/// The largest body that is read. Key Vault's own limit is below it.
const MAX_BODY: usize = 1024 * 1024;

/// Who listens on a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plane {
    Data,
    Control,
    Identity,
}

/// The connection ends without an answer, or in the middle of one, because a fault says so.
#[derive(Debug, thiserror::Error)]
#[error("dropped by a fault")]
struct Dropped;

type Body = BoxBody<Bytes, Dropped>;

/// Binds a port on 127.0.0.1 and, where the machine has it, on `::1`. Port 0 picks a free one.
pub(crate) async fn bind(port: u16) -> Result<(u16, Vec<TcpListener>), Error> {
    // A port that is free on 127.0.0.1 may be taken on ::1, where clients would meet a stranger.
    let attempts = if port == 0 { 16 } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        let v4 = listen(Ipv4Addr::LOCALHOST.into(), port).await.map_err(|source| Error::Listen { port, source })?;
        let chosen = v4.local_addr().map_err(|source| Error::Listen { port, source })?.port();
        match listen(Ipv6Addr::LOCALHOST.into(), chosen).await {
            Ok(v6) => return Ok((chosen, vec![v4, v6])),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = Some(error),
            Err(_) => return Ok((chosen, vec![v4])),
        }
    }
    let source = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(Error::Listen { port, source })
}

async fn listen(address: IpAddr, port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::new(address, port)).await
}

/// Accepts connections until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, plane: Plane, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        // Accepting fails when the process is out of descriptors; connections that end free some.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // A lab is measured: small answers must not wait for more to send.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    // A client that does not trust the lab ends the handshake: its own affair.
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, plane, shared).await;
                    }
                }
                None => converse(stream, plane, shared).await,
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, plane: Plane, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(plane, Arc::clone(&shared), request));
    // Errors are faults at work or clients that went away.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    plane: Plane,
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (raw_path, raw_query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let request = match read(request).await {
        Ok(request) => request,
        Err(reply) => return Ok(whole(*reply, &shared)),
    };
    let fate = match plane {
        Plane::Control if control::is_wait(&request) => Fate::Reply(control::wait(&shared, &request).await),
        Plane::Control => Fate::Reply(tokio::task::block_in_place(|| control::answer(&shared, &request))),
        Plane::Data => {
            wait(shared.latency()).await;
            match shared.route(request, &raw_path, &raw_query) {
                Ok(routed) => settle(&shared, routed).await,
                Err(reply) => Fate::Reply(*reply),
            }
        }
        Plane::Identity => settle(&shared, shared.route_identity(request, &raw_path, &raw_query)).await,
    };
    match fate {
        Fate::Reply(reply) => Ok(whole(reply, &shared)),
        Fate::Torn(reply) => Ok(torn(reply, &shared)),
        Fate::Dropped => Err(Dropped),
    }
}

async fn settle(shared: &Shared, routed: Routed) -> Fate {
    let busy = shared.clock.busy();
    let begun = shared.clock.now();
    wait(routed.stall()).await;
    shared.ask_issuer(&routed).await;
    // Handlers make keys and signatures; other connections go on meanwhile.
    let fate = tokio::task::block_in_place(|| shared.answer(&routed));
    wait(routed.lateness()).await;
    drop(busy);
    // Outside a simulation answers take no time: a client that waits for several at once would
    // otherwise find the clock moved by each.
    if let Some(latency) = shared.virtual_latency(&routed).filter(|_| shared.clock.is_simulated()) {
        shared.clock.wait_until(begun + latency).await;
    }
    fate
}

/// Waits in real time: latency is what clients measure.
async fn wait(duration: std::time::Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Box<Reply>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Reply::empty(StatusCode::PAYLOAD_TOO_LARGE).into()),
        Err(_) => return Err(Reply::empty(StatusCode::BAD_REQUEST).into()),
    };
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default().to_owned();
    parse(head.method, &host, head.uri.path(), head.uri.query().unwrap_or_default(), head.headers, body)
}

/// A request as the services see it. A path that cannot be decoded gets the web server's own answer.
pub(crate) fn parse(
    method: Method,
    host: &str,
    path: &str,
    query: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request, Box<Reply>> {
    let path: Option<Vec<_>> = path.strip_prefix('/').unwrap_or(path).split('/').map(percent_decoded).collect();
    let Some(path) = path else {
        let page = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
            <HTML><HEAD><TITLE>Bad Request</TITLE></HEAD>\r\n<BODY><h2>Bad Request - Invalid URL</h2>\r\n\
            <hr><p>HTTP Error 400. The request URL is invalid.</p>\r\n</BODY></HTML>\r\n";
        return Err(Reply::text(StatusCode::BAD_REQUEST, "text/html; charset=us-ascii", page).into());
    };
    Ok(Request {
        method,
        host: host.to_ascii_lowercase(),
        path,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body,
    })
}

fn percent_decoded(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push((high << 4 | low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn whole(reply: Reply, shared: &Shared) -> Response<Body> {
    let body = Full::new(reply.body.clone()).map_err(|never: Infallible| match never {}).boxed();
    finish(reply, body, shared)
}

fn torn(reply: Reply, shared: &Shared) -> Response<Body> {
    let length = reply.body.len();
    let half = reply.body.slice(..length / 2);
    let parts = stream::once(async move { Ok(Frame::data(half)) }).chain(stream::once(async {
        // What has been handed over leaves for the client before the connection breaks.
        tokio::task::yield_now().await;
        Err(Dropped)
    }));
    let mut response = finish(reply, BoxBody::new(StreamBody::new(parts)), shared);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn finish(reply: Reply, body: Body, shared: &Shared) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    // Clients measure how wrong their clock is by this header, so it has to be the lab's time.
    if let Ok(date) = HeaderValue::from_str(&http_date(shared.clock.now())) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// IMF-fixdate of RFC 9110, 5.6.7.
fn http_date(at: OffsetDateTime) -> String {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    at.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_path_keeps_empty_segments_and_loses_its_escapes() {
        let parsed = |path, query| parse(Method::GET, "H:1", path, query, HeaderMap::new(), Bytes::new());
        let request = parsed("/keys/a%2Db//sign", "api%2Dversion=7.6&$filter=appId+eq%20'x'").unwrap();
        assert_eq!(request.path, ["keys", "a-b", "", "sign"]);
        assert_eq!(request.query("api-version"), Some("7.6"));
        assert_eq!(request.query("$filter"), Some("appId eq 'x'"));
        assert_eq!(parsed("/keys/a/", "").unwrap().path, ["keys", "a", ""]);
        let refused = parsed("/keys/100%/", "").unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    }

    #[test]
    fn a_date_header_is_written_in_gmt() {
        assert_eq!(http_date(datetime!(2026-01-02 03:04:05 +02:00)), "Fri, 02 Jan 2026 01:04:05 GMT");
    }
}
