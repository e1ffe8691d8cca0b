//! `$batch`: up to twenty requests in one, each with its own status.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{Answer, Fault};
use super::reply;
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::throttle::{self, Verdict};
use crate::lab::world::World;

/// More than this a batch cannot hold.
const MOST: usize = 20;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// `POST /$batch`. Steps run in their order; one whose prerequisite has failed is not run.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    let batch: Batch =
        request.json().map_err(|error| Fault::malformed(format!("Invalid batch payload format. {error}")))?;
    check(&batch.requests)?;
    let mut succeeded: BTreeMap<&str, bool> = BTreeMap::new();
    let mut responses = Vec::with_capacity(batch.requests.len());
    for step in &batch.requests {
        let may_run = step.depends_on.iter().all(|id| succeeded.get(id.as_str()) == Some(&true));
        let reply = if may_run { run(world, caller, request, step) } else { failed_dependency() };
        succeeded.insert(&step.id, reply.status.is_success());
        responses.push(shown(&step.id, &reply));
    }
    Ok(Reply::json(StatusCode::OK, &json!({ "responses": responses })).header("content-type", "application/json"))
}

fn check(steps: &[Step]) -> Result<(), Fault> {
    if steps.is_empty() {
        return Err(Fault::malformed("Invalid batch payload format."));
    }
    if steps.len() > MOST {
        return Err(Fault::malformed(format!("Number of batch request steps exceeds the maximum value of {MOST}.")));
    }
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|earlier| earlier.id == step.id) {
            return Err(Fault::malformed(format!("Duplicate request id found: {}", step.id)));
        }
        let is_earlier = |id: &String| steps[..index].iter().any(|earlier| earlier.id == *id);
        if !step.depends_on.iter().all(is_earlier) {
            return Err(Fault::malformed(format!("Invalid dependency in the request {}.", step.id)));
        }
    }
    Ok(())
}

fn run(world: &mut World, caller: &Caller, outer: &Request, step: &Step) -> Reply {
    match inner(outer, step) {
        // A batch within a batch is refused like any other address that is not one.
        Some(request) if !request.path.iter().any(|segment| segment.eq_ignore_ascii_case("$batch")) => {
            match throttle::of_graph(world, caller.app_id, &request) {
                Verdict::Refused(reply) => reply,
                Verdict::Passed(_) => super::authorised(world, caller, &request),
            }
        }
        _ => reply::finish(world, outer, Err(Fault::malformed("Invalid url in the batch request."))),
    }
}

fn inner(outer: &Request, step: &Step) -> Option<Request> {
    let base = format!("https://batch.invalid/{}/", reply::version(outer));
    let url = url::Url::parse(&base).ok()?.join(step.url.trim_start_matches('/')).ok()?;
    let decoded = |segment: &str| {
        // The form decoder reads `+` as a blank, which a path does not.
        let pair = format!("s={}", segment.replace('+', "%2B"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &step.headers {
        headers.insert(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    Some(Request {
        method: step.method.parse().ok()?,
        host: outer.host.clone(),
        path: url.path_segments()?.map(decoded).collect(),
        query: url.query_pairs().into_owned().collect(),
        headers,
        body: step.body.as_ref().map(|body| body.to_string().into()).unwrap_or_default(),
    })
}

fn failed_dependency() -> Reply {
    let body =
        json!({ "error": { "code": "FailedDependency", "message": "A request that this one depends on has failed." } });
    Reply::json(StatusCode::FAILED_DEPENDENCY, &body).header("content-type", "application/json")
}

fn shown(id: &str, reply: &Reply) -> Value {
    let mut headers = Map::new();
    for (name, shown) in [
        ("cache-control", "Cache-Control"),
        ("x-ms-resource-unit", "x-ms-resource-unit"),
        ("odata-version", "OData-Version"),
        ("content-type", "Content-Type"),
        ("location", "Location"),
        ("retry-after", "Retry-After"),
    ] {
        if let Some(value) = reply.headers.get(name).and_then(|value| value.to_str().ok()) {
            headers.insert(shown.to_owned(), json!(value));
        }
    }
    let mut response = json!({ "id": id, "status": reply.status.as_u16(), "headers": headers });
    if !reply.body.is_empty() {
        response["body"] = reply.value();
    }
    response
}
