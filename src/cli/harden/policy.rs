//! `kvops harden --vault VAULT --name NAME`: the policy that makes the next version.

use serde::Serialize;
use serde_json::json;

use super::super::approval;
use super::super::console::{Console, Tone};
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::global::Global;
use super::super::saved::{Asked, Prepared, Saved, hash_of};
use super::super::view::Lines;
use super::Args;
use crate::domain::{CertificateName, Environment, KeyType, VaultName, printable};
use crate::harden::policy::{self, Change};
use crate::provision::Journal;

/// Shows, asks and changes.
pub(super) async fn run(
    vault: &str,
    name: &CertificateName,
    args: &Args,
    approved: Option<&Saved>,
    global: &Global,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    approved.map_or(Ok(()), |approved| approved.check_place(&context))?;
    let vault = context.vault_client(&context.vault(vault)?);
    let found = context.reading(vault.policy(name)).await?;
    if !found.key_type.as_ref().is_none_or(KeyType::is_rsa) {
        return Err(Failure::new(
            Exit::Refused,
            format!("certificate {name} makes keys on an elliptic curve, and Entra documents assertions with RSA only"),
        )
        .hint("make another certificate with `kvops provision`"));
    }
    let decided = policy::decide(&found, &vault, name);
    let report = Report {
        vault: vault.vault().name().clone(),
        name: name.clone(),
        is_plan: args.is_plan(),
        undo: (!decided.changes.is_empty()).then(|| decided.undo.clone()),
        changes: decided.changes.clone(),
    };
    let facts = json!({ "vault": vault.vault(), "name": name, "policy": found });
    let prepared = Prepared::new(hash_of(&facts), &json!({ "steps": report.changes, "undo": report.undo }));
    approved.map_or(Ok(()), |approved| approved.check(&prepared))?;
    if let Some(path) = &args.plan_out {
        Saved::new(&context, Asked::Harden(Box::new(args.clone())), prepared.clone()).write(path)?;
    }
    if report.is_plan || report.changes.is_empty() {
        context.print(&report, || report.for_people(context.console()))?;
        return Ok(Exit::Ok);
    }
    let console = context.console();
    // Before anything changes, and whoever approved it: a run that fails midway has shown its undo.
    let shown = Report { is_plan: true, ..report.clone() };
    console.note(&shown.for_people(console));
    approval::ask(args.yes, &format!("change the policy of {name} in {}?", report.vault))?;
    let run = context.ledger().await?;
    run.follow(Some(prepared.snapshot), None);
    policy::apply(&vault, name, &decided, Journal { run: &run, http: context.http() }).await?;
    context.print(&report, || report.for_people(console))?;
    console.warn(
        "a vault keeps no history of policies: from now on it proves nothing about versions made before this change, \
         and only the ledger of the command that made them does",
    );
    Ok(Exit::Ok)
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    vault: VaultName,
    name: CertificateName,
    is_plan: bool,
    changes: Vec<Change>,
    /// Brings the policy back as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<String>,
}

impl Report {
    fn for_people(&self, console: Console) -> String {
        let headline = match (self.is_plan, self.changes.is_empty()) {
            (_, true) => format!("{} the next version will be a hardened one", console.paint(Tone::Good, "no change:")),
            (true, false) => console.paint(Tone::Strong, "plan: nothing has been changed yet"),
            (false, false) => console.paint(Tone::Good, "hardened"),
        };
        let mut lines = Lines::default();
        lines.add("certificate", format!("{} in {}", self.name, self.vault));
        for change in &self.changes {
            let (now, then) = (printable(&change.now.to_string()), printable(&change.then.to_string()));
            lines.add(change.rule, format!("{}: {now} -> {then}", change.member));
        }
        if let Some(undo) = &self.undo {
            lines.add("undo", undo.clone());
        }
        format!("{headline}\n{}", lines.text(console))
    }
}
