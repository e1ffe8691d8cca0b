//! `kvops ledger checkpoint`: has a key of a vault sign the ledger up to here.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::super::console::Tone;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::global::Output;
use super::super::seal::Key;
use super::super::view::{Lines, date};
use super::unreadable;
use crate::domain::{CertificateName, VaultName, Version};
use crate::ledger::{self, Hash, Object, Step, checkpoint, verify};
use crate::provision::Journal;

/// Who signs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Serialize)]
struct Report<'a> {
    ledger: PathBuf,
    line: u64,
    hash: Hash,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    vault: &'a VaultName,
    name: &'a CertificateName,
    version: &'a Version,
    certificate: String,
}

/// Runs `kvops ledger checkpoint`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = context.ledger_path()?.to_owned();
    let text = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    if !verify(&text, &[]).is_sound() {
        return Err(Failure::new(Exit::Changed, "the ledger is damaged, and a checkpoint would vouch for it")
            .hint("see what is wrong with `kvops ledger verify`"));
    }
    let next = checkpoint::next(&text, context.http().service_now());
    let next = next.ok_or_else(|| Failure::new(Exit::Usage, format!("{} has no entry to sign", path.display())))?;
    let seal = args.key.find(&ledger::entries(&text), context).await?;
    let signer = seal.signer();
    let object = Object {
        vault: Some(seal.vault.vault().name().clone()),
        certificate: Some(args.key.name.clone()),
        version: Some(seal.version.key.version().clone()),
        thumbprint: Some(seal.certificate.sha1().hex()),
        ..Object::default()
    };
    let run = context.ledger().await?;
    let journal = Journal { run: &run, http: context.http() };
    let intended = ledger::Record::of(object.clone()).fact("line", next.line);
    let told = |signature: &Vec<u8>| checkpoint::record(next, &seal.certificate, signature, object.clone());
    let work = async { next.sign(&signer).await.map_err(Error::from) };
    journal.step(Step::Checkpoint, intended, work, told).await?;
    let report = Report {
        ledger: path,
        line: next.line,
        hash: next.hash.into(),
        at: next.at,
        vault: seal.vault.vault().name(),
        name: &args.key.name,
        version: seal.version.key.version(),
        certificate: seal.certificate.sha256().hex(),
    };
    context.print(&report, || report.for_people(context))?;
    Ok(Exit::Ok)
}

/// How signing and writing it down can fail.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Signature(#[from] crate::pki::Error),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Signature(error) => error.into(),
            Error::Ledger(error) => Self::from_error(Exit::Usage, &error),
        }
    }
}

impl Report<'_> {
    fn for_people(&self, context: &Context) -> String {
        let console = context.console();
        let mut lines = Lines::default();
        lines.add("ledger", self.ledger.display().to_string());
        lines.add("signed up to", format!("line {}, {}", self.line, date(self.at)));
        lines.add("hash", self.hash.to_string());
        lines.add("key", format!("{}/{} {}", self.vault, self.name, self.version));
        lines.add("certificate", self.certificate.clone());
        format!("{}\n{}", console.paint(Tone::Good, "signed"), lines.text(console))
    }
}
