//! Log lines on standard error: off by default but for warnings, never a body, never a secret.

use tracing::Level;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use crate::config::env;
use crate::domain::Environment;

/// Starts logging as `-v`, `--trace` and `KVOPS_LOG` say. The libraries below are held at
/// warnings whatever anybody asks for: at their lowest levels they show headers and frames. What the
/// verifier of certificates has to say is in the error already.
pub(crate) fn start(global: &Global, environment: &Environment) -> Result<(), Failure> {
    let ours = match global.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let mut wanted = format!(
        "warn,rustls_platform_verifier=off,kvops={ours},kvops::http={}",
        if global.trace { "debug" } else { ours }
    );
    if let Some(more) = environment.get(env::LOG) {
        wanted.push(',');
        wanted.push_str(more);
    }
    let wanted = EnvFilter::try_new(&wanted)
        .map_err(|error| Failure::new(Exit::Usage, format!("KVOPS_LOG is not a filter: {error}")))?;
    let allowed = filter_fn(|line| line.target().starts_with("kvops") || *line.level() <= Level::WARN);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let lines = match global.log_format {
        LogFormat::Json => lines.json().boxed(),
        LogFormat::Text => lines.without_time().boxed(),
    };
    let started = registry().with(lines.with_filter(wanted.and(allowed))).try_init();
    started.map_err(|error| Failure::new(Exit::Usage, format!("logging cannot start: {error}")))
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
