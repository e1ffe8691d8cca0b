//! The report as OCSF events: Compliance Findings, or Detection Findings where a pipeline wants those.

use std::io::{self, Write};

use serde::Serialize;

use super::Options;
use super::options::OcsfClass;
use super::overview::{coverage_sentence, is_complete, more};
use super::subject::{kind, label, qualified, short};
use super::visible::Visible;
use crate::audit::{Fact, Finding, ObjectKind, OmittedKind, Report, Severity, State, Subject, Unknown};
use crate::domain::printable;

/// Version of the schema that the events follow.
const OCSF: &str = "1.3.0";

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u16,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    time: i64,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    status_code: &'static str,
    status_detail: String,
    message: String,
    metadata: Metadata<'a>,
    cloud: Cloud<'a>,
    finding_info: FindingInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance: Option<Compliance>,
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Remediation>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    profiles: [&'static str; 1],
    event_code: &'a str,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Cloud<'a> {
    provider: &'static str,
    account: Account<'a>,
}

#[derive(Serialize)]
struct Account<'a> {
    uid: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
}

#[derive(Serialize)]
struct FindingInfo {
    uid: String,
    title: String,
    desc: String,
    types: Vec<String>,
}

#[derive(Serialize)]
struct Compliance {
    control: String,
    requirements: Vec<String>,
    standards: Vec<String>,
    status: &'static str,
    status_id: u8,
}

#[derive(Serialize)]
struct Resource {
    uid: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Remediation {
    desc: String,
    references: Vec<String>,
}

#[derive(Serialize)]
struct Unmapped<'a> {
    profile: &'a str,
    policy_hash: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    evidence: Box<[Fact]>,
}

/// What an event says, before it is dressed as one.
struct Statement<'a> {
    rule: &'a str,
    uid: String,
    title: String,
    message: String,
    detail: String,
    severity: (u8, &'static str),
    /// New, suppressed …
    status: (u8, &'static str),
    code: &'static str,
    /// Of the control: passed, failed, or unknown.
    compliance: (u8, &'static str),
    subject: Resource,
    fix: Option<String>,
    evidence: Box<[Fact]>,
}

pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let findings = report.findings.iter().map(|finding| of_finding(report, finding));
    let unknowns = report.unknowns.iter().map(|unknown| of_unknown(report, unknown));
    let omitted = report.omitted.kinds().iter().map(|kind| of_omitted(report, kind));
    let mut out = Visible::new(out);
    out.write_all(b"[\n")?;
    for (index, statement) in
        std::iter::once(of_coverage(report)).chain(findings).chain(unknowns).chain(omitted).enumerate()
    {
        if index > 0 {
            out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut out, &event(report, options.ocsf_class, statement))?;
    }
    out.write_all(b"\n]\n")?;
    out.flush()
}

fn of_coverage(report: &Report) -> Statement<'_> {
    let is_complete = is_complete(&report.coverage);
    let tenant = report.header.tenant.as_str();
    Statement {
        rule: "coverage",
        uid: format!("kvops/{tenant}/coverage"),
        title: "How much of the tenant was read".to_owned(),
        message: coverage_sentence(&report.coverage),
        detail: String::new(),
        severity: (1, "Informational"),
        status: (1, "New"),
        code: if is_complete { "PASS" } else { "WARNING" },
        compliance: if is_complete { (1, "Pass") } else { (2, "Warning") },
        subject: Resource { uid: format!("entra/{tenant}"), name: tenant.to_owned(), kind: "tenant" },
        fix: None,
        evidence: Box::default(),
    }
}

fn of_finding(report: &Report, finding: Finding) -> Statement<'static> {
    let (status, detail) = match &finding.state {
        State::New => ((1, "New"), String::new()),
        State::Existing { first_seen } => ((2, "In Progress"), format!("in the baseline since {first_seen}")),
        State::Waived { owner, reason, expires, .. } => {
            ((3, "Suppressed"), printable(&format!("waived until {expires} by {owner}: {reason}")))
        }
    };
    let details = finding.details;
    Statement {
        rule: finding.rule,
        uid: finding.fingerprint.to_string(),
        title: report.rule(finding.rule).map_or_else(|| finding.rule.to_string(), |rule| rule.title.to_owned()),
        message: printable(&details.message),
        detail,
        severity: severity(finding.severity),
        status,
        code: "FAIL",
        compliance: (3, "Fail"),
        subject: resource(report, &finding.subject, &details.evidence),
        fix: Some(printable(&details.fix(&finding.subject))),
        evidence: details.evidence,
    }
}

