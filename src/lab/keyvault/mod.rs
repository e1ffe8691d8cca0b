//! The data plane of Key Vault: certificates, their keys and their secrets.

use super::exchange::{Reply, Request};
use super::world::World;

/// All vaults of the lab.
#[derive(Debug, Default)]
pub(crate) struct KeyVault {}

/// Answers a request for the vault `vault`, whose name is the first label of the host.
pub(crate) fn answer(_world: &mut World, _vault: &str, _request: &Request) -> Reply {
    Reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}
