//! The report as SARIF 2.1.0, as GitHub's code scanning reads it.
//!
//! A cloud object has no line in a repository, and GitHub shows no alert without one. The first
//! location is therefore the line that people wrote about the application, or that it has in an
//! exported inventory; the logical location names the object itself.

mod log;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use log::{
    ArtifactLocation, AutomationDetails, BaseId, BaseIds, Configuration, DescriptorReference, Driver, Fingerprints,
    Invocation, Location, Log, LogicalLocation, Message, Notification, NotificationRule, PhysicalLocation, Region,
    ResultItem, ResultProperties, Rule, RuleProperties, Run, RunProperties, Suppression, Text, Tool,
};
use text::{link, markdown, plain, uri};

use super::Options;
use super::overview::{Overview, coverage_sentence, is_complete, is_outside, missing, some};
use super::subject::{label, portal, qualified};
use crate::audit::{Details, Entry, Finding, ObjectKind, Report, Severity, State, Subject};

/// GitHub shows the first 5,000 results of a run.
const MAX_RESULTS: usize = 5_000;

/// GitHub keeps 20 tags of a rule.
const MAX_TAGS: usize = 20;

/// What stands for the results that there is no room for.
const MORE: &str = "kvops-more";

/// What is said of evidence that was not read.
const NOT_READ: &str = "kvops-not-read";

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &log(report, options))?;
    out.write_all(b"\n")
}

fn log<'a>(report: &'a Report, options: &'a Options) -> Log<'a> {
    let rules = Rules::of(report, options);
    let results = results(report, options, &rules);
    let overview = Overview::of(report);
    let run = Run {
        invocations: [invocation(report)],
        tool: Tool {
            driver: Driver {
                name: "kvops",
                semantic_version: env!("CARGO_PKG_VERSION"),
                information_uri: REPOSITORY,
                rules: rules.list,
                notifications: vec![not_read()],
            },
        },
        automation_details: AutomationDetails { id: format!("kvops/{}/", report.header.tenant) },
        column_kind: "unicodeCodePoints",
        original_uri_base_ids: BaseIds {
            root: BaseId { description: Text { text: "The root of the repository.".into() } },
        },
        results,
        properties: RunProperties {
            coverage: coverage_sentence(&report.coverage),
            profile: &report.profile,
            policy_hash: &report.policy_hash,
            waived: overview.waived,
            not_evaluated: overview.unknown,
        },
    };
    Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }
}

/// Every rule that ran or has a finding, and its place in the list.
struct Rules<'a> {
    list: Vec<Rule<'a>>,
    index: BTreeMap<&'a str, usize>,
}

impl<'a> Rules<'a> {
    fn of(report: &'a Report, options: &Options) -> Self {
        let mut rules = Self { list: Vec::new(), index: BTreeMap::new() };
        for tally in &report.tallies {
            rules.add(shipped(tally.rule));
        }
        for finding in report.findings.entries() {
            if !rules.index.contains_key(finding.rule()) {
                rules.add(added(finding.rule(), finding.severity()));
            }
        }
        if listed(report, options).count() > MAX_RESULTS {
            rules.add(more());
        }
        rules
    }

    fn add(&mut self, rule: Rule<'a>) {
        if !self.index.contains_key(rule.id) {
            self.index.insert(rule.id, self.list.len());
            self.list.push(rule);
        }
    }

    fn index(&self, id: &str) -> usize {
        self.index.get(id).copied().unwrap_or_default()
    }
}

