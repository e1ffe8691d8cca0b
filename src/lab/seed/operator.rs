//! The identity that works in every lab: it may read and write applications and administer vaults.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::Operator;
use super::VAULT;
use crate::lab::directory::Application;
use crate::lab::directory::Credentials;
use crate::lab::directory::GRAPH_APP_ID;
use crate::lab::directory::PasswordCredential;
use crate::lab::directory::RoleAssignment;
use crate::lab::directory::ServicePrincipal;
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

/// Registers the operator. Nobody is there yet who could ask Graph to do it.
pub(super) fn register(world: &mut World, now: OffsetDateTime) -> Result<Operator, String> {
    let (object_id, app_id, principal) = (world.guid(), world.guid(), world.guid());
    let password = PasswordCredential {
        key_id: world.guid(),
        secret_text: world.password(),
        display_name: Some("lab".to_owned()),
        start: now,
        end: now + Duration::days(3650),
        added_at: now,
    };
    let name = "kvops lab operator";
    let application = Application {
        id: object_id,
        app_id,
        created_at: now,
        credentials: Credentials { keys: Vec::new(), passwords: vec![password] },
        federated: Vec::new(),
        owners: BTreeSet::new(),
        members: members(json!({ "displayName": name, "signInAudience": "AzureADMyOrg" })),
    };
    let service_principal = ServicePrincipal {
        id: principal,
        app_id,
        created_at: now,
        credentials: Credentials::default(),
        owners: BTreeSet::new(),
        roles: ROLES.iter().map(|role| assignment(world, role, now)).collect::<Result<_, _>>()?,
        members: members(json!({
            "displayName": name, "appDisplayName": name, "accountEnabled": true,
            "appOwnerOrganizationId": world.tenant, "servicePrincipalNames": [app_id],
            "servicePrincipalType": "Application", "signInAudience": "AzureADMyOrg",
        })),
    };
    world.directory.put(application, now);
    world.directory.put(service_principal, now);
    Ok(Operator {
        app_id,
        principal,
        // Until a seed has something better to work on.
        subject_object_id: object_id,
        subject_app_id: app_id,
        vault: VAULT.to_owned(),
    })
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
