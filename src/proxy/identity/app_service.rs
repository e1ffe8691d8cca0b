//! `GET /msi/token`, the shape of App Service and Functions.
//!
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>

use std::sync::Arc;

use axum::extract::RawQuery;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::IdentityAnswers;
use super::answer::IdentityQuery;
use super::answer::IdentityToken;
use super::grant::Answer;
use super::grant::by_profile;
use super::grant::pairs;
use super::request::Shape;
use crate::proxy::desk::Desk;
use crate::proxy::input::Path;

pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(token))
        .routes(routes!(token_of_profile))
        // MSAL for JavaScript adds a slash to every address.
        .route("/msi/token/", get(token))
        .route("/msi/{profile}/token/", get(token_of_profile))
        .with_state(Arc::clone(desk))
}

/// As App Service answers
///
/// A token of the application of the only profile. Programs find this address in `IDENTITY_ENDPOINT`, and the key
/// for `X-IDENTITY-HEADER` in `IDENTITY_HEADER`. The `api-version` is `2019-08-01`.
#[utoipa::path(
    get, path = "/msi/token", operation_id = "appService", tag = "Managed identity",
    params(IdentityQuery), responses(IdentityAnswers),
    security(("kvopsKey" = []), ("bearer" = []), ("identityHeader" = [])),
)]
async fn token(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let parameters = pairs(query.unwrap_or_default().as_bytes());
    by_profile::<IdentityToken>(&desk, Shape::AppService, None, &headers, &parameters).await
}

/// As App Service answers, for one of several profiles
#[utoipa::path(
    get, path = "/msi/{profile}/token", operation_id = "appServiceOfProfile", tag = "Managed identity",
    params(("profile" = String, Path, description = "Its name in kvops.toml"), IdentityQuery), responses(IdentityAnswers),
    security(("kvopsKey" = []), ("bearer" = []), ("identityHeader" = [])),
)]
async fn token_of_profile(
    State(desk): State<Arc<Desk>>,
    Path(profile): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let parameters = pairs(query.unwrap_or_default().as_bytes());
    by_profile::<IdentityToken>(&desk, Shape::AppService, Some(&profile), &headers, &parameters).await
}
