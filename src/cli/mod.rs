//! The command line: the only place that knows flags, standard output, colour and exit codes.

mod apply;
mod approval;
mod attach;
mod audit;
mod cert;
mod child;
mod clock;
mod completions;
mod config;
mod console;
mod context;
mod convert;
#[cfg(feature = "lab")]
mod demo;
mod descriptors;
mod detach;
mod doctor;
mod exit;
mod expect;
mod explain;
mod failure;
mod global;
mod harden;
mod interrupt;
mod jwks;
#[cfg(feature = "lab")]
mod lab;
mod ledger;
mod logging;
mod manifest;
mod notified;
mod own;
mod plan_view;
mod policy;
mod provision;
mod proxy;
#[cfg(test)]
mod remedies;
mod rotate;
mod saved;
mod seal;
mod token;
mod token_view;
mod view;
mod watch;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use self::console::{Console, Format};
use self::failure::Failure;
use self::global::Global;
use crate::config::process_environment;
use crate::domain::Environment;

pub use self::exit::Exit;

/// Gives Microsoft Entra applications credentials that nobody can copy, and proves it.
#[derive(Debug, clap::Parser)]
#[command(name = "kvops", version, about, long_about = None, propagate_version = false, max_term_width = 110)]
#[command(arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Watch the main job on a lab in this process, told step by step
    #[cfg(feature = "lab")]
    Demo,
    /// Create a certificate that cannot leave the vault, attach it to an application and prove it
    Provision(provision::Args),
    /// Attach a certificate to an application: the directory's half alone
    Attach(attach::Args),
    /// Put a new key in place of an old one without an outage
    Rotate(Box<rotate::Args>),
    /// Carry out a plan that --plan-out has saved, in the world that it was made in
    Apply(apply::Args),
    /// Remove certificates and secrets from an application, once what remains is proven
    Detach(detach::Args),
    /// Take away what an application without users has no use for, or what lets a certificate's next key out
    Harden(Box<harden::Args>),
    /// Rotate whatever is due, finish what was begun, and say when to come back: one shot for a schedule
    Watch(watch::Args),
    /// Find shared secrets, keys that can be copied, and what is about to expire
    Audit(Box<audit::Args>),
    /// What a vault's certificates are, and who trusts them
    #[command(subcommand)]
    Cert(cert::Command),
    /// Where a key is, who trusts it, when it was last used, and what breaks when it ends
    Why(why::Args),
    /// What a code means, whether waiting helps, and what to do
    Explain(explain::Args),
    /// Whether names, connections, clock, identity, rights and a key are as commands need them
    Doctor(doctor::Args),
    /// Sign in as an application with its key in the vault; shows claims, not the token
    Token(token::Args),
    /// Hand tokens to tools on this machine, over localhost, with the key still in the vault
    Proxy(Box<proxy::Args>),
    /// Sign tokens of your own with a vault key, and publish its keys with a rollover that cannot go wrong
    #[command(subcommand)]
    Jwks(jwks::Command),
    /// A local Entra, Key Vault and Graph to work against
    #[cfg(feature = "lab")]
    #[command(subcommand)]
    Lab(lab::Command),
    /// The rules of `kvops audit`: what each finds, and whether your own are sound
    #[command(subcommand)]
    Policy(policy::Command),
    /// What kvops did, and whether the record of it is whole
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Settings in force, and where each came from
    #[command(subcommand)]
    Config(config::Command),
    /// Completions for a shell
    Completions(completions::Args),
    /// The manual page
    Man,
}

impl Command {
    /// What `--output` says, so that an error has the form of the result.
    fn format(&self) -> Option<Format> {
        match self {
            #[cfg(feature = "lab")]
            Self::Demo | Self::Lab(_) => Some(Format::Table),
            Self::Provision(args) => args.output.output,
            Self::Attach(args) => args.output.output,
            Self::Watch(args) => args.output.output,
            Self::Rotate(args) => args.output.output,
            Self::Apply(args) => args.output.output,
            Self::Detach(args) => args.output.output,
            Self::Harden(args) => args.output.output,
            Self::Audit(args) => args.format(),
            Self::Explain(args) => args.output.output,
            Self::Doctor(args) => args.output.output,
            Self::Cert(cert::Command::Info(args)) => args.output.output,
            Self::Cert(cert::Command::List(args)) => args.output.output,
            Self::Why(args) => args.output.output,
            Self::Token(args) => args.format(),
            Self::Proxy(args) => args.format(),
            Self::Jwks(command) => command.format(),
            Self::Ledger(ledger::Command::Show(args)) => args.output.output,
            Self::Ledger(ledger::Command::Verify(args)) => args.output.output,
            Self::Ledger(ledger::Command::Checkpoint(args)) => args.output.output,
            Self::Config(config::Command::Show(output) | config::Command::Variables(output)) => output.output,
            Self::Policy(policy::Command::List(args)) => args.output.output,
            Self::Policy(policy::Command::Show(args)) => args.output.output,
            Self::Policy(policy::Command::Doc(_) | policy::Command::Test(_)) => Some(Format::Table),
            Self::Completions(_) | Self::Man => None,
        }
    }
}

