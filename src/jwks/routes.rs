//! The documents over HTTP, and signing for token services of this machine.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use url::Url;

use super::document::Document;
use super::error::{Error, ReadError};
use super::issue::{Unissued, issue};
use super::set::{Order, SigningKeySet, max_age};
use super::view::{StatusView, status};
use crate::domain::Chain;
use crate::http::Cause;
use crate::keyvault;
use crate::ledger::Run;
use crate::pki::{self, Audience, Claims, Issuer, StrictObject, TokenType};
use crate::serve::{Door, Problem};

/// Where verifiers read.
const PUBLIC: [&str; 2] = ["/.well-known/openid-configuration", "/jwks.json"];

/// What verifiers read is open to everybody; all else asks for the run key. For the one server of a process.
pub fn doors(issuer: &Issuer) -> &'static [Door] {
    let mut doors: Vec<Door> = PUBLIC.map(Door::open).into();
    if let Some(base) = base(issuer) {
        doors.extend(PUBLIC.map(|path| Door::open(format!("{base}{path}").leak())));
    }
    doors.leak()
}

/// The path of the issuer's URL, if it has one. A server that verifiers come to without a proxy in between
/// is asked below it.
fn base(issuer: &Issuer) -> Option<String> {
    let url = Url::parse(issuer.as_str()).ok()?;
    let path = url.path().trim_end_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}

/// A token that does not say otherwise lives for so long.
pub const DEFAULT_LIFETIME: Duration = Duration::minutes(5);

#[derive(Clone, Debug)]
struct Service {
    set: SigningKeySet,
    ledger: Option<Run>,
}

/// What a token service asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignBody {
    audience: String,
    #[serde(default)]
    claims: StrictObject,
    /// Seconds.
    lifetime: Option<u32>,
    #[serde(rename = "type", default)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Kind {
    #[default]
    #[serde(rename = "JWT")]
    Jwt,
    #[serde(rename = "at+jwt")]
    AccessToken,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignAnswer {
    token: String,
    kid: String,
    jti: uuid::Uuid,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// The routes of an issuer. Each token is written to `ledger`, before it is signed and before it is handed out.
pub fn routes(set: SigningKeySet, ledger: Option<Run>) -> Router {
    let [at_discovery, at_jwks] = PUBLIC;
    let documents = Router::new().route(at_discovery, get(discovery)).route(at_jwks, get(jwks));
    let mut routes = documents.clone();
    if let Some(base) = base(set.issuer()) {
        routes = routes.nest(&base, documents);
    }
    routes
        .route("/sign", post(sign))
        .route("/status", get(shown))
        .route("/refresh", post(refresh))
        .with_state(Service { set, ledger })
}

async fn discovery(State(service): State<Service>, headers: HeaderMap) -> Result<Response, Problem> {
    let set = service.set.current().await.map_err(|error| problem(&error))?;
    Ok(document(&service, &set.documents().discovery, &headers))
}

async fn jwks(State(service): State<Service>, headers: HeaderMap) -> Result<Response, Problem> {
    let set = service.set.current().await.map_err(|error| problem(&error))?;
    Ok(document(&service, &set.documents().jwks, &headers))
}

fn document(service: &Service, document: &Document, asked: &HeaderMap) -> Response {
    let cache = format!("public, max-age={}", max_age(service.set.windows()).as_secs());
    let headers: [(HeaderName, String); 3] =
        [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, document.etag().to_owned()), (CACHE_CONTROL, cache)];
    if has_tag(asked, document.etag()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, document.bytes().to_vec()).into_response()
}

