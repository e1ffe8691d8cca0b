//! `kvops lab`: the local Entra, Key Vault and Graph, for a shell, for one command, for other programs.

mod exec;
mod running;
mod serve;
mod start;

use std::process::ExitCode;

use super::block_on;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use crate::domain::Environment;
use crate::lab;

pub(super) use running::running;

/// What to do with a lab.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start a lab and serve until stopped; writes one JSON line when it is ready
    Serve(serve::Args),
    /// Start a lab on a free port, run a command that uses it, end with the command's exit code
    Exec(exec::Args),
    /// Print the variables of a running lab, as `eval` takes them
    Env(running::EnvArgs),
    /// Add a seed to a running lab
    Seed(running::SeedArgs),
}

/// Runs `kvops lab …`.
pub(crate) fn run(command: &Command, global: &Global, environment: &Environment) -> Result<ExitCode, Failure> {
    let console = Console::new(None, global.no_color, global.quiet, environment);
    match command {
        Command::Serve(args) => block_on(serve::run(args, console)).map(ExitCode::from),
        Command::Exec(args) => block_on(exec::run(args, console, environment)).map(ExitCode::from),
        Command::Env(args) => running::env(args, console).map(ExitCode::from),
        Command::Seed(args) => block_on(running::seed(args, console)).map(ExitCode::from),
    }
}

impl From<lab::Error> for Failure {
    fn from(error: lab::Error) -> Self {
        let exit = match &error {
            lab::Error::Seed(_) | lab::Error::State { .. } => Exit::Usage,
            _ => Exit::Upstream,
        };
        let failure = Self::from_error(exit, &error);
        match error {
            lab::Error::Listen { port, .. } if port != 0 => {
                failure.hint("choose another port with `--port`; 0 takes a free one")
            }
            _ => failure,
        }
    }
}