fn of_unknown<'a>(report: &Report, unknown: &'a Unknown) -> Statement<'a> {
    let subject = resource(report, &unknown.subject, &[]);
    Statement {
        rule: &unknown.rule,
        uid: format!("{}/{}", unknown.rule, subject.uid),
        title: report.rule(&unknown.rule).map_or_else(|| unknown.rule.to_string(), |rule| rule.title.to_owned()),
        message: printable(&unknown.why),
        detail: format!("{} not read: {}", unknown.evidence, unknown.reason),
        severity: (1, "Informational"),
        status: (0, "Unknown"),
        code: "UNKNOWN",
        compliance: (0, "Unknown"),
        subject,
        fix: None,
        evidence: Box::default(),
    }
}

fn of_omitted<'a>(report: &Report, kind: &'a OmittedKind) -> Statement<'a> {
    let tenant = report.header.tenant.as_str();
    Statement {
        rule: &kind.rule,
        uid: format!("{}/{tenant}/{}/{}", kind.rule, kind.evidence, kind.reason),
        title: report.rule(&kind.rule).map_or_else(|| kind.rule.to_string(), |rule| rule.title.to_owned()),
        message: more(kind),
        detail: format!("{} not read: {}", kind.evidence, kind.reason),
        severity: (1, "Informational"),
        status: (0, "Unknown"),
        code: "UNKNOWN",
        compliance: (0, "Unknown"),
        subject: Resource { uid: format!("entra/{tenant}"), name: tenant.to_owned(), kind: "tenant" },
        fix: None,
        evidence: Box::default(),
    }
}

