//! Groups and who is in them: role assignments name groups as often as people.

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::Segment;
use super::{query, render, reply, slices, tenant};
use crate::lab::directory::Group;
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// Answers what lies below `/groups`.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    require(caller, Right::ReadGroups)?;
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match (request.method.as_str(), names.as_slice()) {
        ("GET", []) => {
            let all = world.directory.groups.values().map(|group| Value::Object(render::group(group))).collect();
            slices::page(world, request, "groups", "groups", all)
        }
        ("GET", [_]) => {
            let members = render::group(find(world, &rest[0].raw)?);
            Ok(reply::entity(world, request, StatusCode::OK, "groups/$entity", members))
        }
        ("GET", [_, view @ ("members" | "transitivemembers")]) => {
            let group = find(world, &rest[0].raw)?;
            let (ids, view) = match *view {
                "members" => (group.members.clone(), "members"),
                _ => (world.directory.members_of(group.id), "transitiveMembers"),
            };
            let path = format!("groups/{}/{view}", group.id);
            let people = tenant::people(caller, query::select(request)?.is_some());
            let found = ids.into_iter().filter_map(|id| render::directory_object(world, id, people));
            let found = found.map(Value::Object).collect();
            slices::page(world, request, &path, "directoryObjects", found)
        }
        _ => Err(Fault::not_implemented("this use of groups")),
    }
}

fn find<'w>(world: &'w World, text: &str) -> Result<&'w Group, Fault> {
    let found = Uuid::try_parse(text).ok().and_then(|id| world.directory.groups.get(&id));
    found.ok_or_else(|| Fault::not_found(text))
}
