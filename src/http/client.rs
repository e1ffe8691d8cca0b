//! Sending: pins, tokens, challenges, repeats and measurements around one exchange.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use time::OffsetDateTime;
use url::{Origin, Url};
use uuid::Uuid;

use super::acts::{self, Act, Acts};
use super::auth::{Auth, TokenRequest};
use super::body;
use super::challenge::{self, Unanswerable};
use super::error::{Cause, Context, Error};
use super::failure::Failure;
use super::ids::Guids;
use super::operation::{Operation, Service};
use super::pace::{Pace, Permit, Seen};
use super::redact::redact;
use super::request::Request;
use super::response::Response;
use super::retry::{Outcome, RetryPolicy, Verdict};
use super::retry_after;
use super::skew::Skew;
use super::speaker::Speaker;
use super::trace;
use super::transport::{self, Connections, InvalidRoots, Transport};
use crate::domain::{Chain, Clock, Cloud, Secret, SystemClock};

/// How often a 401 is answered: once for the tenant or resource, once for claims.
const MOST_CHALLENGES: u32 = 2;

/// Where our address stands in answers of Key Vault; nobody needs it in a report.
const NETWORK_INFO: HeaderName = HeaderName::from_static("x-ms-keyvault-network-info");

/// The transport of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    transport: Arc<Transport>,
    pin: Pin,
    manners: Option<Manners>,
}

/// How somebody who sends many requests behaves.
#[derive(Clone, Debug)]
struct Manners {
    pace: Option<Arc<dyn Pace>>,
    retry: RetryPolicy,
}

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time, for waits, for measuring, and for comparing with the services'.
    pub clock: Arc<dyn Clock>,
    /// Correlation ids and jitter.
    pub guids: Guids,
    /// More trusted roots, each one PEM file's content.
    pub more_roots: Vec<Vec<u8>>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt, its body included.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            guids: Guids::random(),
            more_roots: Vec::new(),
            retry: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
        }
    }
}

#[derive(Debug)]
struct Shared {
    cloud: Cloud,
    options: Options,
    skew: Skew,
    sent: Mutex<BTreeMap<(Service, String), u64>>,
    acts: Acts,
}

/// The places that a client may talk to.
#[derive(Clone, Debug)]
enum Pin {
    Cloud,
    Endpoint(Origin),
}

/// An answer of any status.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// One attempt that brought no whole answer.
struct NoAnswer {
    outcome: Outcome,
    source: Box<dyn StdError + Send + Sync>,
}

impl Client {
    /// A client for the hosts of `cloud` and no others.
    pub fn new(cloud: &Cloud, options: Options) -> Result<Self, InvalidRoots> {
        let transport = Transport::new(cloud, &options.more_roots, options.connect_timeout, options.request_timeout)?;
        let shared = Shared {
            cloud: cloud.clone(),
            options,
            skew: Skew::default(),
            sent: Mutex::default(),
            acts: Acts::default(),
        };
        Ok(Self { shared: Arc::new(shared), transport: Arc::new(transport), pin: Pin::Cloud, manners: None })
    }

    /// The same client for one identity endpoint outside the cloud, and for nothing else. Plain
    /// `http` is accepted for this machine and its link only.
    #[must_use]
    pub fn endpoint(&self, url: &Url) -> Self {
        Self { pin: Pin::Endpoint(url.origin()), manners: None, ..self.clone() }
    }

    /// The same client at the pace that `pace` allows, as patient as `retry`.
    #[must_use]
    pub fn paced(&self, pace: &Arc<dyn Pace>, retry: RetryPolicy) -> Self {
        Self { manners: Some(Manners { pace: Some(Arc::clone(pace)), retry }), ..self.clone() }
    }

    /// The same client, as patient as `retry`.
    #[must_use]
    pub fn patient(&self, retry: RetryPolicy) -> Self {
        Self { manners: Some(Manners { pace: self.pace().cloned(), retry }), ..self.clone() }
    }

