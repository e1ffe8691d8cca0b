//! Plans and results of a rotation, as people read them.

use std::fmt::Write as _;

use crate::cli::console::{Console, Tone};
use crate::cli::view::{Lines, certificate_lines, date};
use crate::domain::printable;
use crate::rotate::{Because, Demand, Ending, Outcome, Plan, Purpose, Report, Soak, Step};

/// How long access tokens go on being accepted after their key is gone, at the longest.
/// <https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime>
const TOKEN_LIFE: &str = "60 to 90 minutes, or up to 24 hours where a resource checks continuously";

/// The answer to `--plan`.
pub(in crate::cli) fn plan(console: Console, plan: &Plan) -> String {
    let headline = match (&plan.ends, plan.is_no_change()) {
        (Ending::Nothing, _) => console.paint(Tone::Good, "plan: nothing was begun that could be finished"),
        (_, true) => console.paint(Tone::Good, "plan: no change"),
        _ => console.paint(Tone::Strong, "plan: nothing has been written yet"),
    };
    let mut text = format!("{headline}\n");
    let mut waits = None;
    for (index, planned) in plan.steps.iter().enumerate() {
        if planned.not_before != waits
            && let Some(at) = planned.not_before
        {
            let _ = writeln!(text, "     {}", console.paint(Tone::Faint, &format!("not before {}:", date(at))));
        }
        waits = planned.not_before;
        let on = match &planned.step {
            Step::Attach { application, .. }
            | Step::Prove { application, .. }
            | Step::Detach { application, .. }
            | Step::ProveRefusal { application, .. } => format!(" (application {application})"),
            Step::Disable { version } => format!(" ({version})"),
            _ => String::new(),
        };
        let target = planned.writes_to.map(|to| format!(" [writes to {to}]")).unwrap_or_default();
        let _ = writeln!(text, "  {}. {}{on}{target}", index + 1, planned.step.title());
        let _ = writeln!(text, "     {}", console.paint(Tone::Faint, &format!("needs {}", planned.right)));
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "  {} {warning}", console.paint(Tone::Warning, "warning:"));
    }
    text
}

/// The result.
pub(in crate::cli) fn report(console: Console, report: &Report, demand: Demand) -> String {
    let name = &report.name;
    let headline = match report.outcome {
        Outcome::Rotated => {
            // One that could sign no more proves no refusal.
            let is_refused = report.applications.iter().any(|application| !application.refused.is_empty());
            let refused = if is_refused { ", and refused" } else { "" };
            format!("{} {name}: the old key is gone{refused}", console.paint(Tone::Good, "rotated:"))
        }
        Outcome::Soaking => {
            format!("{} {name}: both keys are trusted for now", console.paint(Tone::Good, "proven:"))
        }
        Outcome::Stopped => {
            let stage = report.stage.map(|stage| format!("{stage:?}").to_lowercase()).unwrap_or_default();
            format!("{} {name}: as far as {stage}", console.paint(Tone::Good, "done:"))
        }
        Outcome::Aborted => {
            format!("{} {name}: the new key is gone, the old one stays", console.paint(Tone::Good, "aborted:"))
        }
        Outcome::Nothing => {
            format!("{} {name}: nothing was begun that could be ended", console.paint(Tone::Good, "no change:"))
        }
    };
    let mut text = format!("{headline}\n");
    let mut lines = Lines::default();
    if let Some(facts) = &report.certificate {
        certificate_lines(&mut lines, console, facts);
        lines.add("valid until", date(facts.not_after));
    }
    if let Some(Soak { until, because }) = report.soak {
        let why = match because {
            Because::Overlap => String::new(),
            Because::Used { at } => format!(": the old key was used on {}", date(at)),
        };
        let finish = format!("kvops rotate --cert {}/{name} --finish", report.vault.name());
        lines.add("old key stays", format!("until {}{why}; after that `{finish}` removes it", date(until)));
    }
    if !report.disabled.is_empty() {
        let versions: Vec<_> = report.disabled.iter().map(ToString::to_string).collect();
        lines.add("disabled", versions.join(", "));
    }
    text.push_str(&lines.text(console));
    for application in &report.applications {
        let facts = &application.application;
        let name = facts.display_name.as_deref().map_or("of unknown name".to_owned(), printable);
        let _ = writeln!(text, "  {} {name} ({})", console.paint(Tone::Strong, "application"), facts.app_id);
        let mut lines = Lines::default();
        if let Some(attachment) = &application.attachment {
            lines.add("  keyId", attachment.key_id.to_string());
            lines.add("  attached by", format!("{} ({})", attachment.method, attachment.reason));
        }
        if let Some(proof) = &application.proof {
            let accepted = proof.seconds_until_accepted;
            lines.add(
                "  proven",
                format!("{} tokens in a row, accepted after {accepted} s, azpacr {}", proof.tokens, proof.azpacr),
            );
        }
        for gone in &application.removed {
            lines.add("  removed", format!("{} by {}", gone.key_id, gone.method));
        }
        for refused in &application.refused {
            lines.add("  refused", format!("{} times in a row with {}", refused.refusals, refused.code));
        }
        text.push_str(&lines.text(console));
    }
    if demand.purpose == Purpose::Compromised {
        incident(console, report, &mut text);
    }
    text
}

/// What a responder has to know besides.
fn incident(console: Console, report: &Report, text: &mut String) {
    let _ = writeln!(text, "  tokens that the old key has brought stay valid until they end: {TOKEN_LIFE}");
    for unseen in report.applications.iter().filter(|application| application.unseen) {
        let told = format!("what else lets somebody sign in as {} cannot be seen", unseen.application.app_id);
        let _ = writeln!(text, "  {}", console.paint(Tone::Warning, &told));
    }
    if report.foreign.is_empty() {
        if report.applications.iter().any(|application| application.unseen) {
            return;
        }
        let _ = writeln!(
            text,
            "  {}",
            console.paint(Tone::Good, "nothing else lets anybody sign in as these applications")
        );
        return;
    }
    let _ = writeln!(
        text,
        "  {}",
        console.paint(Tone::Warning, "these also let somebody sign in; whoever had the key may have added one:")
    );
    for foreign in &report.foreign {
        let name = foreign.display_name.as_deref().map(printable).unwrap_or_default();
        let end = foreign.end.map(|end| format!(", until {}", date(end))).unwrap_or_default();
        let _ = writeln!(text, "    {} {} on {} {name}{end}", foreign.kind, foreign.key_id, foreign.app_id);
    }
}
