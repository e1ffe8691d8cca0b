//! `kvops doctor`: whether names, connections, clock, identities, rights and keys are as commands need them.
//!
//! It reads, and has a vault sign one assertion that is exchanged for nothing.

mod check;
mod directory;
mod network;
mod vault;

use serde::Serialize;

use self::check::{Check, Verdict};
use super::console::{Console, Tone};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use crate::domain::{CertificateName, Environment};
use crate::http::RetryPolicy;

const EXAMPLES: &str = "\
Examples:
  kvops doctor
  kvops doctor --vault contoso-kv --name billing --app billing-api

Exit code 0 if nothing is wrong, otherwise that of the first check that failed: 2 configuration, 3 rights, 4 network.
What was not asked, or cannot be found out without changing something, is shown and fails nothing.";

/// What to look at beside the configuration, Microsoft Entra and Microsoft Graph.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Application: client id, object id or exact display name
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Vault: name or URL [default: that of the [app.APP] table]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate, whose key signs once [default: that of the [app.APP] table]
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What a run found.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether no check failed.
    ok: bool,
    checks: Vec<Check>,
}

/// Runs `kvops doctor`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let manifest = Manifest::of(args.app.as_deref(), global, environment)?;
    let (vault, name) = manifest.certificate_if_named(args.vault.as_ref(), args.name.as_ref())?;
    if name.is_some() && vault.is_none() {
        return Err(Failure::new(Exit::Usage, "--name names a certificate of no vault").hint("give --vault, too"));
    }
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    let checks = context.reading(examine(args, vault.as_deref(), name.as_ref(), &context)).await?;
    let exit = checks.iter().find_map(Check::exit).unwrap_or(Exit::Ok);
    let report = Report { ok: exit == Exit::Ok, checks };
    context.print(&report, || report.for_people(context.console()))?;
    Ok(exit)
}

async fn examine(
    args: &Args,
    vault: Option<&str>,
    name: Option<&CertificateName>,
    context: &Context,
) -> Result<Vec<Check>, Failure> {
    let vault = vault.map(|vault| context.vault(vault)).transpose()?;
    let progress = context.console().progress();
    let mut checks = vec![ledger(context)];
    progress.set("reaching Microsoft Entra, Microsoft Graph and the vault");
    checks.extend(network::checks(context, vault.as_ref()).await);
    progress.set("signing in, and asking Microsoft Graph");
    checks.extend(directory::checks(context, args.app.as_deref()).await);
    progress.set("asking the vault");
    checks.extend(vault::checks(context, vault.as_ref(), name, args.app.as_deref()).await);
    checks.push(network::clock(context));
    progress.clear();
    Ok(checks)
}

/// One refusal is enough to know: nobody waits a minute for a service that is down.
fn impatient() -> RetryPolicy {
    RetryPolicy { max_attempts: 2, max_connects: 1, ..RetryPolicy::default() }
}

/// Whether what happens could be recorded. Nothing is written.
fn ledger(context: &Context) -> Check {
    let check = Check::of("ledger", "record of changes");
    match context.writable_ledger() {
        Ok((path, true)) => check.good(format!("{} can be written", path.display())),
        Ok((path, false)) => {
            check.good(format!("{} will be made by the first command that changes something", path.display()))
        }
        Err(failure) => check.failed(&failure),
    }
}

impl Report {
    fn for_people(&self, console: Console) -> String {
        let width = |of: fn(&Check) -> usize| self.checks.iter().map(of).max().unwrap_or(0);
        let (areas, names) = (width(|check| check.area.len()), width(|check| check.name.chars().count()));
        let mut text = String::new();
        for check in &self.checks {
            let mark = console.paint(check.verdict.tone(), &format!("{:9}", check.verdict.word()));
            let (area, name) = (check.area, &check.name);
            let area = console.paint(Tone::Faint, &format!("{area:areas$}"));
            text.push_str(&format!("{mark}  {area}  {name:names$}  {}\n", check.said));
            for next in &check.next {
                text.push_str(&format!("{:9}  {:areas$}  {:names$}  next: {next}\n", "", "", ""));
            }
        }
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let (good, failed, unknown) = (count(Verdict::Good), count(Verdict::Failed), count(Verdict::Unknown));
        let sum = format!("{good} good, {failed} failed, {} to look at, {unknown} unknown", count(Verdict::Warning));
        text + &console.paint(if failed == 0 { Tone::Good } else { Tone::Bad }, &sum)
    }
}
