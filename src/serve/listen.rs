//! Where a server listens.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::error::Error;
use super::host::Hosts;
use crate::domain::Secret;

/// Connections that wait to be accepted; one more is tried again by its caller after a second.
const BACKLOG: u32 = 4096;

/// Where to listen.
#[derive(Clone, Debug)]
pub enum Listen {
    /// On 127.0.0.1 and, where the machine has it, `::1`; port 0 takes a free one.
    Loopback {
        /// The port.
        port: u16,
    },
    /// On a Unix socket that only this user may open.
    Socket {
        /// Its file.
        path: PathBuf,
    },
    /// On any address, with TLS.
    Tls {
        /// The address.
        address: SocketAddr,
        /// PEM of the certificate and its chain; its names are those that callers may use.
        certificate: Vec<u8>,
        /// PEM of its key.
        key: Secret<Vec<u8>>,
    },
}

/// Where it listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// `http://127.0.0.1:PORT`
    Loopback(u16),
    /// `unix:PATH`
    Socket(PathBuf),
    /// `https://ADDRESS`
    Tls(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "http://127.0.0.1:{port}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(address) => write!(f, "https://{address}"),
        }
    }
}

/// Sockets that connections come from, and what belongs to them.
pub(super) struct Bound {
    pub(super) address: Address,
    pub(super) sockets: Vec<Socket>,
    pub(super) hosts: Hosts,
    pub(super) tls: Option<TlsAcceptor>,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

/// Binds. `more_hosts` are names besides the usual ones by which callers may come.
pub(super) async fn bind(listen: &Listen, more_hosts: &[String]) -> Result<Bound, Error> {
    match listen {
        Listen::Loopback { port } => {
            let (port, sockets) =
                loopback(*port).map_err(|source| Error::Listen { address: format!("127.0.0.1:{port}"), source })?;
            let hosts = Hosts::loopback(port, more_hosts);
            Ok(Bound { address: Address::Loopback(port), sockets, hosts, tls: None })
        }
        Listen::Socket { path } => {
            let socket = unix(path).await?;
            let address = Address::Socket(path.clone());
            Ok(Bound { address, sockets: vec![socket], hosts: Hosts::any_port(), tls: None })
        }
        Listen::Tls { address, certificate, key } => {
            let (acceptor, names) = tls(certificate, key)?;
            let failed = |source| Error::Listen { address: address.to_string(), source };
            let socket = tcp(*address).map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            let hosts = Hosts::named(&names, address.port(), more_hosts);
            Ok(Bound { address: Address::Tls(address), sockets: vec![Socket::Tcp(socket)], hosts, tls: Some(acceptor) })
        }
    }
}

/// A port that is free on 127.0.0.1 may be taken on `::1`, where callers of `localhost` would meet a
/// stranger and show it the key.
fn loopback(port: u16) -> io::Result<(u16, Vec<Socket>)> {
    let attempts = if port == 0 { 16 } else { 1 };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..attempts {
        let v4 = tcp((Ipv4Addr::LOCALHOST, port).into())?;
        let chosen = v4.local_addr()?.port();
        match tcp((Ipv6Addr::LOCALHOST, chosen).into()) {
            Ok(v6) => return Ok((chosen, vec![Socket::Tcp(v4), Socket::Tcp(v6)])),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(_) => return Ok((chosen, vec![Socket::Tcp(v4)])),
        }
    }
    Err(last)
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Elsewhere a second program could take the port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> Result<Socket, Error> {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    let failed = |source| Error::Socket { path: path.to_owned(), source };
    // A socket that nobody listens on is what an earlier run left; anything else stays.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(Error::SocketInUse { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let for_us_alone = || std::fs::Permissions::from_mode(0o600);
    let socket = tokio::net::UnixSocket::new_stream().map_err(failed)?;
    // On Linux the file is made with the mode of its socket, so that nobody else opens it before it is
    // changed below. Other systems refuse this.
    let handle = socket.as_fd().try_clone_to_owned().map_err(failed)?;
    let _ = std::fs::File::from(handle).set_permissions(for_us_alone());
    socket.bind(path).map_err(failed)?;
    std::fs::set_permissions(path, for_us_alone()).map_err(failed)?;
    Ok(Socket::Unix(socket.listen(BACKLOG).map_err(failed)?))
}

#[cfg(not(unix))]
async fn unix(_: &std::path::Path) -> Result<Socket, Error> {
    Err(Error::NoUnixSockets)
}

/// What ends TLS, and the names of its certificate as they stand in `Host`.
fn tls(certificate: &[u8], key: &Secret<Vec<u8>>) -> Result<(TlsAcceptor, Vec<String>), Error> {
    let unusable = |problem: String| Error::Tls(problem);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(format!("the certificate cannot be read: {error}")))?;
    let leaf = chain.first().ok_or_else(|| unusable("there is no certificate in the file".to_owned()))?;
    let names = names(leaf)?;
    if names.is_empty() {
        return Err(unusable("the certificate names no host, so nobody could call it by a name of it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key.expose())
        .map_err(|error| unusable(format!("the key cannot be read: {error}")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| unusable(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), names))
}

fn names(leaf: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let (_, parsed) =
        X509Certificate::from_der(leaf).map_err(|error| Error::Tls(format!("the certificate is none: {error}")))?;
    let alternative = parsed.subject_alternative_name().map_err(|error| Error::Tls(error.to_string()))?;
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    Ok(names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) if !name.contains('*') => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match *bytes {
                [a, b, c, d] => Some(Ipv4Addr::new(*a, *b, *c, *d).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| format!("[{}]", Ipv6Addr::from(bytes))),
            },
            _ => None,
        })
        .collect())
}
