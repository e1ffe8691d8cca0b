//! The report as Markdown, in the sizes that pages of pipelines take: the worst findings, the
//! numbers of the others, never the whole list.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Options;
use super::overview::{Missing, Overview, active, coverage_sentence, is_complete, missing, waived};
use super::subject::{kind, short};
use crate::audit::{Finding, Report, State, Subject};
use crate::domain::printable;
use crate::inventory::{Evidence, Reason};

/// How much a page takes.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Bytes of all of it.
    bytes: usize,
    /// Rows of findings.
    findings: usize,
    /// Rows of each other table.
    others: usize,
    /// Whether what a rule is about is told below the tables.
    has_rules: bool,
}

/// GitHub refuses a job's summary above 1,024 KiB.
const SUMMARY: Size = Size { bytes: 900 << 10, findings: 50, others: 50, has_rules: true };

/// GitHub refuses a comment above 65,536 characters.
const COMMENT: Size = Size { bytes: 64_000, findings: 20, others: 10, has_rules: false };

/// For the summary of a job.
pub(super) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(page(report, SUMMARY).as_bytes())
}

/// For a comment on a change.
pub(super) mod comment {
    use super::*;

    pub(in crate::report) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(page(report, COMMENT).as_bytes())
    }
}

fn page(report: &Report, size: Size) -> String {
    let overview = Overview::of(report);
    let mut page = Page { text: String::new(), limit: size.bytes };
    page.add(&head(report, &overview));
    findings(&mut page, report, size);
    waivers(&mut page, report, size);
    undecided(&mut page, report, size);
    if size.has_rules {
        rules(&mut page, report);
    }
    page.text
}

fn head(report: &Report, overview: &Overview) -> String {
    let mut text = format!("# kvops audit: {}\n\n", overview.sentence());
    let warning = if is_complete(&report.coverage) { "" } else { " What was not read did not pass." };
    let mut coverage = coverage_sentence(&report.coverage);
    coverage.replace_range(..1, "C");
    let _ = writeln!(text, "**{coverage}.**{warning}\n");
    let _ = writeln!(
        text,
        "Tenant {}, profile {}, {} UTC, policy {}\n",
        code(report.header.tenant.as_str()),
        code(&report.profile),
        super::subject::minute(report.header.collected_at),
        code(report.policy_hash.get(..12).unwrap_or(&report.policy_hash)),
    );
    text.push_str(
        "| critical | high | medium | low | info | waived | not evaluated |\n|--:|--:|--:|--:|--:|--:|--:|\n|",
    );
    for number in overview.by_severity.iter().chain([&overview.waived, &overview.unknown]) {
        let _ = write!(text, " {number} |");
    }
    text.push('\n');
    if let Some(delta) = &report.delta {
        let (new, existing, fixed) = (delta.new, delta.existing, delta.fixed.len());
        let _ = writeln!(text, "\nSince {}: {new} new, {existing} existing, {fixed} fixed.", delta.since);
    }
    text
}

fn findings(page: &mut Page, report: &Report, size: Size) {
    let number = active(report).count();
    if number == 0 {
        page.add("\nNo findings in what was read.\n");
        return;
    }
    page.add("\n## Findings\n\n| Severity | Rule | Object | What is wrong | What to do |\n|---|---|---|---|---|\n");
    let rows = active(report).take(size.findings).map(|finding| finding_row(&finding.finding()));
    // Waivers and what is undecided must find a place too.
    let shown = page.rows(rows, size.bytes / 2);
    page.add(&more(number - shown, "findings"));
}

fn finding_row(finding: &Finding) -> String {
    let details = &finding.details;
    let new = if matches!(finding.state, State::Existing { .. }) { " (known)" } else { "" };
    format!(
        "| **{}**{new} | {} | {} | {} | {} |\n",
        finding.severity,
        code(finding.rule),
        object(&finding.subject),
        text(&details.message),
        remedy(&details.fix(&finding.subject))
    )
}

fn waivers(page: &mut Page, report: &Report, size: Size) {
    let number = waived(report).count();
    if number == 0 {
        return;
    }
    page.add("\n## Waived\n\n| Until | Severity | Rule | Object | Owner | Reason |\n|---|---|---|---|---|---|\n");
    let rows = waived(report).take(size.others).filter_map(|finding| {
        let State::Waived { owner, reason, expires, ticket } = finding.state() else { return None };
        let ticket = ticket.as_deref().map(|ticket| format!(" ({})", code(ticket))).unwrap_or_default();
        let (rule, object) = (code(finding.rule()), object(&finding.subject()));
        let (severity, owner, reason) = (finding.severity(), code(owner), text(reason));
        Some(format!("| {expires} | {severity} | {rule} | {object} | {owner} | {reason}{ticket} |\n"))
    });
    let shown = page.rows(rows, size.bytes / 4);
    page.add(&more(number - shown, "waived findings"));
}

