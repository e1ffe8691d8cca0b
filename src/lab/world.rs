//! All that the lab knows, behind one lock. Services are functions of the world and a request.

use std::str::FromStr;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::azure::Azure;
use super::clock::LabClock;
use super::directory::Directory;
use super::entra::Entra;
use super::keys::KeyPool;
use super::keyvault::KeyVault;
use super::latency::Latency;
use super::throttle::Budgets;
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
    pub(crate) azure: Azure,
    pub(crate) keys: KeyPool,
    pub(crate) budgets: Budgets,
    pub(crate) random: ChaCha20Rng,
}

impl World {
    /// A world whose services live on `port`, with nothing in it but Microsoft's service principals.
    pub(crate) fn new(port: u16, clock: LabClock, random: u64) -> Self {
        let mut random = ChaCha20Rng::seed_from_u64(random);
        let mut world = Self {
            tenant: uuid::Builder::from_random_bytes(random.random()).into_uuid(),
            site: Site { port },
            clock,
            settings: Settings::default(),
            directory: Directory::default(),
            entra: Entra::default(),
            keyvault: KeyVault::default(),
            azure: Azure::default(),
            keys: KeyPool::default(),
            budgets: Budgets::default(),
            random,
        };
        let now = world.now();
        let Self { directory, random, .. } = &mut world;
        directory.add_first_party(now, || uuid::Builder::from_random_bytes(random.random()).into_uuid());
        directory.settle();
        world
    }

    /// The lab's time.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A GUID from the lab's seeded generator.
    pub(crate) fn guid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    /// A client secret as Entra makes them: 40 characters, among them `~`, `_`, `.` and `-`.
    pub(crate) fn password(&mut self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~_.-";
        (0..40).map(|_| char::from(ALPHABET[self.random.random_range(0..ALPHABET.len())])).collect()
    }

    /// Whether a name in a path or a URL means this tenant: its id or one of its domains.
    pub(crate) fn is_tenant(&self, name: &str) -> bool {
        Uuid::try_parse(name).is_ok_and(|id| id == self.tenant)
            || self.domains().iter().any(|domain| domain.eq_ignore_ascii_case(name))
    }

    /// The verified domain names of the tenant; the first is the initial one.
    pub(crate) fn domains(&self) -> [&'static str; 2] {
        ["contoso.onmicrosoft.com", "contoso.com"]
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

/// How faithful to the services' delays and moods a lab is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Behaviour {
    /// No delays: everything holds at once.
    #[default]
    Tame,
    /// Delays as recorded, without chance.
    Realistic,
    /// Delays, pages of two with empty ones between, and one request in twenty turned away.
    Hostile,
}

impl FromStr for Behaviour {
    type Err = super::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tame" => Ok(Self::Tame),
            "realistic" => Ok(Self::Realistic),
            "hostile" => Ok(Self::Hostile),
            _ => Err(super::Error::Seed(format!("`{text}` is no behaviour: tame, realistic or hostile"))),
        }
    }
}

impl Behaviour {
    /// The settings that it stands for.
    pub(crate) fn settings(self) -> Settings {
        let tame = Settings {
            token_propagation: 0,
            graph_propagation: 0,
            issue_delay: 0,
            soft_delete_lag: 0,
            issuer_cache: 0,
            empty_pages: false,
            page_size: 0,
            budgets: false,
            throttle_percent: 0,
            ..Settings::default()
        };
        match self {
            Self::Tame => tame,
            Self::Realistic => Settings::default(),
            Self::Hostile => Settings {
                empty_pages: true,
                page_size: 2,
                leading_zero: true,
                throttle_percent: 5,
                ..Settings::default()
            },
        }
    }
}

/// What the tenant has paid for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Licence {
    Free,
    P1,
    #[default]
    P2,
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
    /// Whether an application without any permission may read its own objects in the directory.
    pub(crate) read_own_application: bool,
    /// Whether `addKey` and `removeKey` take proofs that are signed with PS256.
    pub(crate) pss_proofs: bool,
    /// Whether lists show the bytes of certificates when `keyCredentials` is selected.
    pub(crate) keys_in_lists: bool,
    /// Refuse `addPassword` within a second after a change of certificates of the same object.
    pub(crate) concurrency_violations: bool,
    /// Put a zero byte before the RSA modulus of a key, as Key Vault sometimes does.
    pub(crate) leading_zero: bool,
    /// Percentage of requests answered 429 or 503, drawn from the seed.
    pub(crate) throttle_percent: u32,
    /// Reports of sign-ins need P1, eligible roles P2.
    pub(crate) licence: Licence,
    /// Percentage of pages whose last object stands on the next page, too.
    pub(crate) duplicates: u32,
    /// Show the objects of each page in an order drawn from the seed.
    pub(crate) shuffle_pages: bool,
    /// Percentage of Graph's links to a next page that are not known when they are followed.
    pub(crate) lost_page_tokens: u32,
    /// How long Entra keeps what an issuer outside the tenant has published.
    pub(crate) issuer_cache: u32,
    /// How long Graph's links to a next page are good for.
    pub(crate) page_token_lifetime: u32,
    /// How long answers take on the lab's clock. Absent: no time at all.
    pub(crate) virtual_latency: Option<Latency>,
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
            read_own_application: false,
            pss_proofs: false,
            keys_in_lists: false,
            concurrency_violations: false,
            leading_zero: false,
            throttle_percent: 0,
            licence: Licence::P2,
            duplicates: 0,
            shuffle_pages: false,
            lost_page_tokens: 0,
            issuer_cache: 86_400,
            page_token_lifetime: 3600,
            virtual_latency: None,
        }
    }
}
