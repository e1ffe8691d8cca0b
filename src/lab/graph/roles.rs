//! Application roles granted to service principals, and consent to delegated permissions.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::{Segment, Selector};
use super::render::seconds;
use super::{credentials, delta, filter, objects, query, reply, slices};
use crate::lab::directory::{Hint, Object as _, PermissionGrant, RoleAssignment, ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// Which end of an assignment a path starts from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// `appRoleAssignments`: what the principal holds.
    Principal,
    /// `appRoleAssignedTo`: who holds roles of the resource.
    Resource,
}

impl End {
    const fn segment(self) -> &'static str {
        match self {
            Self::Principal => "appRoleAssignments",
            Self::Resource => "appRoleAssignedTo",
        }
    }
}

/// Answers what lies below `…/appRoleAssignments` and `…/appRoleAssignedTo`.
pub(super) fn assignments(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
    end: End,
    rest: &[Segment],
) -> Answer {
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            let principal = objects::readable::<ServicePrincipal>(world, caller, selector)?;
            let path = format!("servicePrincipals/{}/{}", principal.id, end.segment());
            let context = format!("servicePrincipals('{}')/{}", principal.id, end.segment());
            match end {
                End::Principal => {
                    let all = shown(world, &principal, |_| true);
                    slices::page(world, request, &path, &context, all)
                }
                End::Resource => slices::scanned(world, request, &path, &context, |world, from| {
                    let resource = principal.id;
                    let from = from.max(world.directory.first_holder(resource));
                    let holders = world.directory.scan::<ServicePrincipal>(&Hint::default(), from, View::Current);
                    let of = move |(position, holder): (u64, Cow<'_, ServicePrincipal>)| {
                        (position, shown(world, &holder, |role| role.resource == resource))
                    };
                    holders.map(of).filter(|(_, rows)| !rows.is_empty())
                }),
            }
        }
        ("GET", [id]) => {
            let principal = objects::readable::<ServicePrincipal>(world, caller, selector)?;
            let mut found = shown(world, &principal, |role| role.id == id.raw);
            let Some(Value::Object(members)) = found.pop() else { return Err(Fault::not_found(&id.raw)) };
            Ok(reply::entity(world, request, StatusCode::OK, "appRoleAssignments/$entity", members))
        }
        ("POST", []) => assign(world, caller, request),
        ("DELETE", [id]) => {
            require(caller, Right::AssignRoles)?;
            let holds = |holder: &&ServicePrincipal| holder.roles.iter().any(|role| role.id == id.raw);
            let holder = world.directory.stored::<ServicePrincipal>(View::Current).find(holds);
            let mut holder = holder.cloned().ok_or_else(|| Fault::not_found(&id.raw))?;
            holder.roles.retain(|role| role.id != id.raw);
            let now = world.now();
            world.directory.put(holder, now);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Fault::malformed("The method is not supported for this resource.")),
    }
}

/// What a service principal holds, or what is selected of it.
pub(super) fn held(world: &World, principal: Uuid, select: Option<&[String]>) -> Vec<Value> {
    let principal = world.directory.find::<ServicePrincipal>(principal, View::Current);
    let mut held = principal.map(|principal| shown(world, &principal, |_| true)).unwrap_or_default();
    if let Some(names) = select {
        for members in held.iter_mut().filter_map(Value::as_object_mut) {
            members.retain(|name, _| names.contains(name));
        }
    }
    held
}

