//! The identity that works in every lab, which may read and write applications and administer vaults;
//! and one that may only look.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Operator;
use super::VAULT;
use crate::lab::azure;
use crate::lab::directory::Application;
use crate::lab::directory::Credentials;
use crate::lab::directory::GRAPH_APP_ID;
use crate::lab::directory::PasswordCredential;
use crate::lab::directory::RoleAssignment;
use crate::lab::directory::ServicePrincipal;
use crate::lab::keyvault;
use crate::lab::world::World;

/// What the operator may do in Graph.
pub(super) const ROLES: [&str; 6] = [
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "AuditLog.Read.All",
    "Directory.Read.All",
    "Policy.Read.All",
    "RoleManagement.Read.Directory",
];

/// All that an audit reads, by the narrowest permission for each.
const AUDITOR_ROLES: [&str; 8] = [
    "Application.Read.All",
    "AuditLog.Read.All",
    "DelegatedPermissionGrant.Read.All",
    "GroupMember.Read.All",
    "Organization.Read.All",
    "Policy.Read.All",
    "RoleManagement.Read.Directory",
    "User.Read.All",
];

/// An application that signs in with a secret.
struct Registered {
    object_id: Uuid,
    app_id: Uuid,
    principal: Uuid,
    secret: String,
}

/// Registers the operator. Nobody is there yet who could ask Graph to do it.
pub(super) fn register(world: &mut World, now: OffsetDateTime) -> Result<Operator, String> {
    let registered = identity(world, "kvops lab operator", &ROLES, now)?;
    Ok(Operator {
        app_id: registered.app_id,
        principal: registered.principal,
        // Until a seed has something better to work on.
        subject_object_id: registered.object_id,
        subject_app_id: registered.app_id,
        vault: VAULT.to_owned(),
    })
}

/// Adds an identity that may read what an audit reads, and nothing else: in Graph, in the
/// subscription, and in every vault that there is.
pub(crate) fn add_auditor(world: &mut World, name: &str) -> Result<Value, String> {
    let now = world.now();
    let registered = identity(world, name, &AUDITOR_ROLES, now)?;
    world.directory.settle();
    let principal = registered.principal;
    for role in ["Reader", "Key Vault Reader"] {
        azure::grant(world, &json!({ "principal": principal, "role": role }))?;
    }
    let by_policy = world.keyvault.vaults().filter(|vault| !vault.uses_rbac()).map(|vault| vault.name().to_owned());
    for vault in by_policy.collect::<Vec<_>>() {
        let permissions = json!({ "certificates": ["get", "list"], "keys": ["get", "list"] });
        keyvault::grant(world, &json!({ "vault": vault, "principal": principal, "permissions": permissions }))?;
    }
    Ok(json!({
        "app_id": registered.app_id,
        "client_secret": registered.secret,
        "principal": principal,
        "roles": AUDITOR_ROLES,
    }))
}

fn identity(world: &mut World, name: &str, roles: &[&str], now: OffsetDateTime) -> Result<Registered, String> {
    let (object_id, app_id, principal) = (world.guid(), world.guid(), world.guid());
    let password = PasswordCredential {
        key_id: world.guid(),
        secret_text: world.password(),
        display_name: Some("lab".to_owned()),
        start: now,
        end: now + Duration::days(3650),
        added_at: now,
    };
    let secret = password.secret_text.clone();
    let application = Application {
        id: object_id,
        app_id,
        created_at: now,
        credentials: Credentials { keys: Vec::new(), passwords: vec![password] },
        federated: Vec::new(),
        owners: BTreeSet::new(),
        members: members(json!({
            "displayName": name, "signInAudience": "AzureADMyOrg", "serviceManagementReference": "LAB-1",
            "servicePrincipalLockConfiguration": { "isEnabled": true, "allProperties": true },
            "requiredResourceAccess": requested(world, roles),
        })),
    };
    let service_principal = ServicePrincipal {
        id: principal,
        app_id,
        created_at: now,
        credentials: Credentials::default(),
        owners: BTreeSet::new(),
        roles: roles.iter().map(|role| assignment(world, role, now)).collect::<Result<_, _>>()?,
        members: members(json!({
            "displayName": name, "appDisplayName": name, "accountEnabled": true,
            "appOwnerOrganizationId": world.tenant, "servicePrincipalNames": [app_id],
            "servicePrincipalType": "Application", "signInAudience": "AzureADMyOrg",
        })),
    };
    world.directory.put(application, now);
    world.directory.put(service_principal, now);
    Ok(Registered { object_id, app_id, principal, secret })
}

/// What a registration says that it needs: what it is granted, and nothing else.
fn requested(world: &World, roles: &[&str]) -> Value {
    let graph = world.directory.service_principal_by_app_id(GRAPH_APP_ID);
    let known = graph.as_ref().and_then(|graph| graph.members.get("appRoles")?.as_array());
    let is_granted = |role: &&Value| role["value"].as_str().is_some_and(|value| roles.contains(&value));
    let granted = known.into_iter().flatten().filter(is_granted);
    let access: Vec<_> = granted.map(|role| json!({ "id": role["id"], "type": "Role" })).collect();
    json!([{ "resourceAppId": GRAPH_APP_ID, "resourceAccess": access }])
}

/// The grant of an application role of Graph.
pub(crate) fn assignment(world: &mut World, value: &str, now: OffsetDateTime) -> Result<RoleAssignment, String> {
    let id = world.guid().simple().to_string();
    let graph = world.directory.service_principal_by_app_id(GRAPH_APP_ID).ok_or("the tenant has no Microsoft Graph")?;
    let roles = graph.members.get("appRoles").and_then(Value::as_array);
    let role = roles.into_iter().flatten().find(|role| role["value"] == value);
    let role_id = role.and_then(|role| role["id"].as_str()?.parse().ok());
    let role_id = role_id.ok_or_else(|| format!("Microsoft Graph has no application role `{value}`"))?;
    Ok(RoleAssignment { id, resource: graph.id, role_id, value: value.to_owned(), created_at: now })
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
