//! One line for each request that leaves, for `--trace`: addresses, statuses and ids, never a body.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, Method};
use url::Url;
use uuid::Uuid;

use crate::domain::{Cloud, printable};

/// The `tracing` target of these lines.
const TARGET: &str = "kvops::http";

/// Query parameters whose values may be shown. The others show their names.
const SHOWN_PARAMETERS: &[&str] = &[
    "api-version",
    "maxresults",
    "includepending",
    "$select",
    "$filter",
    "$top",
    "$count",
    "$expand",
    "$orderby",
    "resource",
];

/// Headers that name the request at the service.
const REQUEST_ID_HEADERS: &[&str] = &["x-ms-request-id", "request-id", "x-ms-correlation-request-id"];

/// What became of an attempt, as far as it may be told.
pub(super) enum End<'a> {
    Answer { status: u16, request_id: Option<&'a str> },
    NoAnswer(&'a str),
}

/// Writes the line for one attempt.
pub(super) fn attempt(
    method: &Method,
    url: &Url,
    client_request_id: Uuid,
    attempt: u32,
    took: Duration,
    end: &End<'_>,
) {
    if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
        return;
    }
    let (host, path) = (Cloud::authority_of(url), address(url));
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match end {
        End::Answer { status, request_id } => tracing::debug!(
            target: TARGET,
            attempt,
            client_request.id = %client_request_id,
            request.id = request_id.map(printable).unwrap_or_default(),
            "{method} {host} {path} {status} in {duration_ms} ms"
        ),
        End::NoAnswer(problem) => tracing::debug!(
            target: TARGET,
            attempt,
            client_request.id = %client_request_id,
            "{method} {host} {path} without an answer after {duration_ms} ms: {problem}"
        ),
    }
}

/// Path and query, with the values of unknown parameters left out.
pub(super) fn address(url: &Url) -> String {
    let mut text = printable(url.path());
    for (index, (name, value)) in url.query_pairs().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        let value = if SHOWN_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) { &*value } else { "…" };
        let _ = write!(text, "{}={}", printable(&name), printable(value));
    }
    text
}

/// The service's id of the request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parameters_keep_their_values_to_themselves() {
        let url = "https://v.example/certificates?api-version=7.4&$skiptoken=secret&sig=abc".parse().unwrap();
        assert_eq!(address(&url), "/certificates?api-version=7.4&$skiptoken=…&sig=…");
    }
}
