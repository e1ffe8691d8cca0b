//! `kvops apply`: carries a saved plan out, in the world that it was made in and in no other.

use std::path::PathBuf;

use super::attach;
use super::detach;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::harden;
use super::provision;
use super::saved::{Asked, Saved};
use crate::domain::Environment;

const EXAMPLES: &str = "\
Examples:
  kvops rotate --app billing-api --plan-out billing.plan.json
  kvops apply billing.plan.json

provision, attach, detach and harden take --plan-out as well.";

/// Which plan.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A file that --plan-out has written
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Runs `kvops apply`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let saved = Saved::read(&args.plan)?;
    let global = match &saved.tenant {
        Some(tenant) if global.tenant.is_empty() => global.with_tenants(vec![tenant.to_string()]),
        _ => global.clone(),
    };
    let output = args.output;
    match &saved.asked {
        Asked::Rotate(asked) => asked.apply(&saved, output, &global, environment).await,
        Asked::Provision(asked) => {
            let mut args = asked.clone();
            args.output = output;
            provision::run(&args, Some(&saved), &global, environment).await
        }
        Asked::Attach(asked) => {
            let mut args = asked.clone();
            args.output = output;
            attach::run(&args, Some(&saved), &global, environment).await
        }
        Asked::Detach(asked) => {
            let mut args = asked.clone();
            args.output = output;
            detach::run(&args, Some(&saved), &global, environment).await
        }
        Asked::Harden(asked) => {
            let mut args = asked.clone();
            // The plan was approved: nobody is asked again.
            (args.output, args.yes) = (output, true);
            harden::run(&args, Some(&saved), &global, environment).await
        }
    }
}