fn undecided(page: &mut Page, report: &Report, size: Size) {
    let groups = missing(report);
    if groups.is_empty() {
        return;
    }
    page.add("\n## Could not be evaluated\n\n| Not read | Why | Where | Rules | Objects | Grant |\n|---|---|---|---|--:|---|\n");
    let number = groups.len();
    let shown = page.rows(groups.iter().take(size.others).map(missing_row), size.bytes / 8);
    page.add(&more(number - shown, "reasons"));
}

fn missing_row(((evidence, reason), missing): &((Evidence, Reason), Missing)) -> String {
    let list = |texts: &mut dyn Iterator<Item = &str>, number: usize| {
        let shown: Vec<_> = texts.take(3).map(code).collect();
        let more = if number > shown.len() { format!(" and {} more", number - shown.len()) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    let places = list(&mut missing.places.iter().map(String::as_str), missing.places.len());
    let rules = list(&mut missing.rules.iter().map(|rule| &**rule), missing.rules.len());
    let grants = list(&mut missing.grants.iter().map(String::as_str), missing.grants.len());
    format!("| {evidence} | {reason} | {places} | {rules} | {} | {grants} |\n", missing.objects)
}

fn rules(page: &mut Page, report: &Report) {
    page.add("\n<details><summary>Rules</summary>\n\n| Rule | | Objects | Passed | Findings | Not evaluated |\n|---|---|--:|--:|--:|--:|\n");
    let rows = report.tallies.iter().map(|tally| {
        let (id, title) = (code(tally.rule.id), text(tally.rule.title));
        let (objects, passed, findings, unknown) = (tally.objects, tally.passed, tally.findings, tally.unknown);
        format!("| {id} | {title} | {objects} | {passed} | {findings} | {unknown} |\n")
    });
    page.rows(rows, usize::MAX);
    page.add("\n</details>\n");
}

fn more(number: usize, what: &str) -> String {
    if number == 0 { String::new() } else { format!("\n{number} more {what} are in the full report.\n") }
}

fn object(subject: &Subject) -> String {
    let id = subject.app_id.map_or_else(|| subject.id.to_string(), |app| app.to_string());
    let mut cell = format!("{} ", kind(subject.kind));
    if !subject.name.is_empty() && *subject.name != *id {
        let _ = write!(cell, "{}<br>", code(&subject.name));
    }
    cell.push_str(&code(&id));
    if let Some(part) = &subject.part {
        let _ = write!(cell, "<br>{}", code(part));
    }
    cell
}

/// What to do: a command as code, anything else as text.
fn remedy(fix: &str) -> String {
    if fix.starts_with("kvops ") { code(fix) } else { text(fix) }
}

/// Text of a page with an end: what does not fit is not begun.
struct Page {
    text: String,
    limit: usize,
}

/// Kept free for what closes a section.
const RESERVE: usize = 600;

impl Page {
    fn add(&mut self, text: &str) {
        if self.text.len() + text.len() <= self.limit {
            self.text.push_str(text);
        }
    }

    /// Adds rows until they take so many bytes, or the page is full, and says how many it added.
    fn rows(&mut self, rows: impl Iterator<Item = String>, bytes: usize) -> usize {
        let end = self.text.len().saturating_add(bytes).min(self.limit - RESERVE);
        let mut shown = 0;
        for row in rows {
            if self.text.len() + row.len() > end {
                break;
            }
            self.text.push_str(&row);
            shown += 1;
        }
        shown
    }
}

/// Text as code, cut: neither links nor mentions nor HTML come to life in it.
fn code(text: &str) -> String {
    let text = short(text).replace('`', "'").replace('|', "\\|");
    if text.trim().is_empty() { String::new() } else { format!("`{text}`") }
}

/// Text as text: nothing of it is markup, mentions nobody and leads nowhere.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars().take(500) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Mentions, references and bare links are found after the markup is read; a comment parts them.
            '@' | '#' => {
                let _ = write!(out, "{c}<!-- -->");
            }
            ':' => out.push_str(":<!-- -->"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' | '^' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.replace("www.", "www<!-- -->.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Severity;
    use crate::report::{Format, sample};

    #[test]
    fn coverage_comes_before_findings_and_hostile_names_are_code() {
        insta::assert_snapshot!(sample::written(Format::Markdown), @r#"
        # kvops audit: 1 critical, 1 medium

        **Coverage 93.7 %: 15 of 16 read (1 denied).** What was not read did not pass.

        Tenant `72f988bf-0000-4000-8000-2d7cd011db47`, profile `default`, 2026-11-21 12:00 UTC, policy `c0ffeec0ffee`

        | critical | high | medium | low | info | waived | not evaluated |
        |--:|--:|--:|--:|--:|--:|--:|
        | 1 | 0 | 1 | 0 | 0 | 1 | 2 |

        Since 2026-10-01: 2 new, 1 existing, 1 fixed.

        ## Findings

        | Severity | Rule | Object | What is wrong | What to do |
        |---|---|---|---|---|
        | **critical** | `KVO101` | application `=cmd\|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> \| [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]> \u{202e}gnp;##vso[task.complete…`<br>`7b0f0000-0000-4000-8000-000000000001`<br>`aaaa0000-0000-4000-8000-000000000001` | a client secret lives 730 days, past the limit of 180 | `kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME` |
        | **medium** (known) | `KVO201` | certificate `kv-billing/billing`<br>`0123abcd` | whoever may read the vault's secrets can download the private key | `kvops provision --vault kv-billing --name billing --app APP makes a new version` |

        ## Waived

        | Until | Severity | Rule | Object | Owner | Reason |
        |---|---|---|---|---|---|
        | 2027-02-28 | high | `KVO101` | application `Invoices`<br>`7b0f0000-0000-4000-8000-000000000001`<br>`aaaa0000-0000-4000-8000-000000000002` | `jane@contoso.example` | vendor supports secrets only \| until v9 &lt;b&gt; (`SEC-4711`) |

        ## Could not be evaluated

        | Not read | Why | Where | Rules | Objects | Grant |
        |---|---|---|---|--:|---|
        | certificates | firewall | `kv-private` | `KVO201` | 1 | `network access to kv-private` |
        | sign-in-activity | not-asked |  | `KVO201` | 1 |  |

        <details><summary>Rules</summary>

        | Rule | | Objects | Passed | Findings | Not evaluated |
        |---|---|--:|--:|--:|--:|
        | `KVO101` | Client secret on an application | 4 | 1 | 2 | 1 |
        | `KVO201` | Private key of a vault certificate is exportable | 4 | 1 | 2 | 1 |

        </details>
        "#);
    }

    #[test]
    fn a_clean_report_says_so_of_what_was_read() {
        insta::assert_snapshot!(sample::written_of(&sample::clean(), Format::MarkdownComment), @r#"
        # kvops audit: no findings

        **Coverage 100 %: 15 of 15 read.**

        Tenant `72f988bf-0000-4000-8000-2d7cd011db47`, profile `default`, 2026-11-21 12:00 UTC, policy `c0ffeec0ffee`

        | critical | high | medium | low | info | waived | not evaluated |
        |--:|--:|--:|--:|--:|--:|--:|
        | 0 | 0 | 0 | 0 | 0 | 0 | 0 |

        No findings in what was read.
        "#);
    }

    #[test]
    fn pages_stay_within_their_sizes_however_much_there_is() {
        let mut report = sample::large(100_000);
        let long = "|`<@".repeat(5_000);
        let mut findings: Vec<_> = report.findings.iter().collect();
        for finding in findings.iter_mut().take(200) {
            (finding.details.message, finding.details.remedy) = (long.as_str().into(), long.clone());
        }
        report.findings.replace(findings);
        report.unknowns = vec![sample::unknown(); 100_000];
        let comment = sample::written_of(&report, Format::MarkdownComment);
        assert!(comment.len() <= COMMENT.bytes, "{}", comment.len());
        assert!(comment.contains(" more findings are in the full report."), "{comment}");
        assert!(comment.contains("## Could not be evaluated"));
        let summary = sample::written_of(&report, Format::Markdown);
        assert!(summary.len() <= SUMMARY.bytes, "{}", summary.len());
        assert!(
            summary.lines().filter(|line| line.contains(Severity::Critical.name())).count() <= SUMMARY.findings + 2
        );
    }

    #[test]
    fn text_mentions_nobody_and_leads_nowhere() {
        let said = text("@everyone see [x](https://evil) #12 <img> a|b www.evil.example `c`");
        assert_eq!(
            said,
            "@<!-- -->everyone see \\[x\\]\\(https:<!-- -->//evil\\) #<!-- -->12 &lt;img&gt; a\\|b www<!-- -->.evil.example \\`c\\`"
        );
        assert_eq!(code("a`b|c\n@x"), "`a'b\\|c\\u{a}@x`");
    }
}
