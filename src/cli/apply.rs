//! `kvops apply`: carries a saved plan out, in the world that it was made in and in no other.

use std::path::PathBuf;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::rotate;
use super::rotate::Saved;
use crate::domain::Environment;

const EXAMPLES: &str = "\
Examples:
  kvops rotate --app billing-api --plan-out billing.plan.json
  kvops apply billing.plan.json";

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
    let global = match global.tenant.is_empty() {
        true => global.with_tenants(vec![saved.tenant.to_string()]),
        false => global.clone(),
    };
    let context = Context::new(&global, environment, args.output.output).await?;
    let cloud = context.http().cloud().name();
    if cloud != saved.cloud || context.tenant()? != saved.tenant {
        return Err(Failure::new(
            Exit::Usage,
            format!("the plan is for cloud {} and tenant {}, and this is another", saved.cloud, saved.tenant),
        )
        .hint("check --cloud and --tenant"));
    }
    let subject = rotate::named(context.vault(&saved.vault)?, saved.name.clone(), saved.application.zip(saved.app_id));
    // In another world there are other steps; that the world is another is said by the rotation.
    if let Ok(planned) = rotate::plan(&context, &subject, saved.demand, saved.alg).await
        && planned.snapshot == saved.snapshot
        && !saved.shows(&planned)
    {
        return Err(Failure::new(Exit::Usage, "what the plan asks for leads to other steps than those that it shows")
            .hint("make the plan again"));
    }
    let report = rotate::rotate(&context, &subject, saved.demand, saved.alg, Some(saved.snapshot)).await?;
    rotate::show(&context, &report, saved.demand)?;
    Ok(Exit::Ok)
}
