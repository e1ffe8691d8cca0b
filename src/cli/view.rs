//! Results as people read them.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::macros::format_description;

use super::console::{Console, Tone};
use crate::domain::printable;
use crate::provision::{CertificateFacts, Outcome, Report};

/// `2026-11-21 12:00 UTC`.
pub(crate) fn date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
        .unwrap_or_else(|_| at.to_string())
}

/// At most `most` characters of something long: the whole stands in the JSON.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// Lines of a name and a value, with the values in one column.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<(&'static str, String)>);

impl Lines {
    /// Adds a line.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// All lines, one below the other.
    pub(crate) fn text(&self, console: Console) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.0.iter().fold(String::new(), |mut text, (name, value)| {
            let name = console.paint(Tone::Faint, &format!("{name:width$}"));
            let _ = writeln!(text, "  {name}  {value}");
            text
        })
    }
}

/// The result of `kvops provision`, in the order in which people ask.
pub(crate) fn report(console: Console, report: &Report) -> String {
    let app = report.application.as_ref();
    let name = app.and_then(|app| app.display_name.as_deref()).map(printable).unwrap_or_default();
    let headline = match (report.outcome, app) {
        (Outcome::NoChange, Some(_)) => {
            format!("{} {name} is as it should be", console.paint(Tone::Good, "no change:"))
        }
        (Outcome::NoChange, None) => format!(
            "{} {} in {} is as it should be",
            console.paint(Tone::Good, "no change:"),
            report.name,
            report.vault
        ),
        (Outcome::Provisioned, Some(_)) => format!(
            "{} {name} signs in with a key that cannot leave the vault",
            console.paint(Tone::Good, "provisioned:")
        ),
        (Outcome::Provisioned, None) => {
            format!("{} {} in {}", console.paint(Tone::Good, "created:"), report.name, report.vault)
        }
        (Outcome::AwaitsMerge, _) => format!(
            "{} have the request signed, then run again with --merge FILE",
            console.paint(Tone::Warning, "request ready:")
        ),
    };
    let mut lines = Lines::default();
    if let Some(facts) = &report.certificate {
        certificate_lines(&mut lines, console, facts);
    }
    if let Some(attachment) = &report.attachment {
        lines.add("keyId", attachment.key_id.to_string());
        lines.add("attached by", format!("{} ({})", attachment.method, attachment.reason));
    }
    if let Some(proof) = &report.proof {
        let tokens = if proof.tokens == 1 { "1 token".to_owned() } else { format!("{} tokens in a row", proof.tokens) };
        lines.add(
            "proven",
            format!("{tokens}, accepted after {} s, azpacr {}", proof.seconds_until_accepted, proof.azpacr),
        );
    }
    if let Some(facts) = &report.certificate {
        lines.add("valid until", date(facts.not_after));
        if let Some(at) = facts.rotate_from {
            lines.add("next rotation", format!("{}, when the vault writes to its contacts", date(at)));
        }
    }
    match &report.contacts {
        Some(contacts) if !contacts.is_empty() => {
            let contacts: Vec<_> = contacts.iter().map(|contact| printable(contact)).collect();
            lines.add("mail goes to", contacts.join(", "));
        }
        Some(_) => {
            lines.add("mail goes to", console.paint(Tone::Warning, "nobody"));
        }
        None => {
            lines.add("mail goes to", "unknown: the vault's contacts may not be read");
        }
    }
    format!("{headline}\n{}", lines.text(console))
}

/// What a certificate is.
pub(crate) fn certificate_lines(lines: &mut Lines, console: Console, facts: &CertificateFacts) {
    let exportable = match facts.exportable {
        Some(false) => console.paint(Tone::Good, "false"),
        Some(true) => console.paint(Tone::Bad, "true"),
        None => console.paint(Tone::Warning, "unknown"),
    };
    lines.add("exportable", format!("{exportable} ({})", facts.exportable_evidence));
    lines.add("key may", facts.key_operations.join(", "));
    lines.add("key usage", facts.key_usage.as_ref().map_or("absent".to_owned(), |usage| usage.join(", ")));
    lines.add("key", format!("{} {}", facts.key, facts.key_id));
    lines.add("thumbprint", format!("{} (x5t {})", facts.thumbprint, facts.x5t));
    lines.add("x5t#S256", facts.x5t_s256.clone());
}
