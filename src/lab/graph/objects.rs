//! Applications and service principals: create, read, update, delete.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::{Right, creator_becomes_owner, is_app_only, require, require_write};
use super::fault::{Answer, Fault};
use super::path::Selector;
use super::render::Style;
use super::{credentials, enforcement, members, query, render, reply};
use crate::lab::directory::{Application, Credentials, Kind, Object, ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// The object that a path means.
pub(super) fn find<T: Object>(world: &World, selector: &Selector, view: View) -> Result<T, Fault> {
    let guid = |text: &str| Uuid::try_parse(text).ok();
    let found = match selector {
        Selector::Id(text) => guid(text).and_then(|id| world.directory.find::<T>(id, view)),
        Selector::AppId(text) => guid(text).and_then(|id| world.directory.find_by_app_id::<T>(id, view)),
        Selector::UniqueName(name) => world
            .directory
            .stored::<T>(view)
            .find(|object| object.members().get("uniqueName").and_then(Value::as_str) == Some(name))
            .map(Cow::Borrowed),
    };
    found.map(Cow::into_owned).ok_or_else(|| Fault::not_found(selector.text()))
}

/// `GET /applications/{id}`.
pub(super) fn read<T: Object>(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    let object = readable::<T>(world, caller, selector)?;
    let selected = query::select(request)?;
    let keys = selected.as_ref().is_some_and(|names| names.iter().any(|name| name == "keyCredentials"));
    if keys {
        super::budget::spend_key_read(world)?;
    }
    let mut entity = render::entity(&object, Style { keys, ..Style::plain(world) });
    if let Some(expand) = query::expand(request, T::KIND)? {
        let (name, related) = super::lists::expanded(world, caller, &object, &expand);
        entity.insert(name.to_owned(), related);
    }
    let (set, entity) = query::project(T::KIND, entity, selected.as_deref())?;
    Ok(reply::entity(world, request, StatusCode::OK, &format!("{set}/$entity"), entity))
}

/// The object of a read, seen through whichever replica answers.
pub(super) fn readable<T: Object>(world: &mut World, caller: &Caller, selector: &Selector) -> Result<T, Fault> {
    let view = world.directory.next_view(world.now(), world.settings.graph_propagation);
    let is_self = |object: &T| world.settings.read_own_application && object.app_id() == caller.app_id;
    match (require(caller, Right::ReadApplications), find::<T>(world, selector, view)) {
        (Ok(()), found) => found,
        (Err(_), Ok(object)) if is_self(&object) => Ok(object),
        (Err(denied), _) => Err(denied),
    }
}

/// `GET /applications/{id}/keyCredentials` and other members by themselves.
pub(super) fn read_property<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
    name: &str,
) -> Answer {
    let object = readable::<T>(world, caller, selector)?;
    let entity = render::entity(&object, Style::plain(world));
    let (name, value) = entity
        .into_iter()
        .find(|(member, _)| member.eq_ignore_ascii_case(name))
        .ok_or_else(|| Fault::malformed(format!("Resource not found for the segment '{name}'.")))?;
    let context = format!("{}('{}')/{name}", T::KIND.collection(), object.id());
    match value {
        Value::Null => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        value => {
            let mut body = Map::new();
            body.insert("value".to_owned(), value);
            Ok(reply::entity(world, request, StatusCode::OK, &context, body))
        }
    }
}

/// `POST /applications`.
pub(super) fn create_application(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::CreateApplications)?;
    let body = reply::body(request)?;
    let application = new_application(world, caller, &body)?;
    Ok(created(world, request, application))
}

/// `PATCH /applications(uniqueName='…')` with `Prefer: create-if-missing`, when it is missing.
pub(super) fn upsert_application(world: &mut World, caller: &Caller, request: &Request, unique_name: &str) -> Answer {
    require(caller, Right::CreateApplications)?;
    let mut body = reply::body(request)?;
    body.insert("uniqueName".to_owned(), json!(unique_name));
    let application = new_application(world, caller, &body)?;
    Ok(created(world, request, application))
}

/// `POST /servicePrincipals`.
pub(super) fn create_service_principal(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::CreateApplications)?;
    let body = reply::body(request)?;
    let principal = new_service_principal(world, caller, &body)?;
    Ok(created(world, request, principal))
}

