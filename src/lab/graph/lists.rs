//! Lists of applications and service principals: pages, counts and the links between pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::filter::Expr;
use super::query::{Expand, Query, Relation};
use super::render::{Row, Style};
use super::{budget, owners, query, render, reply, roles};
use crate::lab::chaos::Chaos;
use crate::lab::directory::Object;
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// `$expand` gives this many of a relation at most.
const EXPANDED: usize = 20;

/// What `$skiptoken` holds.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Cursor {
    /// Where to go on: a position of the directory, or of the sorted list.
    #[serde(rename = "p")]
    pub(super) position: u64,
    /// When it was issued, in seconds of the epoch.
    #[serde(rename = "t")]
    pub(super) issued_at: i64,
    /// Whether the page that it leads to is empty.
    #[serde(rename = "e")]
    pub(super) is_gap: bool,
    /// Whether the service has lost it.
    #[serde(rename = "l", default)]
    pub(super) is_lost: bool,
}

/// `GET /applications`.
pub(super) fn read<T: Object>(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadApplications)?;
    let query = Query::parse(request, T::KIND)?;
    let cursor = cursor(world, request)?;
    if query.selects_keys() {
        budget::spend_key_read(world)?;
    }
    let chaos = Chaos::draw(&world.settings, &mut world.random);
    let view = world.directory.next_view(world.now(), world.settings.graph_propagation);
    let mut size = query.page;
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    if cursor.is_gap {
        let next = Cursor { is_gap: false, ..fresh(world, cursor.position) };
        return page::<T>(world, request, &query, &[], Some(&next));
    }

    let style = Style { keys: query.selects_keys() && world.settings.keys_in_lists, ..Style::plain(world) };
    let hint = query.filter.as_ref().map(Expr::hint).unwrap_or_default();
    let is_match = |object: &T| {
        query.filter.as_ref().is_none_or(|filter| filter.matches(&render::filterable(object, style, filter)))
    };
    let matching = |from: u64| world.directory.scan::<T>(&hint, from, view).filter(|(_, object)| is_match(object));

    let mut found = Vec::new();
    let mut next = None;
    if let Some((name, descending)) = &query.order_by {
        let default = &render::template(T::KIND)[name.as_str()];
        let mut sorted: Vec<_> = matching(0).map(|(_, object)| object).collect();
        sorted.sort_by_cached_key(|object| sort_key(&render::member(object.as_ref(), style, name, default)));
        if *descending {
            sorted.reverse();
        }
        let from = usize::try_from(cursor.position).unwrap_or(usize::MAX);
        if sorted.len() > from.saturating_add(size) {
            next = Some(cursor.position + (size - chaos.step_back(size)) as u64);
        }
        found.extend(sorted.into_iter().skip(from).take(size));
    } else {
        let mut last = cursor.position;
        for (position, object) in matching(cursor.position) {
            if found.len() == size {
                next = Some(if chaos.step_back(size) == 1 { last } else { position });
                break;
            }
            last = position;
            found.push(object);
        }
    }
    chaos.order(&mut found);
    let next = next.map(|position| Cursor {
        is_gap: world.settings.empty_pages,
        is_lost: chaos.loses_link,
        ..fresh(world, position)
    });
    let row = |object| {
        let object: &T = object;
        let related = query.expand.as_ref().map(|expand| expanded(world, caller, object, expand));
        Row { object, style, select: query.select.as_deref(), related }
    };
    let rows: Vec<_> = found.iter().map(|object| row(object.as_ref())).collect();
    page(world, request, &query, &rows, next.as_ref())
}

/// The relation of an object that was asked for with `$expand`, by its name.
pub(super) fn expanded<T: Object>(
    world: &World,
    caller: &Caller,
    object: &T,
    expand: &Expand,
) -> (&'static str, Value) {
    let select = expand.select.as_deref();
    let mut related = match expand.relation {
        Relation::Owners => owners::shown(world, caller, object, select),
        Relation::AppRoleAssignments => roles::held(world, object.id(), select),
    };
    related.truncate(EXPANDED);
    (expand.relation.name(), Value::Array(related))
}

