//! Microsoft Graph: applications, service principals and what belongs to them.

mod access;
mod batch;
mod budget;
mod concurrency;
mod credentials;
mod deleted;
mod delta;
mod directory_roles;
mod enforcement;
mod fault;
mod federated;
mod filter;
mod groups;
mod keys;
mod lists;
mod members;
mod objects;
mod owners;
mod path;
mod policies;
mod proof;
mod query;
mod render;
mod reply;
mod reports;
mod roles;
mod slices;
mod tenant;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::json;

use self::fault::{Answer, Fault};
use self::path::{Path, Selector};
use self::roles::End;
use super::directory::{Application, GRAPH_APP_ID, Kind, Object, ServicePrincipal, View};
use super::entra::{self, Caller, TokenFault};
use super::exchange::{Reply, Request};
use super::world::World;

pub(crate) use budget::resource_units;

/// Answers a request below `/v1.0` or `/beta`.
pub(crate) fn answer(world: &mut World, request: &Request) -> Reply {
    match caller(world, request) {
        Ok(caller) => authorised(world, &caller, request),
        Err(fault) => reply::finish(world, request, Err(fault)),
    }
}

/// Answers a request whose token has been verified.
pub(crate) fn authorised(world: &mut World, caller: &Caller, request: &Request) -> Reply {
    let outcome = Path::parse(request).and_then(|path| route(world, caller, request, &path));
    reply::finish(world, request, outcome)
}

/// Who the bearer token speaks for.
fn caller(world: &World, request: &Request) -> Result<Caller, Fault> {
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{GRAPH_APP_ID}\"",
        world.site.origin()
    );
    let unauthorised = |message: &str, challenge: &str| {
        Fault::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
            .with_header("www-authenticate", challenge)
    };
    let Some(token) = request.bearer() else {
        return Err(unauthorised("Access token is empty.", &challenge));
    };
    let mut fault = TokenFault::WrongAudience;
    for audience in [&world.site.origin(), "https://graph.microsoft.com", &GRAPH_APP_ID.to_string()] {
        match entra::verify(world, token, audience) {
            Ok(caller) => return Ok(caller),
            Err(TokenFault::WrongAudience) => {}
            Err(other) => fault = other,
        }
    }
    Err(match fault {
        TokenFault::Malformed => {
            unauthorised("IDX14100: JWT is not well formed, or its signature is not valid.", &challenge)
        }
        TokenFault::Expired => unauthorised("Lifetime validation failed, the token is expired.", &challenge),
        TokenFault::WrongAudience => unauthorised("Access token validation failure. Invalid audience.", &challenge),
        TokenFault::Revoked => {
            let message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp";
            let claims = claims_since(world);
            let challenge = format!(
                "{challenge}, error_description=\"{message}\", error=\"insufficient_claims\", claims=\"{claims}\""
            );
            unauthorised(message, &challenge)
        }
    })
}

/// The claims that a token has to be asked for with after a revocation: standard base64, padded.
fn claims_since(world: &World) -> String {
    let now = world.now().unix_timestamp().to_string();
    let claims = json!({ "access_token": { "nbf": { "essential": true, "value": now } } });
    STANDARD.encode(claims.to_string())
}

fn route(world: &mut World, caller: &Caller, request: &Request, path: &Path) -> Answer {
    match path.names().as_slice() {
        ["applications", ..] => directory_objects::<Application>(world, caller, request, path),
        ["serviceprincipals", ..] => directory_objects::<ServicePrincipal>(world, caller, request, path),
        ["$batch"] if request.method == Method::POST => batch::answer(world, caller, request),
        ["directory", "deleteditems", ..] => deleted::answer(world, caller, request, &path.segments[2..]),
        ["directoryobjects", ..] => tenant::directory_objects(world, caller, request, &path.segments[1..]),
        ["domains"] => tenant::domains(world, caller, request),
        ["groups", ..] => groups::answer(world, caller, request, &path.segments[1..]),
        ["me", ..] => tenant::me(world, caller, request, &path.segments[1..]),
        ["oauth2permissiongrants", ..] => roles::grants(world, caller, request, &path.segments[1..]),
        ["organization"] => tenant::organization(world, caller, request),
        ["policies", ..] => policies::answer(world, caller, request, &path.segments[1..]),
        ["reports", ..] => reports::answer(world, caller, request, path),
        ["rolemanagement", ..] => directory_roles::answer(world, caller, request, &path.segments[1..]),
        ["users", ..] => tenant::users(world, caller, request, &path.segments[1..]),
        [first, ..] => Err(Fault::not_implemented(&format!("the resource '{first}'"))),
        [] => Err(Fault::malformed("Resource not found for the segment ''.")),
    }
}

