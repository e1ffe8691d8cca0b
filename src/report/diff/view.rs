//! How a difference is written down.

use std::io::{self, Write};

use super::super::Options;
use super::super::overview::some;
use super::super::subject::short;
use super::super::table::page::{Page, Tone};
use super::super::table::tone_of;
use super::super::visible::Visible;
use super::reading::Known;
use super::{Diff, Side};

/// Findings of a kind beyond this number nobody reads on a terminal.
const MAX: usize = 200;

impl Diff<'_> {
    /// Writes it as one JSON document.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = Visible::new(out);
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write_table(&self, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page::new(options.width, options.has_colour);
        page.field("before", &[(Tone::Plain, &self.before.sentence())]);
        page.field("after", &[(Tone::Plain, &self.after.sentence())]);
        let numbers = [
            (if self.new.is_empty() { Tone::Good } else { Tone::Bad }, format!("{} new", self.new.len())),
            (Tone::Plain, format!("{} fixed", self.fixed.len())),
            (Tone::Plain, format!("{} unchanged", self.unchanged.len())),
            (Tone::Warning, format!("{} not looked at again", self.undecided.len())),
        ];
        let shown = if self.undecided.is_empty() { 3 } else { 4 };
        let numbers: Vec<_> = numbers.iter().take(shown).map(|(tone, text)| (*tone, text.as_str())).collect();
        page.field("findings", &numbers);
        if !self.is_same_policy {
            let note = "judged by two policies: what is new may be so because the rules or limits are";
            page.field("policy", &[(Tone::Warning, note)]);
        }
        section(&mut page, "new", self.new.iter().copied(), true);
        section(&mut page, "fixed", self.fixed.iter().copied(), false);
        section(&mut page, "not looked at again", self.undecided.iter().copied(), false);
        let changed = self.unchanged.iter().filter(|one| one.severity_before.is_some() || one.was_waived.is_some());
        section(&mut page, "unchanged, but judged otherwise", changed.map(|one| one.finding), false);
        out.write_all(page.text().as_bytes())
    }
}

fn section<'a>(page: &mut Page, title: &str, findings: impl Iterator<Item = &'a Known>, has_fix: bool) {
    let findings: Vec<_> = findings.collect();
    if findings.is_empty() {
        return;
    }
    page.blank();
    page.heading(title, "");
    for known in findings.iter().take(MAX) {
        let severity = format!("{:8}", known.severity.name());
        let waived = if known.is_waived() { "waived: " } else { "" };
        let text = format!("{waived}{}", short(&known.message));
        page.wrapped(&[(tone_of(known.severity), &severity), (Tone::Faint, &short(&known.rule))], &text, 2);
        let part = known.subject.part.as_deref().map(|part| format!(", {}", short(part))).unwrap_or_default();
        let id = known.subject.app_id.as_deref().unwrap_or(&known.subject.id);
        let name = if known.subject.name.is_empty() || known.subject.name == id {
            short(id)
        } else {
            format!("{} ({})", short(&known.subject.name), short(id))
        };
        page.faint(&format!("{} {name}{part}", short(&known.subject.kind)), 11);
        if has_fix && !known.fix.is_empty() {
            page.remedy(&crate::domain::printable(&known.fix), 11);
        }
    }
    if findings.len() > MAX {
        page.faint(&format!("{} not shown here", some((findings.len() - MAX) as u64, "finding")), 2);
    }
}

impl Side<'_> {
    fn sentence(&self) -> String {
        let Self { collected_at, coverage_percent, profile, findings, .. } = self;
        let findings = some(*findings as u64, "finding");
        format!("{}, profile {}, coverage {coverage_percent} %, {findings}", short(collected_at), short(profile))
    }
}
