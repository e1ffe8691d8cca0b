//! From what a client asked to a token of the application that answers.

use axum::Json;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;

use super::answer::Facts;
use super::refusal::IdentityProblem;
use super::request::Asked;
use super::request::Shape;
use crate::domain::AppId;
use crate::domain::TenantId;
use crate::proxy::allow::Allowed;
use crate::proxy::allow::Profile;
use crate::proxy::desk::Desk;
use crate::proxy::store::Find;
use crate::proxy::store::Store;
use crate::proxy::wanted::Proof;
use crate::proxy::wanted::Wanted;
use crate::serve::Problem;

/// A token, or why there is none.
pub(super) type Answer = Result<Response, IdentityProblem>;

/// How a token was come by, as everywhere in this proxy.
const CACHE: &str = "x-kvops-cache";

/// The parameters of a query or a form, decoded.
pub(super) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// The application of the profile, or of the only one, answers.
pub(super) async fn by_profile<T: Serialize + for<'a> From<&'a Facts<'a>>>(
    desk: &Desk,
    shape: Shape,
    profile: Option<&str>,
    headers: &HeaderMap,
    parameters: &[(String, String)],
) -> Answer {
    let asked = Asked::parse(shape, headers, parameters)?;
    let profile = choose(desk.engine.allowed(), profile)?;
    let proof = match (&profile.certificate, profile.local) {
        (Some((vault, name)), _) => Proof::Certificate { vault: vault.clone(), name: name.clone(), skip_cache: false },
        (None, Some(thumbprint)) => {
            local(desk, (profile.app, &profile.tenant), Store::User, Find::Thumbprint(thumbprint)).await?
        }
        (None, None) => return Err(no_identity("the profile names no certificate").into()),
    };
    let wanted = Wanted { tenant: profile.tenant.clone(), app: profile.app, proof, scopes: vec![asked.scope.clone()] };
    of_application::<T>(desk, &asked, &wanted).await
}

/// A token of an application.
pub(super) async fn of_application<T: Serialize + for<'a> From<&'a Facts<'a>>>(
    desk: &Desk,
    asked: &Asked,
    wanted: &Wanted,
) -> Answer {
    if asked.client.is_some_and(|client| client != wanted.app) {
        return Err(no_identity("the identity that was asked for is not the one that answers here").into());
    }
    let granted = desk.token(wanted).await?;
    let facts = Facts {
        token: &granted.token.access_token,
        expires_at: granted.token.expires_at,
        now: desk.engine.http().clock().now(),
        resource: &asked.resource,
        client: Some(wanted.app),
    };
    Ok(([(CACHE, granted.cache.name())], Json(T::from(&facts))).into_response())
}

/// A certificate of this machine as a proof.
pub(super) async fn local(
    desk: &Desk,
    (app, tenant): (AppId, &TenantId),
    store: Store,
    find: Find,
) -> Result<Proof, IdentityProblem> {
    let found = desk.engine.local(app, tenant, store, find).await;
    let certificate = found.map_err(|refusal| refusal.problem())?;
    Ok(Proof::Local { certificate })
}

/// The profile of that name, or the only one.
fn choose<'a>(allowed: &'a Allowed, name: Option<&str>) -> Result<&'a Profile, Problem> {
    let profiles = allowed.profiles();
    match name {
        // MSAL writes addresses in lower case.
        Some(name) => profiles.iter().find(|profile| profile.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            Problem::refused(StatusCode::FORBIDDEN, "profile", "outside the profiles of this proxy")
                .detail("there is no profile of that name")
        }),
        None => match profiles {
            [only] => Ok(only),
            [] => Err(no_identity("no profile says whose token this would be")
                .hint("start the proxy with --profile, or use an address below /api/msi that names the application")),
            _ => Err(no_identity("there are several profiles, and the address names none")
                .hint("ask `kvops proxy env --profile NAME` for the address of one")),
        },
    }
}

/// What clients take for "there is no managed identity", so that they go on to the next source.
fn no_identity(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "no-identity", "there is no such identity here").detail(detail)
}
