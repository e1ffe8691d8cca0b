//! Refusals, in the words that Graph uses.

use http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::lab::exchange::Reply;

/// What a handler gives back.
pub(super) type Answer = Result<Reply, Fault>;

/// A refusal.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Option<Box<Value>>,
    headers: Vec<(&'static str, String)>,
}

impl Fault {
    /// Any refusal.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, headers: Vec::new() }
    }

    /// The code for most things that are wrong with a request.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// The code of Graph's own gateway, which reads URL and JSON before the directory does.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A query that the directory does not answer, at all or without `ConsistencyLevel`.
    pub(super) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// Nothing there, or not yet on this replica.
    pub(super) fn not_found(id: &str) -> Self {
        let message =
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// A missing permission.
    pub(super) fn denied() -> Self {
        let message = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    /// A fault in a proof of possession, whichever it is.
    pub(super) fn bad_proof() -> Self {
        let message = "Access Token missing or malformed.";
        Self::new(StatusCode::UNAUTHORIZED, "Authentication_MissingOrMalformed", message)
    }

    /// What the lab does not imitate.
    pub(super) fn not_implemented(what: &str) -> Self {
        let message = format!("The lab does not imitate {what}.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// Adds the `details` of an app management policy.
    pub(super) fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The answer on the wire.
    pub(super) fn into_reply(self, now: OffsetDateTime, request_id: Uuid, client_request_id: &str) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(details) = self.details {
            error["details"] = *details;
        }
        error["innerError"] = json!({
            "date": super::render::zoneless(now),
            "request-id": request_id,
            "client-request-id": client_request_id,
        });
        let reply = Reply::json(self.status, &json!({ "error": error })).header("content-type", "application/json");
        self.headers.iter().fold(reply, |reply, (name, value)| reply.header(*name, value))
    }
}
