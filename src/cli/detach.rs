//! `kvops detach`: credentials that are to go.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::console::{Console, Tone};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use super::saved::{Asked, Prepared, Saved, text};
use super::view::{Lines, date};
use crate::detach::{Detacher, Detachment, Kind, Plan, Subject, Target, Why, Wish};
use crate::domain::{CertificateName, CredentialId, Environment, ServicePrincipal, Thumbprint, printable};
use crate::graph;
use crate::provision::plan::AttachedSigner;
use crate::provision::prove::Proof;
use crate::provision::{ApplicationFacts, Journal, SignIn};

const EXAMPLES: &str = "\
Examples:
  kvops detach --app billing-api --expired --plan
  kvops detach --app billing-api --vault contoso-kv --name billing --key 7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10
  kvops detach --app billing-api --vault contoso-kv --name billing --secret all
  kvops detach --app billing-api --vault contoso-kv --unused

Unless what goes has expired, a token signed with the vault's certificate has to prove first that the
application works without it. Keys for SAML and for token encryption are never touched.";

/// What is to go.
#[derive(Clone, Debug, Deserialize, Serialize, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").args(["key", "thumbprint", "secret", "expired", "unused"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// Application: object id, client id or exact display name
    #[arg(long, value_name = "APP")]
    app: String,
    /// A certificate by its keyId; can be repeated
    #[arg(long, value_name = "KEYID")]
    key: Vec<CredentialId>,
    /// A certificate by its thumbprint, in any spelling; can be repeated
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    #[serde(with = "text::list")]
    thumbprint: Vec<Thumbprint>,
    /// A secret by its keyId, or all of them; can be repeated
    #[arg(long, value_name = "KEYID|all")]
    secret: Vec<Secret>,
    /// Whatever has expired
    #[arg(long)]
    expired: bool,
    /// Whatever nobody has used: a certificate for 30 days, a secret for 90
    #[arg(long)]
    unused: bool,
    /// Vault of the certificate that remains: name or URL [default: that of the [app.APP] table in kvops.toml]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of that certificate [default: that of the [app.APP] table, or any in the vault that the application trusts]
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// Whose credentials: those of the service principal are a list of their own, which no portal shows
    #[arg(long, value_name = "WHERE", value_enum, default_value = "application")]
    on: On,
    /// Why a service principal's credential goes; for the ledger
    #[arg(long, value_name = "TEXT", required_if_eq("on", "service-principal"))]
    reason: Option<String>,
    /// Remove a secret although the report on its use cannot be read
    #[arg(long)]
    accept_unknown_use: bool,
    /// Remove what is named although it was used in the last 14 days
    #[arg(long)]
    despite_use: bool,
    /// Show what would be removed, and remove nothing
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

/// `--secret`
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Secret {
    All,
    One(CredentialId),
}

