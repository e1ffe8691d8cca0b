//! Vaults as resources of a subscription.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Refusal, authorization, not_imitated, require, security};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::keyvault::Vault;
use crate::lab::world::World;

/// The largest page.
const LARGEST_PAGE: usize = 1000;

/// `GET /subscriptions`: those of the vaults, once there is a vault, in which the caller has a role.
pub(super) fn subscriptions(world: &World, caller: &Caller) -> Reply {
    let own: Vec<Value> = known(world, caller).into_iter().map(|id| subscription(world, id)).collect();
    let count = json!({ "type": "Total", "value": own.len() });
    Reply::json(StatusCode::OK, &json!({ "value": own, "count": count }))
}

/// The subscriptions in which a caller has a role.
pub(super) fn known(world: &World, caller: &Caller) -> Vec<Uuid> {
    let mut all = world.keyvault.subscriptions();
    all.retain(|id| world.azure.knows(caller, &format!("/subscriptions/{id}")));
    all
}

fn subscription(world: &World, id: Uuid) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": id,
        "tenantId": world.tenant,
        "displayName": "Lab",
        "state": "Enabled",
        "subscriptionPolicies": { "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off" },
    })
}

/// The rows of the table `ResourceContainers` for a subscription.
pub(super) fn container_rows(world: &World, id: Uuid) -> Vec<Value> {
    let chain = json!([{ "name": world.tenant, "displayName": "Tenant Root Group" }]);
    let mut rows = vec![json!({
        "id": format!("/subscriptions/{id}"),
        "name": "Lab",
        "type": "microsoft.resources/subscriptions",
        "tenantId": world.tenant,
        "subscriptionId": id,
        "resourceGroup": "",
        "location": "",
        "properties": { "state": "Enabled", "managementGroupAncestorsChain": chain },
    })];
    let vaults = world.keyvault.vaults().filter(|vault| vault.subscription() == id);
    let groups: BTreeSet<_> = vaults.map(Vault::resource_group).collect();
    rows.extend(groups.into_iter().map(|name| {
        json!({
            "id": format!("/subscriptions/{id}/resourceGroups/{name}"),
            "name": name,
            "type": "microsoft.resources/subscriptions/resourcegroups",
            "tenantId": world.tenant,
            "subscriptionId": id,
            "resourceGroup": name.to_ascii_lowercase(),
            "location": "westus",
            "properties": { "provisioningState": "Succeeded" },
        })
    }));
    rows
}

/// `GET /tenants`.
pub(super) fn tenants(world: &World) -> Reply {
    let tenant = json!({
        "id": format!("/tenants/{}", world.tenant),
        "tenantId": world.tenant,
        "countryCode": "US",
        "displayName": "Contoso (LAB)",
        "domains": world.domains(),
        "tenantCategory": "Home",
        "defaultDomain": world.domains()[0],
        "tenantType": "AAD",
    });
    Reply::json(StatusCode::OK, &json!({ "value": [tenant] }))
}

/// Reading a vault as a resource.
const READ: &str = "Microsoft.KeyVault/vaults/read";

