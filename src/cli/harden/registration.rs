//! `kvops harden --app APP`: the registration and its secrets.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::approval;
use super::super::audit::evidence;
use super::super::console::{Console, Tone};
use super::super::context::Context;
use super::super::detach::prepared as detached;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::global::Global;
use super::super::manifest::Manifest;
use super::super::saved::{Asked, Prepared, Saved, hash_of};
use super::Args;
use crate::audit::Data;
use crate::audit::facts::{ApplicationFacts as Facts, Daemon, Desk, Joined};
use crate::detach::{self, Detacher, Detachment, Kind, Subject, Target, Wish};
use crate::domain::{Application, Environment, printable};
use crate::graph;
use crate::harden::apply::Hardener;
use crate::harden::registration::{self, Decided};
use crate::harden::{Change, Seen};
use crate::inventory;
use crate::provision::plan::AttachedSigner;
use crate::provision::prove::Proof;
use crate::provision::{ApplicationFacts, Journal, SignIn};

/// Shows, asks and changes.
pub(super) async fn run(
    app: &str,
    args: &Args,
    approved: Option<&Saved>,
    global: &Global,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let manifest = Manifest::of(Some(app), global, environment)?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    approved.map_or(Ok(()), |approved| approved.check_place(&context))?;
    let graph = context.graph_client();
    let (vault, name) = manifest.certificate_if_named(args.vault.as_ref(), args.name.as_ref())?;
    let vault = vault.map(|vault| context.vault(&vault)).transpose()?.map(|vault| context.vault_client(&vault));
    let application = context.reading(context.application(&graph, app)).await?;
    let principal = context.reading(graph.service_principal(application.app_id)).await?.map(|principal| principal.id);
    let (decided, registration) = decide(&application, principal, args, &context, &graph).await?;
    let sign_in = SignIn { http: context.http().clone(), tenant: context.tenant()?, algorithm: None };
    let watcher = context.watcher();
    let remaining = vault.as_ref().map(|vault| (vault, name.as_ref()));
    let detacher = Detacher { graph: &graph, remaining, sign_in: &sign_in, watcher: &watcher };
    let wish = Wish {
        all_secrets: true,
        expired: true,
        accepts_unknown_use: args.accept_unknown_use,
        despite_use: args.despite_use,
        skips_what_may_not_go: true,
        ..Wish::default()
    };
    let removal = context.reading(detacher.plan(&application, Subject::Application, &wish)).await?;
    watcher.clear();
    let mut report = Report::of(args, &application, decided, &removal);
    let prepared = prepared(&registration, &report, &removal);
    approved.map_or(Ok(()), |approved| approved.check(&prepared))?;
    if let Some(path) = &args.plan_out {
        Saved::new(&context, Asked::Harden(Box::new(args.clone())), prepared.clone()).write(path)?;
    }
    if report.is_no_change() || report.is_plan {
        return finish(&report, &context);
    }
    let console = context.console();
    // Before anything changes, and whoever approved it: a run that fails midway has shown its undo.
    let shown = Report { is_plan: true, ..report.clone() };
    console.note(&shown.for_people(console));
    let count = report.changes.len() + report.credentials.len();
    approval::ask(args.yes, &format!("make {count} changes?"))?;
    let run = context.ledger().await?;
    run.follow(Some(prepared.snapshot), None);
    let journal = Journal { run: &run, http: context.http() };
    let hardener =
        Hardener { graph: &graph, id: application.id, app_id: application.app_id, principal, watcher: &watcher };
    for change in &report.changes {
        hardener.change(change, journal).await?;
    }
    let done = detacher.apply(&removal, journal).await;
    watcher.clear();
    let done = done?;
    report.proof = done.proof;
    for (credential, detachment) in report.credentials.iter_mut().zip(done.detachments) {
        credential.detachment = Some(detachment);
    }
    finish(&report, &context)
}

/// What a saved plan shows of it.
fn prepared(registration: &Value, report: &Report, removal: &detach::Plan) -> Prepared {
    let removed = detached(removal);
    let facts = json!({ "is": registration, "changes": report.changes, "credentials": removed.snapshot });
    let snapshot = hash_of(&facts);
    Prepared::new(snapshot, &json!({ "steps": report.changes, "credentials": removed.plan }))
}

/// What was left undone is said, and is no success.
fn finish(report: &Report, context: &Context) -> Result<Exit, Failure> {
    context.print(report, || report.for_people(context.console()))?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    Ok(if report.kept.is_empty() || report.is_plan { Exit::Ok } else { Exit::Partial })
}