fn shipped(rule: &'static crate::audit::Rule) -> Rule<'static> {
    let name = rule.name.split('-').map(capitalised).collect();
    let mut tags = vec!["security"];
    tags.extend(rule.mitre.iter().chain(rule.controls).take(MAX_TAGS - 1));
    Rule {
        name: Some(name),
        short_description: Text { text: rule.title.into() },
        full_description: Text { text: format!("{}.", rule.title).into() },
        help_uri: Some(format!("{REPOSITORY}/blob/main/docs/rules/{}.md", rule.id)),
        help: Some(Message { text: rule.page.to_owned(), markdown: Some(rule.page.to_owned()) }),
        properties: properties(rule.severity, tags),
        ..added(rule.id, rule.severity)
    }
}

/// What stands for the results that there is no room for, as a rule.
fn more() -> Rule<'static> {
    let text = "The full report lists the findings that are left out here.";
    Rule {
        name: Some("MoreFindings".to_owned()),
        short_description: Text { text: "More findings than code scanning shows".into() },
        full_description: Text { text: text.into() },
        help: Some(Message { text: text.to_owned(), markdown: Some(text.to_owned()) }),
        ..added(MORE, Severity::Info)
    }
}

/// A rule that is none of ours: all that is known is its id.
fn added(id: &str, severity: Severity) -> Rule<'_> {
    Rule {
        id,
        name: None,
        short_description: Text { text: Cow::Borrowed(id) },
        full_description: Text { text: format!("The rule {id}.").into() },
        help_uri: None,
        help: Some(Message { text: format!("The rule {id}, which a team added."), markdown: None }),
        default_configuration: Configuration { level: level(severity) },
        properties: properties(severity, vec!["security"]),
    }
}

fn properties(severity: Severity, tags: Vec<&str>) -> RuleProperties<'_> {
    let problem_severity = match level(severity) {
        "note" => "recommendation",
        other => other,
    };
    RuleProperties { tags, precision: "very-high", problem_severity, security_severity: security_severity(severity) }
}

/// The findings that are asked for: GitHub takes what is suppressed for open.
fn listed<'a>(report: &'a Report, options: &Options) -> impl Iterator<Item = Entry<'a>> {
    let with_waived = options.sarif_include_suppressed;
    report.findings.entries().filter(move |finding| with_waived || !finding.is_waived())
}

/// The results that there is room for, worst first; the last one says how many are left out.
fn results<'a>(report: &'a Report, options: &Options, rules: &Rules<'a>) -> Vec<ResultItem<'a>> {
    let number = listed(report, options).count();
    let shown = if number > MAX_RESULTS { MAX_RESULTS - 1 } else { number };
    let more = number - shown;
    let findings = listed(report, options).take(shown).map(|finding| finding.finding());
    let mut results: Vec<_> = findings.map(|finding| result(report, options, rules, &finding)).collect();
    if more > 0 {
        let message = format!("{more} more findings are not listed here, none of them worse than those that are.");
        results.push(ResultItem {
            rule_id: MORE,
            rule_index: rules.index(MORE),
            level: "note",
            message: Message { text: message, markdown: None },
            locations: [location(&options.locations.fallback(), format!("entra/{}", report.header.tenant))],
            related_locations: Vec::new(),
            partial_fingerprints: Fingerprints {
                primary_location_line_hash: format!("{MORE}/{}", report.header.tenant),
            },
            suppressions: Vec::new(),
            properties: ResultProperties { severity: None, state: None },
        });
    }
    results
}

fn result<'a>(report: &Report, options: &Options, rules: &Rules<'a>, finding: &Finding) -> ResultItem<'a> {
    let subject = &finding.subject;
    let details = &finding.details;
    let object = qualified(&report.header.tenant, subject, &details.evidence);
    let (state, suppressions) = match &finding.state {
        State::New => ("new", vec![]),
        State::Existing { .. } => ("existing", vec![]),
        State::Waived { owner, reason, expires, ticket } => {
            let ticket = ticket.as_deref().map(|ticket| format!(" ({ticket})")).unwrap_or_default();
            let justification = plain(&format!("{reason}{ticket}; {owner} answers for it until {expires}"));
            ("waived", vec![Suppression { kind: "external", status: "accepted", justification }])
        }
    };
    ResultItem {
        rule_id: finding.rule,
        rule_index: rules.index(finding.rule),
        level: level(finding.severity),
        message: message(report, subject, details),
        locations: [location(&options.locations.of(subject), object)],
        related_locations: related(options, finding),
        partial_fingerprints: Fingerprints { primary_location_line_hash: finding.fingerprint.to_string() },
        suppressions,
        properties: ResultProperties { severity: Some(finding.severity.name()), state: Some(state) },
    }
}

