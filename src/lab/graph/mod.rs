//! Microsoft Graph: applications, service principals and what belongs to them.

use super::exchange::{Reply, Request};
use super::world::World;

/// Answers a request below `/v1.0` or `/beta`.
pub(crate) fn answer(_world: &mut World, _request: &Request) -> Reply {
    Reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}