impl std::str::FromStr for Secret {
    type Err = <CredentialId as std::str::FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

/// `--on`
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum On {
    Application,
    ServicePrincipal,
}

impl Args {
    fn wish(&self) -> Wish {
        let one = |secret: &Secret| match secret {
            Secret::All => None,
            Secret::One(id) => Some(*id),
        };
        Wish {
            keys: self.key.clone(),
            thumbprints: self.thumbprint.clone(),
            secrets: self.secret.iter().filter_map(one).collect(),
            all_secrets: self.secret.contains(&Secret::All),
            expired: self.expired,
            unused: self.unused,
            accepts_unknown_use: self.accept_unknown_use,
            despite_use: self.despite_use,
            skips_what_may_not_go: false,
        }
    }
}

/// Runs `kvops detach`; with a plan that was `approved` only what that shows, in its world.
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
    let (vault, name) = manifest.certificate_if_named(args.vault.as_ref(), args.name.as_ref())?;
    let vault = vault.map(|vault| context.vault(&vault)).transpose()?.map(|vault| context.vault_client(&vault));
    let application = context.reading(context.application(&graph, &args.app)).await?;
    let principal = context.reading(graph.service_principal(application.app_id)).await?;
    let subject = subject(args, principal.as_ref())?;
    let tenant = if vault.is_some() { context.tenant()? } else { context.any_tenant() };
    let sign_in = SignIn { http: context.http().clone(), tenant, algorithm: None };
    let watcher = context.watcher();
    let remaining = vault.as_ref().map(|vault| (vault, name.as_ref()));
    let detacher = Detacher { graph: &graph, remaining, sign_in: &sign_in, watcher: &watcher };
    let plan = context.reading(detacher.plan(&application, subject, &args.wish())).await?;
    watcher.clear();
    let mut report = Report::of(args, &plan, principal.as_ref());
    let prepared = prepared(&plan);
    approved.map_or(Ok(()), |approved| approved.check(&prepared))?;
    if let Some(path) = &args.plan_out {
        let asked = Asked::Detach(Box::new(args.clone()));
        Saved::new(&context, asked, prepared.clone()).write(path)?;
    }
    if !report.is_plan && report.changes {
        let run = context.ledger().await?;
        run.follow(Some(prepared.snapshot), None);
        let done = detacher.apply(&plan, Journal { run: &run, http: context.http() }).await;
        watcher.clear();
        let done = done?;
        report.proof = done.proof;
        for (credential, detachment) in report.credentials.iter_mut().zip(done.detachments) {
            credential.detachment = Some(detachment);
        }
        report.remains = context.reading(Remains::read(&graph, &plan)).await?;
    }
    context.print(&report, || report.for_people(context.console()))?;
    for warning in &report.warnings {
        context.console().warn(warning);
    }
    Ok(Exit::Ok)
}

/// What a saved plan shows of it.
pub(super) fn prepared(plan: &Plan) -> Prepared {
    let shown = |target: &Target| {
        let (key_id, kind, why) = (target.key_id, target.kind, target.why);
        json!({ "step": "remove", "key_id": key_id, "kind": kind, "why": why, "by": plan.method(target) })
    };
    let steps: Vec<_> = plan.selection.targets.iter().map(shown).collect();
    Prepared::new(plan.snapshot(), &json!({ "steps": steps, "works_with": plan.remaining }))
}

