//! The connections below everything: TLS roots, names, proxies and time limits.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Url};

use super::retry::Outcome;
use super::trust;
use crate::domain::Cloud;

/// How connections are used and kept.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// How long one that nobody uses stays open: whoever talks to a thousand hosts in turn pays for each.
    pub idle: Duration,
    /// So many answers are read at once, for those that are megabytes; otherwise all that come.
    pub answers_at_once: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self { idle: Duration::from_secs(90), answers_at_once: Semaphore::MAX_PERMITS }
    }
}

/// How connections are made. There are two reqwest clients, each made when it is first used.
#[derive(Debug)]
pub(super) struct Transport {
    cloud: Cloud,
    /// For a cloud with roots of its own; the others trust what the system trusts.
    tls: Option<rustls::ClientConfig>,
    connect_timeout: Duration,
    request_timeout: Duration,
    connections: Connections,
    answers: Semaphore,
    remote: Mutex<Option<reqwest::Client>>,
    local: Mutex<Option<reqwest::Client>>,
}

/// Roots that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the additional trusted roots of cloud {cloud} are not PEM certificates")]
pub struct InvalidRoots {
    cloud: String,
    #[source]
    source: rustls::Error,
}

/// The name could not be resolved. Found again in the chain of what reqwest reports.
#[derive(Debug, thiserror::Error)]
#[error("the name {host} cannot be resolved")]
struct Unresolvable {
    host: String,
    #[source]
    source: io::Error,
}

impl Transport {
    pub(super) fn new(
        cloud: &Cloud,
        more_roots: &[Vec<u8>],
        connect_timeout: Duration,
        request_timeout: Duration,
    ) -> Result<Self, InvalidRoots> {
        let pems: Vec<&[u8]> = cloud.ca_pem().into_iter().chain(more_roots.iter().map(Vec::as_slice)).collect();
        let tls = (!pems.is_empty()).then(|| trust::config(&pems)).transpose();
        let tls = tls.map_err(|source| InvalidRoots { cloud: cloud.name().to_owned(), source })?;
        Ok(Self {
            cloud: cloud.clone(),
            tls,
            connect_timeout,
            request_timeout,
            connections: Connections::default(),
            answers: Semaphore::new(Connections::default().answers_at_once),
            remote: Mutex::default(),
            local: Mutex::default(),
        })
    }

    /// Connections to the same places, used in another way.
    pub(super) fn apart(&self, connections: Connections) -> Self {
        Self {
            cloud: self.cloud.clone(),
            tls: self.tls.clone(),
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            connections,
            answers: Semaphore::new(connections.answers_at_once),
            remote: Mutex::default(),
            local: Mutex::default(),
        }
    }

