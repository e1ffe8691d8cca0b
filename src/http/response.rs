//! A whole answer, read to its end.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::{Cause, Context, Error};
use super::redact::redact;

/// An answer with success, its body complete.
#[derive(Clone)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) context: Context,
}

impl Response {
    /// The status, always a success.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers, without those that tell about our network.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The service's name for the request.
    pub fn request_id(&self) -> Option<&str> {
        self.context.request_id.as_deref()
    }

    /// Our name for the request.
    pub fn client_request_id(&self) -> Uuid {
        self.context.client_request_id
    }

    /// How often it was sent.
    pub fn attempts(&self) -> u32 {
        self.context.attempts
    }

    /// From the first attempt to the end of the answer.
    pub fn elapsed(&self) -> Duration {
        self.context.elapsed
    }

    /// The body as JSON. A page of a proxy, or a body cut short, is an error that says so.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let problem = match kind {
                Some(kind) if !kind.to_ascii_lowercase().contains("json") => {
                    format!("is {} where JSON was expected", crate::domain::printable(kind))
                }
                _ if self.body.is_empty() => "is empty where JSON was expected".to_owned(),
                _ => format!("is not the JSON that was expected: {}", describe(&error)),
            };
            self.unreadable(problem)
        })
    }

    /// An error about what this answer holds.
    pub fn unreadable(&self, problem: impl Into<String>) -> Error {
        self.failed(Cause::Unreadable { problem: problem.into() })
    }

    pub(super) fn failed(&self, cause: Cause) -> Error {
        Error::new(self.context.clone(), cause)
    }
}

/// What serde found, without the values that it quotes: they may be a token.
pub(super) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return redact(&text, &[]);
    }
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column()).to_lowercase()
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("request_id", &self.context.request_id)
            .finish_non_exhaustive()
    }
}
