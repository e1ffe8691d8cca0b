//! `kvops rotate`: a new key in place of an old one, without an outage.

mod failure;
mod locate;
mod many;
mod saved;
mod view;

use std::path::PathBuf;

pub(super) use self::saved::Asked;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use super::notified::{self, Wanted};
use super::provision::Alg;
use super::saved::{Prepared, Saved};
use crate::domain::{CertificateName, Environment, ObjectId, Vault};
use crate::ledger;
use crate::pki::Algorithm;
use crate::provision::{Journal, SignIn};
use crate::rotate::{Demand, OVERLAP_DAYS, Observed, Plan, Purpose, Report, Rotator, Stage, Wish, lock};

pub(super) use self::locate::{Subject, locate};
pub(super) use self::view::{plan as plan_text, report as report_text};

const EXAMPLES: &str = "\
Examples:
  kvops rotate --app billing-api --plan
  kvops rotate --app billing-api
  kvops rotate --app billing-api --finish
  kvops rotate --cert contoso-kv/billing --until prove
  kvops rotate --app billing-api --compromised
  kvops rotate --all --within 30d
  kvops rotate --from-eml mail.eml --plan";

/// What to rotate, and how far.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group = clap::ArgGroup::new("what").args(["app", "cert", "vault", "all", "from_eml", "from_event"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// Application: object id, client id or exact display name
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Certificate, as VAULT/NAME, in place of --vault and --name
    #[arg(long, value_name = "VAULT/NAME", conflicts_with_all = ["vault", "name"])]
    cert: Option<String>,
    /// Vault: name or URL [default: that of the [app.APP] table, or of the ledger]
    #[arg(long, value_name = "VAULT", requires = "name")]
    vault: Option<String>,
    /// Name of the certificate in the vault [default: likewise]
    #[arg(long, value_name = "NAME", requires = "vault")]
    name: Option<CertificateName>,
    /// Every [app.NAME] of kvops.toml whose certificate ends within --within, one after the other
    #[arg(long, conflicts_with_all = ["app", "cert", "vault", "name", "abort", "compromised", "plan_out"])]
    all: bool,
    /// With --all: so many days before its end a certificate is rotated [default: 30d]
    #[arg(long, value_name = "DAYS", value_parser = days, requires = "all")]
    within: Option<u32>,
    /// The certificate that a mail of the vault is about, once vault and directory bear the mail out; - reads a pipe
    #[arg(long, value_name = "FILE", conflicts_with_all = ["app", "cert", "vault", "name", "all", "abort", "compromised", "plan_out"])]
    from_eml: Option<PathBuf>,
    /// The certificates that events of Event Grid are about, likewise, one after the other; - reads a pipe
    #[arg(long, value_name = "FILE", conflicts_with_all = ["app", "cert", "vault", "name", "all", "abort", "compromised", "plan_out", "from_eml"])]
    from_event: Option<PathBuf>,
    /// Stop after this part
    #[arg(long, value_name = "PART", value_enum, conflicts_with = "abort")]
    until: Option<Until>,
    /// Go on with what was begun, and begin nothing
    #[arg(long, conflicts_with_all = ["abort", "compromised"])]
    finish: bool,
    /// Go back: remove the new key, and disable its version
    #[arg(long, conflicts_with = "compromised")]
    abort: bool,
    /// Somebody else has the old key: remove it as soon as the new one is proven, without an overlap
    #[arg(long)]
    compromised: bool,
    /// Days for which both keys are trusted, and for which the old one must not have been used [default: 14]
    #[arg(long, value_name = "DAYS", value_parser = days, conflicts_with_all = ["compromised", "abort"])]
    overlap: Option<u32>,
    /// Remove the old key although nobody can tell when it was last used
    #[arg(long)]
    accept_unknown_use: bool,
    /// Algorithm of the assertions that prove the keys
    #[arg(long, value_name = "ALG", value_enum)]
    alg: Option<Alg>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// Write that to a file as well, for `kvops apply`
    #[arg(long, value_name = "FILE")]
    plan_out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// `--until`
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Until {
    /// Look, decide, and write nothing
    Preflight,
    /// Make a new version
    Create,
    /// Let every application trust it
    Attach,
    /// Prove it by tokens
    Prove,
    /// Let both be trusted for a while
    Soak,
    /// Remove the old one, see it refused, and disable it
    Detach,
}