    /// The same client with connections of its own.
    #[must_use]
    pub fn apart(&self, connections: Connections) -> Self {
        Self { transport: Arc::new(self.transport.apart(connections)), ..self.clone() }
    }

    /// Closes the connections that nobody uses, here and in all clones: each keeps the buffers of the largest
    /// answer that it has carried.
    pub fn close_unused(&self) {
        self.transport.close_unused();
    }

    fn pace(&self) -> Option<&Arc<dyn Pace>> {
        self.manners.as_ref()?.pace.as_ref()
    }

    /// The cloud that this client talks to.
    pub fn cloud(&self) -> &Cloud {
        &self.shared.cloud
    }

    /// The clock that waits and measures.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.options.clock
    }

    /// A new GUID, for a `jti` or a `keyId`.
    pub fn new_guid(&self) -> Uuid {
        self.shared.options.guids.next()
    }

    /// What to add to our clock to get the services', where the difference is worth it.
    pub fn skew(&self) -> Option<time::Duration> {
        self.shared.skew.last()
    }

    /// The present moment by the services' clock, as far as it is known: what assertions and
    /// proofs are dated with.
    pub fn service_now(&self) -> OffsetDateTime {
        self.now().saturating_add(self.skew().unwrap_or_default())
    }

    /// How many requests have left, by service and method, repeats included.
    pub fn requests(&self) -> BTreeMap<(Service, String), u64> {
        self.shared.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was asked since the last call that was more than a look: everything but GET.
    pub fn take_acts(&self) -> Vec<Act> {
        self.shared.acts.take()
    }

    /// Sends `request` until it succeeds, is refused for good, or its time is up.
    pub async fn send(&self, operation: &Operation, request: &Request, auth: &Auth) -> Result<Response, Error> {
        let mut context = self.context(operation, &request.url);
        if !self.may_go_to(&request.url) {
            return Err(Error::new(context, Cause::Foreign { to: Cloud::authority_of(&request.url) }));
        }
        let started = self.now();
        let mut wanted = match auth {
            Auth::Bearer { resource, .. } => TokenRequest::for_resource(resource.clone()),
            Auth::None | Auth::Header(_) => TokenRequest::default(),
        };
        let mut challenges = 0;
        // Time spent before the door is not time that the service has taken.
        let mut held = Duration::ZERO;
        loop {
            let token = match authorization(auth, &wanted).await {
                Ok(token) => token,
                Err(source) => return Err(Error::new(context, Cause::Token(source))),
            };
            context.attempts += 1;
            let asked = self.now();
            let permit = match self.pace() {
                Some(pace) => pace.admit(operation, &request.url).await,
                None => Permit::default(),
            };
            held += Duration::try_from(self.now() - asked).unwrap_or_default();
            let ended = self.attempt(&context, request, token.as_ref()).await;
            drop(permit);
            context.elapsed = Duration::try_from(self.now() - started).unwrap_or_default().saturating_sub(held);
            let (outcome, cause) = match ended {
                Ok(answer) => {
                    context.request_id = trace::request_id(&answer.headers);
                    let retry_after = retry_after::retry_after(&answer.headers, self.now());
                    if let Some(pace) = self.pace() {
                        let (status, headers) = (answer.status, &answer.headers);
                        pace.seen(operation, &request.url, &Seen { status, headers, retry_after });
                    }
                    if answer.status.is_success() {
                        let Answer { status, headers, body } = answer;
                        return Ok(Response { status, headers, body, context });
                    }
                    let failure = failure_of(&answer, token.as_ref());
                    context.speaker = token.as_ref().and_then(Speaker::of);
                    if challenges < MOST_CHALLENGES && is_about_the_token(auth, answer.status, &failure) {
                        challenges += 1;
                        match self.answer_challenge(&answer, request, &wanted) {
                            Ok(Some(next)) => {
                                wanted = next;
                                continue;
                            }
                            Ok(None) => {}
                            Err(refusal) => {
                                return Err(Error::new(context, Cause::Challenge { problem: refusal.to_string() }));
                            }
                        }
                    }
                    context.request_id = context.request_id.or_else(|| failure.request_id.clone());
                    let (status, basic_realm) = (answer.status, challenge::basic_realm(&answer.headers));
                    let cause = Cause::Refused { status, failure, retry_after, basic_realm };
                    (Outcome::Refused { status, retry_after }, cause)
                }
                Err(NoAnswer { outcome: Outcome::Lost, source }) => (Outcome::Lost, Cause::Lost(source)),
                Err(NoAnswer { outcome, source }) => (outcome, Cause::Unreachable(source)),
            };
            let policy = self.manners.as_ref().map_or(self.shared.options.retry, |manners| manners.retry);
            let jitter = self.shared.options.guids.fraction();
            match policy.decide(context.attempts, context.elapsed, operation.repeat, outcome, jitter) {
                Verdict::GiveUp => return Err(Error::new(context, cause)),
                Verdict::After(delay) => {
                    tracing::debug!(delay_ms = delay.as_millis() as u64, "{} is tried again", operation.name);
                    self.clock().sleep(delay).await;
                }
            }
        }
    }

    /// An error about a request that was never made.
    pub(super) fn not_sent(&self, operation: &Operation, url: &Url, source: Box<dyn StdError + Send + Sync>) -> Error {
        Error::new(self.context(operation, url), Cause::Unreachable(source))
    }

    /// One request and its answer, or the lack of one; measured, counted and traced.
    async fn attempt(
        &self,
        context: &Context,
        request: &Request,
        token: Option<&Secret<String>>,
    ) -> Result<Answer, NoAnswer> {
        let sent = self.now();
        self.count(context.operation.service, &request.method);
        let ended = self.exchange(context, request, token).await;
        let arrived = self.now();
        let took = (arrived - sent).try_into().unwrap_or_default();
        let trace = |end| {
            trace::attempt(&request.method, &request.url, context.client_request_id, context.attempts, took, &end);
        };
        if request.method != Method::GET {
            let answer = ended.as_ref().ok();
            let id = answer.and_then(|answer| trace::request_id(&answer.headers));
            let act = Act {
                service: context.operation.service,
                operation: context.operation.name,
                status: answer.map(|answer| answer.status.as_u16()),
                id: id.unwrap_or_else(|| context.client_request_id.to_string()),
            };
            acts::told(&act);
            self.shared.acts.add(act);
        }
        match &ended {
            Ok(answer) => {
                let request_id = trace::request_id(&answer.headers);
                trace(trace::End::Answer { status: answer.status.as_u16(), request_id: request_id.as_deref() });
                // A cache on the way tells its own time, and an identity endpoint is this machine.
                let is_fresh = !answer.headers.contains_key(AGE) && matches!(self.pin, Pin::Cloud);
                if let Some(date) = retry_after::date(&answer.headers).filter(|_| is_fresh) {
                    self.shared.skew.measure(&context.host, date, sent, arrived);
                }
            }
            Err(NoAnswer { source, .. }) => {
                trace(trace::End::NoAnswer(&Chain(source.as_ref()).to_string()));
            }
        }
        ended
    }

    async fn exchange(
        &self,
        context: &Context,
        request: &Request,
        token: Option<&Secret<String>>,
    ) -> Result<Answer, NoAnswer> {
        let failed = |error: reqwest::Error| NoAnswer {
            outcome: transport::outcome(&error),
            source: error.without_url().into(),
        };
        let mut headers = request.headers.clone();
        add_ids(&mut headers, context.operation.service, context.client_request_id);
        if let Some(value) = token.and_then(header_value) {
            headers.insert(AUTHORIZATION, value);
        }
        let client = self.transport.client_for(&request.url).map_err(failed)?;
        let sending = client.request(request.method.clone(), request.url.clone()).headers(headers);
        let response = sending.body(request.body.clone()).send().await.map_err(failed)?;
        let (status, mut headers) = (response.status(), response.headers().clone());
        headers.remove(NETWORK_INFO);
        // What nobody reads stays with the sender.
        let _reading = self.transport.reading().await;
        let body = body::read(response).await.map_err(|source| NoAnswer { outcome: Outcome::Lost, source })?;
        Ok(Answer { status, headers, body })
    }

    /// What to ask the token source for next, or `None` if asking again would change nothing.
    fn answer_challenge(
        &self,
        answer: &Answer,
        request: &Request,
        last: &TokenRequest,
    ) -> Result<Option<TokenRequest>, Unanswerable> {
        let Some(asked) = challenge::wanted(&answer.headers, &request.url, self.cloud())? else { return Ok(None) };
        let next = TokenRequest {
            resource: asked.resource.unwrap_or_else(|| last.resource.clone()),
            tenant: asked.tenant.or_else(|| last.tenant.clone()),
            claims: asked.claims.or_else(|| last.claims.clone()),
            refused: true,
        };
        Ok((next != *last).then_some(next))
    }

    fn may_go_to(&self, url: &Url) -> bool {
        let is_pinned = match &self.pin {
            Pin::Cloud => self.cloud().has_origin(url),
            Pin::Endpoint(origin) => url.origin() == *origin && (url.scheme() == "https" || transport::is_local(url)),
        };
        is_pinned && url.username().is_empty() && url.password().is_none()
    }

    fn context(&self, operation: &Operation, url: &Url) -> Context {
        Context {
            operation: *operation,
            host: Cloud::authority_of(url),
            client_request_id: self.new_guid(),
            request_id: None,
            speaker: None,
            attempts: 0,
            elapsed: Duration::ZERO,
        }
    }

    fn count(&self, service: Service, method: &Method) {
        let mut sent = self.shared.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *sent.entry((service, method.to_string())).or_default() += 1;
    }

    fn now(&self) -> OffsetDateTime {
        self.shared.options.clock.now()
    }
}

