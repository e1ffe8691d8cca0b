//! `kvops jwks promote`: the next key signs as soon as the world has seen it for long enough.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::issuer::IssuerArgs;
use super::kid;
use super::tags::tag;
use super::verify::LiveArgs;
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::cli::view::{Lines, date};
use crate::domain::{TAG_JWKS_PROMOTED, TAG_JWKS_SHOWN, Version};
use crate::jwks::{KeySet, Live, Next, Phase, SigningKeySet, announced_window, candidate, next};
use crate::ledger::Run;

/// The world is looked at so often while it is waited for, and more often where that is not long.
const LONGEST_PAUSE: time::Duration = time::Duration::hours(1);
const SHORTEST_PAUSE: time::Duration = time::Duration::seconds(30);

const EXAMPLES: &str = "\
Examples:
  kvops jwks promote --profile tokens                  # waits until every verifier knows the next key
  kvops jwks promote --profile tokens --plan           # what it would do now, and nothing else
  kvops jwks promote --profile tokens --no-wait        # says what it waits for; exit 7";

/// Which key, and where the world sees it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    issuer: IssuerArgs,
    #[command(flatten)]
    live: LiveArgs,
    /// The key, or the beginning of its kid [default: the newest that is announced]
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// Do not wait: refuse, and say until when
    #[arg(long)]
    no_wait: bool,
    /// Say what would be done now, and change nothing
    #[arg(long, conflicts_with = "no_wait")]
    plan: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Serialize)]
struct Promoted {
    kid: String,
    url: String,
    #[serde(with = "time::serde::rfc3339")]
    signs_from: OffsetDateTime,
    /// Nothing was to be done.
    unchanged: bool,
}

/// What a run would begin with.
#[derive(Debug, Serialize)]
struct Planned {
    kid: String,
    url: String,
    next: &'static str,
    /// When it may be promoted, unless the world stops showing it.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_before: Option<OffsetDateTime>,
}

/// Runs `kvops jwks promote`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let issuer = args.issuer.open(context, None)?;
    let live = args.live.live(&issuer)?;
    if args.plan {
        return plan(args, &issuer, &live, context).await;
    }
    let ledger = context.ledger().await?;
    let progress = context.console().progress();
    let mut set = issuer.refresh().await?;
    let version = chosen(args, &set)?;
    // A version that is new to the publisher shows at the latest when its set has been read anew.
    let patience = issuer.windows().settings().cache.and(issuer.windows().settings().margin);
    let give_up_at = issuer.now().saturating_add(patience.duration());
    let mut changed = false;
    loop {
        let step = decide(&issuer, &set, &version, &live, context).await?;
        match step {
            Next::Promoted { signs_from } => {
                progress.clear();
                return report(context, &version, &live, signs_from, !changed);
            }
            Next::Promote => {
                tag(&issuer, &set, &version, &[(TAG_JWKS_PROMOTED, Some(issuer.now()))], &ledger).await?;
                changed = true;
            }
            Next::FirstShown => {
                progress.say(&format!("{} shows {version}", live.url()));
                tag(&issuer, &set, &version, &[(TAG_JWKS_SHOWN, Some(issuer.now()))], &ledger).await?;
            }
            Next::NotShown { was_shown } => {
                forget(&issuer, &set, &version, was_shown, &ledger).await?;
                if args.no_wait || issuer.now() >= give_up_at {
                    return Err(Failure::new(Exit::Refused, format!("{} does not show {version}", live.url()))
                        .hint("publish what `kvops jwks build` writes, or look at `kvops jwks verify`"));
                }
                progress.set(&format!("waiting until {} shows {version}", live.url()));
                pause(context, give_up_at - issuer.now()).await;
            }
            Next::Wait { shown_at, until } => {
                let text = format!(
                    "{} has shown {version} since {}, and verifiers keep what they read for {}",
                    live.url(),
                    date(shown_at),
                    announced_window(issuer.windows())
                );
                if args.no_wait {
                    return Err(Failure::new(Exit::Refused, text)
                        .hint(format!("run the same command at {} or later, or without --no-wait", date(until))));
                }
                progress.set(&format!("{text}: waiting until {}", date(until)));
                pause(context, until - issuer.now()).await;
            }
        }
        set = issuer.refresh().await?;
    }
}

