//! App management policies: the tenant's default, custom ones, and to whom those apply.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::{Segment, Selector};
use super::render::{Style, merged, typed};
use super::{members, objects, reply, slices};
use crate::lab::directory::{Application, Object, ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// The default policy with what the tenant has changed of it.
pub(super) fn default_policy(world: &World) -> Value {
    let default = json!({
        "id": "00000000-0000-0000-0000-000000000000",
        "displayName": "Default app management tenant policy",
        "description": "Default tenant policy that enforces app management restrictions on applications and service principals. To apply policy to targeted resources, create a new policy under appManagementPolicies collection.",
        "isEnabled": false,
        "applicationRestrictions": { "passwordCredentials": [], "keyCredentials": [] },
        "servicePrincipalRestrictions": { "passwordCredentials": [], "keyCredentials": [] },
    });
    merged(&default, &Value::Object(world.directory.policies.default.clone()))
}

/// Answers what lies below `/policies`.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request, rest: &[Segment]) -> Answer {
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    require(caller, if request.method == http::Method::GET { Right::ReadPolicies } else { Right::WritePolicies })?;
    match (request.method.as_str(), names.as_slice()) {
        ("GET", ["defaultappmanagementpolicy"]) => {
            let policy = object(default_policy(world));
            Ok(reply::entity(world, request, StatusCode::OK, "policies/defaultAppManagementPolicy/$entity", policy))
        }
        ("PATCH", ["defaultappmanagementpolicy"]) => {
            let body = reply::body(request)?;
            check(&body, &["isEnabled", "applicationRestrictions", "servicePrincipalRestrictions"])?;
            let before = Value::Object(std::mem::take(&mut world.directory.policies.default));
            world.directory.policies.default = object(merged(&before, &Value::Object(body)));
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        ("GET", ["appmanagementpolicies"]) => {
            let policies = custom_policies(world, request)?;
            slices::page(world, request, "policies/appManagementPolicies", "policies/appManagementPolicies", policies)
        }
        ("POST", ["appmanagementpolicies"]) => create(world, request),
        ("GET", ["appmanagementpolicies", _]) => {
            let id = policy_id(world, &rest[1].raw)?;
            let policy = object(world.directory.policies.custom[&id].clone());
            Ok(reply::entity(world, request, StatusCode::OK, "policies/appManagementPolicies/$entity", policy))
        }
        ("PATCH", ["appmanagementpolicies", _]) => {
            let id = policy_id(world, &rest[1].raw)?;
            let body = reply::body(request)?;
            check(&body, &["displayName", "description", "isEnabled", "restrictions"])?;
            if let Some(policy) = world.directory.policies.custom.get_mut(&id) {
                *policy = merged(policy, &Value::Object(body));
            }
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        ("DELETE", ["appmanagementpolicies", _]) => {
            let id = policy_id(world, &rest[1].raw)?;
            world.directory.policies.custom.remove(&id);
            world.directory.policies.assigned.retain(|_, policy| *policy != id);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        ("GET", ["appmanagementpolicies", _, "appliesto"]) => {
            let id = policy_id(world, &rest[1].raw)?;
            let path = format!("policies/appManagementPolicies/{id}/appliesTo");
            slices::page(world, request, &path, "directoryObjects", applies_to(world, id))
        }
        ("GET", ["authorizationpolicy"]) => {
            let policy = object(authorization_policy(world));
            Ok(reply::entity(world, request, StatusCode::OK, "policies/authorizationPolicy/$entity", policy))
        }
        _ => Err(Fault::not_implemented("this policy")),
    }
}

/// What the tenant lets its people do, with what it has changed of it.
fn authorization_policy(world: &World) -> Value {
    let default = json!({
        "id": "authorizationPolicy",
        "displayName": "Authorization Policy",
        "description": "Used to manage authorization related settings across the company.",
        "allowInvitesFrom": "everyone",
        "allowedToSignUpEmailBasedSubscriptions": true,
        "allowedToUseSSPR": true,
        "allowEmailVerifiedUsersToJoinOrganization": false,
        "allowUserConsentForRiskyApps": null,
        "blockMsolPowerShell": false,
        "guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3",
        "defaultUserRolePermissions": {
            "allowedToCreateApps": true,
            "allowedToCreateSecurityGroups": true,
            "allowedToCreateTenants": true,
            "allowedToReadBitlockerKeysForOwnedDevice": true,
            "allowedToReadOtherUsers": true,
            "permissionGrantPoliciesAssigned": ["ManagePermissionGrantsForSelf.microsoft-user-default-legacy"],
        },
    });
    merged(&default, &Value::Object(world.directory.policies.authorization.clone()))
}

/// All custom policies, with whom they apply to if that is asked for.
fn custom_policies(world: &World, request: &Request) -> Result<Vec<Value>, Fault> {
    let is_expanded = match request.query("$expand") {
        None => false,
        Some(text) if text.trim().eq_ignore_ascii_case("appliesTo") => true,
        Some(_) => return Err(Fault::not_implemented("$expand of anything but appliesTo")),
    };
    let shown = world.directory.policies.custom.iter().map(|(id, policy)| {
        let mut policy = policy.clone();
        if is_expanded {
            policy["appliesTo"] = Value::Array(applies_to(world, *id));
        }
        policy
    });
    Ok(shown.collect())
}

/// Answers what lies below `…/appManagementPolicies` of an application or service principal.
pub(super) fn of_object<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
    rest: &[Segment],
) -> Answer {
    let id = objects::find::<T>(world, selector, View::Current)?.id();
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    require(caller, if request.method == http::Method::GET { Right::ReadPolicies } else { Right::WritePolicies })?;
    match (request.method.as_str(), names.as_slice()) {
        ("GET", []) => {
            let policies = &world.directory.policies;
            let policy = policies.assigned.get(&id).and_then(|policy| policies.custom.get(policy)).cloned();
            Ok(reply::collection(world, request, "appManagementPolicies", policy.into_iter().collect()))
        }
        ("POST", ["$ref"]) => {
            let body = reply::body(request)?;
            let link = body.get("@odata.id").and_then(Value::as_str).unwrap_or_default();
            let policy = policy_id(world, link.rsplit('/').next().unwrap_or_default())?;
            if world.directory.policies.assigned.contains_key(&id) {
                return Err(Fault::bad_request("Only one app management policy can be assigned to an object."));
            }
            world.directory.policies.assigned.insert(id, policy);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        ("DELETE", [_, "$ref"]) => {
            let policy = policy_id(world, &rest[0].raw)?;
            if world.directory.policies.assigned.get(&id) != Some(&policy) {
                return Err(Fault::not_found(&rest[0].raw));
            }
            world.directory.policies.assigned.remove(&id);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Fault::malformed("The method is not supported for this resource.")),
    }
}

fn create(world: &mut World, request: &Request) -> Answer {
    let body = reply::body(request)?;
    check(&body, &["displayName", "description", "isEnabled", "restrictions"])?;
    members::check_created(crate::lab::directory::Kind::Application, &body)
        .map_err(|_| Fault::bad_request("A value is required for property 'displayName' of resource 'Policy'."))?;
    let id = world.guid();
    let default = json!({
        "id": id, "displayName": null, "description": null, "isEnabled": false,
        "restrictions": { "passwordCredentials": [], "keyCredentials": [] },
    });
    let policy = merged(&default, &Value::Object(body));
    world.directory.policies.custom.insert(id, policy.clone());
    Ok(reply::entity(world, request, StatusCode::CREATED, "policies/appManagementPolicies/$entity", object(policy)))
}

fn applies_to(world: &World, policy: Uuid) -> Vec<Value> {
    let style = Style::plain(world);
    let assigned = world.directory.policies.assigned.iter().filter(|(_, other)| **other == policy);
    assigned
        .filter_map(|(&id, _)| {
            let application = world.directory.find::<Application>(id, View::Current);
            let principal = || world.directory.find::<ServicePrincipal>(id, View::Current);
            application
                .map(|application| typed(application.as_ref(), style))
                .or_else(|| principal().map(|principal| typed(principal.as_ref(), style)))
                .map(Value::Object)
        })
        .collect()
}

fn policy_id(world: &World, text: &str) -> Result<Uuid, Fault> {
    let id = Uuid::try_parse(text).ok().filter(|id| world.directory.policies.custom.contains_key(id));
    id.ok_or_else(|| Fault::not_found(text))
}

/// Refuses unknown members, and restrictions of a type that v1.0 does not have.
fn check(body: &Map<String, Value>, known: &[&str]) -> Result<(), Fault> {
    if let Some(name) = body.keys().find(|name| !name.contains('@') && !known.contains(&name.as_str())) {
        return Err(Fault::malformed(format!("Invalid property '{name}'.")));
    }
    let sections = ["applicationRestrictions", "servicePrincipalRestrictions", "restrictions"];
    for section in sections.iter().filter_map(|name| body.get(*name)) {
        let types =
            |collection: &str, allowed: &[&str]| {
                section[collection].as_array().into_iter().flatten().all(|restriction| {
                    restriction["restrictionType"].as_str().is_some_and(|name| allowed.contains(&name))
                })
            };
        const PASSWORDS: [&str; 5] = [
            "passwordAddition",
            "passwordLifetime",
            "symmetricKeyAddition",
            "symmetricKeyLifetime",
            "customPasswordAddition",
        ];
        // trustedCertificateAuthority is of beta, and needs an object that the lab does not have.
        if !types("passwordCredentials", &PASSWORDS) || !types("keyCredentials", &["asymmetricKeyLifetime"]) {
            return Err(Fault::bad_request("Invalid value specified for property 'restrictionType'."));
        }
    }
    Ok(())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