/// Looks at the application as an audit does, and at what would have to be put back. Gives the whole
/// registration as well.
async fn decide(
    application: &Application,
    principal: Option<crate::domain::ObjectId>,
    args: &Args,
    context: &Context,
    graph: &graph::Client,
) -> Result<(Decided, Value), Failure> {
    let inventory = evidence::of_one_application(application.id, context).await?;
    let (manifest, history, data) = (evidence::manifest(context), inventory::Seen::default(), Data::shipped());
    let (joined, desk) = (Joined::new(&inventory, &manifest, &history, &data), Desk::default());
    let tenant = joined.facts(&desk);
    let Some(app) = tenant.application(application.app_id) else {
        return Err(Failure::new(Exit::Partial, "the application could not be read as an audit reads it")
            .hint("run `kvops audit` for it, which says what may not be read"));
    };
    let facts = Facts::new(app, &tenant);
    let grants = match (principal, &facts.daemon) {
        (Some(principal), Daemon::Yes(_)) => context.reading(graph.grants_of(principal).all()).await?.items,
        _ => Vec::new(),
    };
    let federated = match args.fic.is_empty() {
        true => Vec::new(),
        false => context.reading(graph.federation(application.id).all()).await?.items,
    };
    let raw = context.reading(graph.application(application.id)).await?.raw;
    let seen = Seen {
        id: application.id,
        raw: &raw,
        grants: &grants,
        federated: &federated,
        facts: &facts,
        graph: context.http().cloud().graph(),
    };
    Ok((registration::decide(seen, &args.fic), raw))
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    application: ApplicationFacts,
    is_plan: bool,
    changes: Vec<Change>,
    /// Secrets, and what has expired.
    credentials: Vec<Credential>,
    /// What proves that the application works without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<AttachedSigner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    /// Credentials that ought to go and may not.
    kept: Vec<String>,
    /// What was looked at and needs no change, or is not for this command.
    left: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Credential {
    rule: &'static str,
    #[serde(flatten)]
    target: Target,
    /// Nothing brings it back.
    undo: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detachment: Option<Detachment>,
}

impl Credential {
    fn of(target: &Target) -> Self {
        let rule = match (target.is_spent, target.kind) {
            (true, _) => "KVO104",
            (false, _) => "KVO101",
        };
        let undo = match target.kind {
            Kind::Secret => "none: nobody can read a secret back; whoever still needs one adds a new one",
            Kind::Key => "none: it has expired, and an expired key lets nobody sign in",
        };
        Self { rule, target: target.clone(), undo, detachment: None }
    }
}

impl Report {
    fn of(args: &Args, application: &Application, decided: Decided, removal: &detach::Plan) -> Self {
        Self {
            application: ApplicationFacts::from(application),
            is_plan: args.is_plan(),
            changes: decided.changes,
            credentials: removal.selection.targets.iter().map(Credential::of).collect(),
            remaining: removal.remaining.clone().filter(|_| removal.needs_proof()),
            proof: None,
            kept: removal.selection.skipped.iter().map(ToString::to_string).collect(),
            left: decided.left,
            warnings: removal.selection.warnings.clone(),
        }
    }

    fn is_no_change(&self) -> bool {
        self.changes.is_empty() && self.credentials.is_empty()
    }

    fn for_people(&self, console: Console) -> String {
        let name = self.application.display_name.as_deref().map(printable).unwrap_or_default();
        let headline = match (self.is_plan, self.is_no_change()) {
            (_, true) => format!("{} {name}", console.paint(Tone::Good, "no change:")),
            (true, false) => format!("{} {name}", console.paint(Tone::Strong, "plan: nothing has been changed yet:")),
            (false, false) => format!("{} {name}", console.paint(Tone::Good, "hardened:")),
        };
        let mut text = format!("{headline}\n");
        let mut step = 0;
        let mut add = |rule: &str, title: &str, now: &str, then: &str, undo: &str| {
            step += 1;
            let _ = writeln!(text, "  {step}. {rule} {title}");
            let _ = writeln!(text, "     {} {now}", console.paint(Tone::Faint, "now "));
            let _ = writeln!(text, "     {} {then}", console.paint(Tone::Faint, "then"));
            let _ = writeln!(text, "     {} {undo}", console.paint(Tone::Faint, "undo"));
        };
        for change in &self.changes {
            let then = if change.then.is_null() { "gone".to_owned() } else { printable(&change.then.to_string()) };
            add(change.rule, &change.title, &printable(&change.now.to_string()), &then, &change.undo);
        }
        for credential in &self.credentials {
            let target = &credential.target;
            let kind = if target.kind == Kind::Secret { "secret" } else { "key" };
            let title = format!("{}{kind}", if target.is_spent { "expired " } else { "" });
            let name = target.display_name.as_deref().map(printable).unwrap_or_default();
            add(credential.rule, &title, &format!("{} {name}", target.key_id), "gone", credential.undo);
        }
        if let Some(signer) = &self.remaining {
            let key = &signer.key;
            let told = match &self.proof {
                Some(proof) => format!("proven by a token, azpacr {}", proof.azpacr),
                None => "to be proven by a token before any secret goes".to_owned(),
            };
            let _ = writeln!(text, "  works with {} version {}, {told}", key.name(), key.version());
        }
        for kept in &self.kept {
            let _ = writeln!(text, "  {} {kept}", console.paint(Tone::Warning, "stays:"));
        }
        for left in &self.left {
            let _ = writeln!(text, "  {} {left}", console.paint(Tone::Faint, "left:"));
        }
        text
    }
}
