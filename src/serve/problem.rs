//! A refusal as RFC 9457 has it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not answered, as `application/problem+json`.
// Boxed, because every handler's result carries one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(#[schema(inline)] Box<Body>);

/// The members of a problem.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Body {
    /// Which kind of problem, as a URI: `urn:kvops:problem:…`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    #[serde(serialize_with = "number")]
    status: StatusCode,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The service's code, such as `AADSTS700027` or `CertificateNotFound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The service's name for the request: what its support asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Which of our own rules refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// Whether the same request may succeed later without anybody changing anything.
    retryable: bool,
    /// What is wrong with which member of the request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<&'static str, Vec<String>>,
    /// When to ask again.
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of a kind, whose name becomes part of its type.
    pub fn new(status: StatusCode, kind: &str, title: &'static str) -> Self {
        Self(Box::new(Body {
            kind: format!("urn:kvops:problem:{kind}"),
            title,
            status,
            detail: None,
            code: None,
            trace_id: None,
            hint: None,
            rule: None,
            retryable: false,
            errors: BTreeMap::new(),
            retry_after: None,
        }))
    }

    /// One of our own rules said no.
    pub fn refused(status: StatusCode, rule: &'static str, title: &'static str) -> Self {
        let mut problem = Self::new(status, rule, title);
        problem.0.rule = Some(rule);
        problem
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The service's code.
    #[must_use]
    pub fn code(mut self, code: Option<String>) -> Self {
        self.0.code = code;
        self
    }

    /// The service's name for the request.
    #[must_use]
    pub fn trace_id(mut self, trace_id: Option<String>) -> Self {
        self.0.trace_id = trace_id;
        self
    }

    /// What to do next; begins with a verb.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same may succeed later: when, if that is known.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        (self.0.retryable, self.0.retry_after) = (true, wait);
        self
    }

    /// What is wrong with the members of the request.
    #[must_use]
    pub fn errors(mut self, errors: BTreeMap<&'static str, Vec<String>>) -> Self {
        self.0.errors = errors;
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The rule of ours that refused.
    pub fn rule(&self) -> Option<&'static str> {
        self.0.rule
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.detail.as_deref().unwrap_or(self.0.title))?;
        let is_said = |code: &&String| self.0.detail.as_ref().is_some_and(|detail| detail.contains(code.as_str()));
        if let Some(code) = self.0.code.as_ref().filter(|code| !is_said(code)) {
            write!(f, " ({code})")?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, wait) = (self.0.status, self.0.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"kvops\""));
        }
        response
    }
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_problem_says_what_it_knows_and_nothing_else() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unreachable", "a service cannot be reached")
            .code(Some("X".to_owned()))
            .retry_after(Some(Duration::from_millis(200)));
        let response = problem.into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "1", "zero would mean at once");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({
                "type": "urn:kvops:problem:unreachable", "title": "a service cannot be reached", "status": 503,
                "code": "X", "retryable": true,
            })
        );
    }

    #[test]
    fn whoever_shows_no_key_is_told_how() {
        let response = Problem::refused(StatusCode::UNAUTHORIZED, "run-key", "no key").into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"kvops\"");
    }
}
