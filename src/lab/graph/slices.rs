//! Lists short enough to be made whole: filtered, counted and cut into pages.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::fault::Answer;
use super::lists::{Cursor, cursor, encode, fresh, link};
use super::{filter, query, reply};
use crate::lab::chaos::Chaos;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// Answers with a page of `values`. `context` follows `$metadata#`; `path` is the list's own, for
/// links.
pub(super) fn page(world: &mut World, request: &Request, path: &str, context: &str, values: Vec<Value>) -> Answer {
    let chaos = Chaos::draw(&world.settings, &mut world.random);
    let filter = request.query("$filter").map(filter::parse).transpose()?;
    let matching: Vec<Value> =
        values.into_iter().filter(|value| filter.as_ref().is_none_or(|filter| filter.matches(value))).collect();
    let mut size = query::page(request)?;
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    let cursor = cursor(world, request)?;
    let from = usize::try_from(cursor.position).unwrap_or(usize::MAX);

    let mut body = Map::new();
    if query::wants_count(request) && cursor.position == 0 {
        body.insert("@odata.count".to_owned(), json!(matching.len()));
    }
    let next = if cursor.is_gap {
        Some(Cursor { is_gap: false, ..fresh(world, cursor.position) })
    } else if matching.len() > from.saturating_add(size) {
        let position = cursor.position + (size - chaos.step_back(size)) as u64;
        Some(Cursor { is_gap: world.settings.empty_pages, is_lost: chaos.loses_link, ..fresh(world, position) })
    } else {
        None
    };
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), json!(link(world, request, path, "$skiptoken", &encode(&next))));
    }
    let select = query::select(request)?;
    let mut shown: Vec<Value> = matching.into_iter().skip(from).take(if cursor.is_gap { 0 } else { size }).collect();
    chaos.order(&mut shown);
    let value = shown.into_iter().map(|value| selected(value, select.as_deref())).collect();
    body.insert("value".to_owned(), Value::Array(value));
    Ok(reply::entity(world, request, StatusCode::OK, context, body))
}

/// Answers with a page of a list that is too long to be made whole. `from` gives the rows from a
/// position on, in groups that stay together.
pub(super) fn scanned<'w, I>(
    world: &'w mut World,
    request: &Request,
    path: &str,
    context: &str,
    from: impl FnOnce(&'w World, u64) -> I,
) -> Answer
where
    I: Iterator<Item = (u64, Vec<Value>)>,
{
    let chaos = Chaos::draw(&world.settings, &mut world.random);
    let world: &World = world;
    let cursor = cursor(world, request)?;
    let mut size = query::page(request)?;
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    let (mut rows, mut next, mut last) = (Vec::new(), None, None);
    let groups = (!cursor.is_gap).then(|| from(world, cursor.position));
    for (position, group) in groups.into_iter().flatten() {
        // A group that is larger than a page has one for itself.
        if !rows.is_empty() && rows.len() + group.len() > size {
            // The page before must have held more than what comes again, or the list has no end.
            let again = last.filter(|&last| chaos.step_back(rows.len()) == 1 && last > cursor.position);
            next = Some(Cursor {
                is_gap: world.settings.empty_pages,
                is_lost: chaos.loses_link,
                ..fresh(world, again.unwrap_or(position))
            });
            break;
        }
        last = Some(position);
        rows.extend(group);
    }
    if cursor.is_gap {
        next = Some(Cursor { is_gap: false, ..fresh(world, cursor.position) });
    }
    chaos.order(&mut rows);
    let select = query::select(request)?;
    let mut body = Map::new();
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), json!(link(world, request, path, "$skiptoken", &encode(&next))));
    }
    let value = rows.into_iter().map(|value| selected(value, select.as_deref())).collect();
    body.insert("value".to_owned(), Value::Array(value));
    Ok(reply::entity(world, request, StatusCode::OK, context, body))
}

/// The members that were asked for. Names that nobody knows are passed over.
fn selected(value: Value, select: Option<&[String]>) -> Value {
    match (value, select) {
        (Value::Object(members), Some(names)) => members
            .into_iter()
            .filter(|(name, _)| name.starts_with('@') || names.contains(name))
            .collect::<Map<_, _>>()
            .into(),
        (value, _) => value,
    }
}
