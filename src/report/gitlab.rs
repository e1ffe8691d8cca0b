//! GitLab's Code Quality report.

use std::io::{self, Write};

use serde::{Serialize, Serializer as _};
use sha2::{Digest as _, Sha256};

use super::Options;
use super::options::Location;
use super::overview::{coverage_sentence, is_complete, is_outside, missing, some};
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
    let mut notes = Vec::new();
    if !is_complete(&report.coverage) {
        notes.push(note(report, options, "coverage", "", coverage_sentence(&report.coverage), "major"));
    }
    for ((evidence, reason), missing) in missing(report) {
        let grants: Vec<_> = missing.grants.iter().map(|grant| printable(grant)).collect();
        let severity = if is_outside(reason) { "info" } else { "minor" };
        let what = format!("{evidence} not read ({reason}): {} not evaluated", some(missing.objects, "object"));
        let what = if grants.is_empty() { what } else { format!("{what}. Grant: {}", grants.join(", ")) };
        notes.push(note(report, options, "not-evaluated", &format!("{evidence}/{reason}"), what, severity));
    }
    let issues = report.findings.iter().map(|finding| issue(options, &finding));
    serde_json::Serializer::pretty(&mut *out).collect_seq(notes.into_iter().chain(issues))?;
    out.write_all(b"\n")
}

fn issue(options: &Options, finding: &Finding) -> Issue<'static> {
    let details = &finding.details;
    let what = format!(
        "{}: {}. {}",
        label(&finding.subject),
        printable(&details.message),
        printable(&details.fix(&finding.subject))
    );
    let (description, severity) = match &finding.state {
        State::New | State::Existing { .. } => (what, severity(finding.severity)),
        State::Waived { owner, reason, expires, .. } => {
            (format!("Waived until {expires} by {}, {}: {what}", printable(owner), printable(reason)), "info")
        }
    };
    let place = options.locations.of(&finding.subject).into();
    let fingerprint = finding.fingerprint.to_string();
    Issue { description, check_name: finding.rule, fingerprint, severity, location: place }
}

/// Something about the audit itself, the same one in every run of a tenant however its numbers change.
fn note<'a>(
    report: &Report,
    options: &Options,
    name: &'a str,
    key: &str,
    what: String,
    severity: &'static str,
) -> Issue<'a> {
    let digest = Sha256::digest(format!("{name}\0{}\0{key}", report.header.tenant));
    let fingerprint = crate::domain::hex(&digest);
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
        insta::assert_json_snapshot!(issues, @r#"
        [
          {
            "description": "coverage 93.7 %: 15 of 16 read (1 denied)",
            "check_name": "coverage",
            "fingerprint": "7fb4d2a9496edbe69bd2adb8c35f5c2650082417fbd8a5423f2b8dba04ba7aff",
            "severity": "major",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          },
          {
            "description": "certificates not read (firewall): 1 object not evaluated. Grant: network access to kv-private",
            "check_name": "not-evaluated",
            "fingerprint": "6aed020205296e0a7e5de50efdd979a832d030b398b780f42df8529ba77c9c7a",
            "severity": "minor",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          },
          {
            "description": "sign-in-activity not read (not-asked): 1 object not evaluated",
            "check_name": "not-evaluated",
            "fingerprint": "13f208dbc2161928641fbc1d89b9232111cf7d1404c401480cb6df5d65559816",
            "severity": "info",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          },
          {
            "description": "=cmd|' /C calc'!A0 \\u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\\u{d}\\u{a}::error::%0A]]> \\u{202e}gnp;##vso[task.complete… (7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME",
            "check_name": "KVO101",
            "fingerprint": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210",
            "severity": "blocker",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          },
          {
            "description": "Waived until 2027-02-28 by jane@contoso.example, vendor supports secrets only | until v9 <b>: Invoices (7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME",
            "check_name": "KVO101",
            "fingerprint": "9a5c620e7dfb1b9e98751fcd722f68e19130e35b16e0e662800bd2a502a516dd",
            "severity": "info",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          },
          {
            "description": "kv-billing/billing: whoever may read the vault's secrets can download the private key. kvops provision --vault kv-billing --name billing --app APP makes a new version",
            "check_name": "KVO201",
            "fingerprint": "98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26",
            "severity": "major",
            "location": {
              "path": "kvops.toml",
              "lines": {
                "begin": 1
              }
            }
          }
        ]
        "#);
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
