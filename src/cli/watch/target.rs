//! What is watched: the certificates of the manifest, and those of a vault that carry kvops' tag.

use std::collections::BTreeSet;

use super::Args;
use crate::cli::config;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::manifest::Manifest;
use crate::cli::rotate::{self, Subject, locate};
use crate::domain::{CertificateName, Environment, TAG_APP, Vault};

/// A certificate, and whose it is.
#[derive(Debug)]
pub(super) struct Target {
    /// The `[app.NAME]` table that it comes from; none for one that a tag has led to.
    pub(super) app: Option<String>,
    /// The identity's view of its tenant.
    pub(super) context: Context,
    /// The certificate.
    pub(super) subject: Subject,
}

/// Everything that the manifest and the vaults that were named hold, each certificate once, and what
/// could not even be found.
pub(super) async fn targets(
    args: &Args,
    global: &Global,
    environment: &Environment,
) -> Result<(Vec<Target>, Vec<(String, Failure)>), Failure> {
    let settings = config::load(global, environment)?;
    let mut names: Vec<String> = settings.apps().map(|(name, ..)| name.to_owned()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() && args.vault.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing is watched").hint(
            "write an [app.NAME] table with app, vault and certificate into kvops.toml for each application, or name \
             vaults with --vault: their certificates that carry the tag kvops-app are watched",
        ));
    }
    let (mut targets, mut failed) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    for name in names {
        match Box::pin(of_manifest(&name, args, global, environment)).await {
            Ok(target) if known.insert(key(&target.subject)) => targets.push(target),
            Ok(_) => {}
            Err(failure) => failed.push((name, failure)),
        }
    }
    for vault in &args.vault {
        match Box::pin(tagged(vault, args, global, environment)).await {
            Ok(found) => targets.extend(found.into_iter().filter(|target| known.insert(key(&target.subject)))),
            Err(failure) => failed.push((vault.clone(), failure)),
        }
    }
    Ok((targets, failed))
}

fn key(subject: &Subject) -> (Vault, CertificateName) {
    (subject.vault.clone(), subject.name.clone())
}

async fn of_manifest(name: &str, args: &Args, global: &Global, environment: &Environment) -> Result<Target, Failure> {
    let manifest = Manifest::of(Some(name), global, environment)?;
    let context = Context::new(manifest.global(), environment, args.output.output).await?;
    let subject = locate(&context, Some(name), manifest.entry_certificate()).await?;
    Ok(Target { app: Some(name.to_owned()), context, subject })
}

/// The tag is a hint that somebody wanted the certificate to be looked after; whose it is says the
/// directory.
async fn tagged(vault: &str, args: &Args, global: &Global, environment: &Environment) -> Result<Vec<Target>, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    let vault = context.vault(vault)?;
    let mut listed = context.reading(context.vault_client(&vault).list(false)).await?;
    listed.retain(|item| item.tags.get(TAG_APP).is_some_and(|app| app != crate::domain::UNASSIGNED));
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let mut targets = Vec::new();
    for item in listed {
        let context = Context::new(global, environment, args.output.output).await?;
        targets.push(Target { app: None, context, subject: rotate::named(vault.clone(), item.name) });
    }
    Ok(targets)
}
