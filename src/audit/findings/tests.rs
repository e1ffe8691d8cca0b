use proptest::prelude::*;
use time::macros::date;

use super::*;
use crate::audit::finding::{Details, Fact};

impl Findings {
    /// Others in the place of all, in the order that they have.
    pub(crate) fn replace(&mut self, findings: impl IntoIterator<Item = Finding>) {
        *self = Self::new(self.tenant.clone());
        findings.into_iter().for_each(|finding| self.push(&finding));
    }

    /// Keeps those of a rule.
    pub(crate) fn retain_rule(&mut self, rule: &str) {
        let kept: Vec<_> = self.of_rule(rule).map(|entry| entry.finding()).collect();
        self.replace(kept);
    }

    fn bytes(&self) -> usize {
        self.chunks.bytes() + self.rows.len() * size_of::<Row>()
    }
}

fn tenant() -> TenantId {
    "72f988bf-0000-4000-8000-2d7cd011db47".parse().unwrap()
}

/// Ids as they are and as they should not be, and anything else.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-3]{8}-0000-4000-8000-00000000000[0-9a-f]",
        "[0-9A-F]{8}-0000-4000-8000-00000000000[0-9A-F]",
        "\\{[0-9a-f]{8}-0000-4000-8000-00000000000[0-9a-f]\\}",
        "[0-9a-f]{32}",
        "[0-9A-F]{32}",
        "contoso-kv/[a-c]{1,3}",
        "https://[a-c]{1,3}\\.example/[0-9]{0,3}",
        "\\PC{0,40}",
        "[\u{0}-\u{3}a-c]{0,20}",
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    let app = prop::option::of("[0-3]{8}-0000-4000-8000-00000000000[0-9a-f]");
    (prop::sample::select(&ObjectKind::ALL[..]), id(), prop::option::of(id()), app, id(), any::<bool>()).prop_map(
        |(kind, id, part, app, name, is_named_by_id)| Subject {
            kind,
            name: if is_named_by_id { id.as_str().into() } else { name.into() },
            id: id.into(),
            part: part.map(Into::into),
            app_id: app.map(|app| app.parse().unwrap()),
        },
    )
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::New),
        (0..3_i64).prop_map(|days| State::Existing { first_seen: date!(2026 - 10 - 01) + time::Duration::days(days) }),
        "[a-b]{1}".prop_map(|owner| State::Waived {
            owner: owner.into(),
            reason: "r".into(),
            expires: date!(2027 - 01 - 01),
            ticket: None
        }),
    ]
}

prop_compose! {
    fn finding()(
        rule in prop::sample::select(&["KVO201", "KVO101", "own-rule"][..]),
        severity in prop::sample::select(&Severity::ALL[..]),
        subject in subject(),
        state in state(),
        text in "([IAPN]|[a-c \u{1}é]|[0-9]{1,20}|20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?|[0-9A-F]{40}|[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}){0,6}",
        steps in 0..3_usize,
        facts in 0..3_usize,
    ) -> Finding {
        let app = subject.app_id.map(|app| app.to_string()).unwrap_or_default();
        let part = subject.part.as_deref().unwrap_or_default();
        let text = text.replace('I', &subject.id).replace('A', &app).replace('P', part).replace('N', &subject.name);
        let step = Adjustment { from: severity, to: Severity::Info, why: text.clone() };
        let fact = Fact { evidence: Evidence::KeyBytes, field: text.as_str().into(), value: text.as_str().into() };
        let details = Details {
            adjustments: vec![step; steps],
            message: text.as_str().into(),
            evidence: vec![fact; facts].into(),
            remedy: text,
        };
        Finding { state, ..Finding::alone(rule, severity, &tenant(), subject, details) }
    }
}

