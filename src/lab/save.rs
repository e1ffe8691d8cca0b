//! The state of a lab as one JSON document: to go on later, or to begin many tests at one point.

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::azure::Azure;
use super::directory::Directory;
use super::entra::Entra;
use super::keyvault::KeyVault;
use super::world::Settings;
use super::world::World;

/// Raised when an older document can no longer be read.
const FORMAT: u32 = 2;

/// What is restored. Ports, certificates of the lab itself and the key that signs tokens are not:
/// they belong to a run.
#[derive(Deserialize)]
struct Saved {
    kvops_lab: u32,
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    /// Where randomness goes on, so that no id is given out twice.
    random: u64,
    tenant: Uuid,
    settings: Settings,
    directory: Directory,
    entra: Entra,
    keyvault: KeyVault,
    azure: Azure,
}

/// The document. It holds private keys and secrets: those of a lab.
pub(crate) fn save(world: &mut World) -> Result<Value, String> {
    let random: u64 = world.random.random();
    world.random = ChaCha20Rng::seed_from_u64(random);
    Ok(json!({
        "kvops_lab": FORMAT,
        "now": world.now().format(&time::format_description::well_known::Rfc3339).map_err(|error| error.to_string())?,
        "random": random,
        "tenant": world.tenant,
        "settings": part(&world.settings)?,
        "directory": part(&world.directory)?,
        "entra": part(&world.entra)?,
        "keyvault": part(&world.keyvault)?,
        "azure": part(&world.azure)?,
    }))
}

fn part(part: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(part).map_err(|error| error.to_string())
}

/// Replaces the world's contents by those of a document, and sets its clock.
pub(crate) fn load(world: &mut World, document: Value) -> Result<(), String> {
    let saved: Saved = serde_json::from_value(document).map_err(|error| format!("this is no saved lab: {error}"))?;
    if saved.kvops_lab != FORMAT {
        return Err(format!("the saved lab has format {}, this lab reads {FORMAT}", saved.kvops_lab));
    }
    world.clock.set(saved.now);
    world.random = ChaCha20Rng::seed_from_u64(saved.random);
    world.tenant = saved.tenant;
    world.settings = saved.settings;
    world.directory = saved.directory;
    world.entra = saved.entra;
    world.keyvault = saved.keyvault;
    world.azure = saved.azure;
    Ok(())
}
