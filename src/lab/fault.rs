//! Things that go wrong on purpose: which request is hit, how often, and what becomes of it.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::macros::format_description;

use super::entra;
use super::exchange::Reply;
use super::exchange::Request;
use super::log::Service;
use super::world::World;

/// A fault as the control endpoint takes and shows it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fault {
    /// Its number; given by the lab.
    pub(crate) id: u64,
    #[serde(rename = "match")]
    pub(crate) when: Match,
    pub(crate) result: Outcome,
    /// Matching requests that go through first.
    pub(crate) skip: u32,
    /// How many requests it hits. Absent: all.
    pub(crate) times: Option<u32>,
    /// How many it has hit.
    pub(crate) hits: u32,
}

/// Which requests are meant. What is absent matches all.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Match {
    pub(crate) service: Option<Service>,
    pub(crate) method: Option<String>,
    /// Part of `/path`, or with `*` a pattern for all of it.
    pub(crate) path: Option<String>,
    /// Part of the decoded `name=value&…`.
    pub(crate) query: Option<String>,
    /// Part of the host.
    pub(crate) host: Option<String>,
}

/// What becomes of the request. Members may be combined: stall, then answer 503.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outcome {
    /// Answer with this status instead of asking the service.
    pub(crate) status: Option<u16>,
    /// The error's code; put into the service's own error body.
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// The whole body instead: text as it is, anything else as JSON.
    pub(crate) body: Option<Value>,
    pub(crate) content_type: Option<String>,
    /// Close the connection without an answer: before or after the service has acted.
    pub(crate) drop: Option<Drop>,
    /// Wait for so many real milliseconds first.
    pub(crate) stall_ms: u64,
    /// Wait for so many real milliseconds once the service has acted, before it answers.
    pub(crate) late_ms: u64,
    /// Send half of the answer's body, then close the connection.
    pub(crate) torn: bool,
}

/// When a connection is dropped.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Drop {
    /// The service never saw the request.
    Before,
    /// The service has acted, and nobody learns of it.
    After,
}

/// The faults in force, in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    last: u64,
    list: Vec<Fault>,
}

impl Faults {
    /// Puts a fault in force and gives its number.
    pub(crate) fn add(&mut self, mut fault: Fault) -> u64 {
        self.last += 1;
        fault.id = self.last;
        fault.hits = 0;
        self.list.push(fault);
        self.last
    }

    /// All of them, with their hits. Those that are used up stay for their count.
    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Lifts one fault, or all. Says whether there was any.
    pub(crate) fn remove(&mut self, id: Option<u64>) -> bool {
        let before = self.list.len();
        self.list.retain(|fault| id.is_some_and(|id| fault.id != id));
        self.list.len() < before
    }

    /// The first fault that hits this request. Counts `skip` and `times` down.
    pub(crate) fn strike(&mut self, service: Service, request: &Request) -> Option<(u64, Outcome)> {
        for fault in &mut self.list {
            let is_used_up = fault.times.is_some_and(|times| fault.hits >= times);
            if is_used_up || !fault.when.matches(service, request) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.hits += 1;
            return Some((fault.id, fault.result.clone()));
        }
        None
    }
}

impl Match {
    fn matches(&self, service: Service, request: &Request) -> bool {
        let path = format!("/{}", request.path.join("/"));
        self.service.is_none_or(|wanted| wanted == service)
            && self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(request.method.as_str()))
            && self.path.as_deref().is_none_or(|pattern| is_like(pattern, &path))
            && self.host.as_deref().is_none_or(|part| request.host.contains(part))
            && self.query.as_deref().is_none_or(|part| {
                let query: Vec<_> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
                query.join("&").contains(part)
            })
    }
}

/// Without `*` a part of the text; with `*` a pattern for all of it.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return text.contains(pattern);
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(found) = left.find(part) else {
            return false;
        };
        left = &left[found + part.len()..];
    }
    left.ends_with(last)
}

impl Outcome {
    /// The answer that replaces the service's, if this fault has one.
    pub(crate) fn reply(&self, world: &mut World, service: Service, request: &Request) -> Option<Reply> {
        if self.status.is_none() && self.body.is_none() {
            return None;
        }
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
        let content_type = self.content_type.as_deref();
        let mut reply = match &self.body {
            Some(Value::String(text)) => Reply::text(status, content_type.unwrap_or("text/plain"), text),
            Some(body) => Reply::json(status, body),
            None => self.error(world, service, request, status),
        };
        if let Some(content_type) = content_type {
            reply = reply.header("content-type", content_type);
        }
        Some(self.headers.iter().fold(reply, |reply, (name, value)| reply.header(name.as_str(), value)))
    }

