//! What watches over vaults: diagnostic settings of each, and the plans of Defender for Cloud.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Refusal, require};
use crate::lab::entra::Caller;
use crate::lab::exchange::Reply;
use crate::lab::keyvault::Vault;
use crate::lab::world::World;

/// `GET {vault}/providers/Microsoft.Insights/diagnosticSettings`.
pub(super) fn diagnostic_settings(world: &World, caller: &Caller, vault: &Vault) -> Result<Reply, Refusal> {
    let id = vault.resource_id();
    require(world, caller, "Microsoft.Insights/diagnosticSettings/read", &id)?;
    let settings: Vec<Value> = vault.diagnostics().into_iter().map(|what| setting(vault, &id, what)).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "value": settings })))
}

fn setting(vault: &Vault, path: &str, what: &str) -> Value {
    let member = if what.eq_ignore_ascii_case("AuditEvent") { "category" } else { "categoryGroup" };
    let other = if member == "category" { "categoryGroup" } else { "category" };
    let subscription = vault.subscription();
    json!({
        "id": format!("{}/providers/microsoft.insights/diagnosticSettings/audit", path.to_lowercase()),
        "type": "Microsoft.Insights/diagnosticSettings",
        "name": "audit",
        "location": null,
        "kind": null,
        "tags": null,
        "properties": {
            "storageAccountId": null,
            "serviceBusRuleId": null,
            "workspaceId": format!("/subscriptions/{subscription}/resourceGroups/lab/providers/Microsoft.OperationalInsights/workspaces/log"),
            "eventHubAuthorizationRuleId": null,
            "eventHubName": null,
            "metrics": [],
            "logs": [{ member: what, other: null, "enabled": true, "retentionPolicy": { "enabled": false, "days": 0 } }],
            "logAnalyticsDestinationType": null,
        },
        "identity": null,
    })
}

/// `GET /subscriptions/{id}/providers/Microsoft.Security/pricings[/KeyVaults]`.
pub(super) fn pricings(world: &World, caller: &Caller, id: Uuid, name: Option<&str>) -> Result<Reply, Refusal> {
    let scope = format!("/subscriptions/{id}");
    require(world, caller, "Microsoft.Security/pricings/read", &scope)?;
    match name {
        None => {
            Ok(Reply::json(StatusCode::OK, &json!({ "value": [pricing(world, id, "Microsoft.Security/pricings")] })))
        }
        Some("keyvaults") => Ok(Reply::json(StatusCode::OK, &pricing(world, id, "Microsoft.Security/pricings"))),
        Some(_) => Err(super::not_imitated()),
    }
}

/// The row of the table `SecurityResources` for a subscription.
pub(super) fn row(world: &World, id: Uuid) -> Value {
    let mut row = pricing(world, id, "microsoft.security/pricings");
    row["subscriptionId"] = json!(id);
    row["tenantId"] = json!(world.tenant);
    row
}

fn pricing(world: &World, id: Uuid, kind: &str) -> Value {
    let is_on = world.azure.has_defender;
    json!({
        "id": format!("/subscriptions/{id}/providers/Microsoft.Security/pricings/KeyVaults"),
        "name": "KeyVaults",
        "type": kind,
        "properties": {
            "pricingTier": if is_on { "Standard" } else { "Free" },
            "subPlan": if is_on { json!("PerKeyVault") } else { Value::Null },
            "freeTrialRemainingTime": "PT0S",
            "enablementTime": if is_on { json!("2025-01-01T00:00:00Z") } else { Value::Null },
            "deprecated": false,
        },
    })
}
