//! Entra, Key Vault, Microsoft Graph and the read side of Azure Resource Manager on localhost.
//!
//! Written from Microsoft's documentation and from recorded traffic, never from kvops's own
//! clients: it shares no wire type with them, so that it can disagree. It verifies what the real
//! services verify and fails as they fail. What it does not know it answers with 501.

mod arm;
mod azure;
mod chaos;
mod clock;
mod control;
mod directory;
mod entra;
mod env;
mod exchange;
mod fault;
mod fleet;
mod graph;
mod keys;
mod keyvault;
mod latency;
mod log;
mod router;
mod save;
mod seed;
mod server;
mod thief;
mod throttle;
mod tls;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio_rustls::TlsAcceptor;

use self::keys::KeyPool;
use self::router::Fate;
use self::router::Shared;
use self::server::Plane;
use self::world::World;
use crate::domain::Clock as _;
use crate::domain::Cloud;
use crate::domain::SystemClock;

pub use clock::LabClock;
pub use env::{exports, parse_exports};
pub use log::Counts;
pub use log::Entry;
pub use log::Service;
pub use seed::Seed;
pub use thief::Loot;
pub use world::Behaviour;

/// How a lab starts.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Port of the data plane. 0 picks a free one.
    pub port: u16,
    /// Port of the control endpoint. 0 picks a free one.
    pub control_port: u16,
    /// The lab's time. [`LabClock::default`] goes with the machine's.
    pub clock: LabClock,
    /// What is in the tenant and in the vaults at the start.
    pub seed: Seed,
    /// How faithful to the services' delays the lab is.
    pub behaviour: Behaviour,
    /// Where all randomness comes from. Without it, from the system.
    pub random: Option<u64>,
    /// A state saved by `GET /state` of the control endpoint, instead of a seed.
    pub load: Option<PathBuf>,
    /// A folder of private keys to take, and to fill, instead of making keys anew: for tests alone.
    pub keys: Option<PathBuf>,
    /// Where `ca.pem` and `env` are written. Without it, to a temporary folder.
    pub dir: Option<PathBuf>,
}

impl Default for LabOptions {
    /// Free ports, the machine's time, the small seed, no delays.
    fn default() -> Self {
        Self {
            port: 0,
            control_port: 0,
            clock: LabClock::default(),
            seed: Seed::Small,
            behaviour: Behaviour::Tame,
            random: None,
            load: None,
            keys: None,
            dir: None,
        }
    }
}

/// Why there is no lab, or why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or the machine has no loopback.
    #[error("the lab cannot listen on port {port} of the loopback address")]
    Listen {
        /// What was asked for; 0 for any.
        port: u16,
        #[source]
        #[expect(missing_docs, reason = "the system's own words")]
        source: std::io::Error,
    },
    /// The folder for the CA cannot be written.
    #[error("the lab cannot write {}", path.display())]
    Folder {
        /// File or folder.
        path: PathBuf,
        #[source]
        #[expect(missing_docs, reason = "the system's own words")]
        source: std::io::Error,
    },
    /// The saved state cannot be read.
    #[error("the lab cannot read {}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        #[source]
        #[expect(missing_docs, reason = "the system's own words")]
        source: std::io::Error,
    },
    /// No threads.
    #[error("the lab cannot start its threads")]
    Threads(#[source] std::io::Error),
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The CA or its certificate could not be made.
    #[error("the lab cannot make its certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the lab's own certificate.
    #[error("the lab cannot set up TLS")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The text is no seed, or what it describes could not be built.
    #[error("{0}")]
    Seed(String),
    /// The demonstration's attempt to read a key did not get an answer that it understands.
    #[error("what the vault gives out for the secret {name} cannot be read: {problem}")]
    Theft {
        /// The certificate.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The control endpoint refused.
    #[error("the lab's control endpoint refused {request}: {problem}")]
    Control {
        /// Method and path.
        request: String,
        /// What it said.
        problem: String,
    },
}

/// A running lab. It ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    shared: Arc<Shared>,
    port: u16,
    control_port: u16,
    identity_port: u16,
    random: u64,
    ca_pem: String,
    dir: PathBuf,
    _temporary: Option<tempfile::TempDir>,
    /// Its own threads: a caller that blocks its only one, as a test that waits for a child
    /// process does, must not stop the lab.
    _threads: Threads,
}

