//! `kvops audit`: what Entra trusts, joined with what the vaults hold, judged and reported.

mod become_view;
mod diff;
pub(super) mod evidence;
mod files;
pub(super) mod outputs;
mod record;
mod rules;
mod sign;

use std::path::PathBuf;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use crate::audit::Severity;
use crate::domain::Environment;
use crate::report::{self, FailOn, OcsfClass, Outcome, Output, Thresholds};

const EXAMPLES: &str = "\
Examples:
  kvops audit                                          # everything, as a table
  kvops audit --app billing-api                        # one application and what is behind it
  kvops audit --format sarif=kvops.sarif --format html=report.html --format table
  kvops audit --write-baseline baseline.json           # accept today's debt
  kvops audit --new-since baseline.json                # and fail on what comes after
  kvops audit sign baseline.json --vault contoso-kv --name audit-seal
  kvops audit --export tenant.ndjson                   # evidence without keys, to judge elsewhere:
  kvops audit --input tenant.ndjson --profile strict
  kvops audit --who-can-become billing-api
  kvops audit diff yesterday.json today.json

Reads only. The least rights: Application.Read.All and Key Vault Reader; docs/guides/audit.md names what each further
kind of evidence needs. What may not be read is named in the coverage, and never taken for clean.";

/// What to audit, by which rules, and where the report goes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    threshold: Threshold,
    #[command(flatten)]
    report: Report,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What is new, fixed and unchanged between two reports in JSON
    Diff(diff::Args),
    /// Have a key of a vault sign a baseline
    Sign(sign::Args),
}

/// What is looked at.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is looked at")]
pub(crate) struct Scope {
    /// Only this application: object id, client id or exact display name; can be repeated
    #[arg(long, value_name = "APP")]
    app: Vec<String>,
    /// Only this vault: name or URL; can be repeated [default: all that Azure Resource Graph shows]
    #[arg(long, value_name = "VAULT")]
    vault: Vec<String>,
    /// Read policy and key of every certificate, not only of those that an application trusts
    #[arg(long)]
    all_certificates: bool,
    /// The reports on last use: read them where that is quick, always, or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    activity: Activity,
    /// Keep delta tokens and verified keys here, so that the next run reads only what changed
    #[arg(long, value_name = "DIR", conflicts_with = "input")]
    state: Option<PathBuf>,
    /// Write the evidence to a file (NDJSON, no key bytes)
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Judge the evidence of a file in place of the tenant
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Show who can sign as this application, copy its keys, or give it another one
    #[arg(long, value_name = "APP", conflicts_with = "app")]
    who_can_become: Option<String>,
}

/// `--activity`
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Activity {
    /// Where that takes seconds and not minutes
    #[default]
    Auto,
    /// In any case
    Always,
    /// In no case
    Never,
}

/// By which rules.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct Rules {
    /// seed, default, strict, cis, scuba or ci-pr
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Limits and severities in place of the profile's (TOML)
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// What is accepted for now, by whom, why and until when (TOML)
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Rules of your own in Rego
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// What was known earlier: its findings are marked
    #[arg(long, value_name = "FILE", conflicts_with = "new_since")]
    baseline: Option<PathBuf>,
    /// The same, and its findings fail nothing unless they are critical
    #[arg(long, value_name = "FILE")]
    new_since: Option<PathBuf>,
    /// Public certificate (DER or PEM) of the key that signed the baseline: it has to be as it was signed
    #[arg(long, value_name = "FILE")]
    baseline_certificate: Option<PathBuf>,
    /// Write what is known now
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
}

/// When it fails.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Exit code")]
pub(crate) struct Threshold {
    /// Exit with 1 for findings of this severity or worse: none, info, low, medium, high, critical; or new
    #[arg(long, value_name = "SEVERITY", default_value_t = FailOn::Severity(Severity::High))]
    fail_on: FailOn,
    /// Exit with 5 when something that was asked for could not be evaluated
    #[arg(long)]
    fail_on_unknown: bool,
    /// Exit with 5 when less than this was read, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    require_coverage: Option<f64>,
    /// Exit with 0 whatever was found
    #[arg(long)]
    exit_zero: bool,
}

