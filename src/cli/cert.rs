//! `kvops cert`: what a vault's certificates are, and who trusts them.

use serde::Serialize;
use serde_json::{Value, json};
use tabled::settings::Style;
use tabled::{Table, Tabled};
use time::OffsetDateTime;

use super::console::Tone;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::manifest::Manifest;
use super::view::{self, Lines, date};
use crate::domain::{CertificateName, Environment, ObjectId, Version, printable};
use crate::keyvault::{self, ListedCertificate};
use crate::provision::attach;
use crate::provision::observe;
use crate::provision::plan::{TAG_APP, TAG_STATE};
use crate::provision::{CertificateFacts, Gap};

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// One certificate: thumbprints in every encoding, key, exportability and how it is known, who trusts it
    Info(InfoArgs),
    /// All certificates of a vault, or all versions of one
    List(ListArgs),
}

/// Which certificate.
#[derive(Debug, clap::Args)]
pub(crate) struct InfoArgs {
    /// Vault: name or URL [default: that of the [app.APP] table in kvops.toml]
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate [default: that of the [app.APP] table]
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// One version, in place of the current one
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// Say whether this application trusts it, beside the one that it was made for
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Which vault.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Vault: name or URL
    #[arg(long, value_name = "VAULT")]
    vault: String,
    /// Show the versions of this certificate
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Runs `kvops cert`.
pub(crate) async fn run(command: &Command, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        Command::Info(args) => {
            let manifest = Manifest::of(args.app.as_deref(), global, environment)?;
            let (vault, name) = manifest.certificate(args.vault.as_ref(), args.name.as_ref())?;
            let context = Context::new(manifest.global(), environment, args.output.output).await?;
            context.reading(info(args, &context, &vault, &name)).await
        }
        Command::List(args) => {
            let context = Context::new(global, environment, args.output.output).await?;
            context.reading(list(args, &context)).await
        }
    }
}

#[derive(Debug, Serialize)]
struct Info {
    #[serde(flatten)]
    facts: CertificateFacts,
    enabled: Option<bool>,
    is_hardened: bool,
    gaps: Vec<Gap>,
    policy: crate::domain::CertificatePolicy,
    tags: std::collections::BTreeMap<String, String>,
    trusted_by: Vec<Trust>,
}

