//! `kvops ledger`: what kvops did, and whether the record of it is whole.

mod checkpoint;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::console::Tone;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::view::{Lines, date, short};
use crate::domain::{AppId, CertificateName, Environment, ObjectId, TAG_LEDGER, VaultName, printable};
use crate::ledger::checkpoint::Signed;
use crate::ledger::{self, Anchor, Damage, Entry, Hash, Phase, read, verify};

/// What to do with the ledger.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What was done: everything, or the story of one application, certificate or run
    Show(ShowArgs),
    /// Whether it is as it was written: edits, gaps, wrong order, a cut end
    Verify(VerifyArgs),
    /// Have a key of a vault sign it up to here, so that nobody can write the chain anew
    Checkpoint(checkpoint::Args),
}

/// Which entries.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Only entries about this application: object id, client id or exact display name
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only entries about this certificate
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// Only entries of this run
    #[arg(long, value_name = "ID")]
    run: Option<uuid::Uuid>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What to compare with.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// A hash that is known from elsewhere: the entry must be there; can be repeated
    #[arg(long, value_name = "HASH")]
    anchor: Vec<Hash>,
    /// Ask the vaults for the hashes that kvops left as tags on versions
    #[arg(long)]
    online: bool,
    /// Public certificate (DER or PEM) of a key that has signed checkpoints: they have to hold
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Runs `kvops ledger`.
pub(crate) async fn run(command: &Command, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        Command::Show(args) => show(args, &Context::new(global, environment, args.output.output).await?).await,
        Command::Verify(args) => check(args, &Context::new(global, environment, args.output.output).await?).await,
        Command::Checkpoint(args) => {
            checkpoint::run(args, &Context::new(global, environment, args.output.output).await?).await
        }
    }
}

async fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let path = context.ledger_path()?;
    let entries = entries(path)?;
    let application = match &args.app {
        Some(app) => Some(wanted(context, app).await?),
        None => None,
    };
    let certificates: BTreeSet<_> = application
        .iter()
        .flat_map(|wanted| entries.iter().filter(|entry| wanted.names(entry)).map(certificate_of))
        .collect();
    let is_its = |entry: &Entry| {
        let is_of_certificate = || entry.object.application.is_none() && certificates.contains(&certificate_of(entry));
        application.is_none_or(|wanted| wanted.names(entry) || is_of_certificate())
    };
    let is_about = |entry: &&Entry| {
        args.name.as_ref().is_none_or(|name| entry.object.certificate.as_ref() == Some(name))
            && args.run.is_none_or(|run| entry.run == run)
            && is_its(entry)
    };
    let shown: Vec<&Entry> = entries.iter().filter(is_about).collect();
    context.print(&shown, || {
        if shown.is_empty() {
            return format!("{} has no such entry", path.display());
        }
        let rows = shown.iter().map(|entry| row(entry, context));
        Table::new(rows).with(Style::sharp()).to_string()
    })?;
    Ok(Exit::Ok)
}

/// An application whose story is wanted, by either of its ids.
#[derive(Clone, Copy)]
struct Wanted {
    id: Option<ObjectId>,
    app_id: Option<AppId>,
}

impl Wanted {
    fn names(self, entry: &Entry) -> bool {
        let object = &entry.object;
        (self.id.is_some() && object.application == self.id) || (self.app_id.is_some() && object.app_id == self.app_id)
    }
}

/// A certificate and the run that worked on it: what a rotation does in the vault is a part of the story of
/// each application that it is about.
fn certificate_of(entry: &Entry) -> (uuid::Uuid, Option<&VaultName>, Option<&CertificateName>) {
    (entry.run, entry.object.vault.as_ref(), entry.object.certificate.as_ref())
}

/// Ids are taken as they are: the ledger also tells of applications that are gone. The directory is asked
/// for names alone.
async fn wanted(context: &Context, app: &str) -> Result<Wanted, Failure> {
    let entry = context.settings().app(app).map(|entry| entry.app);
    if let Some(app_id) = entry.or_else(|| app.parse().ok()) {
        return Ok(Wanted { id: app.parse().ok(), app_id: Some(app_id) });
    }
    let found = context.reading(context.application(&context.graph_client(), app)).await?;
    Ok(Wanted { id: Some(found.id), app_id: Some(found.app_id) })
}

/// Characters of a fact that a table shows.
const LONGEST_FACT: usize = 60;

#[derive(Tabled)]
struct Row {
    #[tabled(rename = "#")]
    number: u64,
    at: String,
    step: String,
    phase: String,
    on: String,
    facts: String,
}