/// What lies below `/subscriptions/{id}`, in lower case.
pub(super) fn in_subscription(
    world: &World,
    caller: &Caller,
    request: &Request,
    id: &str,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    let Some(own) = world.keyvault.subscriptions().into_iter().find(|own| own.to_string() == id) else {
        let message = format!("The subscription '{id}' could not be found.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "SubscriptionNotFound", message));
    };
    let scope = format!("/subscriptions/{own}");
    let all = |group: Option<&str>| -> Vec<&Vault> {
        let is_in = |vault: &&Vault| group.is_none_or(|group| vault.resource_group().eq_ignore_ascii_case(group));
        world.keyvault.vaults().filter(|vault| vault.subscription() == own).filter(is_in).collect()
    };
    match rest {
        [] if world.azure.knows(caller, &scope) => Ok(Reply::json(StatusCode::OK, &subscription(world, own))),
        [] => Err(require(world, caller, "Microsoft.Resources/subscriptions/read", &scope)
            .err()
            .unwrap_or_else(not_imitated)),
        ["resources"] => {
            let filter = request.query("$filter").unwrap_or_default().to_ascii_lowercase();
            if filter.replace(' ', "") != "resourcetypeeq'microsoft.keyvault/vaults'" {
                return Err(not_imitated());
            }
            // This list shows what the caller may see, and says nothing about the rest.
            let visible = all(None).into_iter().filter(|vault| is_visible(world, caller, vault));
            page(world, request, visible.map(resource).collect())
        }
        ["providers", "microsoft.keyvault", "vaults"] => {
            require(world, caller, READ, &scope)?;
            page(world, request, all(None).into_iter().map(|vault| managed(world, vault)).collect())
        }
        ["providers", "microsoft.security", "pricings", name @ ..] if name.len() < 2 => {
            security::pricings(world, caller, own, name.first().copied())
        }
        ["providers", "microsoft.authorization", what] => authorization_at(world, caller, request, &scope, what),
        ["resourcegroups", group, "providers", "microsoft.keyvault", "vaults"] => {
            require(world, caller, READ, &format!("{scope}/resourceGroups/{group}"))?;
            page(world, request, all(Some(group)).into_iter().map(|vault| managed(world, vault)).collect())
        }
        ["resourcegroups", group, "providers", "microsoft.keyvault", "vaults", name, rest @ ..] => {
            let path = format!("{scope}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}");
            let found = all(Some(group)).into_iter().find(|vault| vault.name() == *name);
            let Some(vault) = found else {
                require(world, caller, READ, &path)?;
                let message = format!(
                    "The Resource 'Microsoft.KeyVault/vaults/{name}' under resource group '{group}' was not found."
                );
                return Err(Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFound", message));
            };
            match rest {
                [] => {
                    require(world, caller, READ, &vault.resource_id())?;
                    Ok(Reply::json(StatusCode::OK, &managed(world, vault)))
                }
                ["providers", "microsoft.insights", "diagnosticsettings"] => {
                    security::diagnostic_settings(world, caller, vault)
                }
                ["providers", "microsoft.authorization", what] => {
                    authorization_at(world, caller, request, &vault.resource_id(), what)
                }
                _ => Err(not_imitated()),
            }
        }
        _ => Err(not_imitated()),
    }
}

fn authorization_at(
    world: &World,
    caller: &Caller,
    request: &Request,
    scope: &str,
    what: &str,
) -> Result<Reply, Refusal> {
    match what {
        "roleassignments" => authorization::assignments(world, caller, request, scope),
        "roledefinitions" => authorization::definitions(world, caller, scope),
        _ => Err(not_imitated()),
    }
}

/// Whether a caller may see a vault among the resources.
pub(super) fn is_visible(world: &World, caller: &Caller, vault: &Vault) -> bool {
    world.azure.allows(caller, READ, &vault.resource_id())
}

/// A vault as its own provider shows it.
pub(super) fn managed(world: &World, vault: &Vault) -> Value {
    let mut shown = resource(vault);
    shown["properties"] = properties(world, vault);
    shown
}

/// A row of the table `Resources`.
pub(super) fn row(world: &World, vault: &Vault) -> Value {
    json!({
        "id": vault.resource_id(),
        "name": vault.name(),
        "type": "microsoft.keyvault/vaults",
        "tenantId": world.tenant,
        "kind": "",
        "location": vault.location(),
        "resourceGroup": vault.resource_group().to_ascii_lowercase(),
        "subscriptionId": vault.subscription(),
        "managedBy": "",
        "sku": null,
        "plan": null,
        "properties": properties(world, vault),
        "tags": vault.tags(),
        "identity": null,
        "zones": null,
        "extendedLocation": null,
    })
}

/// A vault in a list of resources of all kinds.
fn resource(vault: &Vault) -> Value {
    json!({
        "id": vault.resource_id(),
        "name": vault.name(),
        "type": "Microsoft.KeyVault/vaults",
        "location": vault.location(),
        "tags": vault.tags(),
    })
}

fn properties(world: &World, vault: &Vault) -> Value {
    let (days, purge_protection) = vault.retention();
    let mut properties = json!({
        "sku": { "family": "A", "name": vault.sku() },
        "tenantId": world.tenant,
        "accessPolicies": vault.access_policies(world.tenant),
        "enabledForDeployment": false,
        "enabledForDiskEncryption": false,
        "enabledForTemplateDeployment": false,
        "enableSoftDelete": true,
        "softDeleteRetentionInDays": days,
        "enableRbacAuthorization": vault.uses_rbac(),
        "vaultUri": format!("{}/", world.site.vault_url(vault.name())),
        "provisioningState": "Succeeded",
        "publicNetworkAccess": if vault.is_private() { "Disabled" } else { "Enabled" },
    });
    if purge_protection {
        // Absent, never false, where it is off.
        properties["enablePurgeProtection"] = json!(true);
    }
    if vault.has_firewall() {
        let known = if vault.lets_the_lab_in() { "127.0.0.1/32" } else { "203.0.113.0/24" };
        properties["networkAcls"] = json!({
            "bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{ "value": known }],
            "virtualNetworkRules": [],
        });
    }
    if vault.is_private() {
        properties["privateEndpointConnections"] = json!([{
            "properties": {
                "provisioningState": "Succeeded",
                "privateLinkServiceConnectionState": { "status": "Approved", "actionsRequired": "None" },
            },
        }]);
    }
    properties
}

fn page(world: &World, request: &Request, all: Vec<Value>) -> Result<Reply, Refusal> {
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let invalid = |_| {
            let message = format!("The value of the query parameter '{name}' is invalid.");
            Refusal::new(StatusCode::BAD_REQUEST, "InvalidQueryParameter", message)
        };
        request.query(name).map(|text| text.parse().map_err(invalid)).transpose()
    };
    let mut size = number("$top")?.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    let from = number("$skiptoken")?.unwrap_or_default();
    let total = all.len();
    let mut body = Map::new();
    body.insert("value".to_owned(), all.into_iter().skip(from).take(size).collect());
    if total > from.saturating_add(size) {
        let kept = request.query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"));
        let mut link = format!("{}/{}?", world.site.origin(), request.path.join("/").trim_start_matches('/'));
        for (name, value) in kept {
            let value: String =
                url::form_urlencoded::byte_serialize(value.as_bytes()).map(|part| part.replace('+', "%20")).collect();
            link.push_str(&format!("{name}={value}&"));
        }
        link.push_str(&format!("$skiptoken={}", from + size));
        body.insert("nextLink".to_owned(), json!(link));
    }
    Ok(Reply::json(StatusCode::OK, &body))
}
