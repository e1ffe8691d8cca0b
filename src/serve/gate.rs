//! What every request passes on its way in and out: guard, limits, counters, headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::Instant;

use super::guard::Guard;
use super::host::Scheme;
use super::meter::Meters;
use super::problem::Problem;
use super::server::Limits;

/// How long somebody whose request took too long is asked to wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Pages come from here and from nowhere else, and stand in nobody's frame. The API's page has styles
/// in its elements and pictures in its styles.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The state of all requests together.
#[derive(Debug)]
pub(super) struct Gate {
    guard: Guard,
    limits: Limits,
    meters: Meters,
    in_flight: AtomicUsize,
    /// Milliseconds from the start to the end of the last request that was let in.
    last_ms: AtomicU64,
    started: Instant,
}

impl Gate {
    pub(super) fn new(guard: Guard, limits: Limits, meters: Meters) -> Self {
        Self {
            guard,
            limits,
            meters,
            in_flight: AtomicUsize::new(0),
            last_ms: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// How long nobody has been served.
    pub(super) fn idle_for(&self) -> Duration {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Acquire)))
    }

    fn touch(&self) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Release);
    }
}

/// Counts a request for as long as it lives, however it ends.
struct InFlight<'a>(&'a Gate);

impl<'a> InFlight<'a> {
    fn enter(gate: &'a Gate) -> Self {
        gate.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(gate)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The layer around all routes.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    // The route, never the path: a path may hold what should not be written down.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let mut response = match gate.guard.admit(request.uri(), request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(Scheme(gate.guard.hosts.scheme()));
            serve(&gate, request, next).await
        }
        Err(problem) => {
            let rule = problem.rule().unwrap_or_default();
            tracing::warn!(rule, route, "a request was refused by the rule `{rule}`");
            gate.meters.count("kvops_refused_total", &[("rule", rule)]);
            problem.into_response()
        }
    };
    dress(response.headers_mut());
    let (status, took) = (response.status(), begun.elapsed());
    gate.meters.request(method.as_str(), &route, status.as_u16(), took);
    tracing::debug!(
        route,
        status = status.as_u16(),
        duration_ms = took.as_millis() as u64,
        "{method} {route}: {status}"
    );
    response
}

async fn serve(gate: &Gate, request: Request, next: Next) -> Response {
    let _in_flight = InFlight::enter(gate);
    let answered = tokio::time::timeout(gate.limits.request_timeout, async {
        let request = match read(request, gate.limits).await {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        };
        next.run(request).await
    });
    answered.await.unwrap_or_else(|_| too_slow().into_response())
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the answer took too long").retry_after(Some(PAUSE))
}

/// Takes the whole body in, so that nothing below waits for a sender or can be flooded.
async fn read(request: Request, limits: Limits) -> Result<Request, Problem> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(limits.head_timeout, collect(body, limits.body)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(head, Body::from(bytes))),
        Ok(Err(problem)) => Err(problem),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "the request did not arrive in time")),
    }
}

async fn collect(body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", "the request is too large")
                .detail(format!("a body has at most {most} bytes")))
        }
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "body", "the request broke off")),
    }
}

fn dress(headers: &mut HeaderMap) {
    let mut add = |name: HeaderName, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(CACHE_CONTROL, "no-store");
    add(CONTENT_SECURITY_POLICY, POLICY);
    add(REFERRER_POLICY, "no-referrer");
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
}
