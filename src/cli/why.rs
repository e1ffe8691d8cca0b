//! `kvops why`: one key, from whatever somebody holds of it.

use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::audit::evidence;
use super::console::{Console, Tone};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::view::{Lines, date};
use crate::audit::Data;
use crate::audit::ObjectKind;
use crate::audit::facts::{Claim, Desk, Joined, KeptAt, Others, Purpose, TrustedBy, Whereabouts, whereabouts};
use crate::domain::{Environment, Thumbprint, printable};
use crate::inventory::{Seen, Sought};

const EXAMPLES: &str = "\
Examples:
  kvops why 6A1F0C3E9B7D4852A6E0F1B2C3D4E5F60718293A     # upper or lower case, with colons or blanks
  kvops why ah8MPpt9SFKm4PGyw9Tl9gcYKTo                  # x5t of a token's header, or base64 of a manifest
  kvops why 7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10         # the keyId of a credential
  kvops why THUMBPRINT --input tenant.ndjson             # in the evidence of `kvops audit --export`

Reads only, with the rights of `kvops audit`. Exit code 5 says that something was not read which could tell more.";

/// Which key.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Thumbprint (SHA-1 or SHA-256; hex, base64 or base64url) or keyId
    // base64url may begin with a hyphen.
    #[arg(value_name = "THUMBPRINT|KEYID", allow_hyphen_values = true)]
    key: Sought,
    /// Look only in this vault: name or URL; can be repeated [default: all that Azure Resource Graph shows]
    #[arg(long, value_name = "VAULT")]
    vault: Vec<String>,
    /// Look in the evidence of a file in place of the tenant
    #[arg(long, value_name = "FILE", conflicts_with = "vault")]
    input: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Runs `kvops why`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let context = Context::new(global, environment, args.output.output).await?;
    let inventory = evidence::of_one_key(args.key, &args.vault, args.input.as_deref(), &context).await?;
    let (manifest, history, data) = (evidence::manifest(&context), Seen::default(), Data::shipped());
    let (joined, desk) = (Joined::new(&inventory, &manifest, &history, &data), Desk::default());
    let facts = joined.facts(&desk);
    let found = whereabouts(&facts, args.key);
    let answer = Answer { then: found.trusted_by.iter().map(consequence).collect(), next: next(&found), found };
    context.print(&answer, || answer.for_people(facts.now, context.console()))?;
    Ok(if answer.found.missing.is_empty() { Exit::Ok } else { Exit::Partial })
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    found: Whereabouts<'a>,
    /// What breaks, one sentence for each that trusts it.
    then: Vec<String>,
    /// Commands worth running next.
    next: Vec<String>,
}

/// What happens to somebody who trusts a key when it ends, or is taken away.
fn consequence(trust: &TrustedBy<'_>) -> String {
    let name = printable(trust.name);
    match trust.purpose {
        _ if trust.claim == Claim::Mislabelled => {
            format!("{name}: nothing, because only the label of that credential names this key")
        }
        _ if !trust.is_active => format!("{name}: nothing, because it does not trust the key now"),
        Purpose::Saml => format!("{name}: single sign-on by SAML, unless another certificate is made active first"),
        Purpose::Encryption => format!("{name}: tokens that are encrypted to this key"),
        Purpose::SignIn | Purpose::Secret => match trust.others.is_none() {
            Some(true) => {
                format!("{name}: nobody can sign in as it any more, because no other credential of it lasts longer")
            }
            Some(false) => {
                format!(
                    "{name}: whoever signs in with it; the application still has {} that last longer",
                    remaining(trust.others)
                )
            }
            None => format!("{name}: whoever signs in with it; whether the application has another way is not known"),
        },
    }
}

fn remaining(others: Others) -> String {
    let federated = others.federated.unwrap_or_default();
    let kinds = [(others.certificates, "certificate"), (others.secrets, "secret"), (federated, "federated credential")];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}{}", if number == 1 { "" } else { "s" }))
        .collect();
    parts.join(", ")
}

/// What somebody wants to run who has read this far. Each can be pasted.
fn next(found: &Whereabouts<'_>) -> Vec<String> {
    let mut next = Vec::new();
    let trusting = found.trusted_by.iter().filter(|trust| trust.is_active && trust.claim != Claim::Mislabelled);
    let mut apps: Vec<_> = trusting.map(|trust| trust.app_id).collect();
    apps.dedup();
    let place = found.places.first();
    for app in &apps {
        next.push(format!("kvops audit --who-can-become {app}"));
        next.push(match place {
            Some(place) if place.is_deleted => {
                format!("kvops provision --app {app} --vault {} --name {} --recover", place.vault, place.name)
            }
            Some(place) => format!("kvops rotate --app {app} --vault {} --name {} --plan", place.vault, place.name),
            None => format!("kvops provision --app {app} --vault VAULT --name NAME"),
        });
    }
    if let Some(place) = place.filter(|place| !place.is_deleted) {
        let version = place.version.map(|version| format!(" --version {version}")).unwrap_or_default();
        next.push(format!("kvops cert info --vault {} --name {}{version}", place.vault, place.name));
        next.push(format!("kvops ledger show --name {}", place.name));
    }
    next
}