/// Runs the program and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, everything else to standard error.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let environment = process_environment();
    match prepared(&cli, environment.clone()).and_then(|environment| run(&cli, &environment)) {
        Ok(code) => code,
        Err(failure) => {
            let format = cli.command.format().or_else(|| config::format(&cli.global, &environment));
            Console::new(format, cli.global.no_color, cli.global.quiet, &environment).failure(&failure);
            failure.exit().into()
        }
    }
}

/// The environment that the command sees, with logging on.
fn prepared(cli: &Cli, environment: Environment) -> Result<Environment, Failure> {
    logging::start(&cli.global, &environment)?;
    #[cfg(feature = "lab")]
    if cli.global.lab {
        return lab::running(environment, &cli.global);
    }
    Ok(environment)
}

fn run(cli: &Cli, environment: &Environment) -> Result<ExitCode, Failure> {
    let exit = match &cli.command {
        // The commands that may end with somebody else's code.
        Command::Proxy(args) => return block_on(proxy::run(args, &cli.global, environment)).map(ExitCode::from),
        #[cfg(feature = "lab")]
        Command::Lab(command) => return lab::run(command, &cli.global, environment),
        #[cfg(feature = "lab")]
        Command::Demo => block_on(demo::run(&cli.global, environment)),
        Command::Provision(args) => block_on(provision::run(args, None, &cli.global, environment)),
        Command::Attach(args) => block_on(attach::run(args, None, &cli.global, environment)),
        Command::Rotate(args) => block_on(rotate::run(args, &cli.global, environment)),
        Command::Watch(args) => block_on(watch::run(args, &cli.global, environment)),
        Command::Apply(args) => block_on(apply::run(args, &cli.global, environment)),
        Command::Detach(args) => block_on(detach::run(args, None, &cli.global, environment)),
        Command::Harden(args) => block_on(harden::run(args, None, &cli.global, environment)),
        Command::Audit(args) => block_on_alone(audit::run(args, &cli.global, environment)),
        Command::Cert(command) => block_on(cert::run(command, &cli.global, environment)),
        Command::Why(args) => block_on(why::run(args, &cli.global, environment)),
        Command::Explain(args) => explain::run(args, &cli.global, environment),
        Command::Doctor(args) => block_on(doctor::run(args, &cli.global, environment)),
        Command::Token(args) => block_on(token::run(args, &cli.global, environment)),
        Command::Jwks(command) => block_on(jwks::run(command, &cli.global, environment)),
        Command::Ledger(command) => block_on(ledger::run(command, &cli.global, environment)),
        Command::Policy(command) => policy::run(command, &cli.global, environment),
        Command::Config(command) => config::run(command, &cli.global, environment),
        Command::Completions(args) => completions::run(args, &mut Cli::command()),
        Command::Man => completions::man(Cli::command()),
    };
    exit.map(ExitCode::from)
}

/// Runs a command that talks to a thousand vaults on this thread alone: what one thread takes and another
/// gives back is free memory that nobody can use.
fn block_on_alone<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run_on(tokio::runtime::Builder::new_current_thread().enable_all().build(), command)
}

/// Runs a command that talks to services.
fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // Two threads on one processor would take turns by the scheduler's slices, and answers would wait for theirs.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    run_on(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build(), command)
}

fn run_on<T>(
    runtime: std::io::Result<tokio::runtime::Runtime>,
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = runtime.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    let outcome = runtime.block_on(command);
    // A lookup of a name may hang in a thread that nobody waits for any more.
    runtime.shutdown_background();
    outcome
}
