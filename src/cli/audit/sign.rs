//! `kvops audit sign`: has a key of a vault sign a baseline, so that nobody else can say what is known.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::super::console::Tone;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::global::{Global, Output};
use super::super::seal::Key;
use super::super::view::{Lines, date};
use super::outputs;
use crate::audit::{Baseline, BaselineSignature};
use crate::domain::{CertificateName, Environment, VaultName, Version};
use crate::ledger::{self, Entry};

/// What is signed, and by whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The baseline, as `kvops audit --write-baseline` wrote it; the signature is put beside it, as FILE.sig
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Serialize)]
struct Report<'a> {
    baseline: &'a Path,
    signature: PathBuf,
    findings: usize,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    vault: &'a VaultName,
    name: &'a CertificateName,
    version: &'a Version,
    certificate: String,
}

/// Runs `kvops audit sign`.
pub(super) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    let name = args.file.display().to_string();
    let text = fs::read_to_string(&args.file).map_err(|error| Failure::new(Exit::Usage, format!("{name}: {error}")))?;
    let baseline = Baseline::read(&name, &text).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    let seal = args.key.find(&entries(&context), &context).await?;
    let statement = BaselineSignature::statement(text.as_bytes(), context.http().service_now());
    let signer = seal.signer();
    let signature = context.reading(statement.sign(&signer)).await?;
    let signature = BaselineSignature::new(statement, &seal.certificate, &signature);
    let path = beside(&args.file);
    outputs::whole(&path, |out| out.write_all(signature.text().as_bytes()))?;
    let report = Report {
        baseline: &args.file,
        signature: path,
        findings: baseline.len(),
        at: signature.at,
        vault: seal.vault.vault().name(),
        name: &args.key.name,
        version: seal.version.key.version(),
        certificate: signature.certificate.clone(),
    };
    context.print(&report, || report.for_people(&context))?;
    Ok(Exit::Ok)
}

/// The file of a baseline's signature.
pub(super) fn beside(baseline: &Path) -> PathBuf {
    let mut name = baseline.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// What the ledger has, if there is one: it knows keys that were attached and whose tag is gone.
fn entries(context: &Context) -> Vec<Entry> {
    let path = context.settings().ledger.as_ref().map(|setting| setting.value.as_path());
    path.and_then(|path| fs::read(path).ok()).map(|text| ledger::entries(&text)).unwrap_or_default()
}

impl Report<'_> {
    fn for_people(&self, context: &Context) -> String {
        let console = context.console();
        let mut lines = Lines::default();
        lines.add("baseline", format!("{}, {} findings", self.baseline.display(), self.findings));
        lines.add("signature", self.signature.display().to_string());
        lines.add("signed", date(self.at));
        lines.add("key", format!("{}/{} {}", self.vault, self.name, self.version));
        lines.add("certificate", self.certificate.clone());
        format!("{}\n{}", console.paint(Tone::Good, "signed"), lines.text(console))
    }
}
