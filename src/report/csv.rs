//! The report as rows for a spreadsheet, and no cell of it a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Options;
use super::overview::{coverage_sentence, more};
use super::subject::{kind_id, short};
use crate::audit::{Finding, OmittedKind, Report, State, Subject, Unknown};
use crate::domain::printable;

const COLUMNS: [&str; 16] = [
    "record",
    "rule",
    "severity",
    "state",
    "kind",
    "id",
    "app_id",
    "name",
    "part",
    "message",
    "evidence",
    "fix",
    "owner",
    "expires",
    "reason",
    "fingerprint",
];

pub(super) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(out, &COLUMNS)?;
    let mut coverage = [const { Cow::Borrowed("") }; COLUMNS.len()];
    (coverage[0], coverage[9]) = ("coverage".into(), coverage_sentence(&report.coverage).into());
    table.row(coverage)?;
    for finding in report.findings.iter() {
        table.row(finding_row(&finding))?;
    }
    for unknown in &report.unknowns {
        table.row(unknown_row(unknown))?;
    }
    for kind in report.omitted.kinds() {
        table.row(omitted_row(kind))?;
    }
    table.end()
}

fn finding_row(finding: &Finding) -> [Cow<'_, str>; COLUMNS.len()] {
    let details = &finding.details;
    let evidence: Vec<_> = details.evidence.iter().map(|fact| format!("{} = {}", fact.field, fact.value)).collect();
    let (state, owner, expires, reason) = match &finding.state {
        State::New => ("new", "", String::new(), ""),
        State::Existing { .. } => ("existing", "", String::new(), ""),
        State::Waived { owner, reason, expires, .. } => ("waived", &**owner, expires.to_string(), &**reason),
    };
    let [kind, id, app, name, part] = subject_cells(&finding.subject);
    [
        "finding".into(),
        finding.rule.into(),
        finding.severity.name().into(),
        state.into(),
        kind,
        id,
        app,
        name,
        part,
        (&*details.message).into(),
        evidence.join("; ").into(),
        details.fix(&finding.subject).into(),
        owner.into(),
        expires.into(),
        reason.into(),
        finding.fingerprint.to_string().into(),
    ]
}

fn unknown_row(unknown: &Unknown) -> [Cow<'_, str>; COLUMNS.len()] {
    let [kind, id, app, name, part] = subject_cells(&unknown.subject);
    let empty = || Cow::Borrowed("");
    [
        "unknown".into(),
        (&*unknown.rule).into(),
        empty(),
        "unknown".into(),
        kind,
        id,
        app,
        name,
        part,
        (&*unknown.why).into(),
        unknown.evidence.name().into(),
        empty(),
        empty(),
        empty(),
        unknown.reason.name().into(),
        empty(),
    ]
}

fn omitted_row(kind: &OmittedKind) -> [Cow<'_, str>; COLUMNS.len()] {
    let mut row = [const { Cow::Borrowed("") }; COLUMNS.len()];
    (row[0], row[1], row[3]) = ("unknown-omitted".into(), (&*kind.rule).into(), "unknown".into());
    (row[9], row[10], row[14]) = (more(kind).into(), kind.evidence.name().into(), kind.reason.name().into());
    row
}

fn subject_cells(subject: &Subject) -> [Cow<'_, str>; 5] {
    [
        kind_id(subject.kind).into(),
        (&*subject.id).into(),
        subject.app_id.map(|app| app.to_string()).unwrap_or_default().into(),
        short(&subject.name).into(),
        subject.part.as_deref().unwrap_or_default().into(),
    ]
}

/// Rows of cells that a spreadsheet takes for text.
pub(super) struct Table<'a>(csv::Writer<&'a mut dyn Write>);

impl<'a> Table<'a> {
    pub(super) fn new(out: &'a mut dyn Write, columns: &[&str]) -> io::Result<Self> {
        let mut table = Self(csv::WriterBuilder::new().from_writer(out));
        table.0.write_record(columns)?;
        Ok(table)
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cow<'_, str>; N]) -> io::Result<()> {
        for cell in &cells {
            self.0.write_field(guarded(cell))?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Text that no spreadsheet takes for a formula: Excel and its kin run what begins with one of a few
/// characters, with or without blanks before it (OWASP, "CSV Injection"). What is quoted by an
/// apostrophe is text.
fn guarded(text: &str) -> String {
    let text = printable(text);
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::{Format, sample};

    #[test]
    fn coverage_is_the_first_row_and_what_is_unknown_or_waived_is_there_too() {
        insta::assert_snapshot!(sample::written(Format::Csv), @r#"
        record,rule,severity,state,kind,id,app_id,name,part,message,evidence,fix,owner,expires,reason,fingerprint
        coverage,,,,,,,,,coverage 93.7 %: 15 of 16 read (1 denied),,,,,,
        finding,KVO101,critical,new,application,11110000-0000-4000-8000-000000000001,7b0f0000-0000-4000-8000-000000000001,'=cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]> \u{202e}gnp;##vso[task.complete…,aaaa0000-0000-4000-8000-000000000001,"a client secret lives 730 days, past the limit of 180",passwordCredentials[aaaa0000-0000-4000-8000-000000000001].endDateTime = 2028-11-20T12:00:00Z,kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME,,,,0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210
        finding,KVO101,high,waived,application,11110000-0000-4000-8000-000000000001,7b0f0000-0000-4000-8000-000000000001,Invoices,aaaa0000-0000-4000-8000-000000000002,"a client secret lives 730 days, past the limit of 180",passwordCredentials[aaaa0000-0000-4000-8000-000000000001].endDateTime = 2028-11-20T12:00:00Z,kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME,jane@contoso.example,2027-02-28,vendor supports secrets only | until v9 <b>,9a5c620e7dfb1b9e98751fcd722f68e19130e35b16e0e662800bd2a502a516dd
        finding,KVO201,medium,existing,certificate,kv-billing/billing,,kv-billing/billing,0123abcd,whoever may read the vault's secrets can download the private key,policy.key_props.exportable = true,kvops provision --vault kv-billing --name billing --app APP makes a new version,,,,98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26
        unknown,KVO201,,unknown,vault,kv-private,,kv-private,,its certificates were not read,certificates,,,,firewall,
        unknown,KVO201,,unknown,application,11110000-0000-4000-8000-000000000001,7b0f0000-0000-4000-8000-000000000001,Invoices,,nobody asked when it last signed in,sign-in-activity,,,,not-asked,
        "#);
    }

    #[test]
    fn rows_have_as_many_cells_as_columns() {
        let text = sample::written(Format::Csv);
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        assert!(reader.records().all(|record| record.unwrap().len() == COLUMNS.len()));
    }

    proptest! {
        #[test]
        fn no_cell_begins_like_a_formula_whatever_a_name_begins_with(
            start in "[ \t\r\n\u{a0}]{0,3}[=+@|%＝＋－＠\t\r-]?", rest in ".{0,20}"
        ) {
            let cell = guarded(&format!("{start}{rest}"));
            let first = cell.trim_start().chars().next();
            prop_assert!(!first.is_some_and(|c| "=+-@|%＝＋－＠\t\r\n".contains(c)), "{cell:?}");
            let breaks = ['\t', '\r', '\n'];
            prop_assert!(!cell.contains(breaks));
        }
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(guarded("a client secret lives 730 days"), "a client secret lives 730 days");
        assert_eq!(guarded("=1+1"), "'=1+1");
    }
}
