//! Owners of applications and service principals.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::require_write;
use super::fault::{Answer, Fault};
use super::path::{Segment, Selector};
use super::render::People;
use super::{objects, query, render, reply, slices, tenant};
use crate::lab::directory::{Object, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// Answers what lies below `…/owners`.
pub(super) fn answer<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
    rest: &[Segment],
) -> Answer {
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match (request.method.as_str(), names.as_slice()) {
        ("GET", []) => {
            let object = objects::readable::<T>(world, caller, selector)?;
            let select = query::select(request)?;
            let owners = shown(world, caller, &object, select.as_deref());
            let path = format!("{}/{}/owners", T::KIND.collection(), object.id());
            slices::page(world, request, &path, "directoryObjects", owners)
        }
        ("GET", ["$ref"]) => {
            let object = objects::readable::<T>(world, caller, selector)?;
            let origin = world.site.origin();
            let link = |id: &Uuid| json!({ "@odata.id": format!("{origin}/v1.0/directoryObjects/{id}") });
            let links = object.owners().iter().map(link).collect();
            Ok(reply::collection(world, request, "Collection($ref)", links))
        }
        ("GET", ["$count"]) => {
            query::require_eventual(request)?;
            Ok(reply::count(objects::readable::<T>(world, caller, selector)?.owners().len()))
        }
        ("POST", ["$ref"]) => add::<T>(world, caller, request, selector),
        ("DELETE", [_, "$ref"]) => remove::<T>(world, caller, selector, &rest[0].raw),
        (method, _) if method == Method::GET => Err(Fault::not_implemented("this view of owners")),
        _ => Err(Fault::malformed("The method is not supported for this resource.")),
    }
}

/// The owners of an object, or what is selected of them.
pub(super) fn shown<T: Object>(world: &World, caller: &Caller, object: &T, select: Option<&[String]>) -> Vec<Value> {
    let people = tenant::people(caller, select.is_some());
    let known = object.owners().iter().filter_map(|&id| render::directory_object(world, id, people));
    known
        .map(|owner| match select {
            None => Value::Object(owner),
            Some(names) => owner
                .into_iter()
                .filter(|(name, _)| name.starts_with('@') || names.iter().any(|other| other == name))
                .collect(),
        })
        .collect()
}

fn add<T: Object>(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    let mut object = objects::find::<T>(world, selector, View::Current)?;
    require_write(caller, &object)?;
    let body = reply::body(request)?;
    let link = body.get("@odata.id").and_then(Value::as_str);
    let link = link.ok_or_else(|| Fault::malformed("The reference '@odata.id' is missing in the request body."))?;
    let text = link.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let owner = Uuid::try_parse(text).ok().filter(|&id| render::directory_object(world, id, People::Usual).is_some());
    let owner = owner.ok_or_else(|| Fault::not_found(text))?;
    if !object.owners_mut().insert(owner) {
        return Err(Fault::bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'.",
        ));
    }
    let now = world.now();
    world.directory.put(object, now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn remove<T: Object>(world: &mut World, caller: &Caller, selector: &Selector, owner: &str) -> Answer {
    let mut object = objects::find::<T>(world, selector, View::Current)?;
    require_write(caller, &object)?;
    let removed = Uuid::try_parse(owner).is_ok_and(|id| object.owners_mut().remove(&id));
    if !removed {
        return Err(Fault::not_found(owner));
    }
    let now = world.now();
    world.directory.put(object, now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
