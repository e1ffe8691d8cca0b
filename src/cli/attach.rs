//! `kvops attach`: the directory's half alone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::console::Tone;
use super::context::Context;
use super::convert::not_attached;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use super::plan_view::PlanView;
use super::provision::{self, Alg};
use super::saved::{Asked, Prepared, Saved, hash_of};
use super::view::{self, Lines, date};
use crate::domain::{Application, CertificateName, Environment, IssuerName, printable};
use crate::graph;
use crate::pki::{Algorithm, Certificate};
use crate::provision::attach::{self, Attachment, Way};
use crate::provision::decide::accept_certificate;
use crate::provision::observe;
use crate::provision::plan::Choices;
use crate::provision::spec::{CertificateSpec, KeySpec};
use crate::provision::{ApplicationFacts, Error, Journal, Provisioner, Services, SignIn, Wish};

/// What to attach, and to what.
#[derive(Clone, Debug, Deserialize, Serialize, clap::Args)]
#[command(group = clap::ArgGroup::new("certificate").args(["cer", "vault"]))]
pub(crate) struct Args {
    /// Application: object id, client id or exact display name
    #[arg(long, value_name = "APP")]
    app: String,
    /// A public certificate: DER, PEM or base64
    #[arg(long, value_name = "FILE")]
    cer: Option<PathBuf>,
    /// Vault that holds the certificate: name or URL
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate in the vault; its current version is attached and proven
    #[arg(long, value_name = "NAME", conflicts_with = "cer")]
    name: Option<CertificateName>,
    /// Algorithm of the assertions that prove it
    #[arg(long, value_name = "ALG", value_enum, conflicts_with = "cer")]
    alg: Option<Alg>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    #[serde(skip)]
    plan: bool,
    /// Write that to a file as well, for `kvops apply`
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    plan_out: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    pub(super) output: Output,
}

/// Runs `kvops attach`; with a plan that was `approved` only what that shows, in its world.
pub(crate) async fn run(
    args: &Args,
    approved: Option<&Saved>,
    global: &Global,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let manifest = Manifest::of(Some(&args.app), global, environment)?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    approved.map_or(Ok(()), |approved| approved.check_place(&context))?;
    let graph = context.graph_client();
    match &args.cer {
        Some(path) => {
            let certificate = context.certificates(path)?.remove(0);
            let application = context.reading(context.application(&graph, &args.app)).await?;
            from_file(args, approved, &context, &graph, &application, &certificate).await
        }
        None => {
            let (vault, name) = manifest.certificate(args.vault.as_ref(), args.name.as_ref())?;
            from_vault(args, approved, &context, &graph, &vault, &name).await
        }
    }
}

#[derive(Debug, Serialize)]
struct FileReport {
    application: ApplicationFacts,
    changes: bool,
    thumbprint: String,
    #[serde(with = "time::serde::rfc3339")]
    not_after: time::OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<Attachment>,
    proof: &'static str,
}

async fn from_file(
    args: &Args,
    approved: Option<&Saved>,
    context: &Context,
    graph: &graph::Client,
    application: &Application,
    certificate: &Certificate,
) -> Result<Exit, Failure> {
    let now = context.http().service_now();
    let limit = context.reading(observe::limit(graph, application, now)).await?;
    accept_certificate(certificate, &limit, now).map_err(|refusal| not_attached(refusal.into()))?;
    let is_attached = attach::find(&application.key_credentials, certificate, now).is_some();
    let prepared = prepared(application, certificate, is_attached);
    approved.map_or(Ok(()), |approved| approved.check(&prepared))?;
    let snapshot = prepared.snapshot.clone();
    if let Some(path) = &args.plan_out {
        Saved::new(context, Asked::Attach(args.clone()), prepared).write(path)?;
    }
    let watcher = context.watcher();
    let attachment = if args.plan || args.plan_out.is_some() {
        None
    } else {
        let reason = "a file says nothing about a key that could prove possession";
        Some(
            journaled(context, application, certificate, snapshot, async {
                attach::attach(graph, application, certificate, Way::Patch, reason, &watcher).await
            })
            .await?,
        )
    };
    watcher.clear();
    let report = FileReport {
        application: ApplicationFacts::from(application),
        changes: !is_attached,
        thumbprint: certificate.sha1().hex(),
        not_after: certificate.not_after(),
        attachment,
        proof: "none: the key is not at hand; prove it with `kvops token --expect azpacr=2` where the vault can be reached",
    };
    context.print(&report, || report.for_people(args, context))?;
    Ok(Exit::Ok)
}

