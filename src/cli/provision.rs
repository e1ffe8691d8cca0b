//! `kvops provision`: a certificate that nobody can copy, trusted by an application and proven.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::console::Tone;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use super::plan_view::PlanView;
use super::saved::{Asked, Prepared, Saved, text};
use super::view;
use crate::domain::{CertificateName, Environment, IssuerName};
use crate::pki::Algorithm;
use crate::provision::plan::{Choices, Observed, Plan, Step};
use crate::provision::spec::{self, CertificateSpec, KeySpec, MAX_VALIDITY_MONTHS};
use crate::provision::{Journal, Outcome, Provisioner, Report, Services, SignIn, Wish};

/// Client id of Microsoft Graph in every tenant, and the id of its role `Application.ReadWrite.OwnedBy`.
/// <https://learn.microsoft.com/graph/permissions-reference#applicationreadwriteownedby>
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const OWNED_BY: &str = "18a4783c-866b-4cc7-a460-3d5e5662c884";

const EXAMPLES: &str = "\
Examples:
  kvops provision --app billing-api --vault contoso-kv --name billing --plan
  kvops provision --app billing-api --vault contoso-kv --name billing
  kvops provision --vault-only --vault contoso-kv --name billing --cer-out billing.cer
  kvops provision --app billing-api --vault contoso-kv --name billing --issuer Unknown --csr-out billing.csr";

/// What to provision.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Application: object id, client id or exact display name
    #[arg(long, value_name = "APP", required_unless_present = "vault_only")]
    app: Option<String>,
    /// Vault: name or URL [default: that of the [app.APP] table in kvops.toml]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate in the vault [default: that of the [app.APP] table]
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// Key: RSA:2048, RSA:3072, RSA:4096, or RSA-HSM with a size [default: RSA:3072]
    #[arg(long, value_name = "KIND:BITS")]
    #[serde(with = "text::option")]
    key: Option<KeySpec>,
    /// Validity in months, at most 12 [default: 12]
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_VALIDITY_MONTHS)))]
    validity: Option<u32>,
    /// Subject, in place of CN={app}.{company}.internal
    #[arg(long, value_name = "DN")]
    subject: Option<String>,
    /// Issuer: Self, Unknown for a certificate of an own CA, or one that the vault knows [default: Self]
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// Algorithm of the assertions that prove it
    #[arg(long, value_name = "ALG", value_enum)]
    alg: Option<Alg>,
    /// Only the vault's half: create, and attach to nothing
    #[arg(long)]
    vault_only: bool,
    /// Write the public certificate (DER) to a file
    #[arg(long, value_name = "FILE")]
    cer_out: Option<PathBuf>,
    /// Write the certification request (PEM) to a file; goes with --issuer Unknown
    #[arg(long, value_name = "FILE")]
    csr_out: Option<PathBuf>,
    /// Complete the pending request with this certificate: PEM, leaf first, or DER
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,
    /// Take a certificate that was not made for this application, if it is hardened
    #[arg(long)]
    adopt: bool,
    /// Bring a deleted certificate of this name back
    #[arg(long, conflicts_with = "allow_purge")]
    recover: bool,
    /// Purge a deleted certificate of this name, for good
    #[arg(long)]
    allow_purge: bool,
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

/// `--alg`
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Alg {
    /// RSASSA-PSS, thumbprint as x5t#S256
    #[value(name = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5, thumbprint as x5t
    #[value(name = "RS256")]
    Rs256,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Ps256 => Self::Ps256,
            Alg::Rs256 => Self::Rs256,
        }
    }
}