fn assign(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::AssignRoles)?;
    let body = reply::body(request)?;
    let (principal, resource) = (principal(world, &body, "principalId")?, principal(world, &body, "resourceId")?);
    let role_id = guid(&body, "appRoleId")?;
    let value = role_value(&resource, role_id).ok_or_else(|| {
        Fault::bad_request(
            "Permission being assigned was not found on application".to_owned() + &format!(" '{}'.", resource.app_id),
        )
    })?;
    if principal.roles.iter().any(|role| role.resource == resource.id && role.role_id == role_id) {
        return Err(Fault::bad_request("Permission being assigned already exists on the object"));
    }
    let now = world.now();
    // The principal in .NET's byte order, and sixteen bytes of chance.
    let mut id = principal.id.to_bytes_le().to_vec();
    id.extend_from_slice(world.guid().as_bytes());
    let assignment =
        RoleAssignment { id: URL_SAFE_NO_PAD.encode(id), resource: resource.id, role_id, value, created_at: now };
    let mut holder = principal.clone();
    holder.roles.push(assignment.clone());
    world.directory.put(holder.clone(), now);
    let mut found = shown(world, &holder, |role| role.id == assignment.id);
    let Some(Value::Object(members)) = found.pop() else { return Err(Fault::not_found(&assignment.id)) };
    let context = format!("servicePrincipals('{}')/appRoleAssignments/$entity", holder.id);
    Ok(reply::entity(world, request, StatusCode::CREATED, &context, members))
}

/// Assignments of a principal as Graph shows them.
fn shown(world: &World, principal: &ServicePrincipal, wanted: impl Fn(&RoleAssignment) -> bool) -> Vec<Value> {
    let show = |role: &RoleAssignment| {
        let resource = world.directory.find::<ServicePrincipal>(role.resource, View::Current);
        json!({
            "id": role.id,
            "deletedDateTime": null,
            "appRoleId": role.role_id,
            "createdDateTime": seconds(role.created_at),
            "principalDisplayName": principal.display_name(),
            "principalId": principal.id,
            "principalType": "ServicePrincipal",
            "resourceDisplayName": resource.as_ref().and_then(|resource| resource.display_name()),
            "resourceId": role.resource,
        })
    };
    principal.roles.iter().filter(|role| wanted(role)).map(show).collect()
}

/// The `value` of an enabled role for applications. The nil role stands for access without a role.
fn role_value(resource: &ServicePrincipal, id: Uuid) -> Option<String> {
    if id.is_nil() {
        return Some(String::new());
    }
    let roles = resource.members.get("appRoles")?.as_array()?;
    let role = roles.iter().find(|role| role["id"] == json!(id) && role["isEnabled"] == json!(true))?;
    let is_for_applications = role["allowedMemberTypes"].as_array()?.contains(&json!("Application"));
    is_for_applications.then(|| role["value"].as_str().unwrap_or_default().to_owned())
}

/// Answers what lies below `/oauth2PermissionGrants`.
pub(super) fn grants(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            require(caller, Right::ReadGrants)?;
            let filter = request.query("$filter").map(filter::parse).transpose()?;
            slices::scanned(world, request, "oauth2PermissionGrants", "oauth2PermissionGrants", |world, from| {
                let all = world.directory.grants_from(from);
                let all = all.map(|(position, (id, grant))| (position, Value::Object(grant_members(&id, &grant))));
                let is_asked = move |row: &Value| filter.as_ref().is_none_or(|filter| filter.matches(row));
                all.filter(move |(_, row)| is_asked(row)).map(|(position, row)| (position, vec![row]))
            })
        }
        ("GET", [segment]) if segment.name == "delta" => {
            require(caller, Right::ReadGrants)?;
            delta::grants(world, request)
        }
        ("GET", [segment]) if segment.name == "$count" => {
            require(caller, Right::ReadGrants)?;
            query::require_eventual(request)?;
            let filter = request.query("$filter").map(filter::parse).transpose()?;
            let is_asked = |id: &str, grant: &PermissionGrant| {
                filter.as_ref().is_none_or(|filter| filter.matches(&Value::Object(grant_members(id, grant))))
            };
            Ok(reply::count(world.directory.grants_from(0).filter(|(_, (id, grant))| is_asked(id, grant)).count()))
        }
        ("POST", []) => consent(world, caller, request),
        ("GET", [id]) => {
            require(caller, Right::ReadGrants)?;
            let grant = world.directory.grant(&id.raw).ok_or_else(|| Fault::not_found(&id.raw))?;
            let members = grant_members(&id.raw, grant);
            Ok(reply::entity(world, request, StatusCode::OK, "oauth2PermissionGrants/$entity", members))
        }
        ("PATCH", [id]) => {
            require(caller, Right::Consent)?;
            let body = reply::body(request)?;
            let scope = credentials::text(&body, "scope")?.unwrap_or_default().to_owned();
            let grant = world.directory.grant(&id.raw).cloned().ok_or_else(|| Fault::not_found(&id.raw))?;
            world.directory.put_grant(id.raw.clone(), PermissionGrant { scope, ..grant });
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        ("DELETE", [id]) => {
            require(caller, Right::Consent)?;
            let is_found = world.directory.remove_grant(&id.raw);
            is_found.then(|| Reply::empty(StatusCode::NO_CONTENT)).ok_or_else(|| Fault::not_found(&id.raw))
        }
        _ => Err(Fault::malformed("The method is not supported for this resource.")),
    }
}

