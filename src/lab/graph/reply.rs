//! Bodies of answers, and the headers that all of them carry.

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fault::{Answer, Fault};
use super::render::CONTENT_TYPE;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// What the service says about itself in `x-ms-ags-diagnostic`.
const DIAGNOSTIC: &str =
    r#"{"ServerInfo":{"DataCenter":"Lab","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"LAB00000000000"}}"#;

/// A JSON object with its context. `context` is what follows `$metadata#`.
pub(super) fn entity(
    world: &World,
    request: &Request,
    status: StatusCode,
    context: &str,
    members: Map<String, Value>,
) -> Reply {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(self::context(world, request, context)));
    body.extend(members);
    written(status, &body)
}

/// The address of a context. `context` is what follows `$metadata#`.
pub(super) fn context(world: &World, request: &Request, context: &str) -> String {
    format!("{}/{}/$metadata#{context}", world.site.origin(), version(request))
}

/// A body that has its context already.
pub(super) fn written(status: StatusCode, body: &impl Serialize) -> Reply {
    Reply::json(status, body).header("content-type", CONTENT_TYPE).header("odata-version", "4.0")
}

/// A whole collection without paging.
pub(super) fn collection(world: &World, request: &Request, context: &str, value: Vec<Value>) -> Reply {
    let mut members = Map::new();
    members.insert("value".to_owned(), Value::Array(value));
    entity(world, request, StatusCode::OK, context, members)
}

/// A count by itself: `$count` as a path segment.
pub(super) fn count(number: usize) -> Reply {
    Reply::text(StatusCode::OK, "text/plain", &number.to_string()).header("odata-version", "4.0")
}

/// The version of a request, for links.
pub(super) fn version(request: &Request) -> &'static str {
    let first = request.path.iter().find(|segment| !segment.is_empty());
    if first.is_some_and(|first| first == "beta") { "beta" } else { "v1.0" }
}

/// A body that has to be a JSON object.
pub(super) fn body(request: &Request) -> Result<Map<String, Value>, Fault> {
    request.json::<Map<String, Value>>().map_err(|error| {
        Fault::malformed(format!("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format. {error}"))
    })
}

/// Turns a handler's outcome into the answer on the wire.
pub(super) fn finish(world: &mut World, request: &Request, outcome: Answer) -> Reply {
    let request_id = world.guid();
    let client_request_id = client_request_id(&request.headers).unwrap_or_else(|| request_id.to_string());
    let reply = match outcome {
        Ok(reply) => reply,
        Err(fault) => fault.into_reply(world.now(), request_id, &client_request_id),
    };
    stamp(reply, request, request_id, &client_request_id)
}

fn stamp(reply: Reply, request: &Request, request_id: Uuid, client_request_id: &str) -> Reply {
    reply
        .header("cache-control", "no-cache")
        .header("strict-transport-security", "max-age=31536000")
        .header("request-id", &request_id.to_string())
        .header("client-request-id", client_request_id)
        .header("x-ms-ags-diagnostic", DIAGNOSTIC)
        .header("x-ms-resource-unit", &super::budget::resource_units(request).to_string())
}

fn client_request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("client-request-id")?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}
