//! GitLab's security report, of the kind SAST: the one of its kinds that takes findings with a line in a file.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::Options;
use super::markdown::text;
use super::overview::{Overview, active, coverage_sentence, is_complete, is_outside, missing, some};
use super::subject::label;
use crate::audit::{Finding, Report, Severity};
use crate::domain::printable;

/// The version of GitLab's security report schemas.
const VERSION: &str = "15.2.1";

const SCHEMA: &str = "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v15.2.1/dist/sast-report-format.json";

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    scan: Scan,
    vulnerabilities: Vulnerabilities<'a>,
}

/// Written one after the other.
struct Vulnerabilities<'a> {
    report: &'a Report,
    options: &'a Options,
}

#[derive(Serialize)]
struct Scan {
    r#type: &'static str,
    status: &'static str,
    start_time: String,
    end_time: String,
    analyzer: Tool,
    scanner: Tool,
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Serialize)]
struct Tool {
    id: &'static str,
    name: &'static str,
    version: &'static str,
    url: &'static str,
    vendor: Vendor,
}

#[derive(Clone, Copy, Serialize)]
struct Vendor {
    name: &'static str,
}

#[derive(Serialize)]
struct Message {
    level: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Vulnerability<'a> {
    id: String,
    name: &'a str,
    description: String,
    severity: &'static str,
    solution: String,
    identifiers: Vec<Identifier<'a>>,
    location: Place,
    tracking: Tracking,
}

#[derive(Serialize)]
struct Identifier<'a> {
    r#type: &'static str,
    name: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Clone, Serialize)]
struct Place {
    file: String,
    start_line: usize,
}

/// What keeps a finding the same when its line moves, and tells those of one line apart.
#[derive(Serialize)]
struct Tracking {
    r#type: &'static str,
    items: [Tracked; 1],
}

#[derive(Serialize)]
struct Tracked {
    #[serde(flatten)]
    place: Place,
    signatures: [Signature; 1],
}

#[derive(Serialize)]
struct Signature {
    algorithm: &'static str,
    value: String,
}

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        version: VERSION,
        scan: scan(report),
        vulnerabilities: Vulnerabilities { report, options },
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// How the run went: without success when something that was asked for could not be read.
fn scan(report: &Report) -> Scan {
    let is_complete = is_complete(&report.coverage);
    let level = |is_good| if is_good { "info" } else { "warn" };
    let mut messages = vec![Message { level: level(is_complete), value: coverage_sentence(&report.coverage) }];
    for ((evidence, reason), missing) in missing(report) {
        let grants: Vec<_> = missing.grants.iter().map(|grant| printable(grant)).collect();
        let what = format!("{evidence} not read ({reason}): {} not evaluated", some(missing.objects, "object"));
        let value = if grants.is_empty() { what } else { format!("{what}. Grant: {}", grants.join(", ")) };
        messages.push(Message { level: level(is_outside(reason)), value });
    }
    let Overview { waived, .. } = Overview::of(report);
    if waived > 0 {
        messages.push(Message { level: "info", value: format!("{} waived", some(waived, "finding")) });
    }
    let tool = Tool {
        id: "kvops",
        name: "kvops",
        version: env!("CARGO_PKG_VERSION"),
        url: REPOSITORY,
        vendor: Vendor { name: "kvops" },
    };
    let at = moment(report.header.collected_at);
    Scan {
        r#type: "sast",
        status: if is_complete { "success" } else { "failure" },
        start_time: at.clone(),
        end_time: at,
        analyzer: tool,
        scanner: tool,
        messages,
    }
}

impl Serialize for Vulnerabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // GitLab keeps its own account of what is dismissed, and takes everything that is listed for open.
        let findings = active(self.report).map(|finding| finding.finding());
        serializer.collect_seq(findings.map(|finding| vulnerability(self.report, self.options, &finding)))
    }
}

fn vulnerability(report: &Report, options: &Options, finding: &Finding) -> Vulnerability<'static> {
    let known = report.tallies.iter().map(|tally| tally.rule).find(|rule| rule.id == finding.rule);
    let rule = Identifier {
        r#type: "kvops_rule",
        name: finding.rule,
        value: finding.rule,
        url: known.map(|rule| format!("{REPOSITORY}/blob/main/docs/rules/{}.md", rule.id)),
    };
    let techniques = known.into_iter().flat_map(|rule| rule.mitre).map(|technique| Identifier {
        r#type: "mitre_attack",
        name: technique,
        value: technique,
        url: Some(format!("https://attack.mitre.org/techniques/{}/", technique.replace('.', "/"))),
    });
    let details = &finding.details;
    let steps: String = details
        .adjustments
        .iter()
        .map(|step| text(&format!(" Severity {} from {}: {}.", step.to, step.from, step.why)))
        .collect();
    let location = options.locations.of(&finding.subject);
    let place = Place { file: location.file, start_line: location.line };
    let fingerprint = finding.fingerprint.to_string();
    Vulnerability {
        id: fingerprint.clone(),
        name: known.map_or(finding.rule, |rule| rule.title),
        description: format!("{}: {}.{steps}", text(&label(&finding.subject)), text(&details.message)),
        severity: severity(finding.severity),
        solution: printable(&details.fix(&finding.subject)).chars().take(MAX_SOLUTION).collect(),
        identifiers: std::iter::once(rule).chain(techniques).collect(),
        tracking: Tracking {
            r#type: "source",
            items: [Tracked {
                place: place.clone(),
                signatures: [Signature { algorithm: "hash", value: fingerprint }],
            }],
        },
        location: place,
    }
}

