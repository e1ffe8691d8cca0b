//! All that the lab knows, behind one lock. Services are functions of the world and a request.

use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::clock::LabClock;
use super::directory::Directory;
use super::entra::Entra;
use super::keys::KeyPool;
use super::keyvault::KeyVault;
use crate::domain::Clock as _;

/// The state of the lab. `answer` functions take it by `&mut` together with a request.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tenant: Uuid,
    pub(crate) site: Site,
    pub(crate) clock: LabClock,
    pub(crate) settings: Settings,
    pub(crate) directory: Directory,
    pub(crate) entra: Entra,
    pub(crate) keyvault: KeyVault,
    pub(crate) keys: KeyPool,
    pub(crate) random: ChaCha20Rng,
}

impl World {
    /// The lab's time.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A GUID from the lab's seeded generator.
    pub(crate) fn guid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(rand::Rng::random(&mut self.random)).into_uuid()
    }
}

/// Where the lab listens.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Site {
    /// Port of the data plane.
    pub(crate) port: u16,
}

impl Site {
    /// `https://localhost:PORT`: Entra, Graph and ARM.
    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// `vault.localhost:PORT`.
    pub(crate) fn vault_suffix(&self) -> String {
        format!("vault.localhost:{}", self.port)
    }

    /// `https://NAME.vault.localhost:PORT`, without a slash at the end.
    pub(crate) fn vault_url(&self, name: &str) -> String {
        format!("https://{name}.{}", self.vault_suffix())
    }
}

/// How the lab behaves. Times are seconds of the lab's clock.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// How long a new key is unknown to the token endpoint.
    pub(crate) token_propagation: u32,
    /// How long Graph reads may answer without a fresh write.
    pub(crate) graph_propagation: u32,
    /// From `create` to `completed`.
    pub(crate) issue_delay: u32,
    /// From a delete or a recover to the moment when it shows.
    pub(crate) soft_delete_lag: u32,
    /// Put an empty page with a next link between full ones.
    pub(crate) empty_pages: bool,
    /// Largest page, where a service's own limit is larger. 0: the service's own.
    pub(crate) page_size: u32,
    /// Enforce the request budgets of the real services.
    pub(crate) budgets: bool,
    /// Percentage of requests answered 429 or 503, drawn from the seed.
    pub(crate) throttle_percent: u32,
}

impl Default for Settings {
    /// Realistic, without chance: keys spread within seconds, certificates take three.
    fn default() -> Self {
        Self {
            token_propagation: 6,
            graph_propagation: 2,
            issue_delay: 3,
            soft_delete_lag: 8,
            empty_pages: false,
            page_size: 0,
            budgets: true,
            throttle_percent: 0,
        }
    }
}
