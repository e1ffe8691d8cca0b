//! `kvops audit diff A B`: what two reports say differently.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::config;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::global::{Global, Output};
use super::{exit, outputs};
use crate::domain::Environment;
use crate::report::{Diff, FailOn, Options, Snapshot};

/// Which reports.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The earlier report, in JSON
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The later one
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Exit with 1 for new findings of this severity or worse: none, info, low, medium, high, critical; or new
    #[arg(long, value_name = "SEVERITY", default_value = "none")]
    fail_on: FailOn,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Runs `kvops audit diff`.
pub(super) fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let format = args.output.output.or_else(|| config::format(global, environment));
    let console = Console::new(format, global.no_color, global.quiet, environment);
    let (before, after) = (snapshot(&args.before)?, snapshot(&args.after)?);
    let diff = Diff::new(&before, &after).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    let mut out = io::stdout().lock();
    let written = if console.is_for_people() {
        let options = Options { width: outputs::width(), has_colour: console.has_colour(), ..Options::default() };
        diff.write_table(&options, &mut out)
    } else {
        diff.write_json(&mut out)
    };
    outputs::unless_gone(written)?;
    let verdict = diff.verdict(args.fail_on);
    for reason in &verdict.reasons {
        console.note(reason);
    }
    Ok(exit(verdict.outcome))
}

fn snapshot(path: &Path) -> Result<Snapshot, Failure> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| Failure::new(Exit::Usage, format!("{name}: {error}")))?;
    Snapshot::read(&name, &bytes).map_err(|error| Failure::from_error(Exit::Usage, &error))
}
