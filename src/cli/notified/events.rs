//! Several events: several rotations, one after the other, each with its own end.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::confirm::{self, Confirmed, Doubt};
use super::{Wanted, read, refused};
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::rotate;
use crate::domain::{CertificateName, VaultName};
use crate::notice::Notice;
use crate::notice::event::{self, Event};
use crate::rotate::{Plan, Report};

/// What came of the events about one certificate.
#[derive(Debug, Serialize)]
struct Row {
    vault: VaultName,
    certificate: CertificateName,
    /// Ids of the events.
    events: Vec<String>,
    outcome: Outcome,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// It was rotated, as far as the report says.
    Rotated,
    /// The plan says what would be done.
    Planned,
    /// What the event is about has been dealt with.
    Settled,
    /// It is not so, or it did not succeed.
    Failed,
}

/// Rotates what the events are about.
pub(in crate::cli) async fn run(path: &Path, wanted: Wanted, context: &Context) -> Result<Exit, Failure> {
    let events = event::read(&read(path)?, context.http().cloud()).map_err(|error| {
        refused("the delivery", path, &error)
            .hint("hand on what Event Grid delivered as it came: one event, or an array of them")
    })?;
    let groups = grouped(events, context);
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for notices in groups {
        let (row, failure) = Box::pin(one(notices, wanted, context)).await;
        rows.push(row);
        failures.extend(failure);
    }
    context.print(&rows, || table(&rows, wanted, context))?;
    // One failure is the command's own; of several, each has its say and the shell learns how many.
    match failures.len() {
        0 => Ok(Exit::Ok),
        1 if rows.len() == 1 => Err(failures.remove(0)),
        count => {
            let all: Vec<_> = failures.iter().map(Failure::exit).collect();
            let exit =
                if count == rows.len() && all.iter().all(|exit| *exit == all[0]) { all[0] } else { Exit::Partial };
            for failure in &failures {
                context.console().warn(&failure.to_string());
            }
            let what = format!("{count} of {} certificates were not rotated", rows.len());
            Err(Failure::new(exit, what).hint("run the same command again: it goes on from what it finds"))
        }
    }
}

/// The notices about each certificate together, in the order of their first.
fn grouped(events: Vec<Event>, context: &Context) -> Vec<Vec<Notice>> {
    let mut groups: Vec<Vec<Notice>> = Vec::new();
    for event in events {
        match event {
            Event::Certificate(notice) => {
                let is_same = |known: &&mut Vec<Notice>| {
                    known.iter().any(|known| known.vault == notice.vault && known.certificate == notice.certificate)
                };
                match groups.iter_mut().find(is_same) {
                    Some(group) => group.push(notice),
                    None => groups.push(vec![notice]),
                }
            }
            Event::Validation { code } => context.console().note(&format!(
                "Event Grid asks whether its events are wanted: have the endpoint that receives them answer 200 with \
                 {{\"validationResponse\": \"{code}\"}}; kvops is no endpoint"
            )),
            Event::Other { kind } => context.console().note(&format!("passed over: {kind} is not about a certificate")),
        }
    }
    groups
}

/// All events about one certificate lead to at most one rotation: the first that is borne out.
async fn one(notices: Vec<Notice>, wanted: Wanted, context: &Context) -> (Row, Option<Failure>) {
    let row = Row {
        vault: notices[0].vault.clone(),
        certificate: notices[0].certificate.clone(),
        events: notices.iter().filter_map(|notice| notice.id.clone()).collect(),
        outcome: Outcome::Failed,
        reason: None,
        plan: None,
        report: None,
    };
    let mut settled = None;
    let mut confirmed = None;
    for notice in &notices {
        match confirm::confirm(context, notice, wanted.alg).await {
            Ok(found) => confirmed = confirmed.or(Some(found)),
            Err(Doubt::Contradicted(contradiction)) if contradiction.is_settled() => {
                settled = Some(contradiction.to_string());
            }
            // One that is not so spoils the others: whoever sent it sent them too.
            Err(doubt) => {
                let failure = doubt.failure("the event");
                return (Row { reason: Some(failure.message().to_owned()), ..row }, Some(failure));
            }
        }
    }
    let Some(confirmed) = confirmed else {
        return (Row { outcome: Outcome::Settled, reason: settled, ..row }, None);
    };
    confirmed.say(context);
    match rotated(&confirmed, wanted, context).await {
        Ok((plan, report)) => {
            let outcome = if plan.is_some() { Outcome::Planned } else { Outcome::Rotated };
            (Row { outcome, plan, report, ..row }, None)
        }
        Err(failure) => (Row { reason: Some(failure.message().to_owned()), ..row }, Some(failure)),
    }
}

async fn rotated(
    confirmed: &Confirmed,
    wanted: Wanted,
    context: &Context,
) -> Result<(Option<Plan>, Option<Report>), Failure> {
    let subject = &confirmed.subject;
    if wanted.only_looks() {
        return Ok((Some(rotate::plan(context, subject, wanted.demand, wanted.alg).await?), None));
    }
    let report = rotate::rotate(context, subject, wanted.demand, wanted.alg, None).await?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    Ok((None, Some(report)))
}

fn table(rows: &[Row], wanted: Wanted, context: &Context) -> String {
    let console = context.console();
    if rows.is_empty() {
        return console.paint(Tone::Good, "nothing to do: no event is about a certificate");
    }
    let mut text = String::new();
    for row in rows {
        let (vault, name) = (&row.vault, &row.certificate);
        let reason = row.reason.as_deref().unwrap_or_default();
        match row.outcome {
            Outcome::Settled => {
                let _ = writeln!(text, "{} {vault}/{name}: {reason}", console.paint(Tone::Good, "nothing to do:"));
            }
            Outcome::Failed => {
                let _ = writeln!(text, "{} {vault}/{name}: {reason}", console.paint(Tone::Bad, "not rotated:"));
            }
            Outcome::Planned | Outcome::Rotated => {
                text.extend(row.plan.as_ref().map(|plan| rotate::plan_text(console, plan)));
                text.extend(row.report.as_ref().map(|report| rotate::report_text(console, report, wanted.demand)));
            }
        }
    }
    text
}