fn message(report: &Report, subject: &Subject, details: &Details) -> Message {
    let (who, what, fix) = (label(subject), &details.message, details.fix(subject));
    let steps: String = details
        .adjustments
        .iter()
        .map(|step| format!(" Severity {} from {}: {}.", step.to, step.from, step.why))
        .collect();
    let text = plain(&format!("{who}: {what}.{steps} What to do: {}.", fix.trim_end_matches('.')));
    let object = match portal(&report.header, subject) {
        Some(page) => link(&who, &page),
        None => markdown(&who),
    };
    let fix = markdown(&fix);
    let markdown = format!("{object}: {}.{}\n\n**What to do:** {fix}", markdown(what), markdown(&steps));
    Message { text, markdown: Some(markdown) }
}

/// The other side of a finding about an application: the certificate in a vault that people wrote down for it.
fn related(options: &Options, finding: &Finding) -> Vec<Location> {
    let Some(entry) = options.entry(&finding.subject) else { return Vec::new() };
    let (Some(vault), Some(certificate)) = (&entry.vault, &entry.certificate) else { return Vec::new() };
    if finding.subject.kind == ObjectKind::Certificate {
        return Vec::new();
    }
    let vault = vault.trim_start_matches("https://").split(['.', '/']).next().unwrap_or_default();
    let subject = Subject::new(ObjectKind::Certificate, format!("{vault}/{certificate}"), "");
    let text = plain(&format!("The certificate {certificate} in the vault {vault}."));
    vec![Location {
        id: Some(0),
        message: Some(Message { text, markdown: None }),
        ..location(&options.locations.of(&subject), format!("keyvault/{vault}/certificates/{certificate}"))
    }]
}

fn location(at: &super::options::Location, object: String) -> Location {
    Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(&at.file), uri_base_id: "%SRCROOT%" },
            region: Region { start_line: at.line, start_column: 1, end_line: at.line, end_column: 2 },
        },
        logical_locations: vec![LogicalLocation { fully_qualified_name: object, kind: "resource" }],
        message: None,
    }
}

/// How the run went: without success when something that was asked for could not be read.
fn invocation(report: &Report) -> Invocation {
    let notifications = missing(report).into_iter().filter(|((_, reason), _)| !is_outside(*reason)).map(
        |((evidence, reason), missing)| {
            let list = |texts: Vec<&str>| texts.join(", ");
            let mut text = format!("{evidence} not read: {reason}");
            if !missing.places.is_empty() {
                text.push_str(&format!(" at {}", list(missing.places.iter().take(10).map(String::as_str).collect())));
            }
            if missing.objects > 0 {
                let rules = list(missing.rules.iter().take(10).map(|rule| &**rule).collect());
                text.push_str(&format!("; {} not evaluated by {rules}", some(missing.objects, "object")));
            }
            if !missing.grants.is_empty() {
                text.push_str(&format!(
                    "; grant {}",
                    list(missing.grants.iter().take(10).map(String::as_str).collect())
                ));
            }
            Notification {
                descriptor: DescriptorReference { id: NOT_READ, index: 0 },
                level: "warning",
                message: Message { text: plain(&format!("{text}.")), markdown: None },
            }
        },
    );
    Invocation {
        execution_successful: is_complete(&report.coverage),
        tool_execution_notifications: notifications.collect(),
    }
}

fn not_read() -> NotificationRule {
    NotificationRule {
        id: NOT_READ,
        name: "EvidenceNotRead",
        short_description: Text { text: "Evidence could not be read".into() },
        full_description: Text { text: "What could not be read was not evaluated, and did not pass.".into() },
        help: Message { text: "Grant what the message names, and run the audit again.".to_owned(), markdown: None },
        message_strings: [("Default", Text { text: "Evidence not read: {0}.".into() })].into(),
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// Far from the borders between GitHub's levels.
const fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.5",
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

#[cfg(test)]
mod tests;
