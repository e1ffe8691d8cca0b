//! `kvops jwks verify`: what the world sees, from outside.

use std::fmt::Write as _;

use serde::Serialize;
use url::Url;

use super::issuer::IssuerArgs;
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::jwks::{Check, Live, Outcome, SigningKeySet};

const EXAMPLES: &str = "\
Examples:
  kvops jwks verify --profile tokens
  kvops jwks verify --profile tokens --url http://127.0.0.1:5617";

/// Where to look.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    issuer: IssuerArgs,
    #[command(flatten)]
    pub(super) live: LiveArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

/// The address of the documents.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// Where the documents are served [default: the issuer]; http for this machine only
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

#[derive(Debug, Serialize)]
struct Verified {
    url: String,
    good: bool,
    checks: Vec<Check>,
}

impl LiveArgs {
    /// The documents there.
    pub(super) fn live(&self, issuer: &SigningKeySet) -> Result<Live, Failure> {
        let live = self.url.as_ref().map(Live::at).or_else(|| Live::of(issuer.issuer()));
        live.ok_or_else(|| Failure::new(Exit::Usage, "no URL is known").hint("give --url"))
    }
}

/// Runs `kvops jwks verify`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let issuer = args.issuer.open(context, None)?;
    let live = args.live.live(&issuer)?;
    let set = issuer.current().await?;
    let published = live.read(context.http()).await?;
    let checks = published.checks(issuer.issuer(), issuer.windows(), &set);
    let good = checks.iter().all(|check| check.outcome != Outcome::Bad);
    let verified = Verified { url: live.url().to_string(), good, checks };
    context.print(&verified, || text(context, &verified))?;
    Ok(if good { Exit::Ok } else { Exit::Findings })
}

fn text(context: &Context, verified: &Verified) -> String {
    let console = context.console();
    let headline = if verified.good {
        console.paint(Tone::Good, "verified:")
    } else {
        console.paint(Tone::Bad, "not as it has to be:")
    };
    let mut text = format!("{headline} {}\n", verified.url);
    for check in &verified.checks {
        let (word, tone) = match check.outcome {
            Outcome::Good => ("ok", Tone::Good),
            Outcome::Warning => ("warning", Tone::Warning),
            Outcome::Bad => ("bad", Tone::Bad),
        };
        let word = console.paint(tone, &format!("{word:7}"));
        let _ = writeln!(text, "  {word}  {:22}  {}", check.check, check.detail);
    }
    text
}
