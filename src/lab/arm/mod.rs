//! The read side of Azure Resource Manager and Resource Graph, as far as it finds vaults.

use super::exchange::{Reply, Request};
use super::world::World;

/// Answers a request of the management plane.
pub(crate) fn answer(_world: &mut World, _request: &Request) -> Reply {
    Reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}