impl From<Until> for Stage {
    fn from(until: Until) -> Self {
        match until {
            Until::Preflight => Self::Preflight,
            Until::Create => Self::Create,
            Until::Attach => Self::Attach,
            Until::Prove => Self::Prove,
            Until::Soak => Self::Soak,
            Until::Detach => Self::Detach,
        }
    }
}

/// `30`, or `30d`.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    let days = number.parse().ok().filter(|days| *days <= 3650);
    days.ok_or_else(|| format!("`{text}` is not a number of days, such as 30d"))
}

impl Args {
    fn demand(&self) -> Demand {
        let purpose = match (self.finish, self.abort, self.compromised) {
            (true, ..) => Purpose::Finish,
            (_, true, _) => Purpose::Abort,
            (.., true) => Purpose::Compromised,
            _ => Purpose::Renew,
        };
        Demand {
            purpose,
            until: self.until.map_or(Stage::Detach, Stage::from),
            overlap_days: self.overlap.unwrap_or(OVERLAP_DAYS),
            accept_unknown_use: self.accept_unknown_use,
        }
    }
}

/// Runs `kvops rotate`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    if args.all {
        return many::run(args, global, environment).await;
    }
    if args.from_eml.is_some() || args.from_event.is_some() {
        return from_notice(args, global, environment).await;
    }
    let manifest = Manifest::of(args.app.as_deref(), global, environment)?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    let given = match &args.cert {
        Some(text) => Some(locate::certificate(text)?),
        None => args.vault.clone().zip(args.name.clone()).or_else(|| manifest.entry_certificate()),
    };
    let subject = locate(&context, args.app.as_deref(), given).await?;
    let demand = args.demand();
    if args.plan || args.plan_out.is_some() || demand.until == Stage::Preflight {
        let plan = plan(&context, &subject, demand, args.alg).await?;
        if let Some(path) = &args.plan_out {
            let asked = saved::Asked::new(&subject, demand, args.alg);
            let prepared = Prepared::new(plan.snapshot.clone(), &plan);
            Saved::new(&context, super::saved::Asked::Rotate(Box::new(asked)), prepared).write(path)?;
        }
        context.print(&plan, || view::plan(context.console(), &plan))?;
        return Ok(Exit::Ok);
    }
    let report = rotate(&context, &subject, demand, args.alg, None).await?;
    show(&context, &report, demand)?;
    Ok(Exit::Ok)
}

/// Rotates what somebody else names.
async fn from_notice(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    let wanted = Wanted { demand: args.demand(), alg: args.alg, plan: args.plan };
    match (&args.from_eml, &args.from_event) {
        (Some(path), _) => notified::mail(path, wanted, &context).await,
        (None, Some(path)) => notified::events(path, wanted, &context).await,
        (None, None) => Ok(Exit::Ok),
    }
}

/// Writes a report, and what is worth a warning.
pub(super) fn show(context: &Context, report: &Report, demand: Demand) -> Result<(), Failure> {
    context.print(report, || view::report(context.console(), report, demand))?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    Ok(())
}

/// Looks at everything that a rotation rests on, and decides nothing.
pub(super) async fn look(
    context: &Context,
    subject: &Subject,
    demand: Demand,
    alg: Option<Alg>,
) -> Result<Observed, Failure> {
    let tools = Tools::new(context, subject, alg).await?;
    let watcher = context.watcher();
    let observed = context.reading(tools.rotator(&watcher).look(&subject.wish(demand, None))).await;
    watcher.clear();
    observed
}

/// Says what a rotation would do.
pub(super) async fn plan(
    context: &Context,
    subject: &Subject,
    demand: Demand,
    alg: Option<Alg>,
) -> Result<Plan, Failure> {
    let tools = Tools::new(context, subject, alg).await?;
    let watcher = context.watcher();
    let planned = context.reading(tools.rotator(&watcher).plan(&subject.wish(demand, None))).await;
    watcher.clear();
    match planned {
        Ok((_, plan)) => Ok(plan),
        Err(failure) => Err(failure),
    }
}

