//! A small report made by hand, with text as hostile as a directory may hold.

use time::macros::{date, datetime};

use super::{Format, Options, write};
use crate::audit::rules::rule;
use crate::audit::{
    Adjustment, Delta, Details, Fact, Finding, Fingerprint, Gone, ObjectKind, Report, Severity, State, Subject, Tally,
    Unknown, WaiverState, WaiverUse,
};
use crate::domain::{AppId, TenantId};
use crate::inventory::{Coverage, Evidence, Gap, Header, Reason};

/// A name with whatever a format could take for its own: escapes of terminals, formulas, Markdown,
/// HTML, workflow commands, XML, bidirectional overrides.
pub(super) const HOSTILE: &str = "=cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> | [x](javascript:1) @everyone\r\n::error::%0A]]> \u{202e}gnp;##vso[task.complete]\u{0}\u{fffe} & \"`";

const APP: &str = "7b0f0000-0000-4000-8000-000000000001";
const KEY_ID: &str = "aaaa0000-0000-4000-8000-000000000001";

/// Three findings (one of them waived, one known), two unknowns, and a vault behind a firewall.
pub(super) fn report() -> Report {
    let mut report = clean();
    report.coverage.gap(Gap {
        evidence: Evidence::Certificates,
        object: "kv-private".to_owned(),
        reason: Reason::Firewall,
        detail: "Client address is not authorized".to_owned(),
        grant: "network access to kv-private".to_owned(),
    });
    report.findings.replace([finding(), waived(), existing()]);
    report.unknowns = vec![unknown(), outside()];
    report.waivers = vec![waiver()];
    report.delta = Some(delta());
    report.warnings = vec!["the limit of an application no longer holds".to_owned()];
    for tally in &mut report.tallies {
        (tally.objects, tally.findings, tally.passed, tally.unknown) = (4, 2, 1, 1);
    }
    report
}

/// A report of two rules that found nothing in what was all read.
pub(super) fn clean() -> Report {
    let mut coverage = Coverage::default();
    coverage.read(Evidence::Applications, 12);
    coverage.read(Evidence::Certificates, 3);
    let tally = |id| Tally { rule: rule(id).unwrap(), objects: 4, passed: 4, findings: 0, unknown: 0 };
    let header = Header {
        schema_version: "1.0".to_owned(),
        tenant: tenant(),
        tenant_created_at: None,
        cloud: "public".to_owned(),
        collected_at: datetime!(2026-11-21 12:00 UTC),
        is_narrowed_to_applications: false,
        is_narrowed_to_vaults: false,
    };
    Report {
        profile: "default".to_owned(),
        policy_hash: "c0ffee".repeat(10) + "c0de",
        coverage,
        tallies: vec![tally("KVO101"), tally("KVO201")],
        ..Report::new(header)
    }
}

/// A critical finding on an application with a hostile name.
pub(super) fn finding() -> Finding {
    let subject = application(HOSTILE).part(KEY_ID);
    let details = Details {
        adjustments: vec![Adjustment {
            from: Severity::High,
            to: Severity::Critical,
            why: "the application can become Global Administrator".to_owned(),
        }],
        message: "a client secret lives 730 days, past the limit of 180".into(),
        evidence: [Fact {
            evidence: Evidence::Applications,
            field: format!("passwordCredentials[{KEY_ID}].endDateTime").into(),
            value: "2028-11-20T12:00:00Z".into(),
        }]
        .into(),
        remedy: format!("kvops provision --app {APP} --vault VAULT --name NAME"),
    };
    Finding::alone("KVO101", Severity::Critical, &tenant(), subject, details)
}

/// An undecided certificate, in a vault behind a firewall.
pub(super) fn unknown() -> Unknown {
    Unknown {
        rule: "KVO201".into(),
        subject: Subject::new(ObjectKind::Vault, "kv-private", "kv-private"),
        evidence: Evidence::Certificates,
        reason: Reason::Firewall,
        why: "its certificates were not read".to_owned(),
    }
}

