//! `kvops rotate --all`: every application of the manifest that is due, one after the other.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use super::{Args, locate, look, plan, rotate, view};
use crate::cli::config;
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::manifest::Manifest;
use crate::cli::view::date;
use crate::cli::watch;
use crate::domain::Environment;
use crate::rotate::{Ending, Plan, Purpose, Report};

/// Days before the end of a certificate at which it is due, where nothing else is said.
const WITHIN_DAYS: u32 = 30;

/// What came of each application.
#[derive(Debug, Serialize)]
struct Row {
    app: String,
    /// When its certificate ends.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    ends: Option<OffsetDateTime>,
    is_due: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

/// Rotates what is due, and stops at the first failure: what went wrong once may go wrong everywhere.
pub(super) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let settings = config::load(global, environment)?;
    let mut names: Vec<String> = settings.apps().map(|(name, ..)| name.to_owned()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(Failure::new(Exit::Usage, "no application is known")
            .hint("write an [app.NAME] table with app, vault and certificate into kvops.toml for each"));
    }
    let all = Context::new(global, environment, args.output.output).await?;
    let mut rows = Vec::new();
    let mut ended = Ok(());
    for name in names {
        match Box::pin(one(args, &name, global, environment)).await {
            Ok(row) => {
                all.console().note(&row.said());
                rows.push(row);
            }
            Err(failure) => {
                let exit = failure.exit();
                ended = Err(failure.hint(format!(
                    "this was {name}; what comes after it was not looked at (exit code {})",
                    u8::from(exit)
                )));
                break;
            }
        }
    }
    all.print(&rows, || {
        let console = all.console();
        let mut text = String::new();
        for row in &rows {
            text.push_str(&format!("{}\n", row.said()));
            if let Some(planned) = &row.plan {
                text.push_str(&view::plan(console, planned));
            }
            if let Some(report) = &row.report {
                text.push_str(&view::report(console, report, args.demand()));
            }
        }
        if text.is_empty() { console.paint(Tone::Good, "nothing is due") } else { text }
    })?;
    ended.map(|()| Exit::Ok)
}

async fn one(args: &Args, name: &str, global: &Global, environment: &Environment) -> Result<Row, Failure> {
    let manifest = Manifest::of(Some(name), global, environment)?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    let subject = locate(&context, Some(name), manifest.entry_certificate()).await?;
    let mut demand = args.demand();
    // The version that signs, and no other: a newer one may be disabled, or never have been attached.
    let observed = look(&context, &subject, demand, args.alg).await?;
    let ends = watch::validity(&observed).map(|(_, until)| until);
    let within = Duration::days(args.within.unwrap_or(WITHIN_DAYS).into());
    let is_near = ends.is_none_or(|ends| ends - observed.world.now <= within);
    if !is_near {
        // What was begun is ended, whenever the new certificate ends.
        demand.purpose = Purpose::Finish;
    }
    let planned = plan(&context, &subject, demand, args.alg).await?;
    let is_due = planned.ends != Ending::Nothing;
    let row = Row { app: name.to_owned(), ends, is_due, plan: None, report: None };
    if args.plan {
        return Ok(Row { plan: is_due.then_some(planned), ..row });
    }
    if !is_due {
        return Ok(row);
    }
    let report = rotate(&context, &subject, demand, args.alg, None).await?;
    Ok(Row { report: Some(report), ..row })
}

impl Row {
    fn said(&self) -> String {
        let ends = self.ends.map_or_else(|| "unknown".to_owned(), date);
        let what = if self.is_due { "due" } else { "not due" };
        format!("{}: {what}, its certificate ends {ends}", self.app)
    }
}
