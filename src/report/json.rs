//! The report as one JSON document: everything that is in it, under a version.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::Options;
use super::overview::{Overview, is_complete, total};
use super::visible::Visible;
use crate::audit::{
    Adjustment, Delta, Fact, Finding, Findings, Fingerprint, Gone, Group, OmittedKind, Report, Severity, State,
    Subject, Tally, Unknown, WaiverUse,
};
use crate::domain::{AppId, TenantId};
use crate::inventory::{Count, Coverage, Evidence, Gap, Reason};

/// Version of the document. The first number changes when a reader of the old one would be wrong,
/// the second when something is added.
pub(super) const SCHEMA_VERSION: &str = "1.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    tool: Tool,
    header: Head<'a>,
    policy: Policy<'a>,
    coverage: Cover<'a>,
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Difference<'a>>,
    waivers: &'a [WaiverUse],
    warnings: &'a [String],
    rules: Vec<RuleTally<'a>>,
    /// One after the other: a large tenant has more of them than fit into memory twice.
    #[serde(serialize_with = "each")]
    findings: &'a Findings,
    unknown: Vec<Undecided<'a>>,
    unknown_omitted: Vec<Unnamed<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    tenant: &'a TenantId,
    cloud: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    collected_at: OffsetDateTime,
    inventory_schema_version: &'a str,
    is_narrowed_to_applications: bool,
    is_narrowed_to_vaults: bool,
}

#[derive(Serialize)]
struct Policy<'a> {
    profile: &'a str,
    hash: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cover<'a> {
    percent: f64,
    is_complete: bool,
    total: Count,
    counts: &'a BTreeMap<Evidence, Count>,
    gaps: &'a [Gap],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    findings: u64,
    by_severity: BySeverity,
    existing: u64,
    waived: u64,
    unknown: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference<'a> {
    since: String,
    is_same_policy: bool,
    new: u64,
    existing: u64,
    fixed: Vec<Former<'a>>,
    undecided: Vec<Former<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Former<'a> {
    rule: &'a str,
    severity: Severity,
    subject: Object<'a>,
    fingerprint: Fingerprint,
    first_seen: String,
}

#[derive(Serialize)]
struct BySeverity {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    info: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleTally<'a> {
    id: &'a str,
    name: &'a str,
    title: &'a str,
    group: Group,
    severity: Severity,
    objects: u64,
    passed: u64,
    findings: u64,
    unknown: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item<'a> {
    rule: &'a str,
    severity: Severity,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    adjustments: &'a [Adjustment],
    subject: Object<'a>,
    message: &'a str,
    evidence: &'a [Fact],
    fix: String,
    fingerprint: Fingerprint,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiver: Option<Waiver<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<AppId>,
    name: &'a str,
}

#[derive(Serialize)]
struct Waiver<'a> {
    owner: &'a str,
    reason: &'a str,
    expires: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Undecided<'a> {
    rule: &'a str,
    subject: Object<'a>,
    evidence: Evidence,
    reason: Reason,
    why: &'a str,
}

/// What is undecided beyond what is named.
#[derive(Serialize)]
pub(super) struct Unnamed<'a> {
    rule: &'a str,
    evidence: Evidence,
    reason: Reason,
    number: u64,
}

pub(super) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Visible::new(out);
    serde_json::to_writer_pretty(&mut out, &Document::of(report))?;
    out.write_all(b"\n")?;
    out.flush()
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        let header = &report.header;
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "kvops", version: env!("CARGO_PKG_VERSION") },
            header: Head {
                tenant: &header.tenant,
                cloud: &header.cloud,
                collected_at: header.collected_at,
                inventory_schema_version: &header.schema_version,
                is_narrowed_to_applications: header.is_narrowed_to_applications,
                is_narrowed_to_vaults: header.is_narrowed_to_vaults,
            },
            policy: Policy { profile: &report.profile, hash: &report.policy_hash },
            coverage: Cover::of(&report.coverage),
            summary: Summary::of(report),
            delta: report.delta.as_ref().map(Difference::of),
            waivers: &report.waivers,
            warnings: &report.warnings,
            rules: report.tallies.iter().map(RuleTally::of).collect(),
            findings: &report.findings,
            unknown: report.unknowns.iter().map(Undecided::of).collect(),
            unknown_omitted: report.omitted.kinds().iter().map(Unnamed::of).collect(),
        }
    }
}

fn each<S: Serializer>(findings: &Findings, serializer: S) -> Result<S::Ok, S::Error> {
    let mut items = serializer.serialize_seq(Some(findings.len()))?;
    for finding in findings.iter() {
        items.serialize_element(&Item::of(&finding))?;
    }
    items.end()
}

impl<'a> Cover<'a> {
    pub(super) fn of(coverage: &'a Coverage) -> Self {
        Self {
            // Two decimals, cut: what is not all is never called all.
            percent: (coverage.percent() * 100.0).floor() / 100.0,
            is_complete: is_complete(coverage),
            total: total(coverage),
            counts: &coverage.counts,
            gaps: &coverage.gaps,
        }
    }
}

impl<'a> Difference<'a> {
    fn of(delta: &'a Delta) -> Self {
        Self {
            since: delta.since.to_string(),
            is_same_policy: delta.is_same_policy,
            new: delta.new,
            existing: delta.existing,
            fixed: delta.fixed.iter().map(Former::of).collect(),
            undecided: delta.undecided.iter().map(Former::of).collect(),
        }
    }
}

