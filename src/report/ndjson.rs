//! The report as lines of JSON for log stores: what was read, then a line for each finding and for
//! each object that could not be decided. Every line says of which tenant and when, since a store
//! mixes them.

use std::io::{self, Write};

use serde::Serialize;
use time::OffsetDateTime;

use super::Options;
use super::json::{Cover, Item, SCHEMA_VERSION, Undecided, Unnamed};
use super::visible::Visible;
use crate::audit::Report;
use crate::domain::TenantId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    /// As Log Analytics calls it.
    #[serde(rename = "TimeGenerated", with = "time::serde::rfc3339")]
    time_generated: OffsetDateTime,
    record: &'static str,
    schema_version: &'static str,
    tenant: &'a TenantId,
    profile: &'a str,
    policy_hash: &'a str,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Coverage { coverage: Cover<'a> },
    Finding(Box<Item<'a>>),
    Unknown(Undecided<'a>),
    Omitted(Unnamed<'a>),
}

pub(super) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Visible::new(out);
    line(report, "coverage", Body::Coverage { coverage: Cover::of(&report.coverage) }, &mut out)?;
    for finding in report.findings.iter() {
        line(report, "finding", Body::Finding(Box::new(Item::of(&finding))), &mut out)?;
    }
    for unknown in &report.unknowns {
        line(report, "unknown", Body::Unknown(Undecided::of(unknown)), &mut out)?;
    }
    for kind in report.omitted.kinds() {
        line(report, "unknown-omitted", Body::Omitted(Unnamed::of(kind)), &mut out)?;
    }
    out.flush()
}

fn line<'a>(report: &'a Report, record: &'static str, body: Body<'a>, out: &mut Visible<'_>) -> io::Result<()> {
    let line = Line {
        time_generated: report.header.collected_at,
        record,
        schema_version: SCHEMA_VERSION,
        tenant: &report.header.tenant,
        profile: &report.profile,
        policy_hash: &report.policy_hash,
        body,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use crate::report::{Format, sample};

    #[test]
    fn every_line_is_a_record_and_coverage_is_the_first() {
        let text = sample::written(Format::Ndjson);
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<_> = records.iter().map(|record| record["record"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["coverage", "finding", "finding", "finding", "unknown", "unknown"]);
        assert!(records.iter().all(|record| record["TimeGenerated"] == "2026-11-21T12:00:00Z"));
        assert_eq!(records[2]["state"], "waived");
        assert_eq!(records[1]["subject"]["name"], sample::HOSTILE);
    }
}
