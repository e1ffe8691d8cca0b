//! `kvops proxy`: tokens for tools on this machine.

mod chosen;
mod env;
mod exec;
mod record;
mod variables;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use self::chosen::{Chosen, Prepared};
use self::record::Record;
use super::child::Signals;
use super::config;
use super::console::{Console, Format};
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use crate::domain::Environment;
use crate::proxy;
use crate::serve::{Address, Ended, Error, Limits, Listen, Meters, Options, RunKey, Server};

/// The model's own port.
const PORT: u16 = 5616;

/// Files besides those of its callers: connections to vaults, to Entra, the ledger.
const SPARE: u64 = 128;

const EXAMPLES: &str = "\
Examples:
  kvops proxy --app billing-api --vault contoso-kv --name billing
  kvops proxy --profile billing --idle 30m
  kvops proxy --socket /run/user/1000/kvops.sock --profile billing
  kvops proxy --listen 0.0.0.0:8443 --tls-cert proxy.pem --tls-key proxy.key --profile billing";

/// What to hand out, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    chosen: Chosen,
    /// Port on this machine; 0 takes a free one
    #[arg(long, default_value_t = PORT)]
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
    /// A name besides localhost by which callers come, such as host.docker.internal; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Ask for no key and, unless a profile or an application is named, hand out any token
    #[arg(long)]
    compat_open: bool,
    /// End when nobody has asked for so long: 90s, 30m, 8h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle: Option<Duration>,
    /// Connections at a time; further ones are closed
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    max_connections: u16,
    #[command(flatten)]
    output: Output,
}

/// What to do in place of serving until stopped.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start a proxy on a free port, run a command that takes its tokens there, end with its exit code
    Exec(exec::Args),
    /// Print the variables that make a shell's programs take their tokens from the running proxy
    Env(env::Args),
}

impl Args {
    /// The form of the ready record, and so of an error.
    pub(crate) fn format(&self) -> Option<Format> {
        self.output.output
    }

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

/// Runs `kvops proxy …`: gives the exit code, which may be that of another command.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<u8, Failure> {
    match &args.command {
        Some(Command::Exec(args)) => exec::run(args, global, environment).await,
        Some(Command::Env(args)) => env::run(args, global, environment).map(u8::from),
        None => serve(args, global, environment).await.map(u8::from),
    }
}

/// Serves until a signal ends it, or nobody uses it.
async fn serve(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    // Before anybody has read that it is ready, so that nobody can end it unheard.
    let signals = Signals::listen()?;
    // One line is easily read by programs and people alike, so that only who asks for JSON gets it.
    let format = args.format().or_else(|| config::format(global, environment)).unwrap_or(Format::Table);
    let console = Console::new(Some(format), global.no_color, global.quiet, environment);
    let key = if args.compat_open { None } else { Some(draw_key()?) };
    let listen = args.listen()?;
    let prepared = args.chosen.prepare(global, environment, console, args.compat_open).await?;
    let meters = Meters::new().map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    let descriptors = u64::from(args.max_connections) + SPARE;
    if let Some(most) = super::descriptors::raise(descriptors).filter(|most| *most < descriptors) {
        console.warn(&format!("only {most} files may be open here, too few for {} connections", args.max_connections));
    }
    let limits = Limits { connections: args.max_connections.into(), idle: args.idle, ..Limits::default() };
    let options = Options {
        listen,
        hosts: args.allow_host.clone(),
        key: key.clone(),
        doors: proxy::DOORS,
        limits,
        meters: meters.clone(),
    };
    let mut server = Server::start(proxy::routes(&prepared.engine, &meters), options).await?;
    let left = match (server.address(), &key) {
        (Address::Loopback(port), Some(key)) => Record::leave(*port, key, prepared.profiles(), environment)
            .unwrap_or_else(|error| {
                console.warn(&format!("`kvops proxy env` will not find this proxy: {error}"));
                None
            }),
        _ => None,
    };
    announce(console, server.address(), key.as_ref(), &prepared, args)?;
    let is_idle = tokio::select! {
        _ = signals.next() => false,
        ended = server.ended() => ended == Ended::Idle,
    };
    // Nobody is to find it from now on.
    drop(left);
    if is_idle {
        console.note("nobody has asked for anything, so the proxy ends");
        return Ok(Exit::Ok);
    }
    server.stop();
    server.ended().await;
    Ok(Exit::Ok)
}

fn announce(
    console: Console,
    address: &Address,
    key: Option<&RunKey>,
    prepared: &Prepared,
    args: &Args,
) -> Result<(), Failure> {
    console.note(&banner(address, prepared));
    if args.compat_open {
        let scope = if prepared.profiles().is_empty() {
            "any token that the identity above reaches"
        } else {
            "tokens of the profiles above"
        };
        console
            .warn(&format!("--compat-open: every program on this machine, of every user, gets {scope}, without a key"));
    }
    let key = key.map(|key| key.text().expose().as_str());
    let text = if console.is_for_people() {
        let key = key.map(|key| format!("\nkey={key}")).unwrap_or_default();
        format!("listening={address}{key}")
    } else {
        let profiles: Vec<_> = prepared.profiles().iter().map(|profile| &profile.name).collect();
        json!({ "event": "ready", "listening": address.to_string(), "key": key, "profiles": profiles }).to_string()
    };
    console.line(&text).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn banner(address: &Address, prepared: &Prepared) -> String {
    let mut text = format!(
        "kvops {} proxy on {address}, by the identity {} ({})\n",
        env!("CARGO_PKG_VERSION"),
        prepared.actor.principal,
        prepared.actor.source
    );
    for profile in prepared.profiles() {
        let certificate = profile.certificate.as_ref().map(|(vault, name)| format!("{name} in {}", vault.name()));
        let local = profile.local.map(|thumbprint| format!("{thumbprint} on this machine"));
        let keys: Vec<_> = certificate.into_iter().chain(local).collect();
        text.push_str(&format!(
            "  {}: application {} in tenant {}, certificate {}, for {}\n",
            profile.name,
            profile.app,
            profile.tenant,
            keys.join(" or "),
            profile.scopes.join(" ")
        ));
    }
    text.push_str("Ctrl-C ends it.");
    text
}

fn draw_key() -> Result<RunKey, Failure> {
    RunKey::draw().ok_or_else(|| Failure::new(Exit::Upstream, "the system has no randomness for a key"))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display())))
}

/// A whole number of seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration, String> {
    let unusable = || format!("`{text}` is not a time such as 90s, 30m or 8h");
    let unit = text.chars().last().ok_or_else(unusable)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(unusable()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| unusable())?;
    if number == 0 { Err(unusable()) } else { Ok(Duration::from_secs(u64::from(number) * seconds)) }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::from_error(Exit::Usage, &error);
        match error {
            Error::Listen { .. } => failure.hint("choose another port with `--port`; 0 takes a free one"),
            Error::Open(_) => failure.hint("leave --compat-open out, or listen on this machine alone"),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        for text in ["", "30", "m", "0s", "-1m", "1.5h", "30 m", "30µ", "99999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
