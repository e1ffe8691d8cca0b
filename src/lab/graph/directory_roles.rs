//! `/roleManagement/directory`: who holds a directory role, and who may activate one.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::Segment;
use super::{render, slices, tenant};
use crate::lab::directory::{DIRECTORY_ROLES, DirectoryRole};
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::{Licence, World};

/// Answers what lies below `/roleManagement`.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match (request.method.as_str(), names.as_slice()) {
        ("GET", ["directory", "roledefinitions"]) => {
            require(caller, Right::ReadRoles)?;
            let all = DIRECTORY_ROLES.iter().map(|(id, name)| definition(&id.to_string(), name)).collect();
            page(world, request, "roleDefinitions", all)
        }
        ("GET", ["directory", "roleassignments"]) => {
            require(caller, Right::ReadRoles)?;
            let all = held(world, false).map(|role| assignment(world, caller, request, role)).collect();
            page(world, request, "roleAssignments", all)
        }
        ("GET", ["directory", name @ ("roleeligibilityscheduleinstances" | "roleeligibilityschedules")]) => {
            require(caller, Right::ReadEligibleRoles)?;
            require_governance(world)?;
            let is_instance = name.ends_with("instances");
            let all = held(world, true).map(|role| eligibility(world, role, is_instance)).collect();
            let name = if is_instance { "roleEligibilityScheduleInstances" } else { "roleEligibilitySchedules" };
            page(world, request, name, all)
        }
        _ => Err(Fault::not_implemented("this use of role management")),
    }
}

fn page(world: &mut World, request: &Request, name: &str, all: Vec<Value>) -> Answer {
    let path = format!("roleManagement/directory/{name}");
    slices::page(world, request, &path, &path, all)
}

/// Privileged Identity Management comes with P2.
fn require_governance(world: &World) -> Result<(), Fault> {
    if world.settings.licence == Licence::P2 {
        return Ok(());
    }
    let message = "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.";
    Err(Fault::new(StatusCode::BAD_REQUEST, "AadPremiumLicenseRequired", message))
}

fn held(world: &World, is_eligible: bool) -> impl Iterator<Item = &DirectoryRole> {
    world.directory.directory_roles.iter().filter(move |role| role.is_eligible == is_eligible)
}

fn definition(id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "description": name,
        "displayName": name,
        "isBuiltIn": true,
        "isEnabled": true,
        "templateId": id,
        "version": "1",
        "resourceScopes": ["/"],
        "rolePermissions": [],
    })
}

fn assignment(world: &World, caller: &Caller, request: &Request, role: &DirectoryRole) -> Value {
    let mut shown = json!({
        "id": role.id,
        "principalId": role.principal,
        "directoryScopeId": "/",
        "roleDefinitionId": role.definition,
    });
    let expanded = request.query("$expand").unwrap_or_default().to_ascii_lowercase();
    if expanded.contains("principal") {
        let principal = render::directory_object(world, role.principal, tenant::people(caller, false));
        shown["principal"] = principal.map_or(Value::Null, Value::Object);
    }
    if expanded.contains("roledefinition") {
        let name = DIRECTORY_ROLES.iter().find(|(id, _)| *id == role.definition).map_or("", |(_, name)| name);
        shown["roleDefinition"] = definition(&role.definition.to_string(), name);
    }
    shown
}

fn eligibility(world: &World, role: &DirectoryRole, is_instance: bool) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("id", json!(role.id));
    put("principalId", json!(role.principal));
    put("roleDefinitionId", json!(role.definition));
    put("directoryScopeId", json!("/"));
    put("appScopeId", Value::Null);
    put("memberType", json!("Direct"));
    if is_instance {
        put("startDateTime", json!(render::seconds(world.now())));
        put("endDateTime", Value::Null);
        put("roleEligibilityScheduleId", json!(role.id));
    } else {
        put("status", json!("Provisioned"));
    }
    Value::Object(shown)
}