/// Weak comparison with any of the tags that the caller has (RFC 9110 13.1.2).
fn has_tag(asked: &HeaderMap, etag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

async fn sign(State(service): State<Service>, body: axum::body::Bytes) -> Result<Response, Problem> {
    let bad = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "sign-request", "the request cannot be understood").detail(detail)
    };
    let body: SignBody = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let cloud = service.set.vault().http().cloud();
    let audience = Audience::parse(&body.audience, cloud).map_err(|error| {
        Problem::refused(StatusCode::FORBIDDEN, "audience", "no such token is made").detail(error.to_string())
    })?;
    let claims = Claims::try_from(body.claims).map_err(|error| bad(error.to_string()))?;
    let longest = service.set.windows().settings().token_life.duration();
    let order = Order {
        audience: &audience,
        claims: &claims,
        lifetime: body.lifetime.map_or(DEFAULT_LIFETIME.min(longest), |seconds| Duration::seconds(seconds.into())),
        kind: match body.kind {
            Kind::Jwt => TokenType::Jwt,
            Kind::AccessToken => TokenType::AccessToken,
        },
    };
    let issued = match &service.ledger {
        Some(ledger) => issue(&service.set, order, ledger).await.map_err(unissued)?,
        None => service.set.sign(order).await.map_err(|error| problem(&error))?,
    };
    let answer = SignAnswer {
        token: issued.token.compact().text().expose().clone(),
        kid: issued.key.kid().to_owned(),
        jti: issued.id,
        expires_at: issued.expires_at,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn unissued(error: Unissued) -> Problem {
    match error {
        Unissued::Set(error) => problem(&error),
        Unissued::Ledger(error) => {
            tracing::warn!("a token could not be recorded: {}", Chain(&error));
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ledger", "the token could not be recorded")
        }
    }
}

async fn shown(State(service): State<Service>) -> Result<Json<StatusView>, Problem> {
    let set = service.set.current().await.map_err(|error| problem(&error))?;
    Ok(Json(status(&service.set, &set)))
}

async fn refresh(State(service): State<Service>) -> Result<Json<StatusView>, Problem> {
    let set = service.set.refresh().await.map_err(|error| problem(&error))?;
    Ok(Json(status(&service.set, &set)))
}

/// What went wrong, in the words of HTTP. A fault of a service is never called ours.
fn problem(error: &Error) -> Problem {
    let text = Chain(error).to_string();
    if let Some(vault) = error.vault() {
        return of_vault(vault).detail(text);
    }
    match error {
        Error::Token(reason) => match reason.as_ref() {
            pki::Error::TokenLifetime { .. } | pki::Error::Claims(_) => {
                Problem::new(StatusCode::BAD_REQUEST, "sign-request", "no such token is made").detail(text)
            }
            _ => {
                Problem::new(StatusCode::BAD_GATEWAY, "signature", "the vault's signature cannot be used").detail(text)
            }
        },
        Error::Expired { .. } | Error::NotYetValid { .. } => {
            Problem::refused(StatusCode::SERVICE_UNAVAILABLE, "key-validity", "the key that signs is not valid")
                .detail(text)
                .hint("make a new version of the certificate; see `kvops jwks status`")
        }
        Error::Read(reason) if matches!(**reason, ReadError::NoKey { .. }) => {
            Problem::refused(StatusCode::SERVICE_UNAVAILABLE, "no-key", "there is no key to publish").detail(text)
        }
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "keys", "the keys cannot be published").detail(text),
    }
}

fn of_vault(error: &keyvault::Error) -> Problem {
    let unavailable = |kind, title| Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, title);
    let http = error.http();
    let problem = match (error, http.map(crate::http::Error::cause)) {
        (keyvault::Error::MissingPermission { .. }, _) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "vault-permission",
            "the vault does not let this identity sign or read",
        ),
        (_, Some(Cause::Refused { status, retry_after, .. })) if status.as_u16() == 429 || status.is_server_error() => {
            unavailable("vault-busy", "the vault is throttling or failing").retry_after(*retry_after)
        }
        (_, Some(Cause::Unreachable(_) | Cause::Lost(_))) => {
            unavailable("vault-unreachable", "the vault cannot be reached").retry_after(None)
        }
        _ => Problem::new(StatusCode::BAD_GATEWAY, "vault", "the vault refused"),
    };
    problem.trace_id(http.and_then(|error| error.request_id()).map(str::to_owned))
}