/// Looks, and tags nothing.
async fn plan(args: &Args, issuer: &SigningKeySet, live: &Live, context: &Context) -> Result<Exit, Failure> {
    let set = issuer.refresh().await?;
    let version = chosen(args, &set)?;
    let window = announced_window(issuer.windows()).duration();
    let (next, not_before) = match decide(issuer, &set, &version, live, context).await? {
        Next::Promoted { .. } => ("nothing: it is promoted", None),
        Next::Promote => ("tag it as promoted: verifiers know it", Some(issuer.now())),
        Next::FirstShown => {
            ("tag it as shown, then wait until verifiers have read it", Some(issuer.now().saturating_add(window)))
        }
        Next::Wait { until, .. } => ("wait until verifiers have read it, then tag it as promoted", Some(until)),
        Next::NotShown { .. } => ("wait until the address shows it", None),
    };
    let planned = Planned { kid: version.to_string(), url: live.url().to_string(), next, not_before };
    context.print(&planned, || {
        let mut lines = Lines::default();
        lines.add("next", planned.next).add("seen at", planned.url.clone());
        if let Some(at) = not_before {
            lines.add("promoted", format!("not before {}", date(at)));
        }
        let console = context.console();
        format!("{} {version}\n{}", console.paint(Tone::Strong, "plan:"), lines.text(console))
    })?;
    Ok(Exit::Ok)
}

/// The key that was asked for, or the newest that is announced.
fn chosen(args: &Args, set: &KeySet) -> Result<Version, Failure> {
    let Some(kid) = &args.kid else {
        return candidate(set).map(|key| key.facts.version.clone()).ok_or_else(|| {
            Failure::new(Exit::Refused, "no key is announced").hint("make a new version of the certificate")
        });
    };
    let kid = kid::version(set, kid)?;
    match set.timeline().key(&kid).map(|key| key.phase) {
        Some(Phase::Announced | Phase::Active) => Ok(kid),
        Some(phase) => Err(Failure::new(Exit::Refused, format!("{kid} is not announced but {phase:?}").to_lowercase())),
        None => Err(Failure::new(Exit::Usage, format!("there is no version {kid}"))),
    }
}

async fn decide(
    issuer: &SigningKeySet,
    set: &KeySet,
    version: &Version,
    live: &Live,
    context: &Context,
) -> Result<Next, Failure> {
    let gone = || Failure::new(Exit::Changed, format!("{version} was withdrawn meanwhile"));
    let key = set.timeline().key(version).filter(|key| key.phase != Phase::Removed).ok_or_else(gone)?;
    if key.phase == Phase::Active {
        return Ok(Next::Promoted { signs_from: key.signs_from.unwrap_or(issuer.now()) });
    }
    let published = live.read(context.http()).await?;
    if !published.is_of(issuer.issuer()) {
        let text = format!("{} is the document of {}, not of {}", live.url(), published.issuer(), issuer.issuer());
        return Err(Failure::new(Exit::Refused, text).hint("give the --url at which verifiers of this issuer read"));
    }
    Ok(next(set, key, issuer.windows(), &published, issuer.now()))
}

/// What the world has stopped to show has to be shown anew, and for the whole window.
async fn forget(
    issuer: &SigningKeySet,
    set: &KeySet,
    version: &Version,
    was_shown: bool,
    ledger: &Run,
) -> Result<(), Failure> {
    if was_shown { tag(issuer, set, version, &[(TAG_JWKS_SHOWN, None)], ledger).await } else { Ok(()) }
}

async fn pause(context: &Context, left: time::Duration) {
    let pause = left.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    context.http().clock().sleep(Duration::try_from(pause).unwrap_or_default()).await;
}

fn report(
    context: &Context,
    version: &Version,
    live: &Live,
    signs_from: OffsetDateTime,
    unchanged: bool,
) -> Result<Exit, Failure> {
    let promoted = Promoted { kid: version.to_string(), url: live.url().to_string(), signs_from, unchanged };
    context.print(&promoted, || {
        let word = if unchanged { "no change:" } else { "promoted:" };
        format!("{} {version} signs from {}", context.console().paint(Tone::Good, word), date(signs_from))
    })?;
    Ok(Exit::Ok)
}
