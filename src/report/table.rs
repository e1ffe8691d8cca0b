//! The report for people at a terminal: how much was read, how much is wrong, then what is wrong
//! with each application, vault and tenant, and what to do next.

pub(super) mod page;

use std::collections::BTreeMap;
use std::io::{self, Write};

use page::{Page, Tone};

use super::Options;
use super::overview::{
    Missing, Overview, active, coverage_sentence, is_complete, is_outside, missing, place, some, waived,
};
use super::subject::{kind, label, minute, name, short};
use crate::audit::{Finding, ObjectKind, Report, Severity, State};
use crate::domain::printable;
use crate::inventory::{Evidence, Reason};

/// Findings beyond this number nobody reads on a terminal; other formats have them all.
const MAX_FINDINGS: usize = 500;

/// Parts of one object that have the same fault.
const MAX_PARTS: usize = 20;

/// Waivers likewise.
const MAX_WAIVED: usize = 50;

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(options.width, options.has_colour);
    let overview = Overview::of(report);
    head(&mut page, report, &overview);
    findings(&mut page, report);
    waivers(&mut page, report);
    undecided(&mut page, report);
    out.write_all(page.text().as_bytes())
}

fn head(page: &mut Page, report: &Report, overview: &Overview) {
    let coverage = coverage_sentence(&report.coverage);
    let coverage = coverage.strip_prefix("coverage ").unwrap_or(&coverage);
    let tone = if is_complete(&report.coverage) { Tone::Good } else { Tone::Warning };
    page.field("coverage", &[(tone, coverage)]);
    let counts: Vec<_> =
        overview.severities().map(|(severity, number)| (tone_of(severity), format!("{number} {severity}"))).collect();
    let mut parts: Vec<_> = counts.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
    let objects: u64 = report.tallies.iter().map(|tally| tally.objects).sum();
    let none = format!("none: {} looked at {}", some(report.tallies.len() as u64, "rule"), some(objects, "object"));
    if parts.is_empty() {
        // Nothing found in a part of it is no good news yet.
        parts.push((if is_complete(&report.coverage) { Tone::Good } else { Tone::Plain }, &none));
    }
    let others: Vec<_> =
        [(overview.existing, "known"), (overview.waived, "waived"), (overview.unknown, "not evaluated")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
    parts.extend(others.iter().map(|text| (Tone::Faint, text.as_str())));
    page.field("findings", &parts);
    if let Some(delta) = &report.delta {
        let policy = if delta.is_same_policy { "" } else { ", judged by another policy" };
        let (new, fixed) = (delta.new, delta.fixed.len());
        let text = format!("{new} new, {fixed} fixed, {} unchanged since {}{policy}", delta.existing, delta.since);
        page.field("baseline", &[(Tone::Plain, &text)]);
    }
    let header = &report.header;
    page.field("tenant", &[(Tone::Plain, &format!("{} ({})", header.tenant, header.cloud))]);
    page.field("read", &[(Tone::Plain, &format!("{} UTC", minute(header.collected_at)))]);
    let policy = report.policy_hash.get(..12).map(|hash| format!("policy {hash}")).unwrap_or_default();
    page.field("profile", &[(Tone::Plain, &report.profile), (Tone::Faint, &policy)]);
    let mut narrowed = Vec::new();
    if header.is_narrowed_to_applications {
        narrowed.push("applications");
    }
    if header.is_narrowed_to_vaults {
        narrowed.push("vaults");
    }
    if !narrowed.is_empty() {
        page.field("narrowed", &[(Tone::Warning, &format!("only some {} were asked for", narrowed.join(" and ")))]);
    }
}

fn findings(page: &mut Page, report: &Report) {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let mut index: BTreeMap<(ObjectKind, &str), usize> = BTreeMap::new();
    let number = active(report).count();
    // Findings come worst first, and so do the groups that they open.
    let shown: Vec<_> = active(report).take(MAX_FINDINGS).map(|finding| finding.finding()).collect();
    for finding in &shown {
        let at = *index.entry(place(finding)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            group.push(finding);
        }
    }
    for group in groups {
        page.blank();
        if let Some(first) = group.first() {
            page.heading(kind(place(first).0), &title(first));
        }
        let mut rest = group.as_slice();
        while let Some(first) = rest.first() {
            let number = rest.iter().take_while(|other| is_alike(first, other)).count();
            let (alike, others) = rest.split_at(number);
            several(page, first, alike);
            rest = others;
        }
    }
    if number > MAX_FINDINGS {
        let more = some((number - MAX_FINDINGS) as u64, "more finding");
        page.blank();
        page.wrapped(&[(Tone::Strong, &more)], "not shown here; write them all with --format csv=FILE or html=FILE", 0);
    }
}

/// The object that people mend: the application, or the vault of a certificate.
fn title(finding: &Finding) -> String {
    let (kind, id) = place(finding);
    if kind == finding.subject.kind { label(&finding.subject) } else { short(id) }
}

/// Whether two findings of a place differ in nothing but the part that they are about.
fn is_alike(one: &Finding, other: &Finding) -> bool {
    let (these, those) = (&one.details, &other.details);
    (&one.rule, one.severity, &one.state) == (&other.rule, other.severity, &other.state)
        && (&these.message, &these.adjustments) == (&those.message, &those.adjustments)
        && these.fix(&one.subject) == those.fix(&other.subject)
}

/// A finding, with the parts that it holds for.
fn several(page: &mut Page, finding: &Finding, alike: &[&Finding]) {
    let severity = format!("{:8}", finding.severity.name());
    let known = if matches!(finding.state, State::Existing { .. }) { "known: " } else { "" };
    let details = &finding.details;
    let text = format!("{known}{}", short(&details.message));
    page.wrapped(&[(tone_of(finding.severity), &severity), (Tone::Faint, finding.rule)], &text, 2);
    let indent = 2 + severity.len() + 1 + finding.rule.len() + 1;
    // Behind the long id of somebody's own rule there is no room.
    let indent = if indent > 24 { 11 } else { indent };
    let parts: Vec<_> = alike.iter().take(MAX_PARTS).filter_map(|finding| part(finding)).collect();
    if !parts.is_empty() {
        let more = alike.len() - alike.len().min(MAX_PARTS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        page.faint(&format!("{}{more}", parts.join("; ")), indent);
    }
    for step in &details.adjustments {
        page.faint(&format!("{} from {}: {}", step.to, step.from, short(&step.why)), indent);
    }
    let fix = details.fix(&finding.subject);
    if !fix.is_empty() {
        page.remedy(&printable(&fix), indent);
    }
}

/// Which part of the object: a certificate of the vault, a key of the application.
fn part(finding: &Finding) -> Option<String> {
    let subject = &finding.subject;
    let object = (subject.kind == ObjectKind::Certificate).then(|| match subject.id.split_once('/') {
        Some((_, certificate)) => format!("certificate {}", short(certificate)),
        None => name(subject),
    });
    match (object, subject.part.as_deref().map(short)) {
        (Some(object), Some(part)) => Some(format!("{object}, {part}")),
        (object, part) => object.or(part),
    }
}

fn waivers(page: &mut Page, report: &Report) {
    let number = waived(report).count();
    if number == 0 {
        return;
    }
    page.blank();
    page.heading("waived", &some(number as u64, "finding"));
    for finding in waived(report).take(MAX_WAIVED) {
        let State::Waived { owner, reason, expires, ticket } = finding.state() else { continue };
        let ticket = ticket.as_deref().map(|ticket| format!(" ({})", short(ticket))).unwrap_or_default();
        let text = format!("{} {}, until {expires}", finding.severity(), label(&finding.subject()));
        page.wrapped(&[(Tone::Faint, finding.rule())], &text, 2);
        let indent = 2 + finding.rule().len() + 1;
        page.faint(&format!("{}: {}{ticket}", short(owner), short(reason)), indent);
    }
    if number > MAX_WAIVED {
        page.faint(&some((number - MAX_WAIVED) as u64, "more waived finding"), 2);
    }
}

fn undecided(page: &mut Page, report: &Report) {
    let groups = missing(report);
    if groups.is_empty() {
        return;
    }
    page.blank();
    page.heading("could not be evaluated", "");
    for ((evidence, reason), missing) in &groups {
        group(page, *evidence, *reason, missing);
    }
}

fn group(page: &mut Page, evidence: Evidence, reason: Reason, missing: &Missing) {
    let list = |texts: &mut dyn Iterator<Item = &str>, number: usize, most: usize| {
        let shown: Vec<_> = texts.take(most).map(short).collect();
        let more = if number > shown.len() { format!(" and {} more", number - shown.len()) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    let tone = if is_outside(reason) { Tone::Faint } else { Tone::Warning };
    let mut text = reason_text(reason).to_owned();
    if !missing.places.is_empty() {
        let places = list(&mut missing.places.iter().map(String::as_str), missing.places.len(), 5);
        text.push_str(&format!(": {places}"));
    }
    page.wrapped(&[(tone, &format!("{evidence}:"))], &text, 2);
    if missing.objects > 0 {
        let rules = list(&mut missing.rules.iter().map(|rule| &**rule), missing.rules.len(), 8);
        page.faint(&format!("{} undecided by {rules}", some(missing.objects, "object")), 4);
    }
    if reason == Reason::NotAsked
        && let Some(flag) = flag(evidence)
    {
        page.remedy(&format!("kvops audit {flag}"), 4);
    }
    for grant in missing.grants.iter().take(5) {
        page.remedy(&format!("grant {}", short(grant)), 4);
    }
}

/// How to ask for what nobody asked for.
const fn flag(evidence: Evidence) -> Option<&'static str> {
    match evidence {
        Evidence::History => Some("--baseline FILE"),
        Evidence::CredentialActivity | Evidence::SignInActivity => Some("--activity always"),
        Evidence::CertificateDetails | Evidence::CertificateVersions => Some("--all-certificates"),
        _ => None,
    }
}

const fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::NotAsked => "was not asked for",
        Reason::Rbac => "a role or permission is missing",
        Reason::AccessPolicy => "the vault's access policies do not grant it",
        Reason::Firewall => "the vault's firewall lets nobody in from here",
        Reason::Throttled => "the service turned it away for too many requests",
        Reason::NotLicensed => "the tenant has no licence for it",
        Reason::NotInCloud => "this cloud does not have it",
        Reason::Parse => "the answer could not be understood",
        Reason::Failed => "the service failed or could not be reached",
    }
}

pub(super) const fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Critical,
        Severity::High => Tone::Bad,
        Severity::Medium => Tone::Warning,
        Severity::Low => Tone::Notice,
        Severity::Info => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, sample};

    #[test]
    fn what_is_wrong_stands_below_what_it_is_wrong_with_and_coverage_above_all() {
        insta::assert_snapshot!(sample::written(Format::Table), @r#"
        coverage   93.7 %: 15 of 16 read (1 denied)
        findings   1 critical  1 medium  1 known  1 waived  2 not evaluated
        baseline   2 new, 1 fixed, 1 unchanged since 2026-10-01
        tenant     72f988bf-0000-4000-8000-2d7cd011db47 (public)
        read       2026-11-21 12:00 UTC
        profile    default  policy c0ffeec0ffee

        application =cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> |
          [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]>
          \u{202e}gnp;##vso[task.complete… (7b0f0000-0000-4000-8000-000000000001)
          critical KVO101 a client secret lives 730 days, past the limit of 180
                          aaaa0000-0000-4000-8000-000000000001
                          critical from high: the application can become Global
                          Administrator
                          → kvops provision --app 7b0f0000-0000-4000-8000-000000000001 \
                              --vault VAULT --name NAME

        vault kv-billing
          medium   KVO201 known: whoever may read the vault's secrets can download the
                          private key
                          certificate billing, 0123abcd
                          medium from high: no application trusts this version
                          → kvops provision --vault kv-billing --name billing \
                              --app APP
                            makes a new version

        waived 1 finding
          KVO101 high Invoices (7b0f0000-0000-4000-8000-000000000001), until 2027-02-28
                 jane@contoso.example: vendor supports secrets only | until v9 <b>
                 (SEC-4711)

        could not be evaluated
          certificates: the vault's firewall lets nobody in from here: kv-private
            1 object undecided by KVO201
            → grant network access to kv-private
          sign-in-activity: was not asked for
            1 object undecided by KVO201
            → kvops audit --activity always
        "#);
    }

    #[test]
    fn the_same_fault_of_several_parts_is_told_once() {
        let mut report = sample::large(3);
        let mut findings: Vec<_> = report.findings.iter().collect();
        for (index, finding) in findings.iter_mut().enumerate() {
            finding.severity = Severity::High;
            finding.subject.id = "one".into();
            finding.subject.part = Some(format!("part-{index}").into());
        }
        report.findings.replace(findings.clone());
        let text = sample::written_of(&report, Format::Table);
        assert_eq!(text.matches("a client secret lives").count(), 1, "{text}");
        assert!(text.contains("part-0; part-1; part-2"), "{text}");
        findings[1].details.message = "something else".into();
        report.findings.replace(findings);
        assert_eq!(sample::written_of(&report, Format::Table).matches("a client secret lives").count(), 2);
    }

    #[test]
    fn a_clean_report_is_short() {
        insta::assert_snapshot!(sample::written_of(&sample::clean(), Format::Table), @r#"
        coverage   100 %: 15 of 15 read
        findings   none: 2 rules looked at 8 objects
        tenant     72f988bf-0000-4000-8000-2d7cd011db47 (public)
        read       2026-11-21 12:00 UTC
        profile    default  policy c0ffeec0ffee
        "#);
    }

    #[test]
    fn nothing_found_in_a_part_is_not_painted_as_good_news() {
        let mut report = sample::report();
        report.findings.replace([]);
        let options = Options { has_colour: true, ..Options::default() };
        let text = sample::written_with(&report, Format::Table, &options);
        assert!(!text.contains("\u{1b}[32m"), "{text}");
        let clean = sample::written_with(&sample::clean(), Format::Table, &options);
        assert!(clean.contains("\u{1b}[32m"), "{clean}");
    }

    #[test]
    fn lines_fit_the_terminal_and_names_cannot_move_its_cursor() {
        for width in [60, 80, 120, 200] {
            let text = sample::written_with(&sample::report(), Format::Table, &Options { width, ..Options::default() });
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
            for line in text.lines() {
                assert!(textwrap::core::display_width(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_hundred_thousand_findings_do_not_fill_the_scrollback() {
        let text = sample::written_of(&sample::large(100_000), Format::Table);
        assert!(text.contains("99500 more findings not shown here"), "{}", text.lines().last().unwrap());
    }
}
