//! `kvops watch`: one shot for a schedule. Whatever is due is rotated, whatever has waited long enough is
//! finished, and the last line says when to come back.

mod row;
mod target;

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use self::row::{Row, State};
use self::target::Target;
use super::console::Tone;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::provision::Alg;
use super::rotate;
use super::view::date;
use crate::domain::Environment;
use crate::rotate::{
    Demand, OVERLAP_DAYS, Observed, Outcome, Purpose, Report, due_at, is_unfinished, target as leads_to,
};

const EXAMPLES: &str = "\
Examples:
  kvops watch --plan
  kvops watch
  kvops watch --within 30d --vault contoso-kv";

/// What to look after, and when it is due.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Watch this vault's certificates that carry the tag kvops-app, beside the [app.NAME] tables of kvops.toml
    #[arg(long, value_name = "VAULT")]
    vault: Vec<String>,
    /// So many days before its end a certificate is due [default: after two thirds of its life, and up to a twentieth more, by its name]
    #[arg(long, value_name = "DAYS", value_parser = rotate::days)]
    within: Option<u32>,
    /// Days for which both keys are trusted, and for which the old one must not have been used [default: 14]
    #[arg(long, value_name = "DAYS", value_parser = rotate::days)]
    overlap: Option<u32>,
    /// Remove old keys although nobody can tell when they were last used
    #[arg(long)]
    accept_unknown_use: bool,
    /// Algorithm of the assertions that prove the keys
    #[arg(long, value_name = "ALG", value_enum)]
    alg: Option<Alg>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What came of it all.
#[derive(Debug, Serialize)]
struct Watched {
    certificates: Vec<Row>,
    /// When there is something to be done next.
    #[serde(with = "time::serde::rfc3339::option")]
    next: Option<OffsetDateTime>,
}

impl Args {
    fn demand(&self, purpose: Purpose) -> Demand {
        Demand {
            purpose,
            overlap_days: self.overlap.unwrap_or(OVERLAP_DAYS),
            accept_unknown_use: self.accept_unknown_use,
            ..Demand::default()
        }
    }
}

/// Runs `kvops watch`. One certificate that fails keeps none of the others waiting.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    let (targets, lost) = target::targets(args, global, environment).await?;
    let mut rows: Vec<Row> = lost.into_iter().map(|(what, failure)| Row::lost(what, failure)).collect();
    for target in &targets {
        let row = match Box::pin(one(args, target)).await {
            Ok(row) => row,
            // Nothing more is begun once somebody wants to stop.
            Err(failure) if failure.exit() == Exit::Interrupted => return Err(failure),
            Err(failure) => Row { error: Some(failure), ..base(target, State::Failed) },
        };
        rows.push(row);
    }
    let now = context.http().service_now();
    for row in &rows {
        if let Some(failure) = &row.error {
            let what =
                row.app.clone().or_else(|| row.certificate.as_ref().map(ToString::to_string)).unwrap_or_default();
            context.console().warn(&format!("{what}: {failure}"));
        }
        if let Some(warning) = row.warning(now) {
            context.console().warn(&warning);
        }
    }
    let next = rows.iter().filter_map(|row| row.next).min();
    let watched = Watched { certificates: rows, next };
    context.print(&watched, || watched.for_people(&context))?;
    ended(&watched.certificates)
}

async fn one(args: &Args, target: &Target) -> Result<Row, Failure> {
    let Target { context, subject, .. } = target;
    let observed = rotate::look(context, subject, args.demand(Purpose::Renew), args.alg).await?;
    let valid = validity(&observed);
    let due = valid.map(|(from, until)| {
        let within = args.within.map(|days| Duration::days(days.into()));
        due_at(from, until, within, subject.vault.name(), &subject.name)
    });
    let row = Row { ends: valid.map(|(_, until)| until), ..base(target, State::NotDue) };
    let is_due = due.is_none_or(|due| due <= observed.world.now);
    if !is_due && !is_unfinished(&observed.world) {
        return Ok(Row { next: due, ..row });
    }
    // What was begun is ended, whenever the new version is due.
    let demand = args.demand(if is_due { Purpose::Renew } else { Purpose::Finish });
    if args.plan {
        let plan = match rotate::plan(context, subject, demand, args.alg).await {
            Ok(plan) => plan,
            Err(failure) => return Ok(Row { error: Some(failure), state: State::Failed, ..row }),
        };
        let next = plan.steps.iter().find_map(|planned| planned.not_before).or(due);
        let waits = plan.steps.first().is_some_and(|planned| planned.not_before.is_some());
        return Ok(Row { state: if waits { State::Soaking } else { State::Due }, next, plan: Some(plan), ..row });
    }
    match rotate::rotate(context, subject, demand, args.alg, None).await {
        Ok(report) => Ok(done(row, report, args, target)),
        Err(failure) if failure.exit() == Exit::Interrupted => Err(failure),
        Err(failure) => Ok(Row { error: Some(failure), state: State::Failed, ..row }),
    }
}

fn done(row: Row, report: Report, args: &Args, target: &Target) -> Row {
    let state = match report.outcome {
        Outcome::Soaking | Outcome::Stopped => State::Soaking,
        Outcome::Nothing => State::NotDue,
        Outcome::Rotated | Outcome::Aborted => State::Rotated,
    };
    let within = args.within.map(|days| Duration::days(days.into()));
    let (vault, name) = (target.subject.vault.name(), &target.subject.name);
    let facts = report.certificate.as_ref();
    let due = facts.map(|facts| due_at(facts.not_before, facts.not_after, within, vault, name));
    let next = report.soak.map(|soak| soak.until).or(due);
    Row { state, next, ends: facts.map(|facts| facts.not_after).or(row.ends), report: Some(report), ..row }
}

fn base(target: &Target, state: State) -> Row {
    Row {
        app: target.app.clone(),
        vault: Some(target.subject.vault.name().clone()),
        certificate: Some(target.subject.name.clone()),
        state,
        ends: None,
        next: None,
        plan: None,
        report: None,
        error: None,
    }
}

/// The validity of the version that signs: the newest that is trusted and not disabled.
pub(super) fn validity(observed: &Observed) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let world = &observed.world;
    let trusted = world.versions.iter().find(|facts| facts.is_enabled && world.is_trusted(&facts.version));
    let version = &trusted.or_else(|| leads_to(world))?.version;
    let listed = observed.listed.iter().find(|item| item.version.as_ref() == Some(version))?;
    listed.attributes.not_before.zip(listed.attributes.not_after)
}

/// Nothing went wrong, everything did in one way, or some of it did.
fn ended(rows: &[Row]) -> Result<Exit, Failure> {
    let exits: Vec<Exit> = rows.iter().filter_map(|row| row.error.as_ref()).map(Failure::exit).collect();
    let Some(first) = exits.first() else { return Ok(Exit::Ok) };
    let is_all = exits.len() == rows.len() && exits.iter().all(|exit| exit == first);
    Ok(if is_all { *first } else { Exit::Partial })
}

impl Watched {
    fn for_people(&self, context: &Context) -> String {
        let console = context.console();
        let mut text: String = self.certificates.iter().map(|row| format!("{}\n", row.line(console))).collect();
        text.push_str(&match self.next {
            Some(next) => {
                format!("come back on {}; a run each day is enough", console.paint(Tone::Strong, &date(next)))
            }
            None => "come back tomorrow".to_owned(),
        });
        text
    }
}
