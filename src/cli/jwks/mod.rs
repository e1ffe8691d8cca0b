//! `kvops jwks`: the keys of an issuer of one's own, kept in a vault and published for verifiers.

mod build;
mod failure;
mod issue;
mod issuer;
mod kid;
mod picture;
mod promote;
mod revoke;
mod serve;
mod tags;
mod verify;

use self::issuer::IssuerArgs;
use super::audit::outputs::width;
use super::console::Format;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use crate::domain::Environment;
use crate::jwks::status;

/// What to do with an issuer's keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write jwks.json and the discovery document, for a static host
    Build(build::Args),
    /// Serve both, follow new versions, and sign for token services of this machine
    Serve(Box<serve::Args>),
    /// What signs now, what will, and when each key leaves
    Status(StatusArgs),
    /// Compare what the world sees with what the vault says; exit 1 when verifiers would go wrong
    Verify(verify::Args),
    /// Let the announced key sign as soon as every verifier knows it
    Promote(promote::Args),
    /// Withdraw a key at once, and say how long verifiers will still accept it
    Revoke(revoke::Args),
    /// Print a token of the issuer, signed in the vault
    Issue(issue::Args),
}

/// Arguments of `kvops jwks status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    issuer: IssuerArgs,
    #[command(flatten)]
    output: Output,
}

impl Command {
    /// What `--output` says.
    pub(crate) fn format(&self) -> Option<Format> {
        match self {
            Self::Build(args) => args.output.output,
            Self::Serve(args) => args.output.output,
            Self::Status(args) => args.output.output,
            Self::Verify(args) => args.output.output,
            Self::Promote(args) => args.output.output,
            Self::Revoke(args) => args.output.output,
            Self::Issue(args) => args.output.output,
        }
    }
}

/// Runs `kvops jwks`.
pub(crate) async fn run(command: &Command, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, command.format()).await?;
    warn_of_secret(&context, environment);
    match command {
        Command::Build(args) => context.reading(build::run(args, &context)).await,
        Command::Serve(args) => serve::run(args, &context).await,
        Command::Status(args) => context.reading(show(args, &context)).await,
        Command::Verify(args) => context.reading(verify::run(args, &context)).await,
        Command::Promote(args) => context.reading(promote::run(args, &context)).await,
        Command::Revoke(args) => revoke::run(args, &context).await,
        Command::Issue(args) => issue::run(args, &context).await,
    }
}

/// A key that cannot leave its vault is worth as much as what opens the vault.
fn warn_of_secret(context: &Context, environment: &Environment) {
    let source = context.settings().vault_credential.value.as_str();
    // The automatic choice asks the environment first.
    if matches!(source, "auto" | "env") && environment.get("AZURE_CLIENT_SECRET").is_some() {
        context.console().warn(
            "kvops signs in to the vault with a client secret (AZURE_CLIENT_SECRET): whoever has read it can have tokens \
             signed; a managed identity or a federated token cannot be copied",
        );
    }
}

async fn show(args: &StatusArgs, context: &Context) -> Result<Exit, Failure> {
    let issuer = args.issuer.open(context, None)?;
    let set = issuer.current().await?;
    let view = status(&issuer, &set);
    context.print(&view, || picture::picture(context.console(), width(), &view))?;
    Ok(Exit::Ok)
}