/// Characters of a solution that GitLab takes.
const MAX_SOLUTION: usize = 7000;

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}

/// `2026-11-21T12:00:00`: UTC, and nothing that says so.
fn moment(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"))
        .unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::audit::Report;
    use crate::report::{Format, sample};

    fn written(report: &Report) -> Value {
        serde_json::from_str(&sample::written_of(report, Format::GitlabSast)).unwrap()
    }

    #[test]
    fn coverage_stands_before_what_was_found_and_is_no_success_when_it_has_holes() {
        let text = sample::written(Format::GitlabSast);
        assert!(text.find("coverage 93.7 %") < text.find("\"vulnerabilities\""), "{text}");
        let report = written(&sample::report());
        insta::assert_json_snapshot!(report["scan"], @r#"
        {
          "type": "sast",
          "status": "failure",
          "start_time": "2026-11-21T12:00:00",
          "end_time": "2026-11-21T12:00:00",
          "analyzer": {
            "id": "kvops",
            "name": "kvops",
            "version": "0.1.0",
            "url": "https://github.com/kvops/kvops",
            "vendor": {
              "name": "kvops"
            }
          },
          "scanner": {
            "id": "kvops",
            "name": "kvops",
            "version": "0.1.0",
            "url": "https://github.com/kvops/kvops",
            "vendor": {
              "name": "kvops"
            }
          },
          "messages": [
            {
              "level": "warn",
              "value": "coverage 93.7 %: 15 of 16 read (1 denied)"
            },
            {
              "level": "warn",
              "value": "certificates not read (firewall): 1 object not evaluated. Grant: network access to kv-private"
            },
            {
              "level": "info",
              "value": "sign-in-activity not read (not-asked): 1 object not evaluated"
            },
            {
              "level": "info",
              "value": "1 finding waived"
            }
          ]
        }
        "#);
        let clean = written(&sample::clean());
        assert_eq!((&clean["scan"]["status"], &clean["vulnerabilities"]), (&json!("success"), &json!([])));
    }

    #[test]
    fn what_is_waived_is_only_counted_and_no_text_of_a_directory_is_markup() {
        let report = written(&sample::report());
        insta::assert_json_snapshot!(report["vulnerabilities"], @r#"
        [
          {
            "id": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210",
            "name": "Client secret on an application",
            "description": "=cmd\\|' /C calc'\\!A0 \\\\u\\{1b\\}\\[2J&lt;script&gt;alert\\(1\\)&lt;/script&gt; \\| \\[x\\]\\(javascript:<!-- -->1\\) @<!-- -->everyone\\\\u\\{d\\}\\\\u\\{a\\}:<!-- -->:<!-- -->error:<!-- -->:<!-- -->%0A\\]\\]&gt; \\\\u\\{202e\\}gnp;#<!-- -->#<!-- -->vso\\[task.complete… \\(7b0f0000-0000-4000-8000-000000000001\\): a client secret lives 730 days, past the limit of 180. Severity critical from high:<!-- --> the application can become Global Administrator.",
            "severity": "Critical",
            "solution": "kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME",
            "identifiers": [
              {
                "type": "kvops_rule",
                "name": "KVO101",
                "value": "KVO101",
                "url": "https://github.com/kvops/kvops/blob/main/docs/rules/KVO101.md"
              },
              {
                "type": "mitre_attack",
                "name": "T1552.001",
                "value": "T1552.001",
                "url": "https://attack.mitre.org/techniques/T1552/001/"
              },
              {
                "type": "mitre_attack",
                "name": "T1078.004",
                "value": "T1078.004",
                "url": "https://attack.mitre.org/techniques/T1078/004/"
              }
            ],
            "location": {
              "file": "kvops.toml",
              "start_line": 1
            },
            "tracking": {
              "type": "source",
              "items": [
                {
                  "file": "kvops.toml",
                  "start_line": 1,
                  "signatures": [
                    {
                      "algorithm": "hash",
                      "value": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210"
                    }
                  ]
                }
              ]
            }
          },
          {
            "id": "98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26",
            "name": "Private key of a vault certificate is exportable",
            "description": "kv-billing/billing: whoever may read the vault's secrets can download the private key. Severity medium from high:<!-- --> no application trusts this version.",
            "severity": "Medium",
            "solution": "kvops provision --vault kv-billing --name billing --app APP makes a new version",
            "identifiers": [
              {
                "type": "kvops_rule",
                "name": "KVO201",
                "value": "KVO201",
                "url": "https://github.com/kvops/kvops/blob/main/docs/rules/KVO201.md"
              },
              {
                "type": "mitre_attack",
                "name": "T1552.004",
                "value": "T1552.004",
                "url": "https://attack.mitre.org/techniques/T1552/004/"
              },
              {
                "type": "mitre_attack",
                "name": "T1555.006",
                "value": "T1555.006",
                "url": "https://attack.mitre.org/techniques/T1555/006/"
              }
            ],
            "location": {
              "file": "kvops.toml",
              "start_line": 1
            },
            "tracking": {
              "type": "source",
              "items": [
                {
                  "file": "kvops.toml",
                  "start_line": 1,
                  "signatures": [
                    {
                      "algorithm": "hash",
                      "value": "98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26"
                    }
                  ]
                }
              ]
            }
          }
        ]
        "#);
    }

    #[test]
    fn findings_of_one_line_stay_apart() {
        let report = written(&sample::report());
        let values: Vec<&Value> = report["vulnerabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| &found["tracking"]["items"][0]["signatures"][0]["value"])
            .collect();
        assert!(values.len() == 2 && values[0] != values[1], "{values:?}");
    }
}