    /// An error in the shape of the service's own, with ids, which clients are to keep.
    fn error(&self, world: &mut World, service: Service, request: &Request, status: StatusCode) -> Reply {
        let code = self.code.as_deref().unwrap_or_else(|| usual_code(service, status));
        let message = self.message.as_deref().unwrap_or("A fault of the lab.");
        let id = world.guid().to_string();
        match service {
            Service::Entra => entra::prescribed(world, request, status, code, self.message.as_deref()),
            Service::Identity => Reply::json(status, &json!({ "error": code, "error_description": message })),
            Service::Graph => {
                let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
                let date = world.now().to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default();
                let client = request.header("client-request-id").unwrap_or(&id);
                let inner = json!({ "date": date, "request-id": id, "client-request-id": client });
                Reply::json(status, &json!({ "error": { "code": code, "message": message, "innerError": inner } }))
                    .header("request-id", &id)
                    .header("client-request-id", client)
            }
            Service::KeyVault | Service::Arm => {
                Reply::json(status, &json!({ "error": { "code": code, "message": message } }))
                    .header("x-ms-request-id", &id)
            }
        }
    }
}

fn usual_code(service: Service, status: StatusCode) -> &'static str {
    match (service, status.as_u16()) {
        (Service::KeyVault, 429) => "Throttled",
        (Service::KeyVault, 403) => "Forbidden",
        (Service::KeyVault, 401) => "Unauthorized",
        (Service::Graph, 401) => "InvalidAuthenticationToken",
        (Service::Graph, 403) => "Authorization_RequestDenied",
        (Service::Graph, 404) => "Request_ResourceNotFound",
        (Service::Entra, _) => "",
        (Service::Identity, 400..=499) => "invalid_request",
        (Service::Identity, _) => "temporarily_unavailable",
        (_, 429) => "TooManyRequests",
        (_, 503) => "ServiceUnavailable",
        _ => "InternalServerError",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;
    use crate::lab::clock::LabClock;

    fn request(method: Method, path: &str) -> Request {
        Request {
            method,
            host: "kv.vault.localhost:1".to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            query: vec![("api-version".to_owned(), "7.6".to_owned())],
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_star_matches_all_and_plain_text_a_part() {
        assert!(is_like("/keys/*/sign", "/keys/a/1/sign"));
        assert!(!is_like("/keys/*/sign", "/x/keys/a/1/sign"));
        assert!(!is_like("/keys/*/sign", "/keys/a/1/verify"));
        assert!(is_like("sign", "/keys/a/1/sign"));
        assert!(is_like("*pending*", "/certificates/a/pending"));
        assert!(!is_like("/a*a", "/a"));
    }

    #[test]
    fn a_fault_lets_skip_pass_then_hits_so_many_times() {
        let mut faults = Faults::default();
        faults.add(
            serde_json::from_value(json!({
                "match": { "service": "keyvault", "method": "post", "path": "/sign", "query": "api-version=7.6" },
                "result": { "status": 429 }, "skip": 1, "times": 2
            }))
            .unwrap(),
        );
        let sign = request(Method::POST, "keys/a/1/sign");
        let hits: Vec<_> = (0..4).map(|_| faults.strike(Service::KeyVault, &sign).is_some()).collect();
        assert_eq!(hits, [false, true, true, false]);
        assert!(faults.strike(Service::KeyVault, &request(Method::GET, "keys/a/1/sign")).is_none());
        assert!(faults.strike(Service::Graph, &sign).is_none());
        assert_eq!(faults.list()[0].hits, 2);
    }

    #[test]
    fn an_unknown_member_is_refused_because_a_misspelt_fault_would_never_strike() {
        assert!(serde_json::from_value::<Fault>(json!({ "result": { "statsu": 500 } })).is_err());
    }

    #[test]
    fn the_error_body_is_the_services_own() {
        let mut world = World::new(8443, LabClock::default(), 1);
        let request = request(Method::GET, "x");
        let mut body = |outcome: &Outcome, service| outcome.reply(&mut world, service, &request).map(|it| it.value());
        let outcome = Outcome { status: Some(429), ..Outcome::default() };
        assert_eq!(body(&outcome, Service::KeyVault).unwrap()["error"]["code"], "Throttled");
        let graph = body(&outcome, Service::Graph).unwrap();
        assert_eq!(graph["error"]["code"], "TooManyRequests");
        assert!(graph["error"]["innerError"]["request-id"].is_string());
        let refused = Outcome { status: Some(400), code: Some("AADSTS90002".to_owned()), ..Outcome::default() };
        let entra = body(&refused, Service::Entra).unwrap();
        assert_eq!((&entra["error"], &entra["error_codes"]), (&json!("invalid_request"), &json!([90002])));
        assert!(entra["error_description"].as_str().unwrap().starts_with("AADSTS90002: "));
        assert_eq!(body(&outcome, Service::Entra).unwrap()["error"], "temporarily_unavailable");
        assert!(body(&Outcome::default(), Service::Graph).is_none());
    }
}
