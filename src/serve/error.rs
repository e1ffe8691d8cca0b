//! Why there is no server.

use std::io;
use std::path::PathBuf;

/// A server that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket's file cannot be used.
    #[error("cannot use the socket {}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody listens there.
    #[error("another program listens on the socket {}", path.display())]
    SocketInUse {
        /// Which.
        path: PathBuf,
    },
    /// There are no such sockets here.
    #[error("this system has no Unix sockets")]
    NoUnixSockets,
    /// Certificate or key of the server cannot be used.
    #[error("TLS cannot be offered: {0}")]
    Tls(String),
    /// Other machines would be let in without a key.
    #[error("{0} is not of this machine alone, so callers have to show a key")]
    Open(String),
}