/// Where the report goes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct Report {
    /// A form of the report, and its file; can be repeated [default: table on a terminal, json when piped]
    #[arg(long, value_name = "FORMAT[=FILE]", long_help = outputs::help())]
    format: Vec<Output>,
    /// List what is waived in SARIF too, with its justification
    #[arg(long)]
    sarif_include_suppressed: bool,
    /// Class of OCSF events: 2003 compliance finding, 2004 detection finding
    #[arg(long, value_name = "CLASS", default_value = "2003", value_parser = ocsf_class)]
    ocsf_class: OcsfClass,
}

/// Runs `kvops audit`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    match &args.command {
        Some(Command::Diff(args)) => return diff::run(args, global, environment),
        Some(Command::Sign(args)) => return sign::run(args, global, environment).await,
        None => {}
    }
    let has_baseline = args.rules.baseline.is_some() || args.rules.new_since.is_some();
    if args.threshold.fail_on == FailOn::New && !has_baseline {
        return Err(Failure::new(Exit::Usage, "--fail-on new compares with a baseline, and none is named")
            .hint("name one with --baseline FILE; `kvops audit --write-baseline FILE` writes it"));
    }
    if args.rules.baseline_certificate.is_some() && !has_baseline {
        return Err(Failure::new(Exit::Usage, "--baseline-certificate is about a baseline, and none is named")
            .hint("name one with --baseline FILE or --new-since FILE"));
    }
    Output::check(&args.report.format).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    files::check(args)?;
    let context = Context::new(global, environment, args.format()).await?;
    // Whatever is wrong with the rules is wrong before anybody is asked anything.
    let rules = rules::Loaded::new(&args.rules, &context)?;
    let manifest = evidence::manifest(&context);
    let seen = evidence::read(&args.scope, &context).await?;
    rules.check_tenant(&seen.inventory)?;
    if let Some(path) = &args.scope.export {
        evidence::export(path, &seen.inventory, &manifest, &rules)?;
    }
    if let Some(app) = &args.scope.who_can_become {
        return become_view::show(app, &seen.inventory, &manifest, &rules, &context);
    }
    let report = rules.judge(&seen, &manifest, &context)?;
    let thresholds = Thresholds { drift: rules.drift(&report), ..args.thresholds() };
    let verdict = report::verdict(&report, &thresholds);
    outputs::write(&report, args, &manifest, &context)?;
    if let Some(path) = &args.rules.write_baseline {
        rules.write_baseline(path, &report, &seen.inventory, &manifest)?;
    }
    for reason in &verdict.reasons {
        context.console().note(reason);
    }
    Ok(exit(verdict.outcome))
}

/// What the shell is told of an outcome.
fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Clean => Exit::Ok,
        Outcome::Findings => Exit::Findings,
        Outcome::Changed => Exit::Changed,
        Outcome::Partial => Exit::Partial,
    }
}

impl Args {
    /// The form of errors: that of the report on standard output.
    pub(crate) fn format(&self) -> Option<super::console::Format> {
        match &self.command {
            Some(Command::Diff(args)) => args.output.output,
            Some(Command::Sign(args)) => args.output.output,
            None => outputs::console_format(&self.report.format),
        }
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            fail_on: self.threshold.fail_on,
            fail_on_unknown: self.threshold.fail_on_unknown,
            require_coverage: self.threshold.require_coverage,
            new_since: self.rules.new_since.is_some(),
            exit_zero: self.threshold.exit_zero,
            ..Thresholds::default()
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err(format!("{number} is not between 0 and 100")) }
}

fn ocsf_class(text: &str) -> Result<OcsfClass, String> {
    match text {
        "2003" => Ok(OcsfClass::Compliance),
        "2004" => Ok(OcsfClass::Detection),
        other => Err(format!("`{other}` is not 2003 or 2004")),
    }
}
