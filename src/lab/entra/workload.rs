//! The endpoints where a job of a build service gets its own token: GitHub Actions, Azure Pipelines.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::resource::EXCHANGE;
use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::keys::KeyKind;
use crate::lab::world::World;

/// `iss` of GitHub's tokens.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// `iss` of the tokens of Azure Pipelines, without the organisation's id.
const PIPELINES: &str = "https://vstoken.dev.azure.com";

/// `GET ACTIONS_ID_TOKEN_REQUEST_URL&audience=…`. Which job asks is in the URL: `?subject=repo:…`.
pub(super) fn github(world: &mut World, request: &Request) -> Reply {
    if request.method != Method::GET {
        return Reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    // Without an audience it is the owner's URL, which Entra does not take.
    let audience = request.query("audience").unwrap_or("https://github.com/contoso");
    let subject = request.query("subject").unwrap_or("repo:contoso/billing:ref:refs/heads/main");
    token(world, request, GITHUB, json!({ "sub": subject, "aud": audience }), "value")
}

/// `POST SYSTEM_OIDCREQUESTURI`, for a service connection.
pub(super) fn pipelines(world: &mut World, request: &Request) -> Reply {
    if request.method != Method::POST {
        return Reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(connection) = request.query("serviceConnectionId") else {
        return Reply::empty(StatusCode::BAD_REQUEST);
    };
    let subject = format!("sc://contoso/billing/{connection}");
    token(world, request, PIPELINES, json!({ "sub": subject, "aud": EXCHANGE }), "oidcToken")
}

fn token(world: &mut World, request: &Request, issuer: &str, claims: Value, member: &str) -> Reply {
    // The job's own bearer token; the lab uses one word for all its machines.
    if request.bearer() != Some(&world.entra.identity_header) {
        return Reply::empty(StatusCode::UNAUTHORIZED);
    }
    let now = world.now();
    if !world.entra.issuers.contains_key(issuer) {
        match Issuer::played(world.keys.take(KeyKind::Rsa(2048)), issuer, now) {
            Ok(played) => world.entra.issuers.insert(issuer.to_owned(), played),
            Err(problem) => return failed(&problem),
        };
    }
    let token = world.entra.issuers.get(issuer).map(|known| known.token(issuer, &claims, now));
    match token {
        Some(Ok(token)) => Reply::json(StatusCode::OK, &json!({ member: token })),
        Some(Err(problem)) => failed(&problem),
        None => failed("the issuer is not there"),
    }
}

fn failed(problem: &str) -> Reply {
    Reply::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": problem }))
}
