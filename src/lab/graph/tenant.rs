//! The tenant itself: its organization, its domains, its people.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::{Right, is_app_only, may, require};
use super::fault::{Answer, Fault};
use super::path::Segment;
use super::render::People;
use super::{credentials, query, render, reply, slices};
use crate::lab::directory::User;
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// `getByIds` takes this many at most.
const MOST_IDS: usize = 1000;

/// Answers `/organization`.
pub(super) fn organization(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadOrganization)?;
    let verified = world.domains().into_iter().enumerate().map(|(index, name)| {
        json!({
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": index == 0,
            "isInitial": index == 0,
            "name": name,
            "type": "Managed",
        })
    });
    let organization = json!({
        "id": world.tenant,
        "deletedDateTime": null,
        "businessPhones": [],
        "city": null,
        "country": null,
        "countryLetterCode": "US",
        "createdDateTime": "2018-11-21T00:00:00Z",
        "displayName": "Contoso (LAB)",
        "tenantType": "AAD",
        "verifiedDomains": verified.collect::<Vec<_>>(),
    });
    slices::page(world, request, "organization", "organization", vec![organization])
}

/// Answers `/domains`.
pub(super) fn domains(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::ReadDirectory)?;
    let domain = |(index, name): (usize, &str)| {
        json!({
            "authenticationType": "Managed",
            "availabilityStatus": null,
            "id": name,
            "isAdminManaged": true,
            "isDefault": index == 0,
            "isInitial": index == 0,
            "isRoot": true,
            "isVerified": true,
            "passwordNotificationWindowInDays": 14,
            "passwordValidityPeriodInDays": 90,
            "supportedServices": [],
            "state": null,
        })
    };
    let all = world.domains().into_iter().enumerate().map(domain).collect();
    slices::page(world, request, "domains", "domains", all)
}

/// Which members of people a caller gets. `all` if it selects them by name.
pub(super) fn people(caller: &Caller, all: bool) -> People {
    match (may(caller, Right::ReadPeople), all) {
        (true, true) => People::All,
        (true, false) => People::Usual,
        (false, _) => People::Hidden,
    }
}

/// Answers what lies below `/users`.
pub(super) fn users(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    require(caller, Right::ReadPeople)?;
    let select = query::select(request)?;
    let people = people(caller, select.is_some() || request.query("$filter").is_some());
    match rest {
        [] => {
            let all = world.directory.users.values().map(|user| Value::Object(render::user(user, people))).collect();
            slices::page(world, request, "users", "users", all)
        }
        [id] => {
            let is_meant = |user: &&User| {
                user.user_principal_name.eq_ignore_ascii_case(&id.raw) || Uuid::try_parse(&id.raw) == Ok(user.id)
            };
            let user = world.directory.users.values().find(is_meant).ok_or_else(|| Fault::not_found(&id.raw))?;
            let mut members = render::user(user, people);
            if let Some(names) = select {
                members.retain(|name, _| names.contains(name));
            }
            Ok(reply::entity(world, request, StatusCode::OK, "users/$entity", members))
        }
        [_, other, ..] => Err(super::unknown_segment(&other.name)),
    }
}

/// Answers `/me`, which an application is not.
pub(super) fn me(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    if is_app_only(caller) {
        return Err(Fault::malformed("/me request is only valid with delegated authentication flow."));
    }
    if let Some(other) = rest.first() {
        return Err(super::unknown_segment(&other.name));
    }
    let id = caller.object_id;
    let user = world.directory.users.get(&id).ok_or_else(|| Fault::not_found(&id.to_string()))?;
    let members = render::user(user, People::Usual);
    Ok(reply::entity(world, request, StatusCode::OK, "users/$entity", members))
}

/// Answers what lies below `/directoryObjects`.
pub(super) fn directory_objects(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    require(caller, Right::ReadDirectory)?;
    let people = people(caller, false);
    match (request.method.as_str(), rest) {
        ("POST", [action]) if action.name == "getbyids" => {
            let body = reply::body(request)?;
            let found = ids(&body)?.into_iter().filter_map(|id| render::directory_object(world, id, people));
            let found = found.filter(|object| is_wanted(&body, object)).map(Value::Object).collect();
            Ok(reply::collection(world, request, "directoryObjects", found).header("location", &world.site.origin()))
        }
        ("GET", [id]) => {
            let found = Uuid::try_parse(&id.raw).ok().and_then(|id| render::directory_object(world, id, people));
            let members = found.ok_or_else(|| Fault::not_found(&id.raw))?;
            Ok(reply::entity(world, request, StatusCode::OK, "directoryObjects/$entity", members))
        }
        _ => Err(Fault::not_implemented("this use of directoryObjects")),
    }
}

fn ids(body: &Map<String, Value>) -> Result<Vec<Uuid>, Fault> {
    let listed = body.get("ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if listed.is_empty() || listed.len() > MOST_IDS {
        return Err(Fault::bad_request(format!("Property 'ids' takes between 1 and {MOST_IDS} values.")));
    }
    let parse = |id: &Value| {
        let text = id.as_str().unwrap_or_default();
        Uuid::try_parse(text).map_err(|_| Fault::bad_request(format!("Invalid object identifier '{text}'.")))
    };
    listed.iter().map(parse).collect()
}

/// Whether an object is of one of the types that were asked for.
fn is_wanted(body: &Map<String, Value>, object: &Map<String, Value>) -> bool {
    let Some(types) = body.get("types").and_then(Value::as_array).filter(|types| !types.is_empty()) else {
        return true;
    };
    let own = credentials::text(object, "@odata.type").ok().flatten().unwrap_or_default();
    types.iter().filter_map(Value::as_str).any(|name| {
        name.eq_ignore_ascii_case("directoryObject")
            || own.rsplit('.').next().is_some_and(|own| own.eq_ignore_ascii_case(name))
    })
}
