//! The read side of Azure Resource Manager and Resource Graph, as far as it is about vaults: where they
//! are, how they are set up, and who may do what with them.

mod authorization;
mod kql;
mod resource_graph;
mod security;
mod vaults;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::chaos::Chaos;
use super::entra::{self, Caller, TokenFault};
use super::exchange::{Reply, Request};
use super::world::World;

/// A refusal of the management plane.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Value>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    fn into_reply(self) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details);
        }
        Reply::json(self.status, &json!({ "error": error }))
    }
}

/// Answers a request of the management plane.
pub(crate) fn answer(world: &mut World, request: &Request) -> Reply {
    let names: Vec<String> =
        request.path.iter().filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Asked before anybody has signed in, to learn where to sign in.
    let reply = if names == ["metadata", "endpoints"] {
        endpoints(world)
    } else {
        match caller(world, request) {
            Ok(caller) => {
                let chaos = Chaos::draw(&world.settings, &mut world.random);
                route(world, &caller, request, &names, chaos).unwrap_or_else(Refusal::into_reply)
            }
            Err(reply) => *reply,
        }
    };
    let id = world.guid().to_string();
    reply
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header("x-content-type-options", "nosniff")
        .header("x-ms-request-id", &id)
        .header("x-ms-correlation-request-id", &id)
}

fn route(world: &World, caller: &Caller, request: &Request, names: &[&str], chaos: Chaos) -> Result<Reply, Refusal> {
    if request.query("api-version").is_none_or(str::is_empty) {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", message));
    }
    match (&request.method, names) {
        (&Method::GET, ["subscriptions"]) => Ok(vaults::subscriptions(world, caller)),
        (&Method::GET, ["tenants"]) => Ok(vaults::tenants(world)),
        (&Method::POST, ["providers", "microsoft.resourcegraph", "resources"]) => {
            resource_graph::answer(world, caller, request, chaos)
        }
        (&Method::GET, ["subscriptions", subscription, rest @ ..]) => {
            vaults::in_subscription(world, caller, request, subscription, rest)
        }
        _ => Err(not_imitated()),
    }
}

/// Refuses a caller without the right to an action at a scope.
fn require(world: &World, caller: &Caller, action: &str, scope: &str) -> Result<(), Refusal> {
    if world.azure.allows(caller, action, scope) {
        return Ok(());
    }
    let id = caller.object_id;
    let message = format!(
        "The client '{}' with object id '{id}' does not have authorization to perform action '{action}' over scope \
         '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        caller.app_id
    );
    Err(Refusal::new(StatusCode::FORBIDDEN, "AuthorizationFailed", message))
}

fn not_imitated() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "The lab imitates only what is about vaults.")
}

fn caller(world: &World, request: &Request) -> Result<Caller, Box<Reply>> {
    let unauthorised = |code: &'static str, message: &str| {
        let authority = format!("{}/{}", world.site.origin(), world.tenant);
        let challenge = format!(
            "Bearer authorization_uri=\"{authority}\", error=\"invalid_token\", error_description=\"{message}\""
        );
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, code, message);
        Box::new(refusal.into_reply().header("www-authenticate", &challenge))
    };
    let Some(token) = request.bearer() else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return Err(unauthorised("AuthenticationFailed", message));
    };
    let mut fault = TokenFault::WrongAudience;
    for audience in [&world.site.origin(), "https://management.azure.com", "https://management.core.windows.net"] {
        match entra::verify(world, token, audience) {
            Ok(caller) => return Ok(caller),
            Err(TokenFault::WrongAudience) => {}
            Err(other) => fault = other,
        }
    }
    Err(match fault {
        TokenFault::WrongAudience => unauthorised(
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource.",
        ),
        TokenFault::Expired => unauthorised("ExpiredAuthenticationToken", "The access token expiry is in the past."),
        TokenFault::Malformed | TokenFault::Revoked => {
            unauthorised("InvalidAuthenticationToken", "The access token is invalid.")
        }
    })
}

/// `/metadata/endpoints`: one object, as a private cloud gives, not the list of the public one.
fn endpoints(world: &World) -> Reply {
    let origin = world.site.origin();
    Reply::json(
        StatusCode::OK,
        &json!({
            "name": "lab",
            "portal": origin,
            "authentication": {
                "loginEndpoint": origin,
                "audiences": [format!("{origin}/")],
                "tenant": world.tenant,
                "identityProvider": "AAD",
            },
            "graph": format!("{origin}/"),
            "graphAudience": format!("{origin}/"),
            "microsoftGraphResourceId": format!("{origin}/"),
            "resourceManager": origin,
            "media": format!("{origin}/"),
            "batch": format!("{origin}/"),
            "gallery": format!("{origin}/"),
            "sqlManagement": format!("{origin}/"),
            "vmImageAliasDoc": format!("{origin}/"),
            "activeDirectoryDataLake": format!("{origin}/"),
            "suffixes": {
                "keyVaultDns": world.site.vault_suffix(),
                "storage": "core.localhost",
                "acrLoginServer": "azurecr.localhost",
                "sqlServerHostname": "database.localhost",
            },
        }),
    )
}

#[cfg(test)]
mod tests;