/// `PATCH /applications/{id}`.
pub(super) fn update<T: Object>(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    let before = find::<T>(world, selector, View::Current)?;
    require_write(caller, &before)?;
    let body = reply::body(request)?;
    if body.contains_key("passwordCredentials") {
        return Err(Fault::bad_request(
            "Property 'passwordCredentials' is read-only and cannot be set; use addPassword.",
        ));
    }
    if body.get("appId").is_some_and(|app_id| *app_id != json!(before.app_id())) {
        return Err(Fault::bad_request("Property 'appId' is read-only and cannot be set."));
    }
    let now = world.now();
    let mut after = before.clone();
    members::apply(T::KIND, after.members_mut(), &body)?;
    if body.contains_key("identifierUris") || body.contains_key("uniqueName") {
        check_unique::<T>(world, before.id(), after.members())?;
    }
    if let Some(sent) = body.get("keyCredentials") {
        after.credentials_mut().keys = credentials::replaced(&before.credentials().keys, sent, now, || world.guid())?;
        enforcement::check_change(world, &before, &after)?;
        super::concurrency::note_keys(world, before.id());
    }
    world.directory.put(after.clone(), now);
    follow(world, &after);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `DELETE /applications/{id}`. The service principal of an application goes with it.
pub(super) fn delete<T: Object>(world: &mut World, caller: &Caller, selector: &Selector) -> Answer {
    let object = find::<T>(world, selector, View::Current)?;
    require_write(caller, &object)?;
    let now = world.now();
    world.directory.delete::<T>(object.id(), now);
    if T::KIND == Kind::Application
        && let Some(principal) = world.directory.service_principal_by_app_id(object.app_id()).map(|found| found.id)
    {
        world.directory.delete::<ServicePrincipal>(principal, now);
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn new_application(world: &mut World, caller: &Caller, body: &Map<String, Value>) -> Result<Application, Fault> {
    if body.contains_key("appId") {
        return Err(Fault::bad_request("Property 'appId' is read-only and cannot be set."));
    }
    if body.get("passwordCredentials").and_then(Value::as_array).is_some_and(|sent| !sent.is_empty()) {
        return Err(Fault::bad_request("Property 'passwordCredentials' cannot be set on creation; use addPassword."));
    }
    let mut own = Map::new();
    members::apply(Kind::Application, &mut own, body)?;
    members::check_created(Kind::Application, &own)?;
    members::fill_in(&mut own);
    own.insert("createdByAppId".to_owned(), json!(caller.app_id));
    check_unique::<Application>(world, Uuid::nil(), &own)?;

    let now = world.now();
    let application = Application {
        id: world.guid(),
        app_id: world.guid(),
        created_at: now,
        credentials: Credentials::default(),
        federated: Vec::new(),
        owners: owners(caller),
        members: own,
    };
    let mut with_keys = application.clone();
    if let Some(sent) = body.get("keyCredentials") {
        with_keys.credentials.keys = credentials::replaced(&[], sent, now, || world.guid())?;
        enforcement::check_change(world, &application, &with_keys)?;
    }
    world.directory.put(with_keys.clone(), now);
    Ok(with_keys)
}

fn new_service_principal(
    world: &mut World,
    caller: &Caller,
    body: &Map<String, Value>,
) -> Result<ServicePrincipal, Fault> {
    let Some(app_id) = credentials::text(body, "appId")? else {
        return Err(Fault::bad_request("A value is required for property 'appId' of resource 'ServicePrincipal'."));
    };
    let application = Uuid::try_parse(app_id)
        .ok()
        .and_then(|id| world.directory.application_by_app_id(id))
        .map(Cow::into_owned)
        .ok_or_else(|| {
            Fault::bad_request(format!(
                "The appId '{app_id}' of the service principal does not reference a valid application object."
            ))
        })?;
    // Who may write only what it owns may give only that an identity.
    require_write(caller, &application)?;
    if world.directory.service_principal_by_app_id(application.app_id).is_some() {
        return Err(Fault::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            format!(
                "The service principal cannot be created, updated, or restored because the service principal name {app_id} is already in use."
            ),
        ));
    }
    let mut own = Map::new();
    inherit(&application, &mut own);
    members::apply(Kind::ServicePrincipal, &mut own, body)?;
    own.insert("createdByAppId".to_owned(), json!(caller.app_id));
    let now = world.now();
    let principal = ServicePrincipal {
        id: world.guid(),
        app_id: application.app_id,
        created_at: now,
        credentials: Credentials::default(),
        // A person who creates one does not become its owner.
        owners: if is_app_only(caller) { owners(caller) } else { BTreeSet::new() },
        roles: Vec::new(),
        members: own,
    };
    let mut with_keys = principal.clone();
    if let Some(sent) = body.get("keyCredentials") {
        with_keys.credentials.keys = credentials::replaced(&[], sent, now, || world.guid())?;
        enforcement::check_change(world, &principal, &with_keys)?;
    }
    world.directory.put(with_keys.clone(), now);
    Ok(with_keys)
}

fn owners(caller: &Caller) -> BTreeSet<Uuid> {
    if creator_becomes_owner(caller) { BTreeSet::from([caller.object_id]) } else { BTreeSet::new() }
}

/// What a service principal takes over from its application.
fn inherit(application: &Application, principal: &mut Map<String, Value>) {
    let shown = &application.members;
    let member = |name: &str| shown.get(name).cloned().unwrap_or(Value::Null);
    principal.insert("displayName".to_owned(), member("displayName"));
    principal.insert("appDisplayName".to_owned(), member("displayName"));
    for (own, theirs) in [("appRoles", "appRoles"), ("signInAudience", "signInAudience")] {
        if let Some(value) = shown.get(theirs) {
            principal.insert(own.to_owned(), value.clone());
        }
    }
    if let Some(scopes) = shown.get("api").and_then(|api| api.get("oauth2PermissionScopes")) {
        principal.insert("oauth2PermissionScopes".to_owned(), scopes.clone());
    }
    let uris = shown.get("identifierUris").and_then(Value::as_array).cloned().unwrap_or_default();
    let names = [json!(application.app_id)].into_iter().chain(uris).collect();
    principal.insert("servicePrincipalNames".to_owned(), names);
    let redirects = ["web", "spa", "publicClient"]
        .into_iter()
        .filter_map(|platform| shown.get(platform)?.get("redirectUris")?.as_array().cloned())
        .flatten()
        .collect();
    principal.insert("replyUrls".to_owned(), redirects);
}

/// Lets the service principal in the home tenant follow a change of its application.
fn follow<T: Object>(world: &mut World, changed: &T) {
    if T::KIND != Kind::Application {
        return;
    }
    let (Some(application), Some(principal)) = (
        world.directory.application_by_app_id(changed.app_id()).map(Cow::into_owned),
        world.directory.service_principal_by_app_id(changed.app_id()).map(Cow::into_owned),
    ) else {
        return;
    };
    let mut after = principal.clone();
    inherit(&application, &mut after.members);
    if after.members != principal.members {
        let now = world.now();
        world.directory.put(after, now);
    }
}

/// No two applications share an identifier URI or a unique name.
fn check_unique<T: Object>(world: &World, except: Uuid, own: &Map<String, Value>) -> Result<(), Fault> {
    let uris = |members: &Map<String, Value>| -> Vec<String> {
        let listed = members.get("identifierUris").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(|uri| uri.as_str().map(str::to_lowercase)).collect()
    };
    let (mine, name) = (uris(own), own.get("uniqueName").filter(|name| name.is_string()));
    let taken = |property: &str| {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "Request_MultipleObjectsWithSameKeyValue",
            format!("Another object with the same value for property {property} already exists."),
        )
    };
    for other in world.directory.stored::<T>(View::Current).filter(|other| other.id() != except) {
        if uris(other.members()).iter().any(|uri| mine.contains(uri)) {
            return Err(taken("identifierUris"));
        }
        if name.is_some() && other.members().get("uniqueName") == name {
            return Err(taken("uniqueName"));
        }
    }
    Ok(())
}

fn created<T: Object>(world: &World, request: &Request, object: T) -> Reply {
    let entity = render::entity(&object, Style { precise: T::KIND == Kind::Application, ..Style::plain(world) });
    let location = format!(
        "{}/v2/{}/directoryObjects/{}/Microsoft.DirectoryServices.{}",
        world.site.origin(),
        world.tenant,
        object.id(),
        T::KIND.name()
    );
    let context = format!("{}/$entity", T::KIND.collection());
    reply::entity(world, request, StatusCode::CREATED, &context, entity).header("location", &location)
}
