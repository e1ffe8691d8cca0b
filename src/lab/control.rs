//! The control endpoint: what a test or a demonstration may do to the lab. Its port serves nothing else.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::exchange::Reply;
use super::exchange::Request;
use super::router::Shared;

/// Answers a request of the control port.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Reply {
    let body = if request.body.is_empty() { Ok(Value::Null) } else { request.json::<Value>() };
    let outcome = match body {
        Ok(body) => act(shared, &request.method, &request.segments(), request, body),
        Err(problem) => Err(Refusal::Malformed(problem)),
    };
    match outcome {
        Ok(Value::Null) => Reply::empty(StatusCode::NO_CONTENT),
        Ok(value) => Reply::json(StatusCode::OK, &value),
        Err(Refusal::Malformed(problem)) => Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": problem })),
        Err(Refusal::NoSuchThing) => {
            Reply::json(StatusCode::NOT_FOUND, &json!({ "error": "the control endpoint has no such path" }))
        }
    }
}

/// Why the control endpoint does not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The body or a parameter does not say what to do.
    Malformed(String),
    /// There is no such path, or no such fault.
    NoSuchThing,
}

fn act(shared: &Shared, method: &Method, segments: &[&str], request: &Request, body: Value) -> Result<Value, Refusal> {
    match (method.as_str(), segments) {
        ("GET", ["requests"]) => {
            let since = request.query("since").map_or(Ok(0), str::parse);
            let since = since.map_err(|_| Refusal::Malformed("`since` is a number".to_owned()))?;
            Ok(json!(shared.log().since(since, None)))
        }
        ("DELETE", ["requests"]) => {
            shared.log().clear();
            Ok(Value::Null)
        }
        ("GET", ["counts"]) => Ok(json!(shared.log().counts())),
        ("PUT", ["latency"]) => {
            let ms = body["ms"].as_u64().ok_or_else(|| Refusal::Malformed("`ms` is a number".to_owned()))?;
            shared.set_latency(Duration::from_millis(ms));
            Ok(Value::Null)
        }
        ("GET", ["faults"]) => Ok(json!(shared.faults().list())),
        ("POST", ["faults"]) => {
            let fault = serde_json::from_value(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
            Ok(json!({ "id": shared.faults().add(fault) }))
        }
        ("DELETE", ["faults"]) => {
            shared.faults().remove(None);
            Ok(Value::Null)
        }
        ("POST", ["shutdown"]) => {
            shared.stop.notify_one();
            Ok(Value::Null)
        }
        _ => Err(Refusal::NoSuchThing),
    }
}
