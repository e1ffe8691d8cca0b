//! `kvops lab exec -- CMD`: a command with a lab around it.

use std::ffi::OsString;

use super::start::Making;
use super::start::variables;
use crate::cli::child::{self, Signals};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::domain::Environment;

/// Variables of the caller that would send a real credential to the lab, or the lab's to Azure.
const WITHHELD: [&str; 9] = [
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "KVOPS_VAULT_CREDENTIAL",
    "KVOPS_GRAPH_CREDENTIAL",
    "KVOPS_CA",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
];

/// Flags of `kvops lab exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    lab: Making,
    /// The command to run, after `--`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Starts a lab, runs the command, ends with its exit code: 128 and the signal if one ended it.
pub(super) async fn run(args: &Args, console: Console, environment: &Environment) -> Result<u8, Failure> {
    let signals = Signals::listen()?;
    let lab = args.lab.start(0, 0, None)?;
    console.note(&format!("This is a LAB on https://localhost:{}; nothing here is Azure.", lab.port()));
    let mut command = child::command(&args.command, environment)?;
    command.envs(variables(&lab));
    for name in WITHHELD {
        command.env_remove(name);
    }
    if let Some(path) = path_with_own_folder(environment) {
        command.env("PATH", path);
    }
    child::run(command, signals).await
}

/// The folder of this very program first, so that `kvops` inside is the same one.
fn path_with_own_folder(environment: &Environment) -> Option<OsString> {
    let own = std::env::current_exe().ok()?;
    let rest = environment.get("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own.parent()?.to_owned()).chain(std::env::split_paths(rest))).ok()
}
