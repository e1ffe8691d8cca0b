//! What the authority says about itself: OpenID configuration, keys, instance discovery.

use http::StatusCode;
use serde_json::{Value, json};

use super::refusal::dressed;
use super::token;
use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// For whom an endpoint answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Audience<'a> {
    /// One tenant, whatever name it was called by.
    Tenant,
    /// `common`, `organizations`, `consumers`: the issuer has a placeholder.
    Any(&'a str),
}

/// `…/.well-known/openid-configuration`, of version 2 or 1.
pub(super) fn openid_configuration(world: &mut World, request: &Request, audience: Audience<'_>, version: u8) -> Reply {
    let origin = world.site.origin();
    let (tenant, issuer) = match audience {
        Audience::Tenant => (world.tenant.to_string(), token::issuer(world, version)),
        Audience::Any(name) => {
            let suffix = if version == 2 { "v2.0" } else { "" };
            (name.to_owned(), format!("{origin}/{{tenantid}}/{suffix}"))
        }
    };
    let oauth = if version == 2 { "oauth2/v2.0" } else { "oauth2" };
    let discovery = if version == 2 { "discovery/v2.0/keys" } else { "discovery/keys" };
    let at = |path: &str| format!("{origin}/{tenant}/{path}");
    let body = json!({
        "token_endpoint": at(&format!("{oauth}/token")),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": at(discovery),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{origin}/oidc/userinfo"),
        "authorization_endpoint": at(&format!("{oauth}/authorize")),
        "device_authorization_endpoint": at(&format!("{oauth}/devicecode")),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": at(&format!("{oauth}/logout")),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash",
            "c_hash", "email",
        ],
        "kerberos_endpoint": at("kerberos"),
        "tenant_region_scope": if audience == Audience::Tenant { json!("NA") } else { Value::Null },
        "cloud_instance_name": "localhost",
        "cloud_graph_host_name": "localhost",
        "msgraph_host": origin.trim_start_matches("https://"),
        "rbac_url": format!("{origin}/rbac"),
    });
    cacheable(world, request, &body)
}

/// The JWKS.
pub(super) fn keys(world: &mut World, request: &Request) -> Reply {
    let issuer = token::issuer(world, 2);
    let key = world.entra.signing(&world.keys, world.clock.clone()).jwk(&issuer);
    cacheable(world, request, &json!({ "keys": [key] }))
}

/// `/common/discovery/instance`: that this host is an authority, and the only name of its cloud.
pub(super) fn instance(world: &mut World, request: &Request) -> Reply {
    let origin = world.site.origin();
    let host = origin.trim_start_matches("https://").to_owned();
    let tenant = request
        .query("authorization_endpoint")
        .and_then(|endpoint| url::Url::parse(endpoint).ok()?.path_segments()?.next().map(str::to_owned))
        .unwrap_or_else(|| "common".to_owned());
    let body = json!({
        "tenant_discovery_endpoint": format!("{origin}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    });
    cacheable(world, request, &body)
}

fn cacheable(world: &mut World, request: &Request, body: &Value) -> Reply {
    let id = world.guid().to_string();
    let reply = Reply::json(StatusCode::OK, body)
        .header("cache-control", "max-age=86400, private")
        .header("access-control-allow-origin", "*")
        .header("access-control-allow-methods", "GET, OPTIONS");
    dressed(reply, request, &id)
}