/// Whether an application trusts the certificate.
#[derive(Debug, Serialize)]
struct Trust {
    application: String,
    display_name: Option<String>,
    key_id: Option<String>,
    /// `yes`, `no`, or `unknown` with its reason.
    trusts: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

async fn info(args: &InfoArgs, context: &Context, vault: &str, name: &CertificateName) -> Result<Exit, Failure> {
    let vault = context.vault_client(&context.vault(vault)?);
    let progress = context.console().progress();
    progress.set("reading certificate, policy and key");
    let existing = observe::version(&vault, name, args.version.as_ref()).await?;
    let mut trusted_by = Vec::new();
    if let Some(id) = existing.made_for.as_deref().and_then(|id| id.parse::<ObjectId>().ok()) {
        trusted_by.push(trust(context, &id.to_string(), &existing.certificate).await);
    }
    if let Some(app) = &args.app {
        trusted_by.push(trust(context, app, &existing.certificate).await);
    }
    progress.clear();
    let info = Info {
        facts: CertificateFacts::of(&existing),
        enabled: existing.attributes.enabled,
        is_hardened: existing.gaps.is_empty(),
        gaps: existing.gaps.clone(),
        policy: existing.policy.clone(),
        tags: existing.tags.clone(),
        trusted_by,
    };
    context.print(&info, || info.for_people(context))?;
    Ok(Exit::Ok)
}

/// A tag only says where to look: the directory decides.
async fn trust(context: &Context, reference: &str, certificate: &crate::pki::Certificate) -> Trust {
    let unknown = |reason: String| Trust {
        application: reference.to_owned(),
        display_name: None,
        key_id: None,
        trusts: "unknown",
        reason: Some(reason),
    };
    let application = match context.application(&context.graph_client(), reference).await {
        Ok(application) => application,
        Err(failure) => return unknown(failure.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let entry = attach::find(&application.key_credentials, certificate, context.http().service_now());
    Trust {
        application: application.id.to_string(),
        display_name: application.display_name,
        key_id: entry.map(|key_id| key_id.to_string()),
        trusts: if entry.is_some() { "yes" } else { "no" },
        reason: None,
    }
}

impl Info {
    fn for_people(&self, context: &Context) -> String {
        let console = context.console();
        let mut lines = Lines::default();
        view::certificate_lines(&mut lines, console, &self.facts);
        lines.add("thumbprint, base64", self.facts.thumbprint_base64.clone());
        lines.add("SHA-256", self.facts.thumbprint_sha256.clone());
        lines.add("subject", printable(&self.facts.subject));
        lines.add("valid", format!("{} to {}", date(self.facts.not_before), date(self.facts.not_after)));
        lines.add("enabled", self.enabled.map_or("unknown".to_owned(), |enabled| enabled.to_string()));
        lines.add(
            "hardened",
            if self.is_hardened {
                console.paint(Tone::Good, "yes")
            } else {
                let gaps: Vec<_> = self.gaps.iter().map(ToString::to_string).collect();
                format!("{}: {}", console.paint(Tone::Bad, "no"), gaps.join("; "))
            },
        );
        if self.trusted_by.is_empty() {
            lines.add("trusted by", "unknown: no tag says for whom it was made; ask with --app");
        }
        for trust in &self.trusted_by {
            let name = trust.display_name.as_deref().map(printable).unwrap_or_default();
            let about = match (trust.trusts, &trust.key_id, &trust.reason) {
                ("yes", Some(key_id), _) => format!("{name} ({}) as keyId {key_id}", trust.application),
                ("no", ..) => format!("not by {name} ({})", trust.application),
                (_, _, reason) => {
                    format!("unknown for {}: {}", trust.application, reason.as_deref().unwrap_or_default())
                }
            };
            lines.add("trusted by", about);
        }
        let title = format!("{} {}", self.facts.key_id.name(), self.facts.version);
        format!("{}\n{}", console.paint(Tone::Strong, &title), lines.text(console))
    }
}

#[derive(Tabled)]
struct Row {
    name: String,
    version: String,
    enabled: String,
    #[tabled(rename = "valid until")]
    valid_until: String,
    thumbprint: String,
    #[tabled(rename = "made for")]
    made_for: String,
    state: String,
}

async fn list(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let vault = context.vault_client(&context.vault(&args.vault)?);
    let progress = context.console().progress();
    progress.set("listing certificates");
    let mut listed = match &args.name {
        Some(name) => versions(&vault, name).await?,
        None => vault.list(true).await?,
    };
    progress.clear();
    listed.sort_by(|a, b| {
        (&a.name, std::cmp::Reverse(a.attributes.created)).cmp(&(&b.name, std::cmp::Reverse(b.attributes.created)))
    });
    let machine: Vec<Value> = listed.iter().map(machine).collect();
    context.print(&machine, || {
        if listed.is_empty() {
            return format!("{} has no certificates", vault.vault().name());
        }
        let now = context.http().clock().now();
        let rows = listed.iter().map(|listed| row(context, listed, now));
        Table::new(rows).with(Style::sharp()).to_string()
    })?;
    Ok(Exit::Ok)
}

/// The list of a certificate that does not exist is empty; a person who named it wants to know.
async fn versions(vault: &keyvault::Client, name: &CertificateName) -> Result<Vec<ListedCertificate>, Failure> {
    let versions = vault.versions(name).await?;
    if versions.is_empty() {
        let vault = vault.vault().name();
        return Err(Failure::new(Exit::Usage, format!("there is no certificate {name} in vault {vault}"))
            .hint(format!("list them with `kvops cert list --vault {vault}`")));
    }
    Ok(versions)
}

fn machine(listed: &ListedCertificate) -> Value {
    json!({
        "name": listed.name, "version": listed.version,
        "thumbprint": listed.thumbprint.map(|thumbprint| thumbprint.hex()),
        "x5t": listed.thumbprint.map(|thumbprint| thumbprint.base64url()),
        "attributes": listed.attributes, "tags": listed.tags,
    })
}

fn row(context: &Context, listed: &ListedCertificate, now: OffsetDateTime) -> Row {
    let console = context.console();
    let valid_until = match listed.attributes.not_after {
        Some(end) if end <= now => console.paint(Tone::Bad, &date(end)),
        Some(end) if end - now < time::Duration::days(30) => console.paint(Tone::Warning, &date(end)),
        Some(end) => date(end),
        None => "unknown".to_owned(),
    };
    let tag = |name: &str| listed.tags.get(name).map(|value| printable(value)).unwrap_or_default();
    Row {
        name: listed.name.to_string(),
        version: listed.version.as_ref().map_or("(current)".to_owned(), ToString::to_string),
        enabled: listed
            .attributes
            .enabled
            .map_or("unknown".to_owned(), |enabled| if enabled { "yes" } else { "no" }.to_owned()),
        valid_until,
        thumbprint: listed.thumbprint.map_or("pending".to_owned(), |thumbprint| thumbprint.hex()),
        made_for: tag(TAG_APP),
        state: tag(TAG_STATE),
    }
}
