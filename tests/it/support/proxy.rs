//! A company's proxy: it sees where everybody goes, and may look inside with a certificate of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::Bench;

/// What the proxy does with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Passes bytes on.
    Tunnel,
    /// Ends TLS with a certificate of its own CA, and begins it anew towards the service.
    Inspect,
    /// Passes bytes on, and is itself spoken to over TLS.
    Encrypted,
}

/// A running proxy. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    manner: Manner,
    pub(crate) ca_pem: String,
    targets: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// A proxy between the program and the bench's lab.
    pub(crate) fn start(bench: &Bench, manner: Manner) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (ca_pem, acceptor) = identity();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk { manner, acceptor, connector: connector(bench.lab().ca_pem()), targets: Arc::clone(&targets) };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(desk.clone().receive(stream));
            }
        });
        Self { address, manner, ca_pem, targets, _runtime: runtime }
    }

    /// For `HTTPS_PROXY`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.manner == Manner::Encrypted { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// `host:port` of each connection that was asked for.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Desk {
    manner: Manner,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    /// Connections that break are their owners' affair.
    async fn receive(self, stream: TcpStream) -> Option<()> {
        if self.manner == Manner::Encrypted {
            let stream = self.acceptor.accept(stream).await.ok()?;
            return self.connect(stream).await;
        }
        self.connect(stream).await
    }

    async fn connect(self, mut client: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
        self.targets.lock().unwrap().push(target.clone());
        // Every name of the lab is this machine.
        let (host, port) = target.rsplit_once(':')?;
        let mut service = TcpStream::connect(("127.0.0.1", port.parse().ok()?)).await.ok()?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
        if self.manner == Manner::Inspect {
            let mut client = self.acceptor.accept(client).await.ok()?;
            let name = ServerName::try_from(host.to_owned()).ok()?;
            let mut service = self.connector.connect(name, service).await.ok()?;
            copy_bidirectional(&mut client, &mut service).await.ok()?;
        } else {
            copy_bidirectional(&mut client, &mut service).await.ok()?;
        }
        Some(())
    }
}

fn identity() -> (String, TlsAcceptor) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Contoso proxy");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned(), "*.vault.localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (ca_pem, TlsAcceptor::from(Arc::new(config)))
}

fn connector(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
