//! Log lines on standard error: off by default but for warnings, never a body, never a secret.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use crate::domain::Environment;

/// Starts logging as `-v`, `--trace` and `KVOPS_LOG` say. The libraries below are held at warnings:
/// at their lowest levels they show frames.
pub(crate) fn start(global: &Global, environment: &Environment) -> Result<(), Failure> {
    let ours = match global.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let mut filter = format!("warn,kvops={ours},hyper=off,h2=off,rustls=off");
    if global.trace {
        filter.push_str(",kvops::http=debug");
    }
    if let Some(wanted) = environment.get("KVOPS_LOG") {
        filter.push(',');
        filter.push_str(wanted);
    }
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| Failure::new(Exit::Usage, format!("KVOPS_LOG is not a filter: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr.with_max_level(tracing::Level::TRACE))
        .with_ansi(false)
        .with_target(false);
    let outcome = if global.log_format == LogFormat::Json { lines.json().try_init() } else { lines.without_time().try_init() };
    outcome.map_err(|error| Failure::new(Exit::Usage, format!("logging cannot start: {error}")))
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
