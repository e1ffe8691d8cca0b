//! GitLab's Code Quality report.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Options;
use super::options::Location;
use super::overview::{coverage_sentence, is_complete, is_outside, missing};
use super::subject::label;
use crate::audit::{Finding, Report, Severity, State};
use crate::domain::printable;

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Place,
}

#[derive(Serialize)]
struct Place {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut issues = Vec::new();
    if !is_complete(&report.coverage) {
        issues.push(note(report, options, "coverage", coverage_sentence(&report.coverage), "major"));
    }
    for ((evidence, reason), missing) in missing(report) {
        let grants: Vec<_> = missing.grants.iter().map(|grant| printable(grant)).collect();
        let severity = if is_outside(reason) { "info" } else { "minor" };
        let what = format!("{evidence} not read ({reason}): {} could not be evaluated", missing.objects);
        let what = if grants.is_empty() { what } else { format!("{what}. Grant: {}", grants.join(", ")) };
        issues.push(note(report, options, "could-not-be-evaluated", what, severity));
    }
    issues.extend(report.findings.iter().map(|finding| issue(options, finding)));
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    out.write_all(b"\n")
}

fn issue<'a>(options: &Options, finding: &'a Finding) -> Issue<'a> {
    let what = format!("{}: {}. {}", label(&finding.subject), printable(&finding.message), printable(&finding.fix));
    let (description, severity) = match &finding.state {
        State::New | State::Existing { .. } => (what, severity(finding.severity)),
        State::Waived { owner, reason, expires, .. } => {
            (format!("Waived until {expires} by {}, {}: {what}", printable(owner), printable(reason)), "info")
        }
    };
    let place = options.locations.of(&finding.subject).into();
    let fingerprint = finding.fingerprint.to_string();
    Issue { description, check_name: &finding.rule, fingerprint, severity, location: place }
}

/// Something about the audit itself, the same one in every run of a tenant.
fn note<'a>(report: &Report, options: &Options, name: &'a str, what: String, severity: &'static str) -> Issue<'a> {
    let digest = Sha256::digest(format!("{name}\0{}\0{what}", report.header.tenant));
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Issue { description: what, check_name: name, fingerprint, severity, location: options.locations.fallback().into() }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
        Severity::Info => "info",
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { path: location.file, lines: Lines { begin: location.line } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::report::{Format, sample};

    #[test]
    fn coverage_comes_first_and_every_issue_has_what_gitlab_reads() {
        let issues: serde_json::Value = serde_json::from_str(&sample::written(Format::Gitlab)).unwrap();
        insta::assert_json_snapshot!(issues, @"");
        // Issues with the same fingerprint are shown once.
        let issues = issues.as_array().unwrap();
        let fingerprints: BTreeSet<_> = issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(fingerprints.len(), issues.len());
    }

    #[test]
    fn a_clean_report_is_an_empty_list() {
        assert_eq!(sample::written_of(&sample::clean(), Format::Gitlab), "[]\n");
    }
}
