//! The five token endpoints of the model, with its names and its JSON.

mod answer;
mod request;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use tower::ServiceExt as _;
use utoipa::IntoResponses;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{KeyInfoAnswer, TokenAnswer};
use self::request::{CertificateTokenRequest, KeyInfoRequest, KeyTokenRequest, LocalTokenRequest};
use super::desk::Desk;
use super::input::{Body, Path};
use super::store::Store;
use super::wanted::{Proof, Wanted};
use crate::serve::Problem;

/// The endpoints' own spelling. The model's routes ignore case.
const ENDPOINTS: [&str; 5] = ["kv-key", "kv-key-info", "kv-certificate", "local-certificate", "computer-certificate"];

/// Refusals of the token endpoints.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes what is answered")]
enum Refused {
    /// The request, or what Microsoft Entra says about the application in it, is wrong.
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(Problem),
    /// The key of this run is missing or wrong.
    #[response(status = 401, content_type = "application/problem+json")]
    Stranger(Problem),
    /// A rule of the proxy, or the vault, says no.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such certificate or key.
    #[response(status = 404, content_type = "application/problem+json")]
    Missing(Problem),
    /// The request did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The certificate cannot sign.
    #[response(status = 409, content_type = "application/problem+json")]
    Unusable(Problem),
    /// The request is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    Large(Problem),
    /// Something else than JSON was sent.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// The proxy's own identity got no token, or a service answered what it never should.
    #[response(status = 502, content_type = "application/problem+json")]
    Upstream(Problem),
    /// A service is out of reach or out of order; `Retry-After` says when to ask again.
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds")))]
    Unavailable(Problem),
}

/// The endpoints, and their part of the document.
pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    let endpoints = || {
        OpenApiRouter::new()
            .routes(routes!(kv_key))
            .routes(routes!(kv_key_info))
            .routes(routes!(kv_certificate))
            .routes(routes!(local_certificate))
            .routes(routes!(computer_certificate))
            .with_state(Arc::clone(desk))
    };
    let (exact, _) = endpoints().split_for_parts();
    let in_any_case =
        Router::new().route("/{api}/{controller}/{endpoint}", axum::routing::post(in_any_case)).with_state(exact);
    endpoints().merge(in_any_case.into())
}

/// Get a token with one version of a vault's key
///
/// One call of the vault: nothing is read of the key, so that `keys/sign` on it is enough.
#[utoipa::path(
    post, path = "/api/Token/kv-key", tag = "Token", operation_id = "kvKey", request_body = KeyTokenRequest,
    responses(
        (status = 200, body = TokenAnswer, headers(("X-Kvops-Cache" = String, description = "`hit`, `miss` or `shared`"))),
        Refused,
    ),
)]
async fn kv_key(State(desk): State<Arc<Desk>>, Body(body): Body<KeyTokenRequest>) -> Result<TokenAnswer, Problem> {
    let wanted = body.wanted(desk.cloud())?;
    token(&desk, wanted).await
}

/// Look up what signing with a certificate needs
///
/// Remembered for at most five minutes.
#[utoipa::path(
    post, path = "/api/Token/kv-key-info", tag = "Token", operation_id = "kvKeyInfo", request_body = KeyInfoRequest,
    responses((status = 200, body = KeyInfoAnswer), Refused),
)]
async fn kv_key_info(
    State(desk): State<Arc<Desk>>,
    Body(body): Body<KeyInfoRequest>,
) -> Result<Json<KeyInfoAnswer>, Problem> {
    let (vault, name) = body.certificate(desk.cloud())?;
    let info = desk.engine.key_info(&vault, &name, body.skip_cache()).await.map_err(|refusal| refusal.problem())?;
    Ok(Json(info.into()))
}

/// Get a token with a vault's certificate
///
/// The newest version that is proven signs; a rotation is followed by itself.
#[utoipa::path(
    post, path = "/api/Token/kv-certificate", tag = "Token", operation_id = "kvCertificate",
    request_body = CertificateTokenRequest,
    responses(
        (status = 200, body = TokenAnswer, headers(("X-Kvops-Cache" = String, description = "`hit`, `miss` or `shared`"))),
        Refused,
    ),
)]
async fn kv_certificate(
    State(desk): State<Arc<Desk>>,
    Body(body): Body<CertificateTokenRequest>,
) -> Result<TokenAnswer, Problem> {
    let wanted = body.wanted(desk.cloud())?;
    token(&desk, wanted).await
}

/// Get a token with a certificate of this user
///
/// Out of the folder that .NET's user store is, or one that the configuration names. Self-signed
/// certificates are found.
#[utoipa::path(
    post, path = "/api/Token/local-certificate", tag = "Token", operation_id = "localCertificate",
    request_body = LocalTokenRequest,
    responses(
        (status = 200, body = TokenAnswer, headers(("X-Kvops-Cache" = String, description = "`hit`, `miss` or `shared`"))),
        Refused,
    ),
)]
async fn local_certificate(
    State(desk): State<Arc<Desk>>,
    Body(body): Body<LocalTokenRequest>,
) -> Result<TokenAnswer, Problem> {
    local(&desk, &body, Store::User).await
}

/// Get a token with a certificate of this machine
///
/// Out of the folder that the configuration names.
#[utoipa::path(
    post, path = "/api/Token/computer-certificate", tag = "Token", operation_id = "computerCertificate",
    request_body = LocalTokenRequest,
    responses(
        (status = 200, body = TokenAnswer, headers(("X-Kvops-Cache" = String, description = "`hit`, `miss` or `shared`"))),
        Refused,
    ),
)]
async fn computer_certificate(
    State(desk): State<Arc<Desk>>,
    Body(body): Body<LocalTokenRequest>,
) -> Result<TokenAnswer, Problem> {
    local(&desk, &body, Store::Machine).await
}

async fn local(desk: &Desk, body: &LocalTokenRequest, store: Store) -> Result<TokenAnswer, Problem> {
    let (fields, find) = body.wanted()?;
    let found = desk.engine.local(fields.app(), fields.tenant(), store, find).await;
    let certificate = found.map_err(|refusal| refusal.problem())?;
    token(desk, fields.with(Proof::Local { certificate })).await
}

async fn token(desk: &Desk, wanted: Wanted) -> Result<TokenAnswer, Problem> {
    let granted = desk.token(&wanted).await?;
    Ok(TokenAnswer::new(granted, wanted.scopes, desk.engine.http().clock().now()))
}

/// Sends a request that spells an endpoint in another case to where it belongs.
async fn in_any_case(
    State(exact): State<Router>,
    Path((api, controller, endpoint)): Path<(String, String, String)>,
    mut request: Request,
) -> Response {
    let known = ENDPOINTS.iter().find(|known| known.eq_ignore_ascii_case(&endpoint));
    let is_ours = api.eq_ignore_ascii_case("api") && controller.eq_ignore_ascii_case("token");
    let Some(uri) = known.filter(|_| is_ours).and_then(|known| format!("/api/Token/{known}").parse::<Uri>().ok())
    else {
        return Problem::new(StatusCode::NOT_FOUND, "no-route", "there is nothing at this address").into_response();
    };
    *request.uri_mut() = uri;
    exact.oneshot(request).await.into_response()
}
