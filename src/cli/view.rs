//! Results as people read them.

use std::fmt::Write as _;

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::console::{Console, Tone};
use super::context::Context;
use crate::domain::printable;
use crate::provision::plan::{AttachMethod, Plan, Step};
use crate::provision::{CertificateFacts, Outcome, Report, Wish};

/// `2026-11-21 12:00 UTC`.
pub(crate) fn date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
        .unwrap_or_else(|_| at.to_string())
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
        (Outcome::NoChange, _) => format!("{} {name} is as it should be", console.paint(Tone::Good, "no change:")),
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

/// The answer to `--plan`.
#[derive(Debug, Serialize)]
pub(crate) struct PlanView<'a> {
    changes: bool,
    steps: Vec<StepView<'a>>,
    policy: Option<PolicyView>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct StepView<'a> {
    #[serde(flatten)]
    step: &'a Step,
    what: &'static str,
    writes_to: Option<&'static str>,
    identity: Option<String>,
    right: Option<String>,
    held: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct PolicyView {
    subject: Option<String>,
    key: String,
    exportable: Option<bool>,
    reuse_key: Option<bool>,
    key_usage: Vec<String>,
    validity_months: Option<u32>,
}

impl<'a> PlanView<'a> {
    /// Describes `plan`.
    pub(crate) fn new(context: &Context, plan: &'a Plan, wish: &Wish) -> Self {
        let vault_identity = context.settings().vault_credential.value.clone();
        let graph_identity = context.settings().graph_credential.value.clone();
        let steps = plan.steps.iter().map(|step| {
            let (writes_to, identity, right, held) = match step {
                Step::Recover => (
                    Some("vault"),
                    Some(vault_identity.clone()),
                    Some("certificates recover (Key Vault Certificates Officer)".to_owned()),
                    Some("unknown until tried"),
                ),
                Step::Purge => (
                    Some("vault"),
                    Some(vault_identity.clone()),
                    Some("certificates purge (Key Vault Administrator)".to_owned()),
                    Some("unknown until tried"),
                ),
                Step::Create { .. } | Step::Merge | Step::Record => (
                    Some("vault"),
                    Some(vault_identity.clone()),
                    Some("certificates create and update (Key Vault Certificates Officer)".to_owned()),
                    Some("unknown until tried"),
                ),
                Step::Attach { method: AttachMethod::AddKey { signer } } => (
                    Some("Graph"),
                    Some("the application itself".to_owned()),
                    Some(format!("keys sign on {} (Key Vault Crypto User); no Graph permission", signer.key)),
                    Some("unknown until tried"),
                ),
                Step::Attach { method: AttachMethod::Patch { .. } } => (
                    Some("Graph"),
                    Some(graph_identity.clone()),
                    Some("Application.ReadWrite.OwnedBy as owner, or Application.ReadWrite.All".to_owned()),
                    Some("unknown until tried"),
                ),
                Step::Prove { .. } => (
                    None,
                    Some("the application itself".to_owned()),
                    Some("keys sign (Key Vault Crypto User)".to_owned()),
                    Some("unknown until tried"),
                ),
                Step::AwaitIssue | Step::Inspect | Step::ExportRequest => (
                    None,
                    Some(vault_identity.clone()),
                    Some("certificates get, keys get (Key Vault Reader)".to_owned()),
                    Some("yes: they were just used"),
                ),
            };
            StepView { step, what: step.title(), writes_to, identity, right, held }
        });
        let creates = plan.steps.iter().find_map(|step| match step {
            Step::Create { policy } => Some(PolicyView {
                subject: policy.subject.clone(),
                key: wish.spec.key.to_string(),
                exportable: policy.exportable,
                reuse_key: policy.reuse_key,
                key_usage: policy.key_usage.iter().map(ToString::to_string).collect(),
                validity_months: policy.validity_months,
            }),
            _ => None,
        });
        Self { changes: !plan.is_no_change(), steps: steps.collect(), policy: creates, warnings: &plan.warnings }
    }

    /// The plan as text.
    pub(crate) fn for_people(&self, console: Console) -> String {
        let mut text = if self.changes {
            format!("{}\n", console.paint(Tone::Strong, "plan: nothing has been written yet"))
        } else {
            format!("{}\n", console.paint(Tone::Good, "plan: no change"))
        };
        for (index, step) in self.steps.iter().enumerate() {
            let target = step.writes_to.map(|to| format!(" [writes to {to}]")).unwrap_or_default();
            let _ = writeln!(text, "  {}. {}{target}", index + 1, step.what);
            if let (Some(identity), Some(right), Some(held)) = (&step.identity, &step.right, step.held) {
                let _ = writeln!(
                    text,
                    "     {}",
                    console.paint(Tone::Faint, &format!("as {identity}; needs {right}; held: {held}"))
                );
            }
        }
        if let Some(policy) = &self.policy {
            let _ = writeln!(
                text,
                "  policy: {}, {}, exportable false, new key for each version, {} only, {} months, mail and no automatic renewal",
                policy.subject.as_deref().map(printable).unwrap_or_default(),
                policy.key,
                policy.key_usage.join(", "),
                policy.validity_months.unwrap_or_default(),
            );
        }
        for warning in self.warnings {
            let _ = writeln!(text, "  {} {warning}", console.paint(Tone::Warning, "warning:"));
        }
        text
    }
}
