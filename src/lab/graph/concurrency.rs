//! Writes that follow each other too closely for the directory.

use http::StatusCode;
use time::Duration;
use uuid::Uuid;

use super::fault::Fault;
use crate::lab::world::World;

/// Remembers a change of certificates.
pub(super) fn note_keys(world: &mut World, id: Uuid) {
    world.directory.keys_changed = Some((id, world.now()));
}

/// Refuses `addPassword` within a second after such a change, if the lab is told to.
pub(super) fn check_password(world: &World, id: Uuid) -> Result<(), Fault> {
    match world.directory.keys_changed {
        Some((changed, at))
            if world.settings.concurrency_violations && changed == id && world.now() - at <= Duration::SECOND =>
        {
            Err(Fault::new(
                StatusCode::CONFLICT,
                "Directory_ConcurrencyViolation",
                "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
            ))
        }
        _ => Ok(()),
    }
}
