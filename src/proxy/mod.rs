//! Tokens for tools on this machine, with the key still in the vault.
//!
//! What may be asked for is decided by [`Allowed`] before anybody is asked; the [`Engine`] signs in,
//! remembers tokens in memory until shortly before their end, has concurrent requests share one
//! signature, and writes each token that it mints into the ledger. Who may ask at all is decided by
//! [`crate::serve`]. What callers read and write are this module's own types: the model's token endpoints, the
//! shapes of managed identities, and an OpenAPI document with pages to try things out on.

mod allow;
mod cache;
mod desk;
mod document;
mod engine;
mod identity;
mod input;
mod page;
mod record;
mod refusal;
mod snippet;
mod store;
mod token;
mod wanted;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use self::desk::Desk;
use self::document::Described;
use crate::serve::{Door, Meters};

pub use allow::{Allowed, Broken, Profile, default_scope};
pub use cache::Cache;
pub use engine::{Engine, Granted, KeyInfo, Parts};
pub use refusal::Refusal;
pub use store::{DOTNET_USER_STORE, Find, LocalCertificate, Store, Stores};
pub use wanted::{Proof, Wanted};

/// Where callers show the run key in another way than usual, or need not.
pub const DOORS: &[Door] = &[
    Door::open("/"),
    Door::open("/page.css"),
    Door::open("/swagger"),
    Door::open("/healthz"),
    identity::DOORS[0],
    identity::DOORS[1],
    identity::DOORS[2],
];

/// Everything that the proxy answers.
pub fn routes(engine: &Arc<Engine>, meters: &Meters) -> Router {
    let desk = Arc::new(Desk { engine: Arc::clone(engine), meters: meters.clone() });
    let (endpoints, document) = described(&desk).split_for_parts();
    let metrics = get(async move || ([(CONTENT_TYPE, "text/plain; version=0.0.4")], desk.metrics()));
    endpoints.route("/metrics", metrics).merge(page::routes(document))
}

/// The addresses that the document describes.
fn described(desk: &Arc<Desk>) -> OpenApiRouter {
    OpenApiRouter::with_openapi(Described::openapi())
        .merge(token::routes(desk))
        .merge(identity::routes(desk))
        .merge(snippet::routes(desk))
}
