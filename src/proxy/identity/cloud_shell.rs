//! `POST /api/msi/…`, the shape of Cloud Shell. The address says whose token is wanted; the parts of it are
//! parsed as what they stand for, so that none can lead elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::answer::CloudShellAnswers;
use super::answer::CloudShellForm;
use super::answer::CloudShellToken;
use super::answer::Facts;
use super::grant::Answer;
use super::grant::by_profile;
use super::grant::local;
use super::grant::of_application;
use super::grant::pairs;
use super::refusal::IdentityProblem;
use super::request::Asked;
use super::request::Shape;
use crate::domain::TenantId;
use crate::domain::Vault;
use crate::domain::VaultName;
use crate::http::TokenRequest;
use crate::pki::DecodedToken;
use crate::proxy::desk::Desk;
use crate::proxy::input;
use crate::proxy::input::Path;
use crate::proxy::store::Find;
use crate::proxy::store::Store;
use crate::proxy::wanted::Proof;
use crate::proxy::wanted::Wanted;
use crate::serve::Problem;

const FORM: &str = "application/x-www-form-urlencoded";

/// The addresses below `/run/{key}` are for programs that are given an address and nothing else; there
/// is nothing to try, so the document leaves them out.
pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(forward))
        .routes(routes!(forward_in_tenant))
        .routes(routes!(user_certificate))
        .routes(routes!(machine_certificate))
        .routes(routes!(vault_certificate))
        .route("/run/{key}/msi", post(by_key))
        .route("/run/{key}/{profile}/msi", post(by_key_of_profile))
        .with_state(Arc::clone(desk))
}

/// A token of the identity that the proxy was started with
///
/// Only where the configuration says so, or with `--compat-open`.
#[utoipa::path(
    post, path = "/api/msi/forward", operation_id = "forward", tag = "Cloud Shell",
    params(("Metadata" = String, Header, description = "`true`", example = "true")),
    request_body(content = CloudShellForm, content_type = "application/x-www-form-urlencoded"),
    responses(CloudShellAnswers),
)]
async fn forward(State(desk): State<Arc<Desk>>, headers: HeaderMap, form: Bytes) -> Answer {
    own(&desk, None, &asked(&headers, &form)?).await
}

/// The same, in one tenant
#[utoipa::path(
    post, path = "/api/msi/{tenant}/forward", operation_id = "forwardInTenant", tag = "Cloud Shell",
    params(
        ("tenant" = String, Path, description = "GUID or domain name"),
        ("Metadata" = String, Header, description = "`true`", example = "true"),
    ),
    request_body(content = CloudShellForm, content_type = "application/x-www-form-urlencoded"),
    responses(CloudShellAnswers),
)]
async fn forward_in_tenant(
    State(desk): State<Arc<Desk>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    own(&desk, Some(part("tenant", &tenant)?), &asked(&headers, &form)?).await
}

/// A token of an application, signed by a certificate of this user
#[utoipa::path(
    post, path = "/api/msi/{tenant}/{clientId}/usercert/{thumbprint}", operation_id = "userCertificate", tag = "Cloud Shell",
    params(
        ("tenant" = String, Path, description = "GUID or domain name"),
        ("clientId" = String, Path, description = "Client id of the application"),
        ("thumbprint" = String, Path, description = "Of the certificate"),
        ("Metadata" = String, Header, description = "`true`", example = "true"),
    ),
    request_body(content = CloudShellForm, content_type = "application/x-www-form-urlencoded"),
    responses(CloudShellAnswers),
)]
async fn user_certificate(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    by_certificate(&desk, Store::User, &path, &asked(&headers, &form)?).await
}

/// A token of an application, signed by a certificate of this machine
#[utoipa::path(
    post, path = "/api/msi/{tenant}/{clientId}/machinecert/{thumbprint}", operation_id = "machineCertificate", tag = "Cloud Shell",
    params(
        ("tenant" = String, Path, description = "GUID or domain name"),
        ("clientId" = String, Path, description = "Client id of the application"),
        ("thumbprint" = String, Path, description = "Of the certificate"),
        ("Metadata" = String, Header, description = "`true`", example = "true"),
    ),
    request_body(content = CloudShellForm, content_type = "application/x-www-form-urlencoded"),
    responses(CloudShellAnswers),
)]
async fn machine_certificate(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    by_certificate(&desk, Store::Machine, &path, &asked(&headers, &form)?).await
}

