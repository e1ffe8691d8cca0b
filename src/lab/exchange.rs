//! One request and its answer, as the services of the lab see them: whole bodies, decoded names.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request with its body read, its path split and its query decoded.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// `Host`, in lower case, with the port.
    pub(crate) host: String,
    /// Path segments, percent-decoded. An empty segment, as in `/keys/a//sign`, stays.
    pub(crate) path: Vec<String>,
    /// Names and values, percent-decoded, in order. Names keep their case.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// The path as borrowed segments, to match on.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The first value of a query parameter; its name is compared without case.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A header's text, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of an `Authorization: Bearer` header.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The body as JSON. The error is serde's own text, which says line and column.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    /// The body as an HTML form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A JSON answer with `application/json; charset=utf-8`.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // `Value` and the lab's own structs have string keys and finite numbers only.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self { status, headers: HeaderMap::new(), body: bytes.into() }
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
    }

    /// A text or HTML answer.
    pub(crate) fn text(status: StatusCode, content_type: &str, body: &str) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.to_owned().into() }.header(CONTENT_TYPE, content_type)
    }

    /// Adds or replaces a header. A value that no header can hold is left out.
    pub(crate) fn header(mut self, name: impl TryInto<HeaderName>, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.try_into(), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The body as JSON, for tests and for batches.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}
