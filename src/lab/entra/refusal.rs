//! How the token endpoint says no: an AADSTS number, its OAuth error, its text and the ids around it.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::macros::format_description;

use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// A refusal, before it gets its ids and its time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: u32,
    error: &'static str,
    status: StatusCode,
    text: String,
}

impl Refusal {
    /// 400 `invalid_request`: the request itself is wrong.
    pub(super) fn request(code: u32, text: impl Into<String>) -> Self {
        Self { code, error: "invalid_request", status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    /// 401 `invalid_client`: the credential is not accepted.
    pub(super) fn client(code: u32, text: impl Into<String>) -> Self {
        Self { code, error: "invalid_client", status: StatusCode::UNAUTHORIZED, text: text.into() }
    }

    /// 400 with another error of RFC 6749, 5.2.
    pub(super) fn bad(code: u32, error: &'static str, text: impl Into<String>) -> Self {
        Self { code, error, status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    /// The answer, with a trace id of its own and the correlation id that the client chose.
    pub(super) fn reply(&self, world: &mut World, request: &Request) -> Reply {
        let stamp = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
        let timestamp = world.now().to_offset(time::UtcOffset::UTC).format(stamp).unwrap_or_default();
        let trace = world.guid().to_string();
        let correlation = correlation_id(request).unwrap_or_else(|| world.guid().to_string());
        let description = format!(
            "AADSTS{}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/error?code={}", world.site.origin(), self.code),
        });
        dressed(Reply::json(self.status, &body), request, &trace)
    }
}

/// The answer that a fault prescribes, in the shape of the token endpoint's own.
pub(crate) fn prescribed(
    world: &mut World,
    request: &Request,
    status: StatusCode,
    code: &str,
    message: Option<&str>,
) -> Reply {
    let number = code.trim_start_matches("AADSTS").parse().ok();
    let error = match (number, status.as_u16()) {
        (_, 401) => "invalid_client",
        (_, 429 | 500..) => "temporarily_unavailable",
        _ => "invalid_request",
    };
    let code = number.unwrap_or(90_033);
    let text = message.unwrap_or("A transient error has occurred. Please try again.").to_owned();
    Refusal { code, error, status, text }.reply(world, request)
}

/// A successful answer with the headers of the token endpoint.
pub(super) fn accepted(world: &mut World, request: &Request, body: &Map<String, Value>) -> Reply {
    let id = world.guid().to_string();
    dressed(Reply::json(StatusCode::OK, body), request, &id)
}

/// The headers on everything that the authority answers.
pub(super) fn dressed(reply: Reply, request: &Request, id: &str) -> Reply {
    let is_cacheable = reply.headers.contains_key("cache-control");
    let reply = reply
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header("x-content-type-options", "nosniff")
        .header("x-ms-request-id", id)
        .header("x-ms-ests-server", "2.1.0.0 - LAB ProdSlices");
    let reply = match correlation_id(request) {
        Some(correlation) => reply.header("client-request-id", &correlation),
        None => reply,
    };
    if is_cacheable {
        return reply;
    }
    reply.header("cache-control", "no-store, no-cache").header("pragma", "no-cache").header("expires", "-1")
}

/// The id that the client chose: in a header, or as azure-identity for JavaScript does in the query.
fn correlation_id(request: &Request) -> Option<String> {
    let id = request.header("client-request-id").or_else(|| request.query("client-request-id"))?;
    uuid::Uuid::try_parse(id).ok().map(|id| id.to_string())
}
