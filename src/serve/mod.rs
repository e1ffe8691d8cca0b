//! A guarded HTTP server for this machine: what the proxy and the key publisher answer through.
//!
//! Whoever can talk to it may ask for tokens, so nobody is let in by being near. It listens on
//! loopback or a Unix socket, or elsewhere with TLS; each start draws a [`RunKey`] that callers must
//! show; names and pages of other sites are turned away before a route is looked for; and sizes,
//! times and numbers are bounded. What stands open is listed as [`Door`]s. Refusals are
//! [`Problem`]s. A server is started with [`Server::start`] and ends when it is told to, or idle.

mod door;
mod error;
mod gate;
mod guard;
mod host;
mod key;
mod listen;
mod meter;
mod problem;
mod server;
mod stream;
#[cfg(test)]
mod tests;

pub use door::{Door, KeyAt};
pub use error::Error;
pub use host::Scheme;
pub use key::RunKey;
pub use listen::{Address, Listen};
pub use meter::Meters;
pub use problem::Problem;
pub use server::{Ended, Limits, Options, Server};