/// Runs `kvops provision`; with a plan that was `approved` only what that shows, in its world.
pub(crate) async fn run(
    args: &Args,
    approved: Option<&Saved>,
    global: &Global,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let manifest = Manifest::of(args.app.as_deref(), global, environment)?;
    let (vault, name) = manifest.certificate(args.vault.as_ref(), args.name.as_ref())?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    approved.map_or(Ok(()), |approved| approved.check_place(&context))?;
    let issuer = IssuerName(args.issuer.clone().unwrap_or_else(|| "Self".to_owned()));
    if issuer.is_unknown() && args.csr_out.is_none() && args.merge.is_none() && !args.plan {
        return Err(Failure::new(
            Exit::Usage,
            "--issuer Unknown needs --csr-out FILE for the request, or --merge FILE for its certificate",
        ));
    }
    for path in [&args.cer_out, &args.csr_out].into_iter().flatten() {
        check_folder(path)?;
        if !args.plan && args.plan_out.is_none() {
            check_writable(path)?;
        }
    }
    let chain = args.merge.as_ref().map(|path| context.certificates(path)).transpose()?.unwrap_or_default();
    let vault = context.vault_client(&context.vault(&vault)?);
    let graph = (!args.vault_only).then(|| context.graph_client());
    let application = match (&graph, &args.app) {
        (Some(graph), Some(app)) => Some(context.reading(context.application(graph, app)).await?),
        _ => None,
    };
    let subject = match (&args.subject, &application) {
        (Some(subject), _) => subject.clone(),
        (None, Some(app)) => spec::subject(app.display_name.as_deref(), app.app_id, context.company()),
        (None, None) => format!("CN={}.{}.internal", name.as_str().to_ascii_lowercase(), context.company()),
    };
    let is_external = issuer.is_unknown();
    let wish = Wish {
        spec: CertificateSpec {
            key: args.key.clone().unwrap_or_default(),
            subject,
            validity_months: args.validity.unwrap_or(MAX_VALIDITY_MONTHS),
            issuer,
        },
        name: name.clone(),
        application: application.as_ref().map(|application| application.id),
        snapshot: approved.map(|approved| approved.prepared.snapshot.clone()),
        choices: Choices {
            adopt: args.adopt,
            recover: args.recover,
            allow_purge: args.allow_purge,
            only_attach: false,
            csr: args.csr_out.is_some() || (args.plan && is_external && chain.is_empty()),
            chain,
            key_is_asked: args.key.is_some(),
            validity_is_asked: args.validity.is_some(),
            subject_is_asked: args.subject.is_some(),
            issuer_is_asked: args.issuer.is_some(),
        },
    };
    let sign_in = SignIn {
        http: context.http().clone(),
        tenant: if args.vault_only { context.any_tenant() } else { context.tenant()? },
        algorithm: args.alg.map(Algorithm::from),
    };
    let watcher = context.watcher();
    let provisioner = Provisioner {
        services: Services { vault: &vault, graph: graph.as_ref() },
        sign_in: &sign_in,
        watcher: &watcher,
    };
    if let Some(approved) = approved {
        let (observed, plan) = context.reading(provisioner.plan(&wish)).await?;
        approved.check(&prepared(&observed, &plan))?;
    }
    if args.plan || args.plan_out.is_some() {
        let (observed, plan) = context.reading(provisioner.plan(&wish)).await?;
        watcher.clear();
        if let Some(path) = &args.plan_out {
            let asked = Asked::Provision(Box::new(args.clone()));
            Saved::new(&context, asked, prepared(&observed, &plan)).write(path)?;
        }
        let view = context.reading(PlanView::new(&context, &plan, &wish)).await?;
        context.print(&view, || view.for_people(context.console()))?;
        return Ok(Exit::Ok);
    }
    let run = context.ledger().await?;
    let outcome = provisioner.run(&wish, Journal { run: &run, http: context.http() }).await;
    watcher.clear();
    let report = outcome?;
    context.print(&report, || view::report(context.console(), &report))?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    write_files(args, &report)?;
    if !args.vault_only && report.outcome == Outcome::Provisioned {
        advise(&context, &report).await;
    }
    Ok(Exit::Ok)
}

/// What a saved plan shows of the steps.
pub(super) fn prepared(observed: &Observed, plan: &Plan) -> Prepared {
    let shown = |step: &Step| {
        let mut shown = serde_json::to_value(step).unwrap_or_default();
        shown["what"] = step.title().into();
        shown
    };
    let steps: Vec<_> = plan.steps.iter().map(shown).collect();
    Prepared::new(observed.snapshot(), &json!({ "steps": steps }))
}

/// What is worth doing next. Nothing here is part of the result.
async fn advise(context: &Context, report: &Report) {
    let console = context.console();
    let note = |text: &str| console.note(&console.paint_note(Tone::Faint, text));
    note("If this application runs in Azure, a managed identity as federated credential needs no certificate at all.");
    let was_bootstrap = report.attachment.as_ref().is_some_and(|attachment| attachment.method == "PATCH");
    if let Some(writer) = context.graph_writer().await.filter(|_| was_bootstrap) {
        note(&format!(
            "The next certificates of this application need no Graph permission: it rolls its own keys. If nothing else \
             needs it, take it away with `az ad app permission delete --id {writer} --api {GRAPH} --api-permissions {OWNED_BY}`."
        ));
    }
}

fn write_files(args: &Args, report: &Report) -> Result<(), Failure> {
    if let (Some(path), Some(facts)) = (&args.cer_out, &report.certificate) {
        write(path, facts.certificate.der())?;
    }
    if let (Some(path), Some(request)) = (&args.csr_out, &report.request) {
        let body = STANDARD.encode(request);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem =
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", lines.join("\n"));
        write(path, pem.as_bytes())?;
    }
    Ok(())
}

/// A file that cannot be written should be known before anything is done.
fn check_folder(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::is_dir) && !path.is_dir() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("cannot write {}: it is a folder, or in none that exists", path.display())))
}

/// Opens the file as it will be opened, and leaves it, or its absence, as it was.
fn check_writable(path: &Path) -> Result<(), Failure> {
    let attempt = match fs::metadata(path) {
        Ok(known) if known.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // To open a pipe would tell its reader that this was all.
        Ok(_) => Ok(()),
        Err(_) => OpenOptions::new().write(true).create_new(true).open(path).and_then(|_| fs::remove_file(path)),
    };
    attempt.map_err(|error| unwritable(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("cannot write {}: {error}", path.display()))
}