/// `GET /applications/$count`.
pub(super) fn count<T: Object>(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadApplications)?;
    query::require_eventual(request)?;
    let filter = request.query("$filter").map(super::filter::parse).transpose()?;
    Ok(reply::count(matches::<T>(world, filter.as_ref())))
}

/// A link to the same request with one parameter replaced.
pub(super) fn link(world: &World, request: &Request, path: &str, name: &str, value: &str) -> String {
    let mut url = format!("{}/{}/{path}?", world.site.origin(), reply::version(request));
    let kept = request
        .query
        .iter()
        .filter(|(other, _)| !["$skiptoken", "$deltatoken"].iter().any(|token| token.eq_ignore_ascii_case(other)));
    for (name, value) in kept.map(|(name, value)| (name.as_str(), value.as_str())).chain([(name, value)]) {
        if !url.ends_with('?') {
            url.push('&');
        }
        url.push_str(name);
        url.push('=');
        url.extend(url::form_urlencoded::byte_serialize(value.as_bytes()).map(|part| part.replace('+', "%20")));
    }
    url
}

/// A token of ours as opaque text.
pub(super) fn encode(token: &impl Serialize) -> String {
    // A struct of numbers and booleans always serialises.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

/// Opaque text as a token of ours.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A cursor of this moment.
pub(super) fn fresh(world: &World, position: u64) -> Cursor {
    Cursor { position, issued_at: world.now().unix_timestamp(), is_gap: false, is_lost: false }
}

/// The cursor of a request; its absence means the beginning.
pub(super) fn cursor(world: &World, request: &Request) -> Result<Cursor, Fault> {
    let Some(text) = request.query("$skiptoken") else { return Ok(fresh(world, 0)) };
    let cursor: Cursor =
        decode(text).ok_or_else(|| Fault::bad_request("The specified page token value is invalid."))?;
    if cursor.is_lost {
        // Microsoft's page about paging names this error. Nobody has published its sentence.
        let message = "The page token was not found.";
        return Err(Fault::new(StatusCode::BAD_REQUEST, "DirectoryPageTokenNotFoundException", message));
    }
    if world.now().unix_timestamp() - cursor.issued_at > i64::from(world.settings.page_token_lifetime) {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        ));
    }
    Ok(cursor)
}

/// A page as it is written. The names are those of `OData`.
#[derive(Serialize)]
struct Page<'a, R> {
    #[serde(rename = "@odata.context")]
    context: String,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    value: &'a [R],
}

fn page<T: Object>(
    world: &World,
    request: &Request,
    query: &Query,
    rows: &[Row<'_, T>],
    next: Option<&Cursor>,
) -> Answer {
    let mut context = query::project(T::KIND, render::template(T::KIND).clone(), query.select.as_deref())?.0;
    if let Some(expand) = query.expand.as_ref().filter(|_| query.select.is_none()) {
        context.push_str(&format!("({}())", expand.relation.name()));
    }
    let is_counted = query.count && request.query("$skiptoken").is_none();
    let page = Page {
        context: reply::context(world, request, &context),
        count: is_counted.then(|| matches::<T>(world, query.filter.as_ref())),
        next: next.map(|next| link(world, request, T::KIND.collection(), "$skiptoken", &encode(next))),
        value: rows,
    };
    Ok(reply::written(StatusCode::OK, &page))
}

fn matches<T: Object>(world: &World, filter: Option<&Expr>) -> usize {
    let Some(filter) = filter else { return world.directory.count::<T>() };
    let style = Style::plain(world);
    let all = world.directory.scan::<T>(&filter.hint(), 0, crate::lab::directory::View::Current);
    all.filter(|(_, object)| filter.matches(&render::filterable(object.as_ref(), style, filter))).count()
}

/// Null first, text without case; times are text that sorts.
fn sort_key(value: &Value) -> (u8, String) {
    match value {
        Value::Null => (0, String::new()),
        Value::String(text) => (1, text.to_lowercase()),
        other => (2, other.to_string()),
    }
}