/// The value of the `Authorization` header.
async fn authorization(
    auth: &Auth,
    wanted: &TokenRequest,
) -> Result<Option<Secret<String>>, Box<dyn StdError + Send + Sync>> {
    match auth {
        Auth::None => Ok(None),
        Auth::Header(value) => Ok(Some(value.clone())),
        Auth::Bearer { tokens, .. } => {
            let token = tokens.token(wanted).await?;
            Ok(Some(Secret::new(format!("Bearer {}", token.expose()))))
        }
    }
}

fn header_value(token: &Secret<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(token.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Graph blames the access token when it means the proof of an `addKey`: another token won't help.
fn is_about_the_token(auth: &Auth, status: StatusCode, failure: &Failure) -> bool {
    matches!(auth, Auth::Bearer { .. })
        && status == StatusCode::UNAUTHORIZED
        && failure.code.as_deref() != Some("Authentication_MissingOrMalformed")
}

/// What the body says, without what we sent.
fn failure_of(answer: &Answer, token: Option<&Secret<String>>) -> Failure {
    let sent = token.map(|token| token.expose().trim_start_matches("Bearer ")).unwrap_or_default();
    let clean = |text: Option<String>| text.map(|text| redact(&text, &[sent]));
    let mut failure = Failure::parse(&answer.body);
    failure.message = clean(failure.message);
    for detail in &mut failure.details {
        detail.message = clean(detail.message.take());
    }
    failure
}

/// Graph and Entra take one header for the client's id of a request, Azure's other services another.
fn add_ids(headers: &mut HeaderMap, service: Service, id: Uuid) {
    let (name, echo) = match service {
        Service::Graph | Service::Entra => ("client-request-id", "return-client-request-id"),
        Service::KeyVault | Service::ResourceManager => ("x-ms-client-request-id", "x-ms-return-client-request-id"),
        Service::Identity => ("x-ms-client-request-id", "x-ms-return-client-request-id"),
    };
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HeaderName::from_static(name), value);
        headers.insert(HeaderName::from_static(echo), HeaderValue::from_static("true"));
    }
}
