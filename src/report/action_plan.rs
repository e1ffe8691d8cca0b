//! The findings as a plan of action: who mends what until when, with columns that people fill in.

use std::borrow::Cow;
use std::io::{self, Write};

use time::Duration;

use super::Options;
use super::csv::Table;
use super::overview::{active, coverage_sentence, is_complete, is_outside, missing, some};
use super::subject::{kind_id, label};
use crate::audit::{Finding, Report, Severity};

const COLUMNS: [&str; 13] = [
    "severity",
    "rule",
    "kind",
    "object",
    "part",
    "what is wrong",
    "what to do",
    "owner",
    "due",
    "done on",
    "justification",
    "ticket",
    "fingerprint",
];

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(out, &COLUMNS)?;
    let first = if is_complete(&report.coverage) { "" } else { "let the audit read the rest; see the next rows" };
    table.row(note("", coverage_sentence(&report.coverage), first.to_owned()))?;
    for ((evidence, reason), missing) in missing(report) {
        if is_outside(reason) {
            continue;
        }
        let grants: Vec<_> = missing.grants.iter().map(String::as_str).collect();
        let wrong = format!("{evidence} not read: {reason}; {} not evaluated", some(missing.objects, "object"));
        table.row(note("audit", wrong, grants.join("; ")))?;
    }
    for finding in active(report) {
        table.row(row(report, options, &finding.finding()))?;
    }
    table.end()
}

fn row<'a>(report: &Report, options: &Options, finding: &'a Finding) -> [Cow<'a, str>; COLUMNS.len()] {
    let owner = options.entry(&finding.subject).and_then(|entry| entry.owner.clone()).unwrap_or_default();
    let details = &finding.details;
    let due = days_to_mend(finding.severity)
        .and_then(|days| report.header.collected_at.date().checked_add(Duration::days(days)))
        .map(|day| day.to_string());
    [
        finding.severity.name().into(),
        finding.rule.into(),
        kind_id(finding.subject.kind).into(),
        label(&finding.subject).into(),
        finding.subject.part.as_deref().unwrap_or_default().into(),
        (&*details.message).into(),
        details.fix(&finding.subject).into(),
        owner.into(),
        due.unwrap_or_default().into(),
        "".into(),
        "".into(),
        "".into(),
        finding.fingerprint.to_string().into(),
    ]
}

fn note(kind: &str, wrong: String, fix: String) -> [Cow<'_, str>; COLUMNS.len()] {
    let mut cells = [const { Cow::Borrowed("") }; COLUMNS.len()];
    (cells[2], cells[5], cells[6]) = (kind.into(), wrong.into(), fix.into());
    cells
}

/// Days that a finding may stay, by its severity; a starting point for those who plan.
const fn days_to_mend(severity: Severity) -> Option<i64> {
    match severity {
        Severity::Critical => Some(7),
        Severity::High => Some(30),
        Severity::Medium => Some(90),
        Severity::Low => Some(180),
        Severity::Info => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{Manifest, ManifestEntry};
    use crate::report::{Format, Options, sample};

    #[test]
    fn each_finding_that_nobody_waived_has_a_row_with_its_owner_and_a_day() {
        let app = sample::finding().subject.app_id.unwrap();
        let owner = ManifestEntry { owner: Some("=team-billing".to_owned()), ..ManifestEntry::default() };
        let manifest = Manifest { entries: [(app, owner)].into(), ..Manifest::default() };
        let options = Options { manifest, ..Options::default() };
        insta::assert_snapshot!(sample::written_with(&sample::report(), Format::ActionPlan, &options), @r#"
        severity,rule,kind,object,part,what is wrong,what to do,owner,due,done on,justification,ticket,fingerprint
        ,,,,,coverage 93.7 %: 15 of 16 read (1 denied),let the audit read the rest; see the next rows,,,,,,
        ,,audit,,,certificates not read: firewall; 1 object not evaluated,network access to kv-private,,,,,,
        critical,KVO101,application,'=cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]> \u{202e}gnp;##vso[task.complete… (7b0f0000-0000-4000-8000-000000000001),aaaa0000-0000-4000-8000-000000000001,"a client secret lives 730 days, past the limit of 180",kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME,'=team-billing,2026-11-28,,,,0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210
        medium,KVO201,certificate,kv-billing/billing,0123abcd,whoever may read the vault's secrets can download the private key,kvops provision --vault kv-billing --name billing --app APP makes a new version,,2027-02-19,,,,98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26
        "#);
    }
}