/// A token of an application, signed by a certificate in a vault
#[utoipa::path(
    post, path = "/api/msi/{tenant}/{clientId}/kv/{vault}/{certificate}", operation_id = "vaultCertificate", tag = "Cloud Shell",
    params(
        ("tenant" = String, Path, description = "GUID or domain name"),
        ("clientId" = String, Path, description = "Client id of the application"),
        ("vault" = String, Path, description = "Name of the vault; never a host"),
        ("certificate" = String, Path, description = "Name of the certificate"),
        ("Metadata" = String, Header, description = "`true`", example = "true"),
    ),
    request_body(content = CloudShellForm, content_type = "application/x-www-form-urlencoded"),
    responses(CloudShellAnswers),
)]
async fn vault_certificate(
    State(desk): State<Arc<Desk>>,
    Path((tenant, client, vault, certificate)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    let asked = asked(&headers, &form)?;
    // A name, and never a URL: nobody may choose the host that our vault token is sent to.
    let vault: VaultName = part("vault", &vault)?;
    let vault = Vault::parse(vault.as_str(), desk.engine.http().cloud()).map_err(|error| malformed("vault", &error))?;
    let proof = Proof::Certificate { vault, name: part("certificate", &certificate)?, skip_cache: false };
    let wanted = Wanted {
        tenant: part("tenant", &tenant)?,
        app: part("clientId", &client)?,
        proof,
        scopes: vec![asked.scope.clone()],
    };
    of_application::<CloudShellToken>(&desk, &asked, &wanted).await
}

async fn by_key(State(desk): State<Arc<Desk>>, headers: HeaderMap, form: Bytes) -> Answer {
    check_is_form(&headers)?;
    by_profile::<CloudShellToken>(&desk, Shape::CloudShell, None, &headers, &pairs(&form)).await
}

async fn by_key_of_profile(
    State(desk): State<Arc<Desk>>,
    Path((_, profile)): Path<(String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    check_is_form(&headers)?;
    by_profile::<CloudShellToken>(&desk, Shape::CloudShell, Some(&profile), &headers, &pairs(&form)).await
}

async fn by_certificate(
    desk: &Desk,
    store: Store,
    (tenant, client, thumbprint): &(String, String, String),
    asked: &Asked,
) -> Answer {
    let (tenant, app) = (part("tenant", tenant)?, part("clientId", client)?);
    let proof = local(desk, (app, &tenant), store, Find::Thumbprint(part("thumbprint", thumbprint)?)).await?;
    let wanted = Wanted { tenant, app, proof, scopes: vec![asked.scope.clone()] };
    of_application::<CloudShellToken>(desk, asked, &wanted).await
}

/// A token of the identity that the proxy was started with.
async fn own(desk: &Desk, tenant: Option<TenantId>, asked: &Asked) -> Answer {
    let resource = asked.scope.strip_suffix("/.default").unwrap_or(&asked.scope);
    let request = TokenRequest { tenant: tenant.clone(), ..TokenRequest::for_resource(resource) };
    let token = desk.engine.own_token(&request).await.map_err(|refusal| refusal.problem())?;
    let decoded = DecodedToken::decode(&token.access_token).ok();
    let tid = decoded.as_ref().and_then(|decoded| decoded.text("tid"));
    if let (Some(wanted), Some(tid)) = (&tenant, tid)
        && Uuid::try_parse(wanted.as_str()).is_ok()
        && !wanted.as_str().eq_ignore_ascii_case(&tid)
    {
        // A source that is signed in elsewhere does not notice which tenant was asked for.
        let problem =
            Problem::refused(StatusCode::FORBIDDEN, "tenant", "the proxy's own identity is of another tenant");
        return Err(problem.detail(format!("it is signed in to {tid}")).into());
    }
    let facts = Facts {
        token: &token.access_token,
        expires_at: token.expires_at,
        now: desk.engine.http().clock().now(),
        resource: &asked.resource,
        client: None,
    };
    Ok(Json(CloudShellToken::from(&facts)).into_response())
}

fn asked(headers: &HeaderMap, form: &[u8]) -> Result<Asked, IdentityProblem> {
    check_is_form(headers)?;
    Ok(Asked::parse(Shape::CloudShell, headers, &pairs(form))?)
}

fn check_is_form(headers: &HeaderMap) -> Result<(), Problem> {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-a-form", "a form is wanted here")
        .hint(format!("send `resource=…` with `Content-Type: {FORM}`")))
}

/// One part of the address.
fn part<T: std::str::FromStr<Err: std::fmt::Display>>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| malformed(name, &error))
}

fn malformed(name: &'static str, error: &dyn std::fmt::Display) -> Problem {
    input::malformed(format!("{name}: {error}"))
}
