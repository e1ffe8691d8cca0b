//! The token endpoint, its metadata, and the tokens that the other services verify.

use serde_json::Value;
use uuid::Uuid;

use super::exchange::{Reply, Request};
use super::world::World;

/// Entra's own state: the keys that sign tokens, and the revision of what it knows.
#[derive(Debug, Default)]
pub(crate) struct Entra {}

/// Answers a request for the authority's host.
pub(crate) fn answer(_world: &mut World, _request: &Request) -> Reply {
    Reply::empty(http::StatusCode::NOT_FOUND)
}

/// Answers a request for a machine's own identity endpoint: IMDS, App Service.
pub(crate) fn answer_identity(_world: &mut World, _request: &Request) -> Reply {
    Reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}

/// Application and object id in a token that this lab has signed, whatever else is wrong with it.
pub(crate) fn speaker(_world: &World, _token: &str) -> Option<(Uuid, Uuid)> {
    None
}

/// Who a verified access token speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) app_id: Uuid,
    /// Object id of the service principal.
    pub(crate) object_id: Uuid,
    pub(crate) tenant: Uuid,
    /// Application roles: Graph's permissions.
    pub(crate) roles: Vec<String>,
    /// Delegated scopes. Empty for app-only tokens.
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: serde_json::Map<String, Value>,
}

/// What is wrong with a bearer token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TokenFault {
    /// Not a token of this tenant's signing key.
    Malformed,
    /// Past its `exp`.
    Expired,
    /// For another resource.
    WrongAudience,
    /// Revoked by the control endpoint: the service answers a claims challenge (CAE).
    Revoked,
}

/// Verifies signature, issuer, times and audience of an access token. `audience` is compared
/// without a slash at the end.
pub(crate) fn verify(_world: &World, _token: &str, _audience: &str) -> Result<Caller, TokenFault> {
    Err(TokenFault::Malformed)
}
