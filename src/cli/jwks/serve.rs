//! `kvops jwks serve`: the documents over HTTP, and signing for token services of this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::issuer::IssuerArgs;
use crate::cli::child::{Signal, Signals};
use crate::cli::console::{Console, Format};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::jwks::{SigningKeySet, Span, doors, routes, status};
use crate::serve::{Address, Limits, Listen, Meters, Options, RunKey, Server};

const EXAMPLES: &str = "\
Examples:
  kvops jwks serve --profile tokens
  kvops jwks serve --profile tokens --listen 0.0.0.0:443 --tls-cert tokens.pem --tls-key tokens.key

POST /sign takes {\"audience\", \"claims\", \"lifetime\"} and the run key in `Authorization: Bearer`; SIGHUP, and
POST /refresh, read the vault at once.";

/// What to serve, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    issuer: IssuerArgs,
    /// How long a reading of the vault is used: a new or withdrawn version shows after that
    #[arg(long, value_name = "TIME", default_value = "30s")]
    refresh: Span,
    /// Port on this machine; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 5617)]
    port: u16,
    /// A Unix socket, which only this user may open, in place of a port
    #[arg(long, value_name = "PATH", conflicts_with_all = ["port", "listen"])]
    socket: Option<PathBuf>,
    /// Another address, for other machines: only with TLS
    #[arg(long, value_name = "ADDRESS", requires = "tls_cert", requires = "tls_key", conflicts_with = "port")]
    listen: Option<SocketAddr>,
    /// The server's certificate and its chain, PEM; callers come by its names
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_cert: Option<PathBuf>,
    /// The key of the server's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_key: Option<PathBuf>,
    /// A name besides localhost by which callers come; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Args {
    fn listen(&self) -> Result<Listen, Failure> {
        if let Some(path) = &self.socket {
            return Ok(Listen::Socket { path: path.clone() });
        }
        match (self.listen, &self.tls_cert, &self.tls_key) {
            (Some(address), Some(certificate), Some(key)) => {
                Ok(Listen::Tls { address, certificate: read(certificate)?, key: read(key)?.into() })
            }
            _ => Ok(Listen::Loopback { port: self.port }),
        }
    }
}

/// Runs `kvops jwks serve` until a signal ends it.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    // One line is easily read by programs and people alike, so that only who asks for JSON gets it.
    let console = context.console().with_format(args.output.output.unwrap_or(Format::Table));
    let issuer = args.issuer.open(context, Some(args.refresh))?;
    let listen = args.listen()?;
    let ledger = context.ledger().await?;
    // What cannot be published is not served: there is no other key.
    let set = issuer.current().await?;
    for warning in status(&issuer, &set).warnings {
        console.warn(&warning);
    }
    let key = RunKey::draw().ok_or_else(|| Failure::new(Exit::Upstream, "the system has no randomness for a key"))?;
    let meters = Meters::new().map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    let options = Options {
        listen,
        hosts: args.allow_host.clone(),
        key: Some(key.clone()),
        doors: doors(issuer.issuer()),
        limits: Limits::default(),
        meters,
    };
    let mut server = Server::start(routes(issuer.clone(), Some(ledger)), options).await.map_err(|error| {
        Failure::from_error(Exit::Usage, &error).hint("choose another port with `--port`; 0 takes a free one")
    })?;
    announce(console, server.address(), &key, &issuer)?;
    while signals.next().await == Signal::Hangup {
        // A failure has been told already, and what was read last goes on.
        let _ = issuer.refresh().await;
    }
    server.stop();
    server.ended().await;
    Ok(Exit::Ok)
}

fn announce(console: Console, address: &Address, key: &RunKey, issuer: &SigningKeySet) -> Result<(), Failure> {
    console.note(&format!("the keys of {} are served on {address}. Ctrl-C ends it.", issuer.issuer()));
    let key = key.text().expose();
    let text = if console.is_for_people() {
        format!("listening={address}\nkey={key}")
    } else {
        let issuer = issuer.issuer().as_str();
        json!({ "event": "ready", "listening": address.to_string(), "key": key, "issuer": issuer }).to_string()
    };
    console.line(&text).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display())))
}