impl Answer<'_> {
    fn for_people(&self, now: OffsetDateTime, console: Console) -> String {
        let found = &self.found;
        let mut lines = Lines::default();
        if let Some(x) = found.certificate {
            lines.add("certificate", printable(&x.subject));
            lines.add("SHA-1", spelled(x.sha1.as_str()));
            lines.add("SHA-256", spelled(x.sha256.as_str()));
        }
        for place in &found.places {
            lines.add("lives in", kept(place, console));
        }
        if found.places.is_empty() {
            let is_open = found.missing.iter().any(|missing| missing.what.starts_with("vaults"));
            lines.add("lives in", if is_open { "no vault that was read" } else { "no vault: all were read" });
        }
        for trust in &found.trusted_by {
            lines.add("trusted by", trusting(trust));
            lines.add("last used", last_used(trust));
        }
        if found.trusted_by.is_empty() {
            lines.add("trusted by", "nobody that was read");
        }
        if let Some(at) = found.dies_at {
            let tone = if at <= now { Tone::Faint } else { Tone::Strong };
            let when = (at - now).whole_days();
            let when = if at <= now { format!("{} days ago", -when) } else { format!("in {when} days") };
            lines.add("dies", format!("{}, {when}", console.paint(tone, &date(at))));
        }
        for then in &self.then {
            lines.add("then breaks", then.clone());
        }
        for missing in &found.missing {
            let text = format!("{}: {} not read ({})", missing.what, missing.evidence, missing.reason);
            lines.add("unknown", console.paint(Tone::Warning, &text));
        }
        for next in &self.next {
            lines.add("next", next.clone());
        }
        let title = match found.sought {
            Sought::Thumbprint(thumbprint) => format!("thumbprint {thumbprint}"),
            Sought::KeyId(key_id) => format!("keyId {key_id}"),
        };
        format!("{}\n{}", console.paint(Tone::Strong, &title), lines.text(console))
    }
}

/// A digest as the portal writes it and as a token's header does.
fn spelled(hex: &str) -> String {
    match hex.parse::<Thumbprint>() {
        Ok(thumbprint) => format!("{hex} ({})", thumbprint.base64url()),
        Err(_) => hex.to_owned(),
    }
}

fn kept(place: &KeptAt<'_>, console: Console) -> String {
    let version = place.version.map(|version| format!(" {version}")).unwrap_or_default();
    let state = match (place.is_deleted, place.purge_at, place.enabled) {
        (true, Some(purge_at), _) => format!("deleted, recoverable until {}", date(purge_at)),
        (true, None, _) => "deleted".to_owned(),
        (_, _, Some(false)) => "disabled".to_owned(),
        (_, _, _) if place.is_current => "current".to_owned(),
        _ => "older version".to_owned(),
    };
    let other = if place.is_same_certificate { "" } else { ", the same key in another certificate" };
    let tone = if place.custody.is_safe() { Tone::Good } else { Tone::Warning };
    let custody = console.paint(tone, place.custody.name());
    format!("{}/{}{version} ({state}{other}); {custody}: {}", place.vault, place.name, printable(&place.custody_why))
}

fn trusting(trust: &TrustedBy<'_>) -> String {
    let kind = if trust.kind == ObjectKind::Application { "application" } else { "service principal" };
    let purpose = match trust.purpose {
        Purpose::SignIn => "to sign in",
        Purpose::Secret => "as a shared secret",
        Purpose::Saml => "for SAML",
        Purpose::Encryption => "to encrypt tokens",
    };
    let end = match (trust.is_active, trust.ends_at) {
        (true, Some(end)) => format!("until {}", date(end)),
        (true, None) => "for ever".to_owned(),
        (false, Some(end)) => format!("not now; its end is {}", date(end)),
        (false, None) => "not now".to_owned(),
    };
    let claim = match trust.claim {
        Claim::SameCertificate => "",
        Claim::SameKey => "; the same key in another certificate",
        Claim::Labelled => "; by its label, the bytes were not read",
        Claim::Mislabelled => "; only its label says so, the bytes are others",
    };
    let (name, app, key_id) = (printable(trust.name), trust.app_id, trust.key_id);
    format!("{kind} {name} ({app}), keyId {key_id}, {purpose}, {end}{claim}")
}

fn last_used(trust: &TrustedBy<'_>) -> String {
    match trust.last_used {
        Seen::Read(Some(moment)) => date(moment.0),
        Seen::Read(None) => "no use in the report".to_owned(),
        Seen::Unread { unread } => format!("unknown ({unread})"),
    }
}
