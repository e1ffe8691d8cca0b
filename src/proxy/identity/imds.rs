//! `GET /metadata/identity/oauth2/token`, the shape of virtual machines.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

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

/// The addresses below `/run/{key}` are for programs that are given an address and nothing else; there
/// is nothing to try, so the document leaves them out.
pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(token))
        .route("/run/{key}/metadata/identity/oauth2/token", get(token))
        .route("/run/{key}/{profile}/metadata/identity/oauth2/token", get(token_of_profile))
        // MSAL for JavaScript adds a slash to every address.
        .route("/run/{key}/metadata/identity/oauth2/token/", get(token))
        .route("/run/{key}/{profile}/metadata/identity/oauth2/token/", get(token_of_profile))
        .with_state(Arc::clone(desk))
}

/// As a virtual machine answers
///
/// A token of the application of the only profile. The `api-version` is `2018-02-01` or later. Programs that are
/// given `AZURE_POD_IDENTITY_AUTHORITY_HOST` ask below an address that holds the key, since this protocol has no
/// other place for one.
#[utoipa::path(
    get, path = "/metadata/identity/oauth2/token", operation_id = "imds", tag = "Managed identity",
    params(("Metadata" = String, Header, description = "`true`", example = "true"), IdentityQuery),
    responses(IdentityAnswers),
)]
async fn token(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let parameters = pairs(query.unwrap_or_default().as_bytes());
    by_profile::<IdentityToken>(&desk, Shape::Imds, None, &headers, &parameters).await
}

async fn token_of_profile(
    State(desk): State<Arc<Desk>>,
    Path((_, profile)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let parameters = pairs(query.unwrap_or_default().as_bytes());
    by_profile::<IdentityToken>(&desk, Shape::Imds, Some(&profile), &headers, &parameters).await
}
