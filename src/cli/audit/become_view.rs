//! `kvops audit --who-can-become APP`: every way that is known.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::console::{Console, Tone};
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::rules::Loaded;
use crate::audit::Manifest;
use crate::audit::facts::{AdderBy, Becoming, Desk, Facts, Holders, Joined, KeyWay, who_can_become};
use crate::domain::{AppId, printable};
use crate::inventory::Inventory;

/// Shows who can become an application.
pub(super) fn show(
    reference: &str,
    inventory: &Inventory,
    manifest: &Manifest,
    rules: &Loaded,
    context: &Context,
) -> Result<Exit, Failure> {
    let history = rules.history();
    let (joined, desk) = (Joined::new(inventory, manifest, &history, &rules.policy.data), Desk::default());
    let facts = joined.facts(&desk);
    let app_id = app_id(reference, inventory, context);
    let found = app_id.and_then(|app_id| who_can_become(&facts, app_id));
    let Some(found) = found else {
        return Err(Failure::new(Exit::Usage, format!("the inventory has no application `{reference}`"))
            .hint("name it by client id, object id or exact display name"));
    };
    let names = Names::of(inventory);
    context.print(&found, || names.text(&found, &facts, context.console()))?;
    Ok(if found.missing.is_empty() { Exit::Ok } else { Exit::Partial })
}

/// The application that a reference means.
pub(super) fn app_id(reference: &str, inventory: &Inventory, context: &Context) -> Option<AppId> {
    if let Some(entry) = context.settings().app(reference) {
        return Some(entry.app);
    }
    let apps = &inventory.applications;
    if let Ok(id) = reference.trim().parse::<Uuid>() {
        let by_object = apps.iter().find(|app| app.id.uuid() == id).map(|app| app.app_id);
        return Some(by_object.unwrap_or_else(|| AppId::new(id)));
    }
    let mut named = apps.iter().filter(|app| *app.display_name == *reference);
    let first = named.next()?;
    named.next().is_none().then_some(first.app_id)
}

/// What principals are called, as far as the inventory knows.
struct Names(BTreeMap<Uuid, Box<str>>);

impl Names {
    fn of(inventory: &Inventory) -> Self {
        let principals = &inventory.service_principals;
        Self(principals.iter().map(|known| (known.id.uuid(), known.display_name)).collect())
    }

    fn name(&self, principal: Uuid) -> String {
        match self.0.get(&principal) {
            Some(name) => format!("{} ({principal})", printable(name)),
            None => principal.to_string(),
        }
    }

    fn text(&self, found: &Becoming<'_>, facts: &Facts<'_>, console: Console) -> String {
        let name = facts.application(found.app_id).map(|app| printable(&app.display_name)).unwrap_or_default();
        let mut text = console.paint(Tone::Strong, &format!("Who can become {name} ({})", found.app_id));
        text.push('\n');
        for key in &found.keys {
            self.key(&mut text, key, console);
        }
        for secret in &found.secrets {
            text.push_str(&format!(
                "\n{} {secret}\n  whoever has ever read it\n",
                console.paint(Tone::Bad, "client secret")
            ));
        }
        for credential in &found.federated {
            let subject = credential.subject.as_deref().or(credential.expression.as_deref()).unwrap_or("any subject");
            text.push_str(&format!(
                "\nfederated credential {}\n  tokens of {} for {}\n",
                printable(&credential.name),
                printable(&credential.issuer),
                printable(subject)
            ));
        }
        if !found.adders.is_empty() {
            text.push_str("\ncan add a credential\n");
        }
        for adder in &found.adders {
            let by = match adder.by {
                AdderBy::OwnsApplication => "owns the application".to_owned(),
                AdderBy::OwnsServicePrincipal => "owns the service principal".to_owned(),
                AdderBy::DirectoryRole { name, eligible: false } => format!("is {name}"),
                AdderBy::DirectoryRole { name, eligible: true } => format!("may activate {name}"),
                AdderBy::Permission { name } => format!("holds {name}"),
            };
            text.push_str(&format!("  {}: {by}\n", self.name(adder.principal)));
        }
        for missing in &found.missing {
            text.push_str(&format!(
                "\n{} {} ({}): there may be more ways\n",
                console.paint(Tone::Warning, "not read:"),
                missing.evidence,
                missing.reason
            ));
        }
        text
    }

    fn key(&self, text: &mut String, key: &KeyWay<'_>, console: Console) {
        let tone = if key.custody.is_safe() { Tone::Good } else { Tone::Bad };
        let custody = console.paint(tone, key.custody.name());
        text.push_str(&format!("\nkey {}: {custody}, {}\n", key.key_id, printable(&key.custody_why)));
        for place in &key.places {
            text.push_str(&format!("  in {}\n", printable(&place.path)));
            self.holders(text, "can sign", &place.signers);
            self.holders(text, "can take the key away", &place.exporters);
            self.holders(text, "can put another key in its place", &place.replacers);
            self.holders(text, "can give themselves any of that", &place.granters);
        }
    }

    fn holders(&self, text: &mut String, what: &str, holders: &Holders<'_>) {
        let certain = holders.certain();
        let possible = holders.possible();
        if certain.is_empty() && possible.is_empty() && holders.doubt().is_none() {
            text.push_str(&format!("    {what}: nobody\n"));
            return;
        }
        text.push_str(&format!("    {what}:\n"));
        for principal in &certain {
            text.push_str(&format!("      {}\n", self.name(*principal)));
        }
        for principal in possible.difference(&certain) {
            text.push_str(&format!("      perhaps {}\n", self.name(*principal)));
        }
        if let Some(missing) = holders.doubt() {
            text.push_str(&format!("      and whoever else: {} was not read ({})\n", missing.evidence, missing.reason));
        }
    }
}
