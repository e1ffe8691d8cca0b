//! Delta queries: everything once, and then what has changed since.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::lists::{decode, encode, link};
use super::query::Query;
use super::render::Style;
use super::roles::grant_members;
use super::{budget, query, render, reply};
use crate::lab::directory::{Change, Hint, Object, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// How long a delta link is good for, in seconds.
const LINK_LIFETIME: i64 = 7 * 86_400;

/// What the tokens of delta queries hold.
#[derive(Debug, Deserialize, Serialize)]
struct Token {
    /// The directory's revision when the round began.
    #[serde(rename = "r")]
    revision: u64,
    #[serde(rename = "t")]
    issued_at: i64,
    /// Within the first round: the position to go on from. Later: how many changes have been given.
    #[serde(rename = "p")]
    position: u64,
    /// The revision whose changes are given; none in the first round.
    #[serde(rename = "s")]
    since: Option<u64>,
}

/// `GET /applications/delta`.
pub(super) fn read<T: Object>(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadApplications)?;
    refuse_unsupported(request)?;
    let query = Query::parse(request, T::KIND)?;
    if query.selects_keys() {
        budget::spend_key_read(world)?;
    }
    let now = world.now().unix_timestamp();
    let start = Token { revision: world.directory.revision(), issued_at: now, position: 0, since: None };
    let token = match (request.query("$skiptoken"), request.query("$deltatoken")) {
        (Some(text), _) => parse(text, now)?,
        (None, Some("latest")) => return done::<T>(world, request, &query, Vec::new(), &start),
        (None, Some(text)) => Token { since: Some(parse(text, now)?.revision), ..start },
        (None, None) => start,
    };
    let size =
        if world.settings.page_size > 0 { query.page.min(world.settings.page_size as usize) } else { query.page };
    let style = Style { keys: query.selects_keys() && world.settings.keys_in_lists, ..Style::plain(world) };
    let mut values = Vec::new();
    let mut next = None;
    match token.since {
        None => {
            let all = world.directory.scan::<T>(&Hint::default(), token.position, View::Current);
            for (position, object) in all {
                if values.len() == size {
                    next = Some(position);
                    break;
                }
                values.push(render::entity(object.as_ref(), style));
            }
        }
        Some(since) => {
            let changes = world.directory.changes::<T>(since);
            let from = usize::try_from(token.position).unwrap_or(usize::MAX);
            for change in changes.iter().skip(from).take(size) {
                values.push(shown(change, style));
            }
            next = (changes.len() > from.saturating_add(size)).then(|| token.position + size as u64);
        }
    }
    match next {
        Some(position) => {
            let token = encode(&Token { position, issued_at: now, ..token });
            page::<T>(world, request, &query, values, ("@odata.nextLink", "$skiptoken", &token))
        }
        None => done::<T>(world, request, &query, values, &token),
    }
}

/// `GET /oauth2PermissionGrants/delta`.
pub(super) fn grants(world: &World, request: &Request) -> Answer {
    refuse_unsupported(request)?;
    let now = world.now().unix_timestamp();
    let start = Token { revision: world.directory.revision(), issued_at: now, position: 0, since: None };
    let token = match (request.query("$skiptoken"), request.query("$deltatoken")) {
        (Some(text), _) => parse(text, now)?,
        (None, Some("latest")) => return written(world, request, Vec::new(), &start, None),
        (None, Some(text)) => Token { since: Some(parse(text, now)?.revision), ..start },
        (None, None) => start,
    };
    let mut size = query::page(request)?;
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    let mut rows: Vec<(u64, Value)> = match token.since {
        None => {
            let all = world.directory.grants_from(token.position).take(size + 1);
            all.map(|(position, (id, grant))| (position, grant_members(&id, &grant).into())).collect()
        }
        Some(since) => {
            let changed = world.directory.changed_grants(since).into_iter();
            let shown = changed.map(|(id, grant)| match grant {
                Some(grant) => grant_members(id, grant).into(),
                None => json!({ "id": id, "@removed": { "reason": "deleted" } }),
            });
            let from = usize::try_from(token.position).unwrap_or(usize::MAX);
            (0..).zip(shown).skip(from).take(size + 1).collect()
        }
    };
    let next = (rows.len() > size).then(|| rows.pop()).flatten().map(|(position, _)| position);
    written(world, request, rows.into_iter().map(|(_, row)| row).collect(), &token, next)
}