proptest! {
    #[test]
    fn findings_come_back_as_they_were_put_in(findings in prop::collection::vec(finding(), 0..12)) {
        let mut packed = Findings::new(tenant());
        // Twice: the second time, everything is known.
        for finding in findings.iter().chain(&findings) {
            packed.push(finding);
        }
        let all: Vec<_> = findings.iter().chain(&findings).cloned().collect();
        prop_assert_eq!(packed.iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn the_order_is_that_of_what_they_say_however_many_come_later(
        findings in prop::collection::vec(finding(), 0..24),
        first in 0..24_usize,
    ) {
        let mut packed = Findings::new(tenant());
        for (index, finding) in findings.iter().enumerate() {
            if index == first {
                packed.sort();
            }
            packed.push(finding);
        }
        packed.sort();
        let key = |finding: &Finding| {
            let Finding { rule, severity, subject, details, .. } = finding.clone();
            (std::cmp::Reverse(severity), rule, subject, details.message)
        };
        let mut expected: Vec<_> = findings.iter().map(key).collect();
        expected.sort();
        prop_assert_eq!(packed.iter().map(|finding| key(&finding)).collect::<Vec<_>>(), expected);
    }
}

/// As a large tenant has them: everybody has the same few faults, on days and of ids that differ.
fn large(applications: u32) -> Findings {
    let mut findings = Findings::new(tenant());
    for number in 0..applications {
        // Spread, as ids are.
        let spread = number.wrapping_mul(0x9e37_79b9);
        let id = |kind: u32| format!("{spread:08x}-{kind:04x}-4000-8000-{number:012x}");
        let subject =
            Subject::application(id(1).parse().unwrap(), id(2).parse().unwrap(), &format!("billing-{number:07}"));
        let said = |message| Said { message, remedy: "kvops harden --app {app}".into(), adjustments: &[] };
        findings.fact(&subject, Evidence::Owners, "owners", 0);
        findings.add(("KVO409", Severity::Medium), subject.clone(), said("it has no owner, here or in a manifest"));
        let subject = subject.part(id(3));
        findings.fact(
            &subject,
            Evidence::Applications,
            format!("passwordCredentials[{}].endDateTime", id(3)),
            "2027-02-20",
        );
        let message = format!("a client secret lives {} days, past the limit of 180", number % 4000);
        findings.add(("KVO102", Severity::High), subject, said(&message));
        let subject = Subject::service_principal(id(4).parse().unwrap(), id(2).parse().unwrap(), "billing");
        let field = format!("passwordCredentials[{}].endDateTime", id(5));
        findings.fact(&subject, Evidence::ServicePrincipals, field, format!("20{}-01-13", 20 + number % 79));
        findings.fact(&subject, Evidence::KeyBytes, "sha1", format!("{number:040X}"));
        findings.add(("KVO501", Severity::High), subject, said("it carries 0 keys and 1 secret of its own"));
    }
    findings
}

#[test]
fn a_finding_takes_less_than_a_hundred_bytes() {
    let findings = large(20_000);
    assert!(findings.bytes() < findings.len() * 100, "{} bytes each", findings.bytes() / findings.len());
}

#[test]
fn an_object_is_named_once_for_all_of_its_findings() {
    let mut findings = Findings::new(tenant());
    let name = "n".repeat(1000);
    for number in 0..100 {
        let subject = Subject::new(ObjectKind::Vault, "contoso-kv", name.as_str()).part(number);
        let said = Said { message: "m", remedy: "r".into(), adjustments: &[] };
        findings.add(("KVO301", Severity::High), subject, said);
    }
    assert!(findings.bytes() < 4_000, "{}", findings.bytes());
    assert!(findings.iter().all(|finding| *finding.subject.name == *name));
}

#[test]
fn states_change_without_anything_else_and_are_kept_once() {
    let mut findings = large(10);
    let (before, bytes) = (findings.iter().collect::<Vec<_>>(), findings.bytes());
    let known = State::Existing { first_seen: date!(2026 - 10 - 01) };
    findings.restate(|entry| (entry.rule() == "KVO102").then(|| known.clone()));
    assert_eq!(findings.entries().filter(|entry| *entry.state() == known).count(), 10);
    findings.sort();
    assert!(findings.entries().all(|entry| (entry.rule() == "KVO102") == (*entry.state() == known)));
    findings.restate(|_| Some(State::New));
    assert_eq!(findings.bytes(), bytes);
    let unsorted: std::collections::HashSet<_> = before.iter().map(|finding| finding.fingerprint).collect();
    assert!(findings.iter().all(|finding| unsorted.contains(&finding.fingerprint)));
}

#[test]
fn what_is_asked_of_an_entry_is_what_the_finding_has() {
    let mut findings = large(3);
    findings.sort();
    for (entry, finding) in findings.entries().zip(findings.iter()) {
        let asked = (entry.rule(), entry.severity(), entry.kind(), entry.subject(), entry.fingerprint());
        let Finding { rule, severity, subject, fingerprint, .. } = finding;
        assert_eq!(asked, (rule, severity, subject.kind, subject.clone(), fingerprint));
        assert_eq!(fingerprint, Fingerprint::of(rule, &tenant(), &subject));
    }
    assert_eq!(findings.of_rule("KVO102").count(), 3);
    assert_eq!(findings.of_rule("KVO999").count(), 0);
}