    /// Closes the connections that nobody uses; the next request makes new ones.
    pub(super) fn close_unused(&self) {
        for cell in [&self.remote, &self.local] {
            // The pool ends with the last client; who is on the way keeps a connection of it.
            *cell.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// A place to read an answer, to be kept until it is read.
    pub(super) async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.answers.acquire().await.ok()
    }

    /// The client for a URL. The environment alone decides on a proxy (`HTTPS_PROXY`, `NO_PROXY`),
    /// which then resolves the names. Plain `http` is for identity endpoints of this machine, and
    /// never proxied.
    pub(super) fn client_for(&self, url: &Url) -> Result<reqwest::Client, reqwest::Error> {
        if url.scheme() == "http" {
            return once(&self.local, || {
                let quick = self.connect_timeout.min(Duration::from_secs(1));
                self.builder().https_only(false).no_proxy().tls_certs_only([]).connect_timeout(quick).build()
            });
        }
        once(&self.remote, || match self.tls.clone() {
            Some(tls) => self.builder().tls_backend_preconfigured(tls).build(),
            None => self.builder().build(),
        })
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(concat!("kvops/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .pool_idle_timeout(self.connections.idle)
            .dns_resolver(Resolver(self.cloud.clone()))
    }
}

/// Whether a plain `http` endpoint is on this machine or its link: anything farther would show
/// tokens to the network.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        None => false,
    }
}

/// What an error of reqwest means for the question whether the service has seen the request.
pub(super) fn outcome(error: &reqwest::Error) -> Outcome {
    if error.is_builder() || is_final(error) {
        Outcome::Unreachable
    } else if error.is_connect() {
        Outcome::NotSent
    } else {
        Outcome::Lost
    }
}

/// A name that does not exist, or a certificate that is not trusted, will not get better in a minute.
fn is_final(error: &(dyn StdError + 'static)) -> bool {
    if error.is::<Unresolvable>() || error.is::<rustls::Error>() {
        return true;
    }
    // An `io::Error` hides the error that it wraps from `source`.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.is_some_and(|wrapped| is_final(wrapped)) || error.source().is_some_and(is_final)
}

fn once(
    cell: &Mutex<Option<reqwest::Client>>,
    build: impl FnOnce() -> Result<reqwest::Client, reqwest::Error>,
) -> Result<reqwest::Client, reqwest::Error> {
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    match &*cell {
        Some(client) => Ok(client.clone()),
        None => Ok(cell.insert(build()?).clone()),
    }
}

/// The cloud's table first, then the system.
#[derive(Debug)]
struct Resolver(Cloud);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let known = self.0.address_of(&host);
        Box::pin(async move {
            if let Some(address) = known {
                let addresses: Addrs = Box::new(std::iter::once(SocketAddr::new(address, 0)));
                return Ok(addresses);
            }
            let found = tokio::net::lookup_host((host.as_str(), 0)).await.map(Iterator::collect::<Vec<_>>);
            let found = found.map_err(|source| Unresolvable { host, source })?;
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn what_will_not_get_better_is_found_however_deep_it_is_wrapped() {
        let untrusted = || rustls::Error::General("untrusted".to_owned());
        let twice = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, untrusted()));
        assert!(is_final(&untrusted()) && is_final(&twice));
        let unknown = Unresolvable { host: "a.invalid".to_owned(), source: io::Error::other("no such name") };
        assert!(is_final(&io::Error::other(unknown)));
        assert!(!is_final(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }

    #[test]
    fn only_this_machine_and_its_link_are_local() {
        for local in ["http://localhost:1/", "http://127.0.0.1/", "http://169.254.169.254/", "http://[::1]:4/"] {
            assert!(is_local(&local.parse().unwrap()), "{local}");
        }
        for far in ["http://10.0.0.1/", "http://example.com/", "http://localhost.example/", "http://[2001:db8::1]/"] {
            assert!(!is_local(&far.parse().unwrap()), "{far}");
        }
    }

    /// A server for one request. It ends with the number of bytes that come after its answer: none, when the
    /// connection is closed.
    async fn one_answer() -> (Url, tokio::task::JoinHandle<usize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream.read(&mut [0; 1]).await.unwrap()
        });
        (url, served)
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn transport() -> Transport {
        Transport::new(&Cloud::public(), &[], PATIENCE, PATIENCE).unwrap()
    }

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed() {
        let (url, served) = one_answer().await;
        let transport = transport().apart(Connections { idle: Duration::from_millis(1), ..Connections::default() });
        let answer = transport.client_for(&url).unwrap().get(url.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(tokio::time::timeout(PATIENCE, served).await.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn connections_are_closed_when_somebody_says_so_and_others_made() {
        let (transport, (url, served)) = (transport(), one_answer().await);
        transport.client_for(&url).unwrap().get(url.clone()).send().await.unwrap();
        transport.close_unused();
        assert_eq!(tokio::time::timeout(PATIENCE, served).await.unwrap().unwrap(), 0);
        let (url, _served) = one_answer().await;
        assert!(transport.client_for(&url).unwrap().get(url.clone()).send().await.is_ok());
    }

    #[tokio::test]
    async fn so_many_answers_are_read_at_once_and_no_more() {
        let transport = transport().apart(Connections { answers_at_once: 1, ..Connections::default() });
        let first = transport.reading().await;
        assert!(futures::FutureExt::now_or_never(transport.reading()).is_none());
        drop(first);
        assert!(futures::FutureExt::now_or_never(transport.reading()).is_some());
    }
}