fn subject(args: &Args, principal: Option<&ServicePrincipal>) -> Result<Subject, Failure> {
    match (args.on, principal) {
        (On::Application, _) => Ok(Subject::Application),
        (On::ServicePrincipal, Some(principal)) => Ok(Subject::ServicePrincipal {
            principal: Box::new(principal.clone()),
            reason: args.reason.clone().unwrap_or_default(),
        }),
        (On::ServicePrincipal, None) => {
            Err(Failure::new(Exit::Usage, format!("{} has no service principal in this tenant", printable(&args.app))))
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    application: ApplicationFacts,
    on: &'static str,
    changes: bool,
    is_plan: bool,
    credentials: Vec<Credential>,
    /// What was named and is not there.
    absent: Vec<String>,
    remaining: Option<AttachedSigner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    remains: Remains,
    /// Credentials of the service principal, which the portal does not show.
    service_principal: Remains,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Credential {
    #[serde(flatten)]
    target: Target,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detachment: Option<Detachment>,
}

/// What is in the lists when all is done.
#[derive(Debug, Default, Serialize)]
struct Remains {
    keys: Vec<CredentialId>,
    secrets: Vec<CredentialId>,
}

impl Remains {
    /// What is there now.
    async fn read(graph: &graph::Client, plan: &Plan) -> Result<Self, graph::Error> {
        let keys = graph.key_credentials(plan.holder()).await?;
        let secrets = graph.password_credentials(plan.holder()).await?;
        Ok(Self {
            keys: keys.iter().map(|key| key.key_id).collect(),
            secrets: secrets.iter().map(|secret| secret.key_id).collect(),
        })
    }

    /// What would be there.
    fn planned(plan: &Plan) -> Self {
        let goes = |id: &CredentialId| plan.selection.targets.iter().any(|target| target.key_id == *id);
        let secrets = match &plan.subject {
            Subject::Application => &plan.application.password_credentials,
            Subject::ServicePrincipal { principal, .. } => &principal.password_credentials,
        };
        Self {
            keys: plan.keys.iter().map(|key| key.key_id).filter(|id| !goes(id)).collect(),
            secrets: secrets.iter().map(|secret| secret.key_id).filter(|id| !goes(id)).collect(),
        }
    }

    fn of(principal: &ServicePrincipal) -> Self {
        Self {
            keys: principal.key_credentials.iter().map(|key| key.key_id).collect(),
            secrets: principal.password_credentials.iter().map(|secret| secret.key_id).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.secrets.is_empty()
    }

    fn for_people(&self) -> String {
        let ids = |list: &[CredentialId]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.keys.is_empty(), self.secrets.is_empty()) {
            (true, true) => "nothing".to_owned(),
            (false, true) => format!("keys {}", ids(&self.keys)),
            (true, false) => format!("secrets {}", ids(&self.secrets)),
            (false, false) => format!("keys {}; secrets {}", ids(&self.keys), ids(&self.secrets)),
        }
    }
}

impl Report {
    fn of(args: &Args, plan: &Plan, principal: Option<&ServicePrincipal>) -> Self {
        let credential =
            |target: &Target| Credential { target: target.clone(), method: plan.method(target), detachment: None };
        let mut warnings = plan.selection.warnings.clone();
        warnings.extend(plan.selection.absent.iter().map(|what| format!("not there: {what}")));
        Self {
            application: ApplicationFacts::from(&plan.application),
            on: match args.on {
                On::Application => "application",
                On::ServicePrincipal => "service-principal",
            },
            changes: !plan.is_no_change(),
            is_plan: args.plan || args.plan_out.is_some(),
            credentials: plan.selection.targets.iter().map(credential).collect(),
            absent: plan.selection.absent.clone(),
            remaining: plan.remaining.clone(),
            proof: None,
            remains: Remains::planned(plan),
            service_principal: principal.map(Remains::of).unwrap_or_default(),
            warnings,
        }
    }

    fn for_people(&self, console: Console) -> String {
        let name = self.application.display_name.as_deref().map(printable).unwrap_or_default();
        let headline = match (self.is_plan, self.changes) {
            (_, false) => format!("{} nothing to remove", console.paint(Tone::Good, "no change:")),
            (true, true) => console.paint(Tone::Strong, "plan: nothing has been removed yet"),
            (false, true) => console.paint(Tone::Good, "removed"),
        };
        let mut lines = Lines::default();
        let on = if self.on == "application" { "" } else { ", its service principal" };
        lines.add("application", format!("{name} ({}{on})", self.application.app_id));
        for credential in &self.credentials {
            lines.add(
                match credential.target.kind {
                    Kind::Key => "key",
                    Kind::Secret => "secret",
                },
                credential.for_people(),
            );
        }
        if let Some(signer) = &self.remaining {
            let key = &signer.key;
            lines.add("works with", format!("{} version {}, keyId {}", key.name(), key.version(), signer.key_id));
        }
        if let Some(proof) = &self.proof {
            lines.add("proven", format!("a token before the removal, azpacr {}", proof.azpacr));
        }
        lines.add("remains", self.remains.for_people());
        if self.on == "application" && !self.service_principal.is_empty() {
            let what = format!("{}; --on service-principal", self.service_principal.for_people());
            lines.add("on its service principal", what);
        }
        format!("{headline}\n{}", lines.text(console))
    }
}

impl Credential {
    fn for_people(&self) -> String {
        let why = match self.target.why {
            Why::Named => "named",
            Why::Expired => "expired",
            Why::Unused => "unused",
        };
        let name = self.target.display_name.as_deref().map(printable).unwrap_or_default();
        let ends = self.target.ends.map(|ends| format!(", until {}", date(ends))).unwrap_or_default();
        let used = self.target.last_used.map(|used| format!(", last used {}", date(used))).unwrap_or_default();
        let gone = self.detachment.as_ref().map(|gone| format!(", gone after {} s", gone.seconds_until_gone));
        let method = self.detachment.as_ref().map_or(self.method, |gone| gone.method);
        format!("{} {name} ({why}{ends}{used}) by {method}{}", self.target.key_id, gone.unwrap_or_default())
    }
}
