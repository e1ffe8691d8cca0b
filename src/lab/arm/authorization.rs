//! Role assignments and role definitions, as Resource Manager lists them and as Resource Graph has
//! them in its table.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Refusal, require};
use crate::lab::azure::{Assignment, BUILT_IN, Definition, Role, is_management_group, is_within};
use crate::lab::directory::{ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// Which assignments a query of Resource Graph is about, seen from the subscription.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Reach {
    /// What management groups inherit is left out: the service's default.
    #[default]
    Below,
    Above,
    Exact,
    Everything,
}

impl Reach {
    /// `authorizationScopeFilter` of the options.
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        Some(match text.map(str::to_ascii_lowercase).as_deref() {
            None | Some("atscopeandbelow") => Self::Below,
            Some("atscopeandabove") => Self::Above,
            Some("atscopeexact") => Self::Exact,
            Some("atscopeaboveandbelow") => Self::Everything,
            Some(_) => return None,
        })
    }

    fn holds(self, subscription: &str, scope: &str) -> bool {
        let is_above = scope == "/" || is_management_group(scope);
        let is_exact = scope.eq_ignore_ascii_case(subscription);
        match self {
            Self::Below => !is_above,
            Self::Above => is_above || is_exact,
            Self::Exact => is_exact,
            Self::Everything => true,
        }
    }
}

/// Reading who has which role.
const READ: &str = "Microsoft.Authorization/roleAssignments/read";

/// The rows of the table `AuthorizationResources` that a caller may see, of the subscriptions that are asked
/// for.
pub(super) fn rows(world: &World, caller: &Caller, reach: Reach, asked: &[Uuid]) -> Vec<Value> {
    let all = world.azure.assignments();
    // What is inherited shows to those who may read where it is inherited.
    let is_visible_in = |each: &Assignment, id: &Uuid| {
        let subscription = format!("/subscriptions/{id}");
        let is_inherited = is_within(&subscription, &each.scope);
        let scope = if is_inherited { &subscription } else { &each.scope };
        (is_inherited || is_within(&each.scope, &subscription))
            && reach.holds(&subscription, &each.scope)
            && world.azure.allows(caller, READ, scope)
    };
    let is_visible = |each: &&Assignment| asked.iter().any(|id| is_visible_in(each, id));
    let subscription = format!("/subscriptions/{}", world.keyvault.subscription());
    let assignments = all.iter().filter(is_visible);
    let custom = all.iter().filter(|each| matches!(each.role, Role::Custom { .. }));
    let row = |id: String, name: Uuid, kind: &str, properties: Value| {
        json!({
            "id": id,
            "name": name,
            "type": kind,
            "tenantId": world.tenant,
            "kind": "",
            "location": "global",
            "resourceGroup": "",
            "subscriptionId": world.keyvault.subscription(),
            "managedBy": "",
            "sku": null,
            "plan": null,
            "properties": properties,
            "tags": null,
            "identity": null,
            "zones": null,
            "extendedLocation": null,
        })
    };
    let assignments = assignments.map(|each| {
        // The table leaves the subscription out of this path, and writes it in a case of its own.
        let role = format!("/providers/Microsoft.Authorization/RoleDefinitions/{}", each.role.id());
        row(path_of(each), each.id, "microsoft.authorization/roleassignments", assignment(world, each, &role))
    });
    let built_in = BUILT_IN.iter().map(|role| {
        let id = format!("/providers/Microsoft.Authorization/RoleDefinitions/{}", role.id);
        row(id, role.id, "microsoft.authorization/roledefinitions", definition(role))
    });
    let custom = custom.map(|each| {
        let id = format!("/providers/Microsoft.Authorization/RoleDefinitions/{}", each.role.id());
        let properties = custom_definition(&subscription, &each.role);
        row(id, each.role.id(), "microsoft.authorization/roledefinitions", properties)
    });
    assignments.chain(built_in).chain(custom).collect()
}