/// `GET /servicePrincipals/{id}/oauth2PermissionGrants`.
pub(super) fn grants_of(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    let client = objects::readable::<ServicePrincipal>(world, caller, selector)?.id;
    let own = world.directory.grants_of(client);
    let own = own.map(|(id, grant)| Value::Object(grant_members(&id, &grant))).collect();
    let path = format!("servicePrincipals/{client}/oauth2PermissionGrants");
    slices::page(world, request, &path, "oauth2PermissionGrants", own)
}

fn consent(world: &mut World, caller: &Caller, request: &Request) -> Answer {
    require(caller, Right::Consent)?;
    let body = reply::body(request)?;
    let (client, resource) = (principal(world, &body, "clientId")?.id, principal(world, &body, "resourceId")?.id);
    let consent_type = credentials::text(&body, "consentType")?.unwrap_or_default().to_owned();
    let principal = match (consent_type.as_str(), credentials::text(&body, "principalId")?) {
        ("AllPrincipals", None) => None,
        ("Principal", Some(_)) => Some(guid(&body, "principalId")?),
        _ => {
            return Err(Fault::bad_request(
                "Invalid value specified for property 'consentType' of resource 'OAuth2PermissionGrant'.",
            ));
        }
    };
    // The id says what the grant is about: the ids in .NET's byte order, one after the other.
    let ids = [Some(client), Some(resource), principal];
    let bytes: Vec<u8> = ids.into_iter().flatten().flat_map(|id| id.to_bytes_le()).collect();
    let id = URL_SAFE_NO_PAD.encode(bytes);
    if world.directory.grant(&id).is_some() {
        return Err(Fault::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            "Permission entry already exists.",
        ));
    }
    let scope = credentials::text(&body, "scope")?.unwrap_or_default().to_owned();
    let grant = PermissionGrant { client, consent_type, principal, resource, scope };
    let members = grant_members(&id, &grant);
    world.directory.put_grant(id.clone(), grant);
    let location = format!("{}/v2/{}/oauth2PermissionGrants/{id}", world.site.origin(), world.tenant);
    Ok(reply::entity(world, request, StatusCode::CREATED, "oauth2PermissionGrants/$entity", members)
        .header("location", &location))
}

pub(super) fn grant_members(id: &str, grant: &PermissionGrant) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("clientId".to_owned(), json!(grant.client));
    members.insert("consentType".to_owned(), json!(grant.consent_type));
    members.insert("id".to_owned(), json!(id));
    members.insert("principalId".to_owned(), json!(grant.principal));
    members.insert("resourceId".to_owned(), json!(grant.resource));
    members.insert("scope".to_owned(), json!(grant.scope));
    members
}

fn guid(body: &Map<String, Value>, name: &str) -> Result<Uuid, Fault> {
    let text = credentials::text(body, name)?.unwrap_or_default();
    Uuid::try_parse(text).map_err(|_| Fault::bad_request(format!("Invalid value specified for property '{name}'.")))
}

/// The service principal that a member of a body means.
fn principal(world: &World, body: &Map<String, Value>, name: &str) -> Result<ServicePrincipal, Fault> {
    let id = guid(body, name)?;
    let found = world.directory.find::<ServicePrincipal>(id, View::Current);
    found.map(Cow::into_owned).ok_or_else(|| Fault::not_found(&id.to_string()))
}
