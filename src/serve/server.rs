//! The running server: connections come, are bounded, and end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::door::Door;
use super::error::Error;
use super::gate::{Gate, pass};
use super::guard::Guard;
use super::key::RunKey;
use super::listen::{Address, Bound, Listen, Socket, bind};
use super::meter::Meters;
use super::problem::Problem;
use super::stream::Attended;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: Listen,
    /// Names besides this machine's own by which callers may come, such as `host.docker.internal`.
    pub hosts: Vec<String>,
    /// What callers show. Without one, everybody on this machine is let in.
    pub key: Option<RunKey>,
    /// Where other rules hold.
    pub doors: &'static [Door],
    /// Bounds.
    pub limits: Limits,
    /// Where it counts.
    pub meters: Meters,
}

/// Bounds on sizes, times and numbers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// For the head of a request to arrive, for its body, and for each part of an answer to be taken; so long
    /// an unused connection is kept, too.
    pub head_timeout: Duration,
    /// For the whole of a request.
    pub request_timeout: Duration,
    /// Connections at a time, each with one request at a time; further ones are closed at once.
    pub connections: usize,
    /// For requests under way when the server is told to end.
    pub drain: Duration,
    /// The server ends when nobody has asked anything for so long.
    pub idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            head: 16 * 1024,
            head_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(60),
            connections: 256,
            drain: Duration::from_secs(10),
            idle: None,
        }
    }
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Nobody wanted anything.
    Idle,
}

/// A running server. Dropping it stops it, too.
#[derive(Debug)]
pub struct Server {
    address: Address,
    stop: watch::Sender<bool>,
    end: JoinHandle<Ended>,
}

impl Server {
    /// Binds, and serves `routes` from then on, with `/healthz` beside them. Needs a Tokio runtime.
    pub async fn start(routes: Router, options: Options) -> Result<Self, Error> {
        if let (Listen::Tls { address, .. }, None) = (&options.listen, &options.key) {
            return Err(Error::Open(address.to_string()));
        }
        let Bound { address, sockets, hosts, tls } = bind(&options.listen, &options.hosts).await?;
        let guard = Guard { hosts, key: options.key, doors: options.doors };
        let gate = Arc::new(Gate::new(guard, options.limits, options.meters.clone()));
        let routes = routes
            .route("/healthz", get(async || "ok\n"))
            .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no-route", "there is nothing at this address"))
            .method_not_allowed_fallback(async || {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address does not take that method")
            })
            .layer(from_fn_with_state(Arc::clone(&gate), pass));
        let (stop, stopped) = watch::channel(false);
        let door = Arc::new(Entrance {
            routes,
            limits: options.limits,
            meters: options.meters,
            places: Arc::new(Semaphore::new(options.limits.connections)),
            tls,
            stopped: stopped.clone(),
        });
        for socket in sockets {
            tokio::spawn(accept(socket, Arc::clone(&door)));
        }
        let end = tokio::spawn(run(gate, door, stop.clone(), address.clone()));
        Ok(Self { address, stop, end })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Tells it to end: no new connections, and some time for those that are there.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Ended {
        (&mut self.end).await.unwrap_or(Ended::Stopped)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What new connections are handed to.
struct Entrance {
    routes: Router,
    limits: Limits,
    meters: Meters,
    places: Arc<Semaphore>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    stopped: watch::Receiver<bool>,
}

async fn run(gate: Arc<Gate>, door: Arc<Entrance>, stop: watch::Sender<bool>, address: Address) -> Ended {
    let limits = door.limits;
    let ended = tokio::select! {
        () = told(door.stopped.clone()) => Ended::Stopped,
        () = idle(&gate, limits.idle) => Ended::Idle,
    };
    stop.send_replace(true);
    if let Address::Socket(path) = &address {
        // Nobody finds it from now on; it may be gone already.
        let _ = std::fs::remove_file(path);
    }
    // Whoever has all places knows that nobody else has one.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(limits.drain, door.places.acquire_many(all)).await.is_err() {
        tracing::warn!("requests that were still under way are given up");
    }
    ended
}

/// Ends when nobody has asked for so long. By the machine's own time: it is people who are awaited.
async fn idle(gate: &Gate, most: Option<Duration>) {
    let Some(most) = most else { return std::future::pending().await };
    loop {
        match most.checked_sub(gate.idle_for()) {
            Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
            _ => return,
        }
    }
}

/// Ends when the server is told to end.
async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn accept(socket: Socket, door: Arc<Entrance>) {
    let mut told = std::pin::pin!(told(door.stopped.clone()));
    loop {
        tokio::select! {
            () = &mut told => return,
            accepted = accept_one(&socket, &door) => {
                if accepted.is_err() {
                    // Out of descriptors, most likely; connections that end free some.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

async fn accept_one(socket: &Socket, door: &Arc<Entrance>) -> std::io::Result<()> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Answers are small and must not wait for more to send.
            let _ = stream.set_nodelay(true);
            door.admit(stream);
        }
        #[cfg(unix)]
        Socket::Unix(listener) => door.admit(listener.accept().await?.0),
    }
    Ok(())
}

impl Entrance {
    /// Serves a connection, if there is a place for it.
    fn admit<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self: &Arc<Self>, stream: S) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.meters.count("kvops_connections_turned_away_total", &[]);
            return;
        };
        let door = Arc::clone(self);
        match &self.tls {
            None => drop(tokio::spawn(async move { door.converse(stream, place).await })),
            Some(tls) => {
                let handshake = tls.accept(stream);
                tokio::spawn(async move {
                    // A caller that does not trust us, or says nothing, goes: its own affair.
                    if let Ok(Ok(stream)) = tokio::time::timeout(door.limits.head_timeout, handshake).await {
                        door.converse(stream, place).await;
                    }
                });
            }
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        _place: OwnedSemaphorePermit,
    ) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(self.limits.head)
            .serve_connection(
                TokioIo::new(Attended::new(stream, self.limits.head_timeout)),
                TowerToHyperService::new(self.routes.clone()),
            );
        let mut connection = std::pin::pin!(connection);
        // What fails is a caller that went away, or one that does not speak HTTP and has been told.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = told(self.stopped.clone()) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}
