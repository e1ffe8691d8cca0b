//! The Azure SDK on our transport.
//!
//! The SDK knows how requests are spelled; everything around a request stays ours. Its retries are
//! off, its credential is a dummy whose token never leaves (the transport puts ours in its place),
//! and its reading of answers is not used: its models are closed where the service is open, and its
//! errors lose codes. So one [`Exchange`] carries one call of the SDK, and keeps the answer for the
//! caller to read. To make an SDK client costs more than a call of it, and nothing in one has to do with
//! a vault but the address: so there is one for all, for an address that the exchange replaces.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, ClientOptions, HttpClient, RetryOptions, Transport};
use http::{HeaderName, HeaderValue, Method};
use time::OffsetDateTime;
use url::Url;

use super::auth::Auth;
use super::client::Client;
use super::error::Error;
use super::operation::Operation;
use super::request::Request;
use super::response::Response;

/// Headers of the SDK that are replaced by our own, or that the connection sets.
const DROPPED: &[&str] = &["authorization", "user-agent", "content-length", "host", "x-ms-client-request-id"];

/// Where SDK clients believe that they send their requests.
pub const ENDPOINT: &str = "https://placeholder.vault.azure.net/";

/// What [`ENDPOINT`] says that its tokens are for.
const RESOURCE: &str = "https://vault.azure.net";

tokio::task_local! {
    /// The exchange that a call of an SDK client belongs to.
    static CURRENT: Arc<Exchange>;
}

/// Options for an SDK client that makes its requests in exchanges, and no others.
pub fn client_options() -> ClientOptions {
    let transport = Some(Transport::new(Arc::new(Carrier)));
    ClientOptions { retry: RetryOptions::none(), transport, ..Default::default() }
}

/// One request that an SDK client makes for us, and its outcome.
pub struct Exchange {
    client: Client,
    auth: Auth,
    operation: Operation,
    /// Where the request really goes; its path and query are the SDK's.
    server: Url,
    outcome: Mutex<Option<Result<Response, Error>>>,
}

impl Exchange {
    /// Has an SDK client make one request to `server`, and returns the answer as it came. The SDK's own
    /// opinion counts only if it made no request at all.
    pub async fn carry<T>(
        client: &Client,
        operation: &Operation,
        auth: &Auth,
        server: &Url,
        call: impl Future<Output = azure_core::Result<T>> + Send,
    ) -> Result<Response, Error> {
        let (client, auth, operation, server) = (client.clone(), auth.clone(), *operation, server.clone());
        let exchange = Arc::new(Self { client, auth, operation, server, outcome: Mutex::default() });
        let ended = CURRENT.scope(Arc::clone(&exchange), call).await.map(drop);
        let outcome = exchange.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| {
            let source: Box<dyn std::error::Error + Send + Sync> = match ended {
                Err(error) => error.into(),
                Ok(()) => "the SDK made no request".into(),
            };
            Err(exchange.client.not_sent(&exchange.operation, &exchange.server, source))
        })
    }

    fn store(&self, outcome: Result<Response, Error>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn is_over(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    async fn execute(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        if self.is_over() {
            // A poller or pager that goes on by itself would do so at its own pace and to any host.
            return Err(azure_core::Error::with_message(ErrorKind::Other, "an exchange carries one request"));
        }
        let request = self.translate(request)?;
        match self.client.send(&self.operation, &request, &self.auth).await {
            Ok(response) => {
                let answer = AsyncRawResponse::from_bytes(
                    response.status().as_u16().into(),
                    headers_for_sdk(),
                    response.body().clone(),
                );
                self.store(Ok(response));
                Ok(answer)
            }
            Err(error) => {
                self.store(Err(error.clone()));
                Err(azure_core::Error::new(ErrorKind::Other, error))
            }
        }
    }

    fn translate(&self, request: &azure_core::http::Request) -> azure_core::Result<Request> {
        let unusable = |what: &str| azure_core::Error::with_message(ErrorKind::Other, format!("unusable {what}"));
        let method = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| unusable("method"))?;
        let mut url = self.server.clone();
        url.set_path(request.url().path());
        url.set_query(request.url().query());
        let mut translated = Request::new(method, url);
        for (name, value) in request.headers().iter() {
            if DROPPED.contains(&name.as_str()) {
                continue;
            }
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| unusable("header name"))?;
            let value = HeaderValue::from_str(value.as_str()).map_err(|_| unusable("header value"))?;
            translated.headers.insert(name, value);
        }
        match request.body() {
            Body::Bytes(bytes) => translated.body = bytes.clone(),
            // None of the calls that kvops makes streams its body.
            _ => return Err(unusable("body")),
        }
        Ok(translated)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("operation", &self.operation.name).finish_non_exhaustive()
    }
}

/// The transport of SDK clients: whatever they send belongs to an exchange.
#[derive(Debug)]
struct Carrier;

#[async_trait]
impl HttpClient for Carrier {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        if !request.headers().iter().any(|(name, _)| name.as_str().eq_ignore_ascii_case("authorization")) {
            return Ok(challenge());
        }
        match CURRENT.try_with(Arc::clone) {
            Ok(exchange) => exchange.execute(request).await,
            Err(_) => Err(azure_core::Error::with_message(ErrorKind::Other, "the SDK made a request by itself")),
        }
    }
}

/// The SDK sends its first request without token and body, to be told which token to get. We know, so
/// the question does not have to leave.
fn challenge() -> AsyncRawResponse {
    let mut headers = Headers::new();
    headers.insert("www-authenticate", format!("Bearer authorization=\"{ENDPOINT}\", resource=\"{RESOURCE}\""));
    AsyncRawResponse::from_bytes(401.into(), headers, "")
}

/// The credential that an SDK client insists on. Its token stays in the process.
pub fn placeholder() -> Arc<dyn TokenCredential> {
    Arc::new(Placeholder)
}

#[derive(Debug)]
struct Placeholder;

#[async_trait]
impl TokenCredential for Placeholder {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // The year 9999: the SDK must never think that it has to ask again.
        let never = OffsetDateTime::from_unix_timestamp(253_370_764_800).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(AccessToken::new("placeholder", never))
    }
}

/// What the SDK has to know of an answer. Its poller sleeps for as long as `Retry-After` says before it
/// shows the first one; we want to see that at once, and wait by our own clock.
fn headers_for_sdk() -> Headers {
    let mut headers = Headers::new();
    headers.insert("retry-after-ms", "0");
    headers
}
