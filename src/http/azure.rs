//! The Azure SDK on our transport.
//!
//! The SDK knows how requests are spelled; everything around a request stays ours. Its retries are
//! off, its credential is a dummy whose token never leaves (the transport puts ours in its place),
//! and its reading of answers is not used: its models are closed where the service is open, and its
//! errors lose codes. So one [`Exchange`] carries one call of the SDK, and keeps the answer for the
//! caller to read.

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

/// One request that an SDK client makes for us, and its outcome.
pub struct Exchange {
    client: Client,
    auth: Auth,
    operation: Operation,
    outcome: Mutex<Option<Result<Response, Error>>>,
}

impl Exchange {
    /// An exchange for one operation.
    pub fn new(client: &Client, operation: &Operation, auth: &Auth) -> Arc<Self> {
        Arc::new(Self { client: client.clone(), auth: auth.clone(), operation: *operation, outcome: Mutex::default() })
    }

    /// Options that make an SDK client use this exchange for its one request.
    pub fn client_options(self: &Arc<Self>) -> ClientOptions {
        let transport: Arc<Self> = Arc::clone(self);
        ClientOptions { retry: RetryOptions::none(), transport: Some(Transport::new(transport)), ..Default::default() }
    }

    /// What came of the request. The SDK's own opinion counts only if it made no request at all.
    pub fn finish(&self, url: &Url, ended: azure_core::Result<()>) -> Result<Response, Error> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| {
            let source: Box<dyn std::error::Error + Send + Sync> = match ended {
                Err(error) => error.into(),
                Ok(()) => "the SDK made no request".into(),
            };
            Err(self.client.not_sent(&self.operation, url, source))
        })
    }

    fn store(&self, outcome: Result<Response, Error>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn is_over(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The SDK sends its first request without token and body, to be told which token to get. We
    /// know, so the question does not have to leave.
    fn challenge(&self) -> AsyncRawResponse {
        let mut headers = Headers::new();
        let (authority, resource) = (self.client.cloud().authority(), self.client.cloud().vault_resource());
        headers
            .insert("www-authenticate", format!("Bearer authorization=\"{authority}common\", resource=\"{resource}\""));
        AsyncRawResponse::from_bytes(401.into(), headers, "")
    }
}

#[async_trait]
impl HttpClient for Exchange {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        if !request.headers().iter().any(|(name, _)| name.as_str().eq_ignore_ascii_case("authorization")) {
            return Ok(self.challenge());
        }
        if self.is_over() {
            // A poller or pager that goes on by itself would do so at its own pace and to any host.
            return Err(azure_core::Error::with_message(ErrorKind::Other, "an exchange carries one request"));
        }
        let request = translate(request)?;
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
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("operation", &self.operation.name).finish_non_exhaustive()
    }
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

fn translate(request: &azure_core::http::Request) -> azure_core::Result<Request> {
    let unusable = |what: &str| azure_core::Error::with_message(ErrorKind::Other, format!("unusable {what}"));
    let method = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| unusable("method"))?;
    let mut translated = Request::new(method, request.url().clone());
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

/// What the SDK has to know of an answer. Its poller sleeps for as long as `Retry-After` says before it
/// shows the first one; we want to see that at once, and wait by our own clock.
fn headers_for_sdk() -> Headers {
    let mut headers = Headers::new();
    headers.insert("retry-after-ms", "0");
    headers
}
