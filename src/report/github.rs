//! Annotations of GitHub Actions: few enough that none is dropped, the worst first.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Options;
use super::overview::{active, first_line, is_complete};
use super::subject::label;
use crate::audit::{Finding, Report, Severity};
use crate::domain::printable;

/// GitHub shows ten annotations of a kind for each step, and drops the others without a word.
const MAX_OF_A_KIND: usize = 10;

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let kind = if is_complete(&report.coverage) { "notice" } else { "warning" };
    writeln!(out, "::{kind} title={}::{}", property("kvops audit"), data(&first_line(report)))?;
    for level in ["error", "warning", "notice"] {
        let of_level = || active(report).filter(|finding| level_of(finding.severity()) == level);
        let number = of_level().count();
        let room = MAX_OF_A_KIND - usize::from(level == kind);
        // The last place tells how many there is no place for.
        let shown = if number > room { room - 1 } else { number };
        for finding in of_level().take(shown) {
            annotate(report, options, level, &finding.finding(), out)?;
        }
        let more = number - shown;
        if more > 0 {
            writeln!(out, "::{level} title={}::{more} more findings are in the report", property("kvops audit"))?;
        }
    }
    Ok(())
}

fn annotate(report: &Report, options: &Options, level: &str, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let location = options.locations.of(&finding.subject);
    let title = report.rule(finding.rule).map_or("", |rule| rule.title);
    let title = format!("{} {} {title}", finding.severity, finding.rule);
    let details = &finding.details;
    let message = format!("{}: {}. {}", label(&finding.subject), details.message, details.fix(&finding.subject));
    writeln!(
        out,
        "::{level} file={},line={},title={}::{}",
        property(&location.file),
        location.line,
        property(title.trim_end()),
        data(&message)
    )
}

const fn level_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "notice",
    }
}

/// The message of a workflow command. Line breaks are gone already: they would begin a new one.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25")
}

/// A property of a workflow command.
fn property(text: &str) -> Cow<'_, str> {
    data(text).replace(':', "%3A").replace(',', "%2C").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, sample};

    #[test]
    fn the_worst_come_first_and_hostile_names_begin_no_command() {
        insta::assert_snapshot!(sample::written(Format::Github), @r#"
        ::warning title=kvops audit::coverage 93.7 %25: 15 of 16 read (1 denied); what was not read did not pass; 1 finding waived; 2 objects not evaluated
        ::error file=kvops.toml,line=1,title=critical KVO101 Client secret on an application::=cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\u{d}\u{a}::error::%250A]]> \u{202e}gnp;##vso[task.complete… (7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME
        ::warning file=kvops.toml,line=1,title=medium KVO201 Private key of a vault certificate is exportable::kv-billing/billing: whoever may read the vault's secrets can download the private key. kvops provision --vault kv-billing --name billing --app APP makes a new version
        "#);
    }

    #[test]
    fn no_kind_has_more_than_ten_and_the_last_says_how_many_there_are_besides() {
        let text = sample::written_of(&sample::large(100_000), Format::Github);
        for kind in ["error", "warning", "notice"] {
            let of_kind: Vec<_> = text.lines().filter(|line| line.starts_with(&format!("::{kind} "))).collect();
            assert!(of_kind.len() <= MAX_OF_A_KIND, "{kind}");
        }
        assert!(text.contains("::error title=kvops audit::9991 more findings"), "{text}");
        assert!(text.contains("::warning title=kvops audit::89992 more findings"), "{text}");
    }

    #[test]
    fn what_a_command_would_read_is_escaped() {
        assert_eq!(data("100%\r\n::error::x"), "100%25\\u{d}\\u{a}::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }
}
