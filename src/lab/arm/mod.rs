//! The read side of Azure Resource Manager and Resource Graph, as far as it finds vaults.
//!
//! There are no role assignments here: every valid token reads the whole subscription.

mod kql;
mod resource_graph;
mod vaults;

use http::{Method, StatusCode};
use serde_json::{Value, json};

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
            Ok(_) => route(world, request, &names).unwrap_or_else(Refusal::into_reply),
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

fn route(world: &World, request: &Request, names: &[&str]) -> Result<Reply, Refusal> {
    if request.query("api-version").is_none_or(str::is_empty) {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", message));
    }
    match (&request.method, names) {
        (&Method::GET, ["subscriptions"]) => Ok(vaults::subscriptions(world)),
        (&Method::GET, ["tenants"]) => Ok(vaults::tenants(world)),
        (&Method::POST, ["providers", "microsoft.resourcegraph", "resources"]) => {
            resource_graph::answer(world, request)
        }
        (&Method::GET, ["subscriptions", subscription, rest @ ..]) => {
            vaults::in_subscription(world, request, subscription, rest)
        }
        _ => Err(not_imitated()),
    }
}

fn not_imitated() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "The lab imitates only what finds vaults.")
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
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::lab::clock::LabClock;
    use crate::lab::keyvault::{VaultOptions, create_vault};

    fn world() -> World {
        let mut world = World::new(8443, LabClock::default(), 1);
        create_vault(&mut world, "contoso-kv", VaultOptions::default());
        create_vault(&mut world, "fabrikam-kv", VaultOptions { purge_protection: true, ..VaultOptions::default() });
        world
    }

    fn request(method: Method, url: &str, body: &Value) -> Request {
        let url = url::Url::parse(&format!("https://localhost:8443{url}")).unwrap();
        Request {
            method,
            host: "localhost:8443".to_owned(),
            path: url.path_segments().unwrap().map(str::to_owned).collect(),
            query: url.query_pairs().into_owned().collect(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    fn ask(world: &World, method: Method, url: &str, body: &Value) -> (u16, Value) {
        let request = request(method, url, body);
        let names: Vec<String> = request.path.iter().map(|name| name.to_ascii_lowercase()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let reply = route(world, &request, &names).unwrap_or_else(Refusal::into_reply);
        (reply.status.as_u16(), reply.value())
    }

    #[test]
    fn nothing_but_the_endpoints_is_told_without_a_token() {
        let mut world = world();
        let told =
            answer(&mut world, &request(Method::GET, "/metadata/endpoints?api-version=2022-09-01", &Value::Null));
        assert_eq!(told.status, 200);
        assert_eq!(told.value()["suffixes"]["keyVaultDns"], "vault.localhost:8443");
        let refused = answer(&mut world, &request(Method::GET, "/subscriptions?api-version=2022-12-01", &Value::Null));
        assert_eq!(refused.status, 401);
        assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("authorization_uri="));
    }

    #[test]
    fn vaults_are_listed_by_subscription_and_by_type() {
        let world = world();
        let subscription = ask(&world, Method::GET, "/subscriptions?api-version=2022-12-01", &Value::Null).1;
        let id = subscription["value"][0]["subscriptionId"].as_str().unwrap().to_owned();
        let url = format!("/subscriptions/{id}/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01");
        let vaults = ask(&world, Method::GET, &url, &Value::Null).1;
        assert_eq!(vaults["value"][0]["properties"]["vaultUri"], "https://contoso-kv.vault.localhost:8443/");
        assert_eq!(vaults["value"][0]["properties"].get("enablePurgeProtection"), None);
        assert_eq!(vaults["value"][1]["properties"]["enablePurgeProtection"], true);
        let one = vaults["value"][1]["id"].as_str().unwrap();
        assert_eq!(
            ask(&world, Method::GET, &format!("{one}?api-version=2023-07-01"), &Value::Null).1,
            vaults["value"][1]
        );
        let filter = "$filter=resourceType eq 'Microsoft.KeyVault/vaults'&$top=1&api-version=2021-04-01";
        let page = ask(&world, Method::GET, &format!("/subscriptions/{id}/resources?{filter}"), &Value::Null).1;
        assert_eq!(page["value"].as_array().unwrap().len(), 1);
        let next = page["nextLink"].as_str().unwrap().strip_prefix("https://localhost:8443").unwrap();
        assert_eq!(ask(&world, Method::GET, next, &Value::Null).1["value"][0]["name"], "fabrikam-kv");
        let other = "/subscriptions/00000000-0000-0000-0000-000000000001/resources?api-version=2021-04-01";
        assert_eq!(ask(&world, Method::GET, other, &Value::Null).0, 404);
        assert_eq!(ask(&world, Method::GET, "/subscriptions", &Value::Null).0, 400, "no api-version");
    }

    #[test]
    fn resource_graph_answers_the_query_for_vaults_and_no_other() {
        let world = world();
        let url = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
        let query = "Resources | where type =~ 'microsoft.keyvault/vaults' | project name, uri = properties.vaultUri | order by name desc";
        let (status, found) = ask(&world, Method::POST, url, &json!({ "query": query }));
        assert_eq!((status, &found["totalRecords"]), (200, &json!(2)));
        assert_eq!(
            found["data"][0],
            json!({ "name": "fabrikam-kv", "uri": "https://fabrikam-kv.vault.localhost:8443/" })
        );
        let body = json!({ "query": "resources|where type=='microsoft.keyvault/vaults'", "options": { "$top": 1 } });
        let first = ask(&world, Method::POST, url, &body).1;
        let body = json!({ "query": body["query"], "options": { "$top": 1, "$skipToken": first["$skipToken"] } });
        let second = ask(&world, Method::POST, url, &body).1;
        assert_eq!((&second["data"][0]["name"], second.get("$skipToken")), (&json!("fabrikam-kv"), None));
        for query in [
            "",
            "Resources",
            "Resources | where type =~ 'microsoft.compute/virtualmachines'",
            "Resources | where type =~ 'microsoft.keyvault/vaults' | join x",
        ] {
            let (status, refused) = ask(&world, Method::POST, url, &json!({ "query": query }));
            assert_eq!((status, &refused["error"]["code"]), (400, &json!("BadRequest")), "{query}");
        }
    }
}