fn written(world: &World, request: &Request, rows: Vec<Value>, token: &Token, next: Option<u64>) -> Answer {
    let (revision, since, issued_at) = (token.revision, token.since, world.now().unix_timestamp());
    let (member, parameter, token) = match next {
        Some(position) => ("@odata.nextLink", "$skiptoken", Token { revision, issued_at, position, since }),
        None => ("@odata.deltaLink", "$deltatoken", Token { revision, issued_at, position: 0, since: None }),
    };
    let mut body = Map::new();
    let link = link(world, request, "oauth2PermissionGrants/delta", parameter, &encode(&token));
    body.insert(member.to_owned(), json!(link));
    body.insert("value".to_owned(), Value::Array(rows));
    Ok(reply::entity(world, request, StatusCode::OK, "oauth2PermissionGrants", body))
}

/// A filter by id is all that the documentation allows, and nobody uses it.
fn refuse_unsupported(request: &Request) -> Result<(), Fault> {
    let unsupported = ["$top", "$expand", "$filter", "$orderby", "$search"];
    match unsupported.into_iter().find(|name| request.query(name).is_some()) {
        Some(name) => Err(Fault::malformed(format!("The query parameter '{name}' is not supported with delta."))),
        None => Ok(()),
    }
}

/// The last page of a round.
fn done<T: Object>(
    world: &World,
    request: &Request,
    query: &Query,
    values: Vec<Map<String, Value>>,
    token: &Token,
) -> Answer {
    let issued_at = world.now().unix_timestamp();
    let next = encode(&Token { revision: token.revision, issued_at, position: 0, since: None });
    page::<T>(world, request, query, values, ("@odata.deltaLink", "$deltatoken", &next))
}

fn page<T: Object>(
    world: &World,
    request: &Request,
    query: &Query,
    values: Vec<Map<String, Value>>,
    (member, parameter, token): (&str, &str, &str),
) -> Answer {
    let project = |entity: Map<String, Value>| -> Result<Value, Fault> {
        let is_removed = entity.contains_key("@removed");
        let select = if is_removed { None } else { query.select.as_deref() };
        let mut kept = query::project(T::KIND, entity.clone(), select)?.1;
        // The id tells which object has changed, and is there whatever was selected.
        if let Some(id) = entity.get("id") {
            kept.insert("id".to_owned(), id.clone());
        }
        Ok(Value::Object(kept))
    };
    let value = values.into_iter().map(project).collect::<Result<Vec<_>, _>>()?;
    let path = format!("{}/delta", T::KIND.collection());
    let mut body = Map::new();
    body.insert(member.to_owned(), json!(link(world, request, &path, parameter, token)));
    body.insert("value".to_owned(), Value::Array(value));
    Ok(reply::entity(world, request, StatusCode::OK, T::KIND.collection(), body))
}

fn shown<T: Object>(change: &Change<'_, T>, style: Style) -> Map<String, Value> {
    match change {
        Change::Present(object) => render::entity(*object, style),
        Change::Removed { id, restorable } => {
            let reason = if *restorable { "changed" } else { "deleted" };
            let mut members = Map::new();
            members.insert("id".to_owned(), json!(id));
            members.insert("@removed".to_owned(), json!({ "reason": reason }));
            members
        }
    }
}

fn parse(text: &str, now: i64) -> Result<Token, Fault> {
    let token: Token = decode(text).ok_or_else(|| Fault::malformed("Badly formed token."))?;
    if now - token.issued_at > LINK_LIFETIME {
        let message = "The sync state is no longer available. Start again without a token.";
        return Err(Fault::new(StatusCode::GONE, "syncStateNotFound", message));
    }
    Ok(token)
}