/// What a saved plan shows of it.
fn prepared(application: &Application, certificate: &Certificate, is_attached: bool) -> Prepared {
    let thumbprint = certificate.sha1().hex();
    let steps = match is_attached {
        true => Vec::new(),
        false => vec![json!({ "step": "attach", "by": "PATCH", "thumbprint": thumbprint })],
    };
    let keys: Vec<_> = application.key_credentials.iter().map(|key| key.key_id).collect();
    let snapshot = hash_of(&json!({ "application": application.id, "keys": keys, "thumbprint": thumbprint }));
    Prepared::new(snapshot, &json!({ "steps": steps }))
}

/// Attaches, with a line in the ledger before and after.
async fn journaled(
    context: &Context,
    application: &Application,
    certificate: &Certificate,
    snapshot: String,
    work: impl Future<Output = Result<Attachment, Error>>,
) -> Result<Attachment, Failure> {
    let run = context.ledger().await?;
    run.follow(Some(snapshot), None);
    let journal = Journal { run: &run, http: context.http() };
    Ok(journal.attach(application, certificate, Box::pin(work)).await?)
}

impl FileReport {
    fn for_people(&self, args: &Args, context: &Context) -> String {
        let console = context.console();
        let name = self.application.display_name.as_deref().map(printable).unwrap_or_default();
        let headline = match (args.plan || args.plan_out.is_some(), self.changes) {
            (_, false) => console.paint(Tone::Good, "no change: it is attached already"),
            (true, true) => console
                .paint(Tone::Strong, "plan: would be attached by PATCH; needs Application.ReadWrite.OwnedBy as owner"),
            (false, true) => console.paint(Tone::Good, "attached"),
        };
        let mut lines = Lines::default();
        lines.add("application", format!("{name} ({})", self.application.app_id));
        lines.add("thumbprint", self.thumbprint.clone());
        lines.add("valid until", date(self.not_after));
        if let Some(attachment) = &self.attachment {
            lines.add("keyId", attachment.key_id.to_string());
            lines.add("readable", format!("after {} s", attachment.seconds_until_readable));
        }
        lines.add("proof", self.proof);
        format!("{headline}\n{}", lines.text(console))
    }
}

async fn from_vault(
    args: &Args,
    approved: Option<&Saved>,
    context: &Context,
    graph: &graph::Client,
    vault: &str,
    name: &CertificateName,
) -> Result<Exit, Failure> {
    let vault = context.vault_client(&context.vault(vault)?);
    let application = context.reading(context.application(graph, &args.app)).await?;
    let wish = Wish {
        // Nothing is made from it: `only_attach` refuses that.
        spec: CertificateSpec {
            key: KeySpec::default(),
            subject: String::new(),
            validity_months: 12,
            issuer: IssuerName("Self".to_owned()),
        },
        name: name.clone(),
        application: Some(application.id),
        snapshot: approved.map(|approved| approved.prepared.snapshot.clone()),
        choices: Choices { adopt: true, only_attach: true, ..Choices::default() },
    };
    let sign_in =
        SignIn { http: context.http().clone(), tenant: context.tenant()?, algorithm: args.alg.map(Algorithm::from) };
    let watcher = context.watcher();
    let provisioner =
        Provisioner { services: Services { vault: &vault, graph: Some(graph) }, sign_in: &sign_in, watcher: &watcher };
    if let Some(approved) = approved {
        let (observed, plan) = context.reading(async { provisioner.plan(&wish).await.map_err(not_attached) }).await?;
        approved.check(&provision::prepared(&observed, &plan))?;
    }
    if args.plan || args.plan_out.is_some() {
        let (observed, plan) = context.reading(async { provisioner.plan(&wish).await.map_err(not_attached) }).await?;
        watcher.clear();
        if let Some(path) = &args.plan_out {
            let prepared = provision::prepared(&observed, &plan);
            Saved::new(context, Asked::Attach(args.clone()), prepared).write(path)?;
        }
        let view = context.reading(PlanView::new(context, &plan, &wish)).await?;
        context.print(&view, || view.for_people(context.console()))?;
        return Ok(Exit::Ok);
    }
    let run = context.ledger().await?;
    let outcome: Result<_, Error> = provisioner.run(&wish, Journal { run: &run, http: context.http() }).await;
    watcher.clear();
    let report = outcome.map_err(not_attached)?;
    context.print(&report, || view::report(context.console(), &report))?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    Ok(Exit::Ok)
}
