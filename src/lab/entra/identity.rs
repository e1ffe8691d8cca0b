//! The identity endpoints of a machine in the cloud: IMDS, App Service, Cloud Shell; those of build
//! services are beside them.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::endpoint;
use super::resource;
use super::token;
use super::token::Subject;
use super::workload;
use crate::lab::directory::Credentials;
use crate::lab::directory::ServicePrincipal;
use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// A managed identity of the machine that the lab plays. Its service principal has no application.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// The machine's own; otherwise one that was assigned to it.
    pub(crate) is_system: bool,
    pub(crate) client_id: Uuid,
    /// Object id of the service principal, which Azure calls principal id.
    pub(crate) object_id: Uuid,
    pub(crate) resource_id: String,
}

/// Gives the machine an identity: a service principal that has no application.
pub(crate) fn add(world: &mut World, name: &str, is_system: bool) -> Result<Identity, String> {
    if name.is_empty() || world.entra.identities.iter().any(|known| known.name == name) {
        return Err(format!("`{name}` is empty or the name of an identity that is there already"));
    }
    if is_system && world.entra.identities.iter().any(|known| known.is_system) {
        return Err("a machine has one identity of its own at most".to_owned());
    }
    let group = format!("/subscriptions/{}/resourcegroups/lab/providers", world.keyvault.subscription());
    let kind = if is_system {
        "Microsoft.Compute/virtualMachines"
    } else {
        "Microsoft.ManagedIdentity/userAssignedIdentities"
    };
    let identity = Identity {
        name: name.to_owned(),
        is_system,
        client_id: world.guid(),
        object_id: world.guid(),
        resource_id: format!("{group}/{kind}/{name}"),
    };
    let members = json!({
        "displayName": name, "appDisplayName": null, "accountEnabled": true, "servicePrincipalType": "ManagedIdentity",
        "servicePrincipalNames": [identity.client_id],
        "alternativeNames": [format!("isExplicit={}", if is_system { "False" } else { "True" }), identity.resource_id],
        "appOwnerOrganizationId": null,
    });
    let now = world.now();
    let principal = ServicePrincipal {
        id: identity.object_id,
        app_id: identity.client_id,
        created_at: now,
        credentials: Credentials::default(),
        owners: BTreeSet::new(),
        roles: Vec::new(),
        members: members.as_object().cloned().unwrap_or_default(),
    };
    world.directory.put(principal, now);
    world.entra.identities.push(identity.clone());
    Ok(identity)
}

/// How an endpoint of a machine speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialect {
    Imds,
    AppService,
    CloudShell,
}

/// Answers a request for a machine's own identity endpoint.
pub(crate) fn answer_identity(world: &mut World, request: &Request) -> Reply {
    match request.segments().as_slice() {
        ["metadata", "identity", "oauth2", "token"] => imds(world, request),
        ["msi", "token"] => app_service(world, request),
        ["oauth2", "token"] => cloud_shell(world, request),
        ["github", "oidc"] => workload::github(world, request),
        ["pipelines", "oidc"] => workload::pipelines(world, request),
        _ => Reply::empty(StatusCode::NOT_FOUND),
    }
}

fn imds(world: &mut World, request: &Request) -> Reply {
    // A page in a browser cannot set this header: it is the guard against forged requests.
    if !request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return oauth_error("invalid_request", "Required metadata header not specified");
    }
    if request.header("x-forwarded-for").is_some() {
        return oauth_error("invalid_request", "X-Forwarded-For header is not allowed");
    }
    if request.method != Method::GET {
        return Reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    if request.query("api-version").is_none() {
        return oauth_error("invalid_request", "Required query variable 'api-version' is missing");
    }
    grant(world, Dialect::Imds, request.query("resource"), &Wanted::of(request))
}

fn app_service(world: &mut World, request: &Request) -> Reply {
    match request.header("x-identity-header") {
        None => return app_service_error(StatusCode::UNAUTHORIZED, "Missing X-IDENTITY-HEADER."),
        Some(value) if value != world.entra.identity_header => {
            return app_service_error(StatusCode::FORBIDDEN, "Invalid X-IDENTITY-HEADER.");
        }
        Some(_) => {}
    }
    if request.query("api-version") != Some("2019-08-01") {
        return app_service_error(StatusCode::BAD_REQUEST, "The api-version is not supported.");
    }
    grant(world, Dialect::AppService, request.query("resource"), &Wanted::of(request))
}

