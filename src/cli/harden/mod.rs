//! `kvops harden`: a registration without what it has no use for, or a policy that lets no key out.

mod policy;
mod registration;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::saved::Saved;
use crate::domain::{CertificateName, CredentialId, Environment};

const EXAMPLES: &str = "\
Examples:
  kvops harden --app billing-api --plan                                      # what would change, and how to undo it
  kvops harden --app billing-api --vault contoso-kv --name billing --yes     # and its secrets, once the certificate is proven
  kvops harden --vault contoso-kv --name billing --plan                      # the policy that makes the next version

What an audit finds is what changes: redirect URIs, delegated permissions, implicit grant, public client
flow, the instance lock, secrets and whatever has expired. Keys for SAML and encryption are never touched.";

/// What to harden.
#[derive(Clone, Debug, Deserialize, Serialize, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Application: object id, client id or exact display name; without one, the policy of a certificate
    #[arg(long, value_name = "APP", required_unless_present_all = ["vault", "name"])]
    app: Option<String>,
    /// Vault of the certificate: name or URL [default: that of the [app.APP] table in kvops.toml]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate that proves that the application works without secrets, or whose policy it is
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// Remove this federated credential, by its id; can be repeated
    #[arg(long, value_name = "ID", requires = "app")]
    fic: Vec<CredentialId>,
    /// Remove secrets although the report on their use cannot be read
    #[arg(long, requires = "app")]
    accept_unknown_use: bool,
    /// Remove secrets although they were used in the last 14 days
    #[arg(long, requires = "app")]
    despite_use: bool,
    /// Change without asking
    #[arg(long, conflicts_with_all = ["plan", "plan_out"])]
    pub(super) yes: bool,
    /// Show what would change, with the command that undoes it, and change nothing
    #[arg(long)]
    #[serde(skip)]
    plan: bool,
    /// Write that to a file as well, for `kvops apply`
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    plan_out: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    pub(super) output: Output,
}

impl Args {
    fn is_plan(&self) -> bool {
        self.plan || self.plan_out.is_some()
    }
}

/// Runs `kvops harden`; with a plan that was `approved` only what that shows, in its world.
pub(crate) async fn run(
    args: &Args,
    approved: Option<&Saved>,
    global: &Global,
    environment: &Environment,
) -> Result<Exit, Failure> {
    match (&args.app, &args.vault, &args.name) {
        (Some(app), ..) => registration::run(app, args, approved, global, environment).await,
        (None, Some(vault), Some(name)) => policy::run(vault, name, args, approved, global, environment).await,
        _ => Err(Failure::new(Exit::Usage, "nothing is named: give --app, or --vault and --name")),
    }
}
