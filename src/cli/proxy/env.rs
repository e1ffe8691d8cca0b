//! `kvops proxy env`: the variables of a running proxy, for a shell.

use super::PORT;
use super::record::Record;
use super::variables::Identity;
use super::variables::Known;
use super::variables::Shell;
use super::variables::written;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::domain::Environment;

const EXAMPLES: &str = "\
Examples:
  eval \"$(kvops proxy env)\"
  kvops proxy env --shell fish --profile billing | source
  kvops proxy env --shell powershell | Invoke-Expression";

/// Which proxy, and for which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Port of the running proxy
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The profile that answers as a managed identity, where the proxy has several
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How programs are told of a managed identity
    #[arg(long, value_enum, default_value_t)]
    identity: Identity,
    /// How the variables are written
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
}

/// Reads what the running proxy left for its user, and writes the variables.
pub(super) fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let console = Console::new(None, global.no_color, global.quiet, environment);
    let record = Record::read(args.port, environment)?;
    let profile = record.profile(args.profile.as_deref())?;
    let known = Known {
        url: record.url(),
        key: record.key(),
        address_key: record.address_key(),
        profile: record.has_several().then_some(profile.name.as_str()),
        app: profile.app,
    };
    let text = written(&known.variables(args.identity), args.shell);
    console.line(&text).map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    Ok(Exit::Ok)
}
