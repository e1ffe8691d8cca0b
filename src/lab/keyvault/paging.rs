//! Lists in pages, with links as the service writes them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Kind;
use super::call::Call;
use super::error::{Answer, Refusal};
use crate::lab::exchange::{Reply, Request};

/// The largest page of the service, and its page when nothing is asked for.
const MOST: usize = 25;

/// Where a list goes on. The member names are the service's.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Token {
    next_marker: String,
    target_location: u32,
}

/// Where a page begins and how much it holds.
struct Page {
    /// The last key that was shown.
    after: Option<String>,
    size: usize,
    /// Whether this page is one of the empty ones that stand between full ones.
    is_empty: bool,
}

impl Page {
    /// Reads `maxresults` and `$skiptoken`.
    fn of(call: &Call<'_>, request: &Request) -> Result<Self, Refusal> {
        let wrong = || Refusal::bad_parameter("maxresults is not valid. It must be from 1 to 25.");
        let asked = match request.query("maxresults") {
            None => MOST,
            Some(text) => text.parse().ok().filter(|size| (1..=MOST).contains(size)).ok_or_else(wrong)?,
        };
        let most = match usize::try_from(call.settings.page_size) {
            Ok(0) | Err(_) => MOST,
            Ok(size) => size,
        };
        let (after, is_empty) = match request.query("$skiptoken") {
            None => (None, false),
            Some(text) => {
                let (after, is_empty) =
                    read_token(text).ok_or_else(|| Refusal::bad_parameter("$skiptoken is not valid."))?;
                (Some(after), is_empty)
            }
        };
        Ok(Self { after, size: asked.min(most), is_empty })
    }
}

/// One page of a list. `rows` are sorted names; what `show` does not show takes its place on the
/// page all the same, which is where the service's empty pages come from.
pub(super) fn page(
    call: &Call<'_>,
    request: &Request,
    kind: Kind,
    rows: &[String],
    show: impl Fn(&str) -> Option<Value>,
) -> Answer {
    let page = Page::of(call, request)?;
    let start = page.after.as_ref().map_or(0, |after| rows.partition_point(|row| row <= after));
    let rest = rows.get(start..).unwrap_or_default();
    let taken = if page.is_empty { &[] } else { &rest[..rest.len().min(page.size)] };
    let chaos = call.chaos;
    let marker = taken.iter().rev().nth(chaos.step_back(taken.len())).cloned().or(page.after);
    let has_more = rest.len() > taken.len();
    let next = has_more.then_some(marker).flatten().map(|marker| {
        let next_is_empty = call.settings.empty_pages && !page.is_empty;
        link(call, request, kind, &marker, next_is_empty)
    });
    let mut value: Vec<_> = taken.iter().filter_map(|row| show(row)).collect();
    chaos.order(&mut value);
    Ok(Reply::json(StatusCode::OK, &json!({"value": value, "nextLink": next})))
}

/// An absolute URL, with a port even where it is the default one, and without `includePending`.
fn link(call: &Call<'_>, request: &Request, kind: Kind, after: &str, next_is_empty: bool) -> String {
    // An unpredictable text of the service's own; here the kind of list, the place and the emptiness.
    let marker = STANDARD.encode(format!("{}!{}!{after}", kind.collection(), u8::from(next_is_empty)));
    let token = Token { next_marker: format!("2!{}!{marker}", marker.len()), target_location: 0 };
    let token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default());
    let path: Vec<_> = request.path.iter().filter(|segment| !segment.is_empty()).map(String::as_str).collect();
    let mut link = format!("{}/{}?api-version={}", with_port(&call.base), path.join("/"), call.version.as_str());
    link.push_str("&$skiptoken=");
    link.push_str(&token);
    if let Some(size) = request.query("maxresults") {
        link.push_str("&maxresults=");
        link.push_str(size);
    }
    link
}

fn with_port(base: &str) -> String {
    let host = base.strip_prefix("https://").unwrap_or(base);
    if host.contains(':') { base.to_owned() } else { format!("{base}:443") }
}

fn read_token(text: &str) -> Option<(String, bool)> {
    let token: Token = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()?;
    let marker = token.next_marker.splitn(3, '!').nth(2)?;
    let marker = String::from_utf8(STANDARD.decode(marker).ok()?).ok()?;
    let mut parts = marker.splitn(3, '!').skip(1);
    let is_empty = parts.next()? == "1";
    Some((parts.next()?.to_owned(), is_empty))
}