fn cloud_shell(world: &mut World, request: &Request) -> Reply {
    if !request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return oauth_error("invalid_request", "Required metadata header not specified");
    }
    let form = request.form();
    let resource = form.iter().find(|(name, _)| name == "resource").map(|(_, value)| value.as_str());
    grant(world, Dialect::CloudShell, resource, &Wanted::default())
}

/// Which identity a request means. Without any, the machine's own.
#[derive(Default)]
struct Wanted<'a> {
    client_id: Option<&'a str>,
    object_id: Option<&'a str>,
    resource_id: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Request) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| request.query(name));
        Self {
            client_id: first(&["client_id"]),
            object_id: first(&["object_id", "principal_id"]),
            resource_id: first(&["mi_res_id", "msi_res_id"]),
        }
    }

    fn find(&self, identities: &[Identity]) -> Result<Identity, &'static str> {
        let is_meant = |identity: &&Identity| {
            let is_id = |wanted: Option<&str>, id: Uuid| wanted.is_none_or(|wanted| wanted.parse() == Ok(id));
            is_id(self.client_id, identity.client_id)
                && is_id(self.object_id, identity.object_id)
                && self.resource_id.is_none_or(|wanted| identity.resource_id.eq_ignore_ascii_case(wanted))
        };
        if self.client_id.or(self.object_id).or(self.resource_id).is_some() {
            return identities.iter().find(is_meant).cloned().ok_or("Identity not found");
        }
        match identities.iter().find(|identity| identity.is_system) {
            Some(own) => Ok(own.clone()),
            None => match identities {
                [] => Err("Identity not found"),
                [only] => Ok(only.clone()),
                _ => Err("Multiple user assigned identities exist, please specify the clientId / resourceId of the \
                     identity in the token request"),
            },
        }
    }
}

fn grant(world: &mut World, dialect: Dialect, resource: Option<&str>, wanted: &Wanted<'_>) -> Reply {
    let refuse = |problem: &str| match dialect {
        Dialect::AppService => app_service_error(StatusCode::BAD_REQUEST, problem),
        Dialect::Imds | Dialect::CloudShell => oauth_error("invalid_request", problem),
    };
    let Some(name) = resource.filter(|name| !name.is_empty()) else {
        return refuse("Required query variable 'resource' is missing");
    };
    let identity = match wanted.find(&world.entra.identities) {
        Ok(identity) => identity,
        Err(problem) => return refuse(problem),
    };
    let resource = match resource::resource(world, name.strip_suffix("/.default").unwrap_or(name)) {
        Ok(resource) => resource,
        Err(_) => {
            return oauth_error("invalid_resource", &format!("The resource principal named {name} was not found."));
        }
    };
    let Some(principal) = world.directory.service_principal_by_app_id(identity.client_id) else {
        return refuse("Identity not found");
    };
    let subject = Subject {
        app_id: identity.client_id,
        object_id: identity.object_id,
        display_name: identity.name.clone(),
        roles: endpoint::roles_on(&principal, &resource),
        acr: "2",
        resource_id: Some(identity.resource_id.clone()),
    };
    let now = world.now().unix_timestamp();
    let lifetime = endpoint::DAY;
    let token = token::issue(world, &subject, &resource, lifetime, false);
    let expires_on = (now + lifetime.whole_seconds()).to_string();
    // All values are strings in all three dialects.
    let body = match dialect {
        Dialect::Imds => json!({
            "access_token": token, "client_id": identity.client_id, "expires_in": lifetime.whole_seconds().to_string(),
            "expires_on": expires_on, "ext_expires_in": lifetime.whole_seconds().to_string(),
            "not_before": now.to_string(), "resource": name, "token_type": "Bearer",
        }),
        Dialect::AppService => json!({
            "access_token": token, "expires_on": expires_on, "resource": name, "token_type": "Bearer",
            "client_id": identity.client_id,
        }),
        Dialect::CloudShell => json!({
            "access_token": token, "refresh_token": "", "expires_in": lifetime.whole_seconds().to_string(),
            "expires_on": expires_on, "not_before": now.to_string(), "resource": name, "token_type": "Bearer",
        }),
    };
    let reply = Reply::json(StatusCode::OK, &body);
    if dialect == Dialect::Imds { reply.header("server", "IMDS/LAB") } else { reply }
}

fn oauth_error(error: &str, description: &str) -> Reply {
    Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": description }))
}

fn app_service_error(status: StatusCode, message: &str) -> Reply {
    Reply::json(status, &json!({ "statusCode": status.as_u16(), "message": message }))
}
