//! `kvops proxy exec -- CMD`: a command with a proxy around it, and the key to it in nobody else's hands.

use std::ffi::OsString;

use super::chosen::Chosen;
use super::draw_key;
use super::variables::Identity;
use super::variables::Known;
use super::variables::WITHHELD;
use crate::cli::child;
use crate::cli::child::Signals;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::domain::Environment;
use crate::proxy;
use crate::serve::Limits;
use crate::serve::Listen;
use crate::serve::Meters;
use crate::serve::Options;
use crate::serve::Server;

const EXAMPLES: &str = "\
Examples:
  kvops proxy exec --app billing-api --vault contoso-kv --name billing -- python job.py
  kvops proxy exec --profile billing -- bruno
  kvops proxy exec --profile billing --identity imds -- sh";

/// Whose tokens, and for which command.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// How the command is told of a managed identity
    #[arg(long, value_enum, default_value_t)]
    identity: Identity,
    /// The command to run, after `--`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Starts a proxy on a free port, runs the command, ends with its exit code: 128 and the signal if one
/// ended it.
pub(super) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<u8, Failure> {
    let signals = Signals::listen()?;
    let console = Console::new(None, global.no_color, global.quiet, environment);
    let prepared = args.chosen.prepare(global, environment, console, false).await?;
    let [profile] = prepared.profiles() else {
        let names: Vec<_> = prepared.profiles().iter().map(|profile| profile.name.as_str()).collect();
        let problem =
            format!("the command gets the tokens of one application, and there are profiles {}", names.join(", "));
        return Err(Failure::new(Exit::Usage, problem).hint("choose one with `--profile`"));
    };
    let key = draw_key()?;
    let meters = Meters::new().map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    let options = Options {
        listen: Listen::Loopback { port: 0 },
        hosts: Vec::new(),
        key: Some(key.clone()),
        doors: proxy::DOORS,
        limits: Limits::default(),
        meters: meters.clone(),
    };
    let mut server = Server::start(proxy::routes(&prepared.engine, &meters), options).await?;
    let url = server.address().to_string();
    console.note(&format!(
        "{} takes tokens of application {} from {url}, by the identity {} ({})",
        args.command.first().map(|program| program.to_string_lossy()).unwrap_or_default(),
        profile.app,
        prepared.actor.principal,
        prepared.actor.source,
    ));
    let mut command = child::command(&args.command, environment)?;
    for name in WITHHELD {
        command.env_remove(name);
    }
    let known = Known { url: &url, key: key.text(), address_key: key.in_address(), profile: None, app: profile.app };
    command.envs(known.variables(args.identity));
    // From here on Ctrl-C is for the command, however often: it may be a shell.
    prepared.interrupt.leave();
    let ended = child::run(command, signals).await;
    server.stop();
    server.ended().await;
    ended
}
