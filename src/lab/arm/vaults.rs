//! Vaults as resources of a subscription.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Refusal, not_imitated};
use crate::lab::exchange::{Reply, Request};
use crate::lab::keyvault::Vault;
use crate::lab::world::World;

/// The largest page.
const LARGEST_PAGE: usize = 1000;

/// `GET /subscriptions`: the one of the vaults, once there is a vault.
pub(super) fn subscriptions(world: &World) -> Reply {
    let id = world.keyvault.subscription();
    let own = (!id.is_nil()).then(|| {
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
    });
    let own: Vec<Value> = own.into_iter().collect();
    let count = json!({ "type": "Total", "value": own.len() });
    Reply::json(StatusCode::OK, &json!({ "value": own, "count": count }))
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

/// What lies below `/subscriptions/{id}`, in lower case.
pub(super) fn in_subscription(
    world: &World,
    request: &Request,
    subscription: &str,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    let id = world.keyvault.subscription();
    if id.is_nil() || subscription != id.to_string() {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "SubscriptionNotFound", message));
    }
    let all = |group: Option<&str>| -> Vec<&Vault> {
        let is_in = |vault: &&Vault| group.is_none_or(|group| vault.resource_group().eq_ignore_ascii_case(group));
        world.keyvault.vaults().filter(is_in).collect()
    };
    match rest {
        [] => {
            let subscriptions = subscriptions(world).value();
            Ok(Reply::json(StatusCode::OK, &subscriptions["value"][0]))
        }
        ["resources"] => {
            let filter = request.query("$filter").unwrap_or_default().to_ascii_lowercase();
            if filter.replace(' ', "") != "resourcetypeeq'microsoft.keyvault/vaults'" {
                return Err(not_imitated());
            }
            let listed = all(None).into_iter().map(|vault| resource(world, vault)).collect();
            page(world, request, listed)
        }
        ["providers", "microsoft.keyvault", "vaults"] => {
            let listed = all(None).into_iter().map(|vault| managed(world, vault)).collect();
            page(world, request, listed)
        }
        ["resourcegroups", group, "providers", "microsoft.keyvault", "vaults"] => {
            let listed = all(Some(group)).into_iter().map(|vault| managed(world, vault)).collect();
            page(world, request, listed)
        }
        ["resourcegroups", group, "providers", "microsoft.keyvault", "vaults", name] => {
            let found = all(Some(group)).into_iter().find(|vault| vault.name() == *name);
            let vault = found.ok_or_else(|| {
                let message = format!(
                    "The Resource 'Microsoft.KeyVault/vaults/{name}' under resource group '{group}' was not found."
                );
                Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
            })?;
            Ok(Reply::json(StatusCode::OK, &managed(world, vault)))
        }
        _ => Err(not_imitated()),
    }
}

/// A vault as its own provider shows it.
pub(super) fn managed(world: &World, vault: &Vault) -> Value {
    let mut shown = resource(world, vault);
    shown["properties"] = properties(world, vault);
    shown
}

/// A row of the table `Resources`.
pub(super) fn row(world: &World, vault: &Vault) -> Value {
    json!({
        "id": id(world, vault),
        "name": vault.name(),
        "type": "microsoft.keyvault/vaults",
        "tenantId": world.tenant,
        "kind": "",
        "location": vault.location(),
        "resourceGroup": vault.resource_group().to_ascii_lowercase(),
        "subscriptionId": world.keyvault.subscription(),
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
fn resource(world: &World, vault: &Vault) -> Value {
    json!({
        "id": id(world, vault),
        "name": vault.name(),
        "type": "Microsoft.KeyVault/vaults",
        "location": vault.location(),
        "tags": vault.tags(),
    })
}

fn id(world: &World, vault: &Vault) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.KeyVault/vaults/{}",
        world.keyvault.subscription(),
        vault.resource_group(),
        vault.name()
    )
}

fn properties(world: &World, vault: &Vault) -> Value {
    let (days, purge_protection) = vault.retention();
    let mut properties = json!({
        "sku": { "family": "A", "name": "standard" },
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
        properties["networkAcls"] =
            json!({ "bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": [] });
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