fn row(entry: &Entry, context: &Context) -> Row {
    let object = &entry.object;
    let version = object.version.as_ref().map(|version| version.as_str().chars().take(8).collect::<String>());
    let certificate = object.certificate.as_ref().map(|name| match version {
        Some(version) => format!("{name} {version}…"),
        None => name.to_string(),
    });
    let app = object.application.map(|id| format!("app {id}"));
    let on: Vec<String> = certificate.into_iter().chain(app).collect();
    let facts: Vec<String> = entry
        .facts
        .iter()
        .map(|(name, value)| format!("{}: {}", printable(name), short(&printable(value), LONGEST_FACT)))
        .collect();
    let tone = match entry.phase {
        Phase::Intended => Tone::Faint,
        Phase::Done => Tone::Good,
        Phase::Failed => Tone::Bad,
    };
    Row {
        number: entry.seq,
        at: date(entry.at),
        step: entry.step.name(),
        phase: context.console().paint(tone, &entry.phase.to_string()),
        on: on.join("\n"),
        facts: facts.join("\n"),
    }
}

#[derive(Serialize)]
struct Outcome {
    ledger: PathBuf,
    is_sound: bool,
    entries: u64,
    last: Hash,
    anchors: usize,
    /// How far it is signed by the certificate that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed>,
    damage: Vec<Damage>,
}

async fn check(args: &VerifyArgs, context: &Context) -> Result<Exit, Failure> {
    let path = context.ledger_path()?.to_owned();
    let text = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    let given = args.anchor.iter().map(|hash| Anchor { source: format!("--anchor {hash}"), hash: *hash });
    let mut anchors: Vec<Anchor> = given.collect();
    if args.online {
        anchors.extend(context.reading(tags(&ledger::entries(&text), context)).await?);
    }
    let mut verified = verify(&text, &anchors);
    let mut signed = None;
    if let Some(file) = &args.certificate {
        let certificate = context.certificates(file)?.remove(0);
        let (how_far, damage) = ledger::checkpoint::check(&text, &certificate);
        verified.damage.extend(damage);
        signed = Some(how_far);
    }
    let result = Outcome {
        ledger: path,
        is_sound: verified.is_sound(),
        entries: verified.entries,
        last: verified.last,
        anchors: anchors.len(),
        signed,
        damage: verified.damage,
    };
    context.print(&result, || result.for_people(context))?;
    Ok(if result.is_sound { Exit::Ok } else { Exit::Changed })
}

/// The hashes that kvops left on versions of certificates, as far as the versions are still there.
async fn tags(entries: &[Entry], context: &Context) -> Result<Vec<Anchor>, Failure> {
    let mut versions: BTreeMap<(&VaultName, &CertificateName), Vec<_>> = BTreeMap::new();
    for entry in entries {
        let object = &entry.object;
        if let (Some(vault), Some(name), Some(version)) = (&object.vault, &object.certificate, &object.version) {
            let known = versions.entry((vault, name)).or_default();
            if !known.contains(&version) {
                known.push(version);
            }
        }
    }
    let mut anchors = Vec::new();
    for ((vault, name), versions) in versions {
        let client = context.vault_client(&context.vault(vault.as_str())?);
        for version in versions {
            let found = match client.certificate(name, Some(version)).await {
                Err(error) if error.is_not_found() => continue,
                found => found?,
            };
            if let Some(hash) = found.tags.get(TAG_LEDGER).and_then(|tag| tag.parse().ok()) {
                anchors.push(Anchor { source: format!("the tag {TAG_LEDGER} of {}", found.key), hash });
            }
        }
    }
    Ok(anchors)
}

impl Outcome {
    fn for_people(&self, context: &Context) -> String {
        let console = context.console();
        let headline = if self.is_sound {
            console.paint(Tone::Good, "sound: each line carries the hash of the one before")
        } else {
            console.paint(Tone::Bad, "damaged: this is not what kvops wrote")
        };
        let mut lines = Lines::default();
        lines.add("ledger", self.ledger.display().to_string());
        lines.add("entries", self.entries.to_string());
        lines.add("last hash", self.last.to_string());
        let anchors = match self.anchors {
            0 => "none: nothing in the file tells whether its end was cut off; compare with --online or --anchor"
                .to_owned(),
            number => format!("{number} compared"),
        };
        lines.add("anchors", anchors);
        if let Some(signed) = &self.signed {
            let when = signed.at.map(|at| format!(" on {}", date(at))).unwrap_or_default();
            lines.add("signed", format!("up to line {}{when}, {} checkpoints", signed.up_to, signed.checkpoints));
        }
        for damage in &self.damage {
            lines.add("damage", format!("line {}: {}", damage.line, printable(&damage.fault.to_string())));
        }
        format!("{headline}\n{}", lines.text(console))
    }
}

fn entries(path: &std::path::Path) -> Result<Vec<Entry>, Failure> {
    read(path).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("the ledger {} cannot be read: {error}", path.display()))
        .hint("nothing has been written yet, or name it with --ledger PATH or KVOPS_LEDGER")
}