impl<'a> Former<'a> {
    fn of(gone: &'a Gone) -> Self {
        let Gone { fingerprint, rule, severity, subject, first_seen } = gone;
        let (subject, first_seen) = (Object::of(subject), first_seen.to_string());
        Self { rule, severity: *severity, subject, fingerprint: *fingerprint, first_seen }
    }
}

impl Summary {
    fn of(report: &Report) -> Self {
        let Overview { by_severity, findings, existing, waived, unknown, .. } = Overview::of(report);
        let [critical, high, medium, low, info] = by_severity;
        let by_severity = BySeverity { critical, high, medium, low, info };
        Self { findings, by_severity, existing, waived, unknown }
    }
}

impl<'a> RuleTally<'a> {
    fn of(tally: &'a Tally) -> Self {
        let Tally { rule, objects, passed, findings, unknown } = *tally;
        let (id, name, title) = (rule.id, rule.name, rule.title);
        Self { id, name, title, group: rule.group, severity: rule.severity, objects, passed, findings, unknown }
    }
}

impl<'a> Item<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let details = &finding.details;
        let (state, first_seen, waiver) = match &finding.state {
            State::New => ("new", None, None),
            State::Existing { first_seen } => ("existing", Some(first_seen.to_string()), None),
            State::Waived { owner, reason, expires, ticket } => (
                "waived",
                None,
                Some(Waiver { owner, reason, expires: expires.to_string(), ticket: ticket.as_deref() }),
            ),
        };
        Self {
            rule: finding.rule,
            severity: finding.severity,
            adjustments: &details.adjustments,
            subject: Object::of(&finding.subject),
            message: &details.message,
            evidence: &details.evidence,
            fix: details.fix(&finding.subject),
            fingerprint: finding.fingerprint,
            state,
            first_seen,
            waiver,
        }
    }
}

impl<'a> Object<'a> {
    fn of(subject: &'a Subject) -> Self {
        Self {
            kind: super::subject::kind_id(subject.kind),
            id: &subject.id,
            part: subject.part.as_deref(),
            app_id: subject.app_id,
            name: &subject.name,
        }
    }
}

impl<'a> Undecided<'a> {
    pub(super) fn of(unknown: &'a Unknown) -> Self {
        let Unknown { rule, subject, evidence, reason, why } = unknown;
        Self { rule, subject: Object::of(subject), evidence: *evidence, reason: *reason, why }
    }
}

impl<'a> Unnamed<'a> {
    pub(super) fn of(kind: &'a OmittedKind) -> Self {
        let OmittedKind { rule, evidence, reason, number } = kind;
        Self { rule, evidence: *evidence, reason: *reason, number: *number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, sample};

    #[test]
    fn everything_is_in_it_and_coverage_stands_before_what_was_found() {
        let text = sample::written(Format::Json);
        let coverage = text.find("\"coverage\"").unwrap();
        assert!(coverage < text.find("\"summary\"").unwrap() && coverage < text.find("\"findings\": [").unwrap());
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_json_snapshot!(document["summary"], @r#"
        {
          "findings": 2,
          "bySeverity": {
            "critical": 1,
            "high": 0,
            "medium": 1,
            "low": 0,
            "info": 0
          },
          "existing": 1,
          "waived": 1,
          "unknown": 2
        }
        "#);
        insta::assert_json_snapshot!(document["findings"][0], { ".subject.name" => "[hostile]" }, @r#"
        {
          "rule": "KVO101",
          "severity": "critical",
          "adjustments": [
            {
              "from": "high",
              "to": "critical",
              "why": "the application can become Global Administrator"
            }
          ],
          "subject": {
            "kind": "application",
            "id": "11110000-0000-4000-8000-000000000001",
            "part": "aaaa0000-0000-4000-8000-000000000001",
            "appId": "7b0f0000-0000-4000-8000-000000000001",
            "name": "[hostile]"
          },
          "message": "a client secret lives 730 days, past the limit of 180",
          "evidence": [
            {
              "evidence": "applications",
              "field": "passwordCredentials[aaaa0000-0000-4000-8000-000000000001].endDateTime",
              "value": "2028-11-20T12:00:00Z"
            }
          ],
          "fix": "kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME",
          "fingerprint": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210",
          "state": "new"
        }
        "#);
        insta::assert_json_snapshot!(document["unknown"][0], @r#"
        {
          "rule": "KVO201",
          "subject": {
            "kind": "vault",
            "id": "kv-private",
            "name": "kv-private"
          },
          "evidence": "certificates",
          "reason": "firewall",
          "why": "its certificates were not read"
        }
        "#);
        // Hostile text is data: it comes out as it went in.
        assert_eq!(document["findings"][0]["subject"]["name"], sample::HOSTILE);
    }

    #[test]
    fn the_only_time_that_differs_between_runs_is_when_it_was_collected() {
        let mut later = sample::report();
        later.header.collected_at += time::Duration::hours(1);
        let (first, second) = (sample::written(Format::Json), sample::written_of(&later, Format::Json));
        let differing = first.lines().zip(second.lines()).filter(|(a, b)| a != b).collect::<Vec<_>>();
        assert!(matches!(differing[..], [(line, _)] if line.contains("collectedAt")), "{differing:?}");
    }

    #[test]
    fn almost_everything_is_never_written_as_all() {
        let mut coverage = Coverage::default();
        coverage.read(Evidence::Applications, 999_999);
        assert_eq!(Cover::of(&coverage).percent, 100.0);
        coverage.counts.entry(Evidence::Applications).or_default().expected += 1;
        let cover = Cover::of(&coverage);
        assert!(cover.percent < 100.0 && !cover.is_complete);
    }
}