/// The lab's own runtime. Dropping a runtime blocks, which asynchronous callers must not do.
#[derive(Debug)]
struct Threads(Option<tokio::runtime::Runtime>);

impl Threads {
    fn start() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        Ok(Self(Some(runtime)))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }

    /// Binds a port. From a thread of its own, because the caller may already be inside a runtime.
    fn listen(&self, port: u16) -> Result<(u16, Vec<tokio::net::TcpListener>), Error> {
        let Some(runtime) = &self.0 else { return Ok((port, Vec::new())) };
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(server::bind(port))).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Lab {
    /// Starts a lab and seeds it. When this returns, it serves.
    pub async fn start(options: LabOptions) -> Result<Self, Error> {
        // A thread of its own: a runtime must not be dropped, as it is when this fails, in the
        // caller's. Not `spawn_blocking`, which would tie the lab to the caller's runtime.
        let (done, started) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // A caller that has gone away drops the lab with the channel.
            let _ = done.send(Self::start_blocking(options));
        });
        started.await.unwrap_or_else(|_| Err(Error::Seed("the lab's thread ended before the lab began".to_owned())))
    }

    /// The same without an asynchronous caller.
    pub fn start_blocking(options: LabOptions) -> Result<Self, Error> {
        let random = match options.random {
            Some(random) => random,
            None => getrandom::u64().map_err(Error::Random)?,
        };
        let tls = tls::Identity::issue(SystemClock.now())?;
        let (dir, temporary) = folder(options.dir)?;
        write(&dir.join("ca.pem"), &tls.ca_pem)?;
        let threads = Threads::start()?;
        let (port, data) = threads.listen(options.port)?;
        let (control_port, control) = threads.listen(options.control_port)?;
        let (identity_port, identity) = threads.listen(0)?;
        let mut world = World::new(port, options.clock, random);
        world.settings = options.behaviour.settings();
        world.keys = options.keys.map_or_else(KeyPool::stocked, KeyPool::with_folder);
        match &options.load {
            Some(path) => load(&mut world, path)?,
            None => seed::plant(&mut world, &options.seed).map_err(Error::Seed)?,
        }

        let shared = Arc::new(Shared::new(world));
        threads.spawn(shared.clock.clone().drive());
        let acceptor = TlsAcceptor::from(tls.config);
        let planes = [(Plane::Data, data), (Plane::Control, control), (Plane::Identity, identity)];
        for (plane, listeners) in planes {
            for listener in listeners {
                let tls = (plane == Plane::Data).then(|| acceptor.clone());
                threads.spawn(server::serve(listener, plane, tls, Arc::clone(&shared)));
            }
        }
        let lab = Self {
            shared,
            port,
            control_port,
            identity_port,
            random,
            ca_pem: tls.ca_pem,
            dir,
            _temporary: temporary,
            _threads: threads,
        };
        write(&lab.dir.join("env"), &env::exports(&lab.env()))?;
        Ok(lab)
    }

    /// The lab as a cloud: what kvops has to know to work against it.
    pub fn cloud(&self) -> Cloud {
        let origin = format!("https://localhost:{}", self.port);
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let resolve = BTreeMap::from([("*.vault.localhost".to_owned(), loopback), ("localhost".to_owned(), loopback)]);
        #[expect(clippy::expect_used, reason = "four bare https origins on localhost, as the constructor wants them")]
        Cloud::custom("lab", &origin, &origin, &format!("vault.localhost:{}", self.port), &origin)
            .expect("the lab's own origins make a cloud")
            .with_ca(self.ca_pem.clone().into_bytes())
            .with_resolve(resolve)
    }

    /// The lab's time.
    pub fn clock(&self) -> LabClock {
        self.shared.clock.clone()
    }

    /// `http://127.0.0.1:PORT` of the control endpoint, without a slash at the end.
    pub fn control_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.control_port)
    }

    /// `http://127.0.0.1:PORT` of IMDS and the App Service endpoint, without a slash at the end.
    pub fn identity_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.identity_port)
    }

    /// Port of the data plane.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number that reproduces this lab's randomness.
    pub fn random(&self) -> u64 {
        self.random
    }

    /// Where `ca.pem` and `env` are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URLs of all vaults.
    pub fn vault_urls(&self) -> Vec<String> {
        self.with_world(|world| world.keyvault.vaults().map(|vault| world.site.vault_url(vault.name())).collect())
    }

    /// Client id of the application with this display name, if somebody has registered one.
    pub fn app_id(&self, display_name: &str) -> Option<uuid::Uuid> {
        self.with_world(|world| {
            let mut written = world.directory.stored::<directory::Application>(directory::View::Current);
            Some(written.find(|app| app.members.get("displayName").is_some_and(|name| name == display_name))?.app_id)
        })
    }

    /// The CA's certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Shell variables for people and programs that use the lab, in the order to show them.
    pub fn env(&self) -> Vec<(String, String)> {
        env::variables(self)
    }

    /// Requests after number `n`, oldest first.
    pub fn requests_since(&self, n: u64) -> Vec<Entry> {
        self.shared.log().since(n, None)
    }

    /// Totals by service and route.
    pub fn counts(&self) -> Counts {
        self.shared.log().counts()
    }

    /// Does what the control endpoint does, without a socket: `lab.control("POST", "/faults", &json)`.
    /// An answer without a body is `null`.
    pub fn control(&self, method: &str, path: &str, body: &serde_json::Value) -> Result<serde_json::Value, Error> {
        let refused = |problem: String| Error::Control { request: format!("{method} {path}"), problem };
        let method = method.parse().map_err(|_| refused("no such method".to_owned()))?;
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let reply = server::parse(method, "localhost", path, query, http::HeaderMap::new(), body)
            .map_or_else(|refused| *refused, |request| control::answer(&self.shared, &request));
        if reply.status.is_success() { Ok(reply.value()) } else { Err(refused(reply.value()["error"].to_string())) }
    }

    /// Answers a request to the data plane without a socket. The URI may be absolute; otherwise
    /// `Host` says which service is meant. `None`: a fault dropped it.
    pub fn call(&self, request: http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let (head, body) = request.into_parts();
        let host = head.uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| Some(head.headers.get("host")?.to_str().ok()?.to_owned())).unwrap_or_default();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let fate = server::parse(head.method, &host, path, query, head.headers, body)
            .and_then(|request| self.shared.route(request, path, query))
            .map_or_else(|refused| Fate::Reply(*refused), |routed| self.shared.answer(&routed));
        let (Fate::Reply(reply) | Fate::Torn(reply)) = fate else { return None };
        let mut response = http::Response::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Some(response)
    }

    /// Returns when somebody has asked for the end over the control endpoint.
    pub async fn stopped(&self) {
        self.shared.stop.notified().await;
    }

    /// The lab's inside, for seeds and tests.
    pub(crate) fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut self.shared.world())
    }
}

fn folder(dir: Option<PathBuf>) -> Result<(PathBuf, Option<tempfile::TempDir>), Error> {
    match dir {
        Some(dir) => {
            std::fs::create_dir_all(&dir).map_err(|source| Error::Folder { path: dir.clone(), source })?;
            Ok((dir, None))
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("kvops-lab-")
                .tempdir()
                .map_err(|source| Error::Folder { path: std::env::temp_dir(), source })?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

fn load(world: &mut World, path: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::State { path: path.to_owned(), source })?;
    let document = serde_json::from_str(&text).map_err(|error| Error::Seed(format!("{}: {error}", path.display())))?;
    save::load(world, document).map_err(|problem| Error::Seed(format!("{}: {problem}", path.display())))
}

/// Writes a file that only its owner may read: the variables hold a secret.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|source| Error::Folder { path: path.to_owned(), source })
}