/// What a waiver says, with hostile text in it.
pub(super) fn waived_state() -> State {
    State::Waived {
        owner: "jane@contoso.example".into(),
        reason: "vendor supports secrets only | until v9 <b>".into(),
        expires: date!(2027 - 02 - 28),
        ticket: Some("SEC-4711".into()),
    }
}

/// A report with many findings, for limits of size.
pub(super) fn large(findings: usize) -> Report {
    let mut report = report();
    let template = finding();
    let details = template.details.clone();
    report.findings.replace((0..findings).map(|index| {
        let subject = Subject { id: format!("object-{index:06}").into(), ..template.subject.clone() };
        let severity = if index < findings / 10 { Severity::Critical } else { Severity::Medium };
        Finding::alone("KVO101", severity, &tenant(), subject, details.clone())
    }));
    report
}

/// The report in a format, with default options.
pub(super) fn written(format: Format) -> String {
    written_of(&report(), format)
}

/// A report in a format, with default options.
pub(super) fn written_of(report: &Report, format: Format) -> String {
    written_with(report, format, &Options::default())
}

/// A report in a format.
pub(super) fn written_with(report: &Report, format: Format, options: &Options) -> String {
    let mut out = Vec::new();
    write(format, report, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn waived() -> Finding {
    let subject = application("Invoices").part("aaaa0000-0000-4000-8000-000000000002");
    let details = Details { adjustments: Vec::new(), ..finding().details };
    let mut finding = Finding::alone("KVO101", Severity::High, &tenant(), subject, details);
    finding.state = waived_state();
    finding
}

fn existing() -> Finding {
    let subject = Subject::new(ObjectKind::Certificate, "kv-billing/billing", "kv-billing/billing").part("0123abcd");
    let details = Details {
        adjustments: vec![Adjustment {
            from: Severity::High,
            to: Severity::Medium,
            why: "no application trusts this version".to_owned(),
        }],
        message: "whoever may read the vault's secrets can download the private key".into(),
        evidence: [Fact {
            evidence: Evidence::CertificateDetails,
            field: "policy.key_props.exportable".into(),
            value: "true".into(),
        }]
        .into(),
        remedy: "kvops provision --vault kv-billing --name billing --app APP makes a new version".into(),
    };
    let mut finding = Finding::alone("KVO201", Severity::Medium, &tenant(), subject, details);
    finding.state = State::Existing { first_seen: date!(2026 - 10 - 01) };
    finding
}

fn waiver() -> WaiverUse {
    WaiverUse {
        rule: "KVO101".into(),
        subject: format!("app {APP}, key *"),
        owner: "jane@contoso.example".into(),
        reason: "vendor supports secrets only | until v9 <b>".into(),
        ticket: Some("SEC-4711".into()),
        expires: date!(2027 - 02 - 28),
        days_left: 99,
        findings: 1,
        state: WaiverState::Active,
        file: "waivers.toml".to_owned(),
        line: 3,
    }
}

fn delta() -> Delta {
    let subject = application("Payroll").part("aaaa0000-0000-4000-8000-000000000003");
    let gone = Gone {
        fingerprint: Fingerprint::of("KVO101", &tenant(), &subject),
        rule: "KVO101".into(),
        severity: Severity::High,
        subject,
        first_seen: date!(2026 - 10 - 01),
    };
    Delta {
        since: date!(2026 - 10 - 01),
        is_same_policy: true,
        new: 2,
        existing: 1,
        fixed: vec![gone],
        undecided: vec![],
    }
}

fn outside() -> Unknown {
    Unknown {
        rule: "KVO201".into(),
        subject: application("Invoices"),
        evidence: Evidence::SignInActivity,
        reason: Reason::NotAsked,
        why: "nobody asked when it last signed in".to_owned(),
    }
}

fn application(name: &str) -> Subject {
    let app: AppId = APP.parse().unwrap();
    Subject::application("11110000-0000-4000-8000-000000000001".parse().unwrap(), app, name)
}

fn tenant() -> TenantId {
    "72f988bf-0000-4000-8000-2d7cd011db47".parse().unwrap()
}