/// Routes below `/applications` and `/servicePrincipals`.
fn directory_objects<T: Object>(world: &mut World, caller: &Caller, request: &Request, path: &Path) -> Answer {
    let Some((selector, rest)) = path.object()? else {
        let rest = path.names().split_off(1);
        return match (&request.method, rest.as_slice()) {
            (&Method::GET, []) => lists::read::<T>(world, caller, request),
            (&Method::GET, ["delta"]) => delta::read::<T>(world, caller, request),
            (&Method::GET, ["$count"]) => lists::count::<T>(world, caller, request),
            (&Method::POST, []) => match T::KIND {
                Kind::Application => objects::create_application(world, caller, request),
                Kind::ServicePrincipal => objects::create_service_principal(world, caller, request),
            },
            (_, []) => Err(not_allowed()),
            (_, [other, ..]) => Err(unknown_segment(other)),
        };
    };
    let names: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match (&request.method, names.as_slice()) {
        (&Method::GET, []) => objects::read::<T>(world, caller, request, &selector),
        (&Method::PATCH, []) => patch::<T>(world, caller, request, &selector),
        (&Method::DELETE, []) => objects::delete::<T>(world, caller, &selector),
        (_, []) => Err(not_allowed()),
        (&Method::POST, ["addkey"]) => keys::add_key::<T>(world, caller, request, &selector),
        (&Method::POST, ["removekey"]) => keys::remove_key::<T>(world, caller, request, &selector),
        (&Method::POST, ["addpassword"]) => keys::add_password::<T>(world, caller, request, &selector),
        (&Method::POST, ["removepassword"]) => keys::remove_password::<T>(world, caller, request, &selector),
        (_, ["federatedidentitycredentials", ..]) if T::KIND == Kind::Application => {
            federated::answer(world, caller, request, &selector, rest)
        }
        (_, ["approleassignments", ..]) if T::KIND == Kind::ServicePrincipal => {
            roles::assignments(world, caller, request, &selector, End::Principal, &rest[1..])
        }
        (_, ["approleassignedto", ..]) if T::KIND == Kind::ServicePrincipal => {
            roles::assignments(world, caller, request, &selector, End::Resource, &rest[1..])
        }
        (&Method::GET, ["oauth2permissiongrants"]) if T::KIND == Kind::ServicePrincipal => {
            roles::grants_of(world, caller, request, &selector)
        }
        (_, ["owners", ..]) => owners::answer::<T>(world, caller, request, &selector, &rest[1..]),
        (_, ["appmanagementpolicies", ..]) => policies::of_object::<T>(world, caller, request, &selector, &rest[1..]),
        (&Method::GET, [property]) => objects::read_property::<T>(world, caller, request, &selector, property),
        (_, [other, ..]) => Err(unknown_segment(other)),
    }
}

/// `PATCH`, or what `Prefer: create-if-missing` makes of it.
fn patch<T: Object>(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    if let Selector::UniqueName(name) = selector
        && T::KIND == Kind::Application
        && request.header("prefer").is_some_and(|prefer| prefer.to_ascii_lowercase().contains("create-if-missing"))
        && objects::find::<T>(world, selector, View::Current).is_err()
    {
        return objects::upsert_application(world, caller, request, name);
    }
    objects::update::<T>(world, caller, request, selector)
}

/// A path that is none.
fn unknown_segment(name: &str) -> Fault {
    Fault::malformed(format!("Resource not found for the segment '{name}'."))
}

fn not_allowed() -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Request_BadRequest",
        "Specified HTTP method is not allowed for the request target.",
    )
}
