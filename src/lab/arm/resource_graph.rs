//! Resource Graph: one query over all vaults, or over all that is assigned.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::authorization::Reach;
use super::kql::{Query, Table};
use super::{Refusal, authorization, not_imitated, security, vaults};
use crate::lab::chaos::Chaos;
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// The largest page.
const LARGEST_PAGE: usize = 1000;

/// `POST /providers/Microsoft.ResourceGraph/resources`.
pub(super) fn answer(world: &World, caller: &Caller, request: &Request, chaos: Chaos) -> Result<Reply, Refusal> {
    let body: Value = request.json().map_err(|problem| invalid(&problem))?;
    let query = Query::parse(body["query"].as_str().unwrap_or_default()).map_err(|problem| invalid(&problem))?;
    let options = &body["options"];
    if options["resultFormat"].as_str().is_some_and(|format| !format.eq_ignore_ascii_case("objectArray")) {
        return Err(not_imitated());
    }
    let mut asked = vaults::known(world, caller);
    if asked.is_empty() {
        return Err(denied(world));
    }
    if let Some(listed) = body["subscriptions"].as_array().filter(|listed| !listed.is_empty()) {
        let is_listed = |own: &str| listed.iter().any(|id| id.as_str().is_some_and(|id| id.eq_ignore_ascii_case(own)));
        asked.retain(|id| is_listed(&id.to_string()));
    }
    let allowed = |action: &str| {
        let may = |id: &Uuid| world.azure.allows(caller, action, &format!("/subscriptions/{id}"));
        asked.iter().copied().filter(may).collect::<Vec<_>>()
    };
    let reach = Reach::parse(options["authorizationScopeFilter"].as_str())
        .ok_or_else(|| invalid("the authorization scope filter is none of this service"))?;
    // Rows that the caller may not read are not there, and nothing says so.
    let rows = match query.table {
        Table::Resources => {
            let all = world.keyvault.vaults().filter(|vault| asked.contains(&vault.subscription()));
            let visible = all.filter(|vault| vaults::is_visible(world, caller, vault));
            visible.map(|vault| vaults::row(world, vault)).collect()
        }
        Table::ResourceContainers => {
            let readable = allowed("Microsoft.Resources/subscriptions/read");
            readable.into_iter().flat_map(|id| vaults::container_rows(world, id)).collect()
        }
        Table::AuthorizationResources if asked.is_empty() => Vec::new(),
        Table::AuthorizationResources => authorization::rows(world, caller, reach, &asked),
        Table::SecurityResources => {
            let readable = allowed("Microsoft.Security/pricings/read");
            readable.into_iter().map(|id| security::row(world, id)).collect()
        }
    };
    let rows = query.run(rows);

    let top = options["$top"].as_u64().and_then(|top| usize::try_from(top).ok()).unwrap_or(LARGEST_PAGE);
    let mut size = top.clamp(1, LARGEST_PAGE);
    if world.settings.page_size > 0 {
        size = size.min(world.settings.page_size as usize);
    }
    let from = match options["$skipToken"].as_str() {
        Some(token) => offset(token).ok_or_else(|| invalid("the skip token is not one of this service"))?,
        None => options["$skip"].as_u64().and_then(|skip| usize::try_from(skip).ok()).unwrap_or_default(),
    };
    let total = rows.len();
    let mut data: Vec<Value> = rows.into_iter().skip(from).take(size).collect();
    chaos.order(&mut data);
    let more = total > from.saturating_add(size);
    let mut result = json!({
        "totalRecords": total,
        "count": data.len(),
        "data": data,
        "facets": [],
        "resultTruncated": "false",
    });
    if more {
        result["$skipToken"] = json!(STANDARD.encode((from + size - chaos.step_back(size)).to_string()));
    }
    Ok(Reply::json(StatusCode::OK, &result)
        .header("x-ms-user-quota-remaining", "14")
        .header("x-ms-user-quota-resets-after", "00:00:05"))
}

fn offset(token: &str) -> Option<usize> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()?.parse().ok()
}

/// Somebody without any role in the subscription.
fn denied(world: &World) -> Refusal {
    let at = world.now().format(&Rfc3339).unwrap_or_default();
    let message = format!("Please provide below info when asking for support: timestamp = {at}, correlationId = lab.");
    let mut refusal = Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", message);
    let detail = "Access is denied to the requested resource. The user might not have enough permission.";
    refusal.details = vec![json!({ "code": "AccessDenied", "message": detail })];
    refusal
}

fn invalid(problem: &str) -> Refusal {
    let mut refusal = Refusal::new(
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.",
    );
    refusal.details = vec![json!({ "code": "InvalidQuery", "message": problem })];
    refusal
}
