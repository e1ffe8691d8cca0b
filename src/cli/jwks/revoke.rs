//! `kvops jwks revoke`: an emergency. The key is withdrawn at once, and nobody is told that all is well.

use std::path::PathBuf;

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use super::build;
use super::issuer::IssuerArgs;
use super::kid;
use super::tags::{disable, tag};
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::cli::view::{Lines, date};
use crate::domain::{TAG_JWKS_PROMOTED, Version};
use crate::jwks::{KeySet, Phase, SigningKeySet, Timeline, VersionFacts, Windows};

const EXAMPLES: &str = "\
Examples:
  kvops jwks revoke 0123456789ab --profile tokens --plan     # what would come of it
  kvops jwks revoke 0123456789abcdef0123456789abcdef --profile tokens --out site";

/// Which key.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The key: its kid, which is its version in the vault, or the beginning of it
    #[arg(value_name = "KID")]
    kid: String,
    #[command(flatten)]
    issuer: IssuerArgs,
    /// Write the documents without it into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say what would come of it, and change nothing
    #[arg(long, conflicts_with = "out")]
    plan: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Serialize)]
struct Revoked {
    kid: String,
    /// Nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    planned: bool,
    /// It was disabled before.
    unchanged: bool,
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
    /// By then no verifier has it in its cache.
    #[serde(with = "time::serde::rfc3339")]
    forgotten_at: OffsetDateTime,
    /// By then no token that it signed is valid.
    #[serde(with = "time::serde::rfc3339")]
    spent_at: OffsetDateTime,
    /// From then on nobody accepts a token that it signed.
    #[serde(with = "time::serde::rfc3339")]
    accepted_until: OffsetDateTime,
    /// The key that signs now.
    active: String,
    /// By then every verifier knows that key.
    #[serde(with = "time::serde::rfc3339::option")]
    active_known_at: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<build::Written>,
}

/// Runs `kvops jwks revoke`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let issuer = args.issuer.open(context, None)?;
    let set = issuer.refresh().await?;
    let now = issuer.now();
    let kid = kid::version(&set, &args.kid)?;
    let unchanged = set.timeline().key(&kid).is_some_and(|key| !key.facts.is_enabled);
    let successor = successor(&set, &kid, issuer.windows(), now)?;
    if args.plan {
        // A key that is promoted now signs right after now.
        let then = now.saturating_add(Duration::SECOND);
        let timeline = Timeline::new(&without(&set, &kid, successor.as_ref(), now), issuer.windows(), then);
        let timeline = timeline.map_err(|_| last(&kid))?;
        let planned = consequences(&issuer, &timeline, &kid, unchanged, now, Vec::new());
        let planned = Revoked { planned: true, ..planned };
        context.print(&planned, || text(context, &planned))?;
        return Ok(Exit::Ok);
    }
    let ledger = context.ledger().await?;
    if let Some(next) = &successor {
        // Before the old key goes, so that no other stands in for a moment.
        tag(&issuer, &set, next, &[(TAG_JWKS_PROMOTED, Some(now))], &ledger).await?;
    }
    if !unchanged {
        disable(&issuer, &kid, &ledger).await?;
    }
    let set = issuer.refresh().await?;
    let files = args.out.as_ref().map(|folder| build::write(set.documents(), folder)).transpose()?;
    let now = issuer.now();
    let revoked = consequences(&issuer, set.timeline(), &kid, unchanged, now, files.unwrap_or_default());
    context.print(&revoked, || text(context, &revoked))?;
    Ok(Exit::Ok)
}

/// The announced key that every verifier knows already, which then signs rather than an older one. It is
/// an error when nothing could sign at all.
fn successor(set: &KeySet, kid: &Version, windows: &Windows, now: OffsetDateTime) -> Result<Option<Version>, Failure> {
    let is_live = |key: &crate::jwks::Key| key.facts.not_after.is_none_or(|end| now < end);
    let plain = Timeline::new(&without(set, kid, None, now), windows, now).map_err(|_| last(kid))?;
    if !plain.published().any(is_live) {
        return Err(last(kid));
    }
    let is_active = set.timeline().active().facts.version == *kid;
    let announced = set.timeline().keys.iter().find(|key| {
        // What may sign by its age needs no tag.
        let known_at = key.facts.created_at.map(|created| created.saturating_add(windows.needed().duration()));
        key.phase == Phase::Announced
            && key.facts.version != *kid
            && is_live(key)
            && known_at.is_some_and(|at| at < now)
    });
    Ok(announced.filter(|_| is_active).map(|key| key.facts.version.clone()))
}

/// The versions once `kid` is disabled, and `promoted` may sign.
fn without(set: &KeySet, kid: &Version, promoted: Option<&Version>, now: OffsetDateTime) -> Vec<VersionFacts> {
    let facts = set.timeline().keys.iter().map(|key| key.facts.clone());
    facts
        .map(|facts| VersionFacts {
            is_enabled: facts.is_enabled && facts.version != *kid,
            promoted_at: if Some(&facts.version) == promoted { Some(now) } else { facts.promoted_at },
            ..facts
        })
        .collect()
}

fn last(kid: &Version) -> Failure {
    Failure::new(Exit::Refused, format!("{kid} is the last key: without it nothing can be signed or verified"))
        .hint("make a new version of the certificate first, then revoke this one")
}

fn consequences(
    issuer: &SigningKeySet,
    timeline: &Timeline,
    kid: &Version,
    unchanged: bool,
    now: OffsetDateTime,
    files: Vec<build::Written>,
) -> Revoked {
    let windows = issuer.windows();
    let (forgotten_at, spent_at) = (windows.forgotten_at(now), windows.spent_at(now));
    let active = &timeline.active().facts;
    let known_at = active.created_at.map(|created| created.saturating_add(windows.needed().duration()));
    Revoked {
        kid: kid.to_string(),
        planned: false,
        unchanged,
        revoked_at: now,
        forgotten_at,
        spent_at,
        accepted_until: forgotten_at.min(spent_at),
        active: active.version.to_string(),
        active_known_at: known_at.filter(|at| now < *at),
        files,
    }
}

fn text(context: &Context, revoked: &Revoked) -> String {
    let console = context.console();
    let (word, since) = match revoked {
        Revoked { unchanged: true, .. } => ("was revoked before:", "since"),
        Revoked { planned: true, .. } => ("would be revoked:", "from"),
        _ => ("revoked:", "since"),
    };
    let mut lines = Lines::default();
    lines.add("signs no more", format!("{since} {}: the vault refuses it", date(revoked.revoked_at)));
    lines.add("accepted until", format!("{} at the latest, which is the earlier of", date(revoked.accepted_until)));
    lines.add("", format!("{}  when the last token that it signed has ended", date(revoked.spent_at)));
    lines.add("", format!("{}  when no verifier has it in its cache any more", date(revoked.forgotten_at)));
    lines.add(if revoked.planned { "signs then" } else { "signs now" }, revoked.active.clone());
    if let Some(at) = revoked.active_known_at {
        let text = format!("from {} on; verifiers that have read before may refuse it until then", date(at));
        lines.add("known to all", console.paint(Tone::Warning, &text));
    }
    format!("{} {}\n{}", console.paint(Tone::Good, word), revoked.kid, lines.text(console))
}
