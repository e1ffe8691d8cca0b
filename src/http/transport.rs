//! The connections below everything: TLS roots, names, proxies and time limits.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use url::{Host, Url};

use super::retry::Outcome;
use super::trust;
use crate::domain::Cloud;

/// A connection that nobody uses is kept so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// How connections are made. There are two reqwest clients, each made when it is first used.
#[derive(Debug)]
pub(super) struct Transport {
    cloud: Cloud,
    /// For a cloud with roots of its own; the others trust what the system trusts.
    tls: Option<rustls::ClientConfig>,
    connect_timeout: Duration,
    request_timeout: Duration,
    /// How long a connection that nobody uses is kept.
    idle_timeout: Duration,
    remote: OnceLock<reqwest::Client>,
    local: OnceLock<reqwest::Client>,
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
            idle_timeout: IDLE_TIMEOUT,
            remote: OnceLock::new(),
            local: OnceLock::new(),
        })
    }

    /// Connections of the same kind, of which those that nobody uses are closed sooner or later.
    pub(super) fn closing_idle(&self, idle_timeout: Duration) -> Self {
        Self {
            cloud: self.cloud.clone(),
            tls: self.tls.clone(),
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            idle_timeout,
            remote: OnceLock::new(),
            local: OnceLock::new(),
        }
    }

    /// The client for a URL. The environment alone decides on a proxy (`HTTPS_PROXY`, `NO_PROXY`),
    /// which then resolves the names. Plain `http` is for identity endpoints of this machine, and
    /// never proxied.
    pub(super) fn client_for(&self, url: &Url) -> Result<&reqwest::Client, reqwest::Error> {
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
            .pool_idle_timeout(self.idle_timeout)
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
    cell: &OnceLock<reqwest::Client>,
    build: impl FnOnce() -> Result<reqwest::Client, reqwest::Error>,
) -> Result<&reqwest::Client, reqwest::Error> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let client = build()?;
    Ok(cell.get_or_init(|| client))
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

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            // Nothing more comes, and then the end.
            stream.read(&mut [0; 1]).await.unwrap()
        });
        let patience = Duration::from_secs(20);
        let transport = Transport::new(&Cloud::public(), &[], patience, patience).unwrap();
        let transport = transport.closing_idle(Duration::from_millis(1));
        let answer = transport.client_for(&url).unwrap().get(url.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(tokio::time::timeout(patience, served).await.unwrap().unwrap(), 0);
    }
}