/// Rotates one certificate; with a `snapshot` only in the world that it was taken of.
pub(super) async fn rotate(
    context: &Context,
    subject: &Subject,
    demand: Demand,
    alg: Option<Alg>,
    snapshot: Option<String>,
) -> Result<Report, Failure> {
    let path = context.ledger_path()?.to_owned();
    let run = context.ledger().await?;
    let _lock = lock::take(&path, subject.vault.name(), &subject.name)?;
    // Read under the lock: another run may just have ended.
    let tools = Tools::new(context, subject, alg).await?;
    let watcher = context.watcher();
    let journal = Journal { run: &run, http: context.http() };
    let ended = Box::pin(tools.rotator(&watcher).run(&subject.wish(demand, snapshot), journal)).await;
    watcher.clear();
    match ended {
        Ok(report) => Ok(report),
        Err(error) => Err(failure::of(context, subject, error).await),
    }
}

/// What a rotation works with, for as long as it runs.
struct Tools {
    vault: crate::keyvault::Client,
    graph: crate::graph::Client,
    sign_in: SignIn,
    story: Vec<ledger::Entry>,
    may_write: Option<bool>,
}

impl Tools {
    async fn new(context: &Context, subject: &Subject, alg: Option<Alg>) -> Result<Self, Failure> {
        Ok(Self {
            vault: context.vault_client(&subject.vault),
            graph: context.graph_client(),
            sign_in: SignIn {
                http: context.http().clone(),
                tenant: context.tenant()?,
                algorithm: alg.map(Algorithm::from),
            },
            story: story(context)?,
            may_write: may_write(context, subject.application).await,
        })
    }

    fn rotator<'a>(&'a self, watcher: &'a super::context::Onlooker) -> Rotator<'a> {
        Rotator {
            vault: &self.vault,
            graph: &self.graph,
            sign_in: &self.sign_in,
            watcher,
            story: &self.story,
            may_write: self.may_write,
        }
    }
}

/// What the ledger says so far; one that is not there yet says nothing, and one that was changed is not
/// believed: it says since when a soak goes on. A last line without an end is what a crash leaves.
pub(super) fn story(context: &Context) -> Result<Vec<ledger::Entry>, Failure> {
    let path = context.ledger_path()?;
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text =
        std::fs::read(path).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
    let is_grave = |damage: &&ledger::Damage| damage.fault != ledger::Fault::CutLine;
    if let Some(damage) = ledger::verify(&text, &[]).damage.iter().find(is_grave) {
        let problem = format!("the ledger {} proves nothing: line {}: {}", path.display(), damage.line, damage.fault);
        return Err(Failure::new(Exit::Changed, problem).hint(
            "`kvops ledger verify` lists all that is wrong; put the file aside to go on without it: a soak begins anew",
        ));
    }
    Ok(ledger::entries(&text))
}

/// Whether the identity for Graph may write applications, as far as its token tells. What a user may
/// do does not stand in a token.
async fn may_write(context: &Context, application: Option<ObjectId>) -> Option<bool> {
    let token = context.graph_token().await?;
    if token.text("scp").is_some() {
        return None;
    }
    let roles = token.list("roles");
    let has = |role: &str| roles.iter().any(|held| held == role);
    if has("Application.ReadWrite.All") || has("Directory.ReadWrite.All") {
        return Some(true);
    }
    if !has("Application.ReadWrite.OwnedBy") {
        return Some(false);
    }
    let (me, application) = (token.text("oid")?.parse::<ObjectId>().ok()?, application?);
    let owners = context.graph_client().owners(application).await.ok()?;
    Some(owners.iter().any(|owner| owner.id == me))
}

impl Subject {
    fn wish(&self, demand: Demand, snapshot: Option<String>) -> Wish {
        Wish { name: self.name.clone(), application: self.application.zip(self.app_id), demand, snapshot }
    }
}

/// A certificate whose applications are still to be found.
pub(super) fn named(vault: Vault, name: CertificateName) -> Subject {
    Subject { vault, name, application: None, app_id: None }
}
