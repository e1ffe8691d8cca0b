//! `/directory/deletedItems`: where applications and service principals wait for 30 days.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::access::{Right, require, require_write};
use super::fault::{Answer, Fault};
use super::path::Segment;
use super::render::{Style, seconds, typed};
use super::{reply, slices};
use crate::lab::directory::{Application, Object, ServicePrincipal};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// Answers what lies below `/directory/deletedItems`.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match (request.method.as_str(), names.as_slice()) {
        ("GET", ["application"]) => list::<Application>(world, caller, request),
        ("GET", ["serviceprincipal"]) => list::<ServicePrincipal>(world, caller, request),
        ("GET", [_]) => {
            require(caller, Right::ReadApplications)?;
            let found = one::<Application>(world, rest).or_else(|| one::<ServicePrincipal>(world, rest));
            let members = found.ok_or_else(|| Fault::not_found(&rest[0].raw))?;
            Ok(reply::entity(world, request, StatusCode::OK, "directoryObjects/$entity", members))
        }
        ("POST", [_, "restore"]) => {
            let restored = restore::<Application>(world, caller, rest)?;
            let restored = match restored {
                Some(members) => Some(members),
                None => restore::<ServicePrincipal>(world, caller, rest)?,
            };
            let members = restored.ok_or_else(|| Fault::not_found(&rest[0].raw))?;
            Ok(reply::entity(world, request, StatusCode::OK, "directoryObjects/$entity", members))
        }
        ("DELETE", [_]) => {
            if purge::<Application>(world, caller, rest)? || purge::<ServicePrincipal>(world, caller, rest)? {
                Ok(Reply::empty(StatusCode::NO_CONTENT))
            } else {
                Err(Fault::not_found(&rest[0].raw))
            }
        }
        _ => Err(Fault::not_implemented("this kind of deleted items")),
    }
}

fn list<T: Object>(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadApplications)?;
    let all = world.directory.deleted::<T>(world.now()).map(|(object, at)| Value::Object(shown(world, object, at)));
    let path = format!("directory/deletedItems/microsoft.graph.{}", T::KIND.type_name());
    slices::page(world, request, &path, T::KIND.collection(), all.collect())
}

fn one<T: Object>(world: &World, rest: &[Segment]) -> Option<Map<String, Value>> {
    let id = id(rest)?;
    let (object, at) = world.directory.deleted::<T>(world.now()).find(|(object, _)| object.id() == id)?;
    Some(shown(world, object, at))
}

/// An application comes back with the service principal that went with it.
fn restore<T: Object>(
    world: &mut World,
    caller: &Caller,
    rest: &[Segment],
) -> Result<Option<Map<String, Value>>, Fault> {
    let Some(object) = deleted::<T>(world, rest) else { return Ok(None) };
    require_write(caller, &object)?;
    let now = world.now();
    world.directory.restore::<T>(object.id(), now);
    if let Some(principal) = deleted_principal(world, &object) {
        world.directory.restore::<ServicePrincipal>(principal, now);
    }
    Ok(Some(typed(&object, Style::plain(world))))
}

fn purge<T: Object>(world: &mut World, caller: &Caller, rest: &[Segment]) -> Result<bool, Fault> {
    let Some(object) = deleted::<T>(world, rest) else { return Ok(false) };
    require_write(caller, &object)?;
    let now = world.now();
    if let Some(principal) = deleted_principal(world, &object) {
        world.directory.purge::<ServicePrincipal>(principal, now);
    }
    Ok(world.directory.purge::<T>(object.id(), now))
}

fn deleted<T: Object>(world: &World, rest: &[Segment]) -> Option<T> {
    let id = id(rest)?;
    world.directory.deleted::<T>(world.now()).map(|(object, _)| object).find(|object| object.id() == id).cloned()
}

fn deleted_principal<T: Object>(world: &World, object: &T) -> Option<Uuid> {
    let mut principals = world.directory.deleted::<ServicePrincipal>(world.now()).map(|(principal, _)| principal);
    principals
        .find(|principal| principal.app_id == object.app_id() && principal.id != object.id())
        .map(|found| found.id)
}

fn shown<T: Object>(world: &World, object: &T, at: OffsetDateTime) -> Map<String, Value> {
    let mut members = typed(object, Style::plain(world));
    members.insert("deletedDateTime".to_owned(), json!(seconds(at)));
    members
}

fn id(rest: &[Segment]) -> Option<Uuid> {
    Uuid::try_parse(&rest.first()?.raw).ok()
}
