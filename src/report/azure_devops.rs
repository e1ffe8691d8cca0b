//! Logging commands of Azure Pipelines.

use std::io::{self, Write};

use super::Options;
use super::overview::{active, first_line, is_complete};
use super::subject::label;
use crate::audit::{Finding, Report, Severity};
use crate::domain::printable;

/// Issues of a kind; a pipeline's page becomes unreadable beyond, and the report holds them all.
const MAX_OF_A_KIND: usize = 100;

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let is_complete = is_complete(&report.coverage);
    let first = first_line(report);
    if is_complete {
        writeln!(out, "kvops audit: {}", plain(&first))?;
    } else {
        writeln!(out, "##vso[task.logissue type=warning]{}", escaped(&first))?;
    }
    for level in ["error", "warning"] {
        let of_level = || active(report).filter(|finding| level_of(finding.severity()) == level);
        for finding in of_level().take(MAX_OF_A_KIND) {
            issue(options, level, &finding.finding(), out)?;
        }
        let more = of_level().count().saturating_sub(MAX_OF_A_KIND);
        if more > 0 {
            writeln!(out, "##vso[task.logissue type={level}]{more} more findings are in the report")?;
        }
    }
    if let Some(file) = &options.markdown_file {
        writeln!(out, "##vso[task.uploadsummary]{}", escaped(&file.to_string_lossy()))?;
    }
    if !is_complete || active(report).next().is_some() {
        writeln!(out, "##vso[task.complete result=SucceededWithIssues;]")?;
    }
    Ok(())
}

fn issue(options: &Options, level: &str, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let location = options.locations.of(&finding.subject);
    let details = &finding.details;
    let message = format!(
        "{}: {}: {}. {}",
        finding.severity,
        label(&finding.subject),
        details.message,
        details.fix(&finding.subject)
    );
    writeln!(
        out,
        "##vso[task.logissue type={level};sourcepath={};linenumber={};code={}]{}",
        escaped(&location.file),
        location.line,
        escaped(finding.rule),
        escaped(&message)
    )
}

/// Pipelines know two kinds of issues.
const fn level_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Low | Severity::Info => "warning",
    }
}

/// A property or message of a logging command; the agent turns these back.
fn escaped(text: &str) -> String {
    plain(text).replace('%', "%AZP25").replace(';', "%3B").replace(']', "%5D")
}

/// Text of a line: one that begins no command, wherever in the line the agent looks for it.
fn plain(text: &str) -> String {
    printable(text).replace("##", "# #")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, sample};

    #[test]
    fn issues_carry_file_line_and_rule_and_hostile_names_begin_no_command() {
        let options = Options { markdown_file: Some("/agent/_temp/kvops.md".into()), ..Options::default() };
        insta::assert_snapshot!(sample::written_with(&sample::report(), Format::AzureDevops, &options), @r#"
        ##vso[task.logissue type=warning]coverage 93.7 %AZP25: 15 of 16 read (1 denied)%3B what was not read did not pass%3B 1 finding waived%3B 2 objects not evaluated
        ##vso[task.logissue type=error;sourcepath=kvops.toml;linenumber=1;code=KVO101]critical: =cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> | [x%5D(javascript:1) @everyone\u{d}\u{a}::error::%AZP250A%5D%5D> \u{202e}gnp%3B# #vso[task.complete… (7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME
        ##vso[task.logissue type=warning;sourcepath=kvops.toml;linenumber=1;code=KVO201]medium: kv-billing/billing: whoever may read the vault's secrets can download the private key. kvops provision --vault kv-billing --name billing --app APP makes a new version
        ##vso[task.uploadsummary]/agent/_temp/kvops.md
        ##vso[task.complete result=SucceededWithIssues;]
        "#);
    }

    #[test]
    fn a_clean_report_issues_nothing() {
        insta::assert_snapshot!(sample::written_of(&sample::clean(), Format::AzureDevops), @r#"kvops audit: coverage 100 %: 15 of 15 read"#);
    }

    #[test]
    fn what_a_command_would_read_is_escaped() {
        assert_eq!(escaped("50%;x]\n##vso[y]"), "50%AZP25%3Bx%5D\\u{a}# #vso[y%5D");
    }

    #[test]
    fn there_are_at_most_a_hundred_of_a_kind_and_a_word_on_the_others() {
        let text = sample::written_of(&sample::large(100_000), Format::AzureDevops);
        assert!(text.lines().count() < 2 * MAX_OF_A_KIND + 5);
        assert!(text.contains("type=error]9900 more findings"), "{}", text.lines().nth(101).unwrap());
    }
}