fn event<'a>(report: &'a Report, class: OcsfClass, statement: Statement<'a>) -> Event<'a> {
    let (class_uid, class_name, type_uid, type_name) = match class {
        OcsfClass::Compliance => (2003, "Compliance Finding", 200_301, "Compliance Finding: Create"),
        OcsfClass::Detection => (2004, "Detection Finding", 200_401, "Detection Finding: Create"),
    };
    let rule = report.rule(statement.rule);
    let compliance = Compliance {
        control: statement.rule.to_owned(),
        requirements: rule.map(|rule| rule.mitre.iter().map(|&text| text.to_owned()).collect()).unwrap_or_default(),
        standards: rule.map(|rule| rule.controls.iter().map(|&text| text.to_owned()).collect()).unwrap_or_default(),
        status: statement.compliance.1,
        status_id: statement.compliance.0,
    };
    let references = rule.map(|rule| rule.references.iter().map(|&text| text.to_owned()).collect()).unwrap_or_default();
    Event {
        activity_id: 1,
        activity_name: "Create",
        category_uid: 2,
        category_name: "Findings",
        class_uid,
        class_name,
        type_uid,
        type_name,
        time: i64::try_from(report.header.collected_at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        severity_id: statement.severity.0,
        severity: statement.severity.1,
        status_id: statement.status.0,
        status: statement.status.1,
        status_code: statement.code,
        status_detail: statement.detail,
        message: format!("{}: {}", statement.subject.name, statement.message),
        metadata: Metadata {
            version: OCSF,
            product: Product { name: "kvops", vendor_name: "kvops", version: env!("CARGO_PKG_VERSION") },
            profiles: ["cloud"],
            event_code: statement.rule,
        },
        cloud: Cloud {
            provider: "Azure",
            account: Account { uid: report.header.tenant.as_str(), kind: "Azure AD Account", type_id: 6 },
        },
        finding_info: FindingInfo {
            uid: statement.uid,
            title: statement.title,
            desc: statement.message,
            types: rule.map(|rule| vec![rule.name.to_owned()]).unwrap_or_default(),
        },
        compliance: (class == OcsfClass::Compliance).then_some(compliance),
        resources: vec![statement.subject],
        remediation: statement.fix.map(|desc| Remediation { desc, references }),
        unmapped: Unmapped { profile: &report.profile, policy_hash: &report.policy_hash, evidence: statement.evidence },
    }
}

fn resource(report: &Report, subject: &Subject, evidence: &[Fact]) -> Resource {
    let name = if subject.name.is_empty() { label(subject) } else { short(&subject.name) };
    let kind = match subject.kind {
        ObjectKind::Audit => "audit",
        other => kind(other),
    };
    Resource { uid: qualified(&report.header.tenant, subject, evidence), name, kind }
}

const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, sample};

    fn events(class: OcsfClass) -> Vec<serde_json::Value> {
        let options = Options { ocsf_class: class, ..Options::default() };
        serde_json::from_str(&sample::written_with(&sample::report(), Format::Ocsf, &options)).unwrap()
    }

    #[test]
    fn coverage_is_the_first_event_and_unknown_is_neither_pass_nor_fail() {
        let events = events(OcsfClass::Compliance);
        let told: Vec<_> = events
            .iter()
            .map(|event| {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                (text(&event["metadata"]["event_code"]), text(&event["status"]), text(&event["compliance"]["status"]))
            })
            .collect();
        let expected = [
            ("coverage", "New", "Warning"),
            ("KVO101", "New", "Fail"),
            ("KVO101", "Suppressed", "Fail"),
            ("KVO201", "In Progress", "Fail"),
            ("KVO201", "Unknown", "Unknown"),
            ("KVO201", "Unknown", "Unknown"),
        ];
        assert_eq!(told, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
        insta::assert_json_snapshot!(events[1], @r#"
        {
          "activity_id": 1,
          "activity_name": "Create",
          "category_uid": 2,
          "category_name": "Findings",
          "class_uid": 2003,
          "class_name": "Compliance Finding",
          "type_uid": 200301,
          "type_name": "Compliance Finding: Create",
          "time": 1795262400000,
          "severity_id": 5,
          "severity": "Critical",
          "status_id": 1,
          "status": "New",
          "status_code": "FAIL",
          "status_detail": "",
          "message": "=cmd|' /C calc'!A0 \\u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\\u{d}\\u{a}::error::%0A]]> \\u{202e}gnp;##vso[task.complete…: a client secret lives 730 days, past the limit of 180",
          "metadata": {
            "version": "1.3.0",
            "product": {
              "name": "kvops",
              "vendor_name": "kvops",
              "version": "0.1.0"
            },
            "profiles": [
              "cloud"
            ],
            "event_code": "KVO101"
          },
          "cloud": {
            "provider": "Azure",
            "account": {
              "uid": "72f988bf-0000-4000-8000-2d7cd011db47",
              "type": "Azure AD Account",
              "type_id": 6
            }
          },
          "finding_info": {
            "uid": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210",
            "title": "Client secret on an application",
            "desc": "a client secret lives 730 days, past the limit of 180",
            "types": [
              "app-secret-in-use"
            ]
          },
          "compliance": {
            "control": "KVO101",
            "requirements": [
              "T1552.001",
              "T1078.004"
            ],
            "standards": [
              "NIST SP 800-53 IA-5",
              "ScubaGear MS.AAD.5.5v1",
              "CIS M365 5.1.5.3"
            ],
            "status": "Fail",
            "status_id": 3
          },
          "resources": [
            {
              "uid": "entra/72f988bf-0000-4000-8000-2d7cd011db47/applications/7b0f0000-0000-4000-8000-000000000001/passwordCredentials/aaaa0000-0000-4000-8000-000000000001",
              "name": "=cmd|' /C calc'!A0 \\u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\\u{d}\\u{a}::error::%0A]]> \\u{202e}gnp;##vso[task.complete…",
              "type": "application"
            }
          ],
          "remediation": {
            "desc": "kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME",
            "references": [
              "https://learn.microsoft.com/entra/identity-platform/howto-create-service-principal-portal"
            ]
          },
          "unmapped": {
            "profile": "default",
            "policy_hash": "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0de",
            "evidence": [
              {
                "evidence": "applications",
                "field": "passwordCredentials[aaaa0000-0000-4000-8000-000000000001].endDateTime",
                "value": "2028-11-20T12:00:00Z"
              }
            ]
          }
        }
        "#);
    }

    #[test]
    fn detection_findings_have_their_numbers_and_no_compliance() {
        let events = events(OcsfClass::Detection);
        assert!(events.iter().all(|event| event["class_uid"] == 2004 && event["type_uid"] == 200_401));
        assert!(events.iter().all(|event| event.get("compliance").is_none()));
    }
}
