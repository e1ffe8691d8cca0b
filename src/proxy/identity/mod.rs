//! Addresses that answer as a managed identity does, so that programs for Azure take their tokens from
//! here without a line of code.
//!
//! App Service and virtual machines have one identity each, which here is the application of a profile.
//! Cloud Shell is told in the address whose token is wanted, as the model has it.

mod answer;
mod app_service;
mod cloud_shell;
mod grant;
mod imds;
mod refusal;
mod request;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use super::desk::Desk;
use crate::serve::Door;
use crate::serve::KeyAt;

pub(super) use answer::CloudShellToken;
pub(super) use answer::IdentityToken;
pub(super) use refusal::IdentityProblem;

/// How callers of these addresses show the run key. Two of the protocols have no place for one, so
/// that it stands in the address; a form needs a header that pages of other sites cannot send. (MSAL for
/// JavaScript calls everything a form.)
pub(super) const DOORS: [Door; 3] = [
    Door { path: "/msi/", key: KeyAt::Named("x-identity-header"), form_with: Some(("x-identity-header", "")) },
    Door { path: "/run/", key: KeyAt::Segment(1), form_with: Some(("metadata", "true")) },
    Door { path: "/api/msi/", key: KeyAt::Header, form_with: Some(("metadata", "true")) },
];

/// The addresses, with their part of the document.
pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    app_service::routes(desk).merge(imds::routes(desk)).merge(cloud_shell::routes(desk))
}