/// `GET {scope}/providers/Microsoft.Authorization/roleAssignments`: at the scope, above it and below.
pub(super) fn assignments(world: &World, caller: &Caller, request: &Request, scope: &str) -> Result<Reply, Refusal> {
    require(world, caller, READ, scope)?;
    let filter = request.query("$filter").unwrap_or_default().replace(' ', "").to_ascii_lowercase();
    let only_above = filter.contains("atscope()");
    let principal =
        filter.split("principalideq'").nth(1).and_then(|rest| rest.split('\'').next()?.parse::<Uuid>().ok());
    let is_meant = |each: &&Assignment| {
        let is_related = is_within(scope, &each.scope) || (!only_above && is_within(&each.scope, scope));
        is_related && principal.is_none_or(|principal| principal == each.principal)
    };
    let shown = world.azure.assignments().iter().filter(is_meant).map(|each| {
        let subscription = subscription_of(world, scope);
        let role = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
            each.role.id()
        );
        json!({
            "id": path_of(each),
            "name": each.id,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": assignment(world, each, &role),
        })
    });
    Ok(Reply::json(StatusCode::OK, &json!({ "value": shown.collect::<Vec<_>>() })))
}

/// `GET {scope}/providers/Microsoft.Authorization/roleDefinitions`.
pub(super) fn definitions(world: &World, caller: &Caller, scope: &str) -> Result<Reply, Refusal> {
    require(world, caller, "Microsoft.Authorization/roleDefinitions/read", scope)?;
    let subscription = format!("/subscriptions/{}", subscription_of(world, scope));
    let row = |id: Uuid, properties: Value| {
        json!({
            "id": format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id}"),
            "name": id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": properties,
        })
    };
    let own = world.azure.assignments().iter().map(|each| &each.role);
    let own = own.filter(|role| matches!(role, Role::Custom { .. }));
    let all = BUILT_IN.iter().map(|role| row(role.id, definition(role)));
    let all: Vec<_> = all.chain(own.map(|role| row(role.id(), custom_definition(&subscription, role)))).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "value": all })))
}

/// The subscription that a scope is in, or the lab's own.
fn subscription_of(world: &World, scope: &str) -> Uuid {
    let named = scope.split('/').nth(2).and_then(|id| Uuid::try_parse(id).ok());
    named.filter(|id| world.keyvault.subscriptions().contains(id)).unwrap_or(world.keyvault.subscription())
}

fn path_of(assignment: &Assignment) -> String {
    let scope = assignment.scope.trim_end_matches('/');
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.id)
}

fn assignment(world: &World, each: &Assignment, role: &str) -> Value {
    let directory = &world.directory;
    let kind = if directory.users.contains_key(&each.principal) {
        "User"
    } else if directory.groups.contains_key(&each.principal) {
        "Group"
    } else if directory.find::<ServicePrincipal>(each.principal, View::Current).is_some() {
        "ServicePrincipal"
    } else {
        "Unknown"
    };
    json!({
        "roleDefinitionId": role,
        "principalId": each.principal,
        "principalType": kind,
        "scope": each.scope,
        "condition": null,
        "conditionVersion": null,
        "createdOn": "2025-01-01T00:00:00.0000000Z",
        "updatedOn": "2025-01-01T00:00:00.0000000Z",
        "createdBy": null,
        "updatedBy": null,
        "delegatedManagedIdentityResourceId": null,
        "description": null,
    })
}

fn definition(role: &Definition) -> Value {
    json!({
        "roleName": role.name,
        "type": "BuiltInRole",
        "description": role.name,
        "assignableScopes": ["/"],
        "permissions": [{
            "actions": role.actions,
            "notActions": role.not_actions,
            "dataActions": role.data_actions,
            "notDataActions": [],
        }],
        "isServiceRole": "false",
        "createdOn": "2020-01-01T00:00:00.0000000Z",
        "updatedOn": "2020-01-01T00:00:00.0000000Z",
        "createdBy": null,
        "updatedBy": null,
    })
}

fn custom_definition(subscription: &str, role: &Role) -> Value {
    let Role::Custom { id, data_actions } = role else { return Value::Null };
    json!({
        "roleName": format!("Custom {id}"),
        "type": "CustomRole",
        "description": "",
        "assignableScopes": [subscription],
        "permissions": [{ "actions": [], "notActions": [], "dataActions": data_actions, "notDataActions": [] }],
        "isServiceRole": "false",
    })
}
