//! For whom a token is asked: from a scope or a resource name to an audience.

use std::borrow::Cow;

use serde_json::Value;
use uuid::{Uuid, uuid};

use super::refusal::Refusal;
use crate::lab::directory::GRAPH_APP_ID;
use crate::lab::directory::Hint;
use crate::lab::directory::Object as _;
use crate::lab::directory::ServicePrincipal;
use crate::lab::directory::View;
use crate::lab::world::World;

/// Client id of Key Vault.
const VAULT_APP_ID: Uuid = uuid!("cfa8b339-82a2-471a-a3c9-0fc0be7a4093");

/// The audience of tokens that stand in for a credential, and the id under which it goes in `aud`.
pub(super) const EXCHANGE: &str = "api://AzureADTokenExchange";
pub(super) const EXCHANGE_APP_ID: Uuid = uuid!("fb60f99c-7a34-4190-8149-302f77469936");

/// Who will accept the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Resource {
    pub(super) audience: String,
    /// Version of the tokens that it wants: 1 or 2.
    pub(super) version: u8,
    /// Client id.
    pub(super) app_id: Uuid,
    /// Object id of its service principal, on which roles are granted.
    pub(super) principal: Option<Uuid>,
    pub(super) display_name: String,
    /// Only clients with a role get a token.
    pub(super) needs_assignment: bool,
}

/// The one resource in a `scope` of client credentials: `RESOURCE/.default`.
pub(super) fn resource_in_scope(scope: &str) -> Result<&str, Refusal> {
    let malformed = |text: &str| {
        Refusal::bad(
            1_002_012,
            "invalid_scope",
            format!(
                "The provided value for scope {text} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI)."
            ),
        )
    };
    let mut scopes = scope.split_whitespace().filter(|scope| !is_openid(scope));
    let Some(first) = scopes.next() else {
        return Err(malformed(scope.trim()));
    };
    let resource = first.strip_suffix("/.default").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or_else(|| malformed(first))?;
    match scopes.next() {
        None => Ok(resource),
        Some(second) if second.ends_with("/.default") => Err(Refusal::bad(
            28_000,
            "invalid_scope",
            format!(
                "Provided value for the input parameter scope is not valid because it contains more than one \
                 resource. Scope {} is not valid.",
                scope.trim()
            ),
        )),
        Some(second) => Err(malformed(second)),
    }
}

fn is_openid(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access")
}

/// The resource of a name, as a token for it would say.
pub(super) fn resource(world: &World, name: &str) -> Result<Resource, Refusal> {
    let plain = name.trim_end_matches('/');
    let origin = world.site.origin();
    if plain.eq_ignore_ascii_case(&origin) {
        return Ok(well_known(world, name, GRAPH_APP_ID, 1));
    }
    if plain.eq_ignore_ascii_case(&format!("https://{}", world.site.vault_suffix())) {
        return Ok(well_known(world, name, VAULT_APP_ID, 1));
    }
    if plain.eq_ignore_ascii_case(EXCHANGE) || plain == EXCHANGE_APP_ID.to_string() {
        return Ok(well_known(world, &EXCHANGE_APP_ID.to_string(), EXCHANGE_APP_ID, 2));
    }
    let principal = find(world, plain).ok_or_else(|| {
        Refusal::bad(
            500_011,
            "invalid_resource",
            format!(
                "The resource principal named {name} was not found in the tenant named {}. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user in \
                 the tenant. You might have sent your authentication request to the wrong tenant.",
                world.tenant
            ),
        )
    })?;
    let application = world.directory.application_by_app_id(principal.app_id);
    let wants =
        application.as_ref().and_then(|app| app.members.get("api")?.get("requestedAccessTokenVersion")?.as_u64());
    let version = if wants == Some(2) { 2 } else { 1 };
    Ok(Resource {
        audience: if version == 2 { principal.app_id.to_string() } else { name.to_owned() },
        version,
        app_id: principal.app_id,
        principal: Some(principal.id),
        display_name: principal.display_name().unwrap_or_default().to_owned(),
        needs_assignment: principal.members.get("appRoleAssignmentRequired") == Some(&Value::Bool(true)),
    })
}

fn well_known(world: &World, audience: &str, app_id: Uuid, version: u8) -> Resource {
    let principal = world.directory.service_principal_by_app_id(app_id);
    Resource {
        audience: audience.to_owned(),
        version,
        app_id,
        principal: principal.as_ref().map(|principal| principal.id),
        display_name: principal.as_ref().and_then(|it| it.display_name()).unwrap_or_default().to_owned(),
        needs_assignment: false,
    }
}

fn find(world: &World, name: &str) -> Option<ServicePrincipal> {
    let id = name.strip_prefix("api://").unwrap_or(name).parse::<Uuid>().ok();
    if let Some(found) = id.and_then(|id| world.directory.service_principal_by_app_id(id)) {
        return Some(found.into_owned());
    }
    let is_name = |value: &Value| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).any(|uri| {
            // Entra compares without case and without a slash at the end.
            uri.trim_end_matches('/').eq_ignore_ascii_case(name)
        })
    };
    let bears = |principal: &ServicePrincipal| {
        principal.members.get("servicePrincipalNames").is_some_and(is_name)
            || world
                .directory
                .application_by_app_id(principal.app_id)
                .is_some_and(|app| app.members.get("identifierUris").is_some_and(is_name))
    };
    let anything = Hint::default();
    let all = world.directory.scan::<ServicePrincipal>(&anything, 0, View::Current);
    all.map(|(_, principal)| principal).find(|principal| bears(principal)).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_default_scope_names_one_resource() {
        assert_eq!(resource_in_scope("https://vault.localhost:1/.default"), Ok("https://vault.localhost:1"));
        assert_eq!(resource_in_scope("https://localhost:1//.default"), Ok("https://localhost:1/"));
        assert_eq!(resource_in_scope("api://x/.default openid profile"), Ok("api://x"));
    }

    #[test]
    fn anything_else_is_no_scope_of_client_credentials() {
        let code = |scope| resource_in_scope(scope).unwrap_err().code;
        for scope in ["https://graph.microsoft.com/User.Read", "/.default", ".default", "openid", "x", "a/.default b"] {
            assert_eq!(code(scope), 1_002_012, "{scope}");
        }
        assert_eq!(code("a/.default b/.default"), 28_000);
    }
}
