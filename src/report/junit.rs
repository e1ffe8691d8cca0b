//! The report as JUnit XML: a suite for what was read, and one for each rule.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::Options;
use super::overview::{coverage_sentence, holes, is_outside, more};
use super::subject::label;
use crate::audit::{Finding, OmittedKind, Report, State, Unknown};
use crate::domain::printable;
use crate::inventory::{Count, Evidence, Gap, Reason};

type Xml<'a> = Writer<&'a mut dyn Write>;

/// A case of a suite.
struct Case {
    name: String,
    verdict: Verdict,
}

enum Verdict {
    Passed,
    Failure { severity: &'static str, message: String, detail: String },
    Error { reason: &'static str, message: String },
    Skipped { message: String },
}

/// Cases under a name, and how they went.
struct Suite<'a> {
    name: String,
    class: String,
    properties: Vec<(&'static str, &'a str)>,
    /// Its first cases: there may be more of them than fit into memory.
    findings: Option<Findings<'a>>,
    cases: Vec<Case>,
}

/// The findings of a rule.
#[derive(Clone, Copy)]
struct Findings<'a> {
    report: &'a Report,
    rule: &'a str,
}

pub(super) fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut suites = vec![coverage(report)];
    suites.extend(rules(report));
    let mut xml: Xml<'_> = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let total = suites.iter().fold(Numbers::default(), |total, suite| total.and(&suite.numbers()));
    xml.create_element("testsuites")
        .with_attribute(("name", "kvops audit"))
        .with_attributes(total.attributes().iter().map(|(name, number)| (*name, number.as_str())))
        .write_inner_content(|xml| suites.iter().try_for_each(|suite| suite.write(xml)))?;
    xml.get_mut().write_all(b"\n")
}

/// What was read of each kind: a case that errs where something is missing.
fn coverage(report: &Report) -> Suite<'_> {
    let mut gaps: BTreeMap<Evidence, Vec<&Gap>> = BTreeMap::new();
    for gap in holes(&report.coverage) {
        gaps.entry(gap.evidence).or_default().push(gap);
    }
    let whole = Count::default();
    let kinds: std::collections::BTreeSet<_> = report.coverage.counts.keys().chain(gaps.keys()).copied().collect();
    let cases = kinds.into_iter().map(|evidence| {
        let count = report.coverage.counts.get(&evidence).unwrap_or(&whole);
        let name = format!("{evidence}: {} of {} read", count.read, count.expected);
        let gaps = gaps.get(&evidence).map(Vec::as_slice).unwrap_or_default();
        let verdict = match gaps.first() {
            None if count.read >= count.expected => Verdict::Passed,
            None => Verdict::Error { reason: "incomplete", message: "not all of it was read".to_owned() },
            Some(gap) => {
                let mut message = format!("{} ({}): {}", gap.object, gap.reason, gap.detail);
                if !gap.grant.is_empty() {
                    message.push_str(&format!("; grant {}", gap.grant));
                }
                if gaps.len() > 1 {
                    message.push_str(&format!("; and {} more", gaps.len() - 1));
                }
                Verdict::Error { reason: gap.reason.name(), message }
            }
        };
        Case { name, verdict }
    });
    Suite {
        name: coverage_sentence(&report.coverage),
        class: "kvops.coverage".to_owned(),
        properties: vec![
            ("tenant", report.header.tenant.as_str()),
            ("profile", &report.profile),
            ("policyHash", &report.policy_hash),
        ],
        findings: None,
        cases: cases.collect(),
    }
}

/// The findings and what is undecided, by rule: first the rules that ran, then those that somebody added.
fn rules(report: &Report) -> impl Iterator<Item = Suite<'_>> {
    let mut cases: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for finding in report.findings.entries() {
        cases.entry(finding.rule()).or_default();
    }
    for unknown in &report.unknowns {
        cases.entry(&unknown.rule).or_default().push(Case::of_unknown(unknown));
    }
    for kind in report.omitted.kinds() {
        cases.entry(&kind.rule).or_default().push(Case::of_omitted(kind));
    }
    let mut suites = Vec::new();
    for tally in &report.tallies {
        let mut cases = cases.remove(tally.rule.id).unwrap_or_default();
        if tally.passed > 0 {
            let name = format!("{} of {} objects passed", tally.passed, tally.objects);
            cases.push(Case { name, verdict: Verdict::Passed });
        }
        suites.push(Suite {
            name: format!("{} {}", tally.rule.id, tally.rule.title),
            class: format!("kvops.{}", tally.rule.id),
            properties: vec![("severity", tally.rule.severity.name())],
            findings: Some(Findings { report, rule: tally.rule.id }),
            cases,
        });
    }
    suites.extend(cases.into_iter().map(|(rule, cases)| {
        let (name, class) = (rule.to_owned(), format!("kvops.{rule}"));
        Suite { name, class, properties: vec![], findings: Some(Findings { report, rule }), cases }
    }));
    suites.into_iter()
}

impl Verdict {
    /// What nobody asked for is no error of this run; it did not pass either.
    fn undecided(reason: Reason, message: String) -> Self {
        if is_outside(reason) {
            Self::Skipped { message: format!("not evaluated: {message}") }
        } else {
            Self::Error { reason: reason.name(), message }
        }
    }
}

impl Case {
    fn of_finding(finding: &Finding) -> Self {
        let verdict = match &finding.state {
            State::Waived { owner, reason, expires, ticket } => {
                let ticket = ticket.as_deref().map(|ticket| format!(" ({ticket})")).unwrap_or_default();
                let message = format!("{}, waived until {expires} by {owner}: {reason}{ticket}", finding.severity);
                Verdict::Skipped { message }
            }
            State::New | State::Existing { .. } => {
                let severity = finding.severity.name();
                let details = &finding.details;
                let mut lines = vec![details.fix(&finding.subject)];
                lines.extend(
                    details.adjustments.iter().map(|step| format!("{} from {}: {}", step.to, step.from, step.why)),
                );
                lines.extend(details.evidence.iter().map(|fact| format!("{} = {}", fact.field, fact.value)));
                lines.push(format!("fingerprint {}", finding.fingerprint));
                let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
                let message = format!("{severity}: {}", details.message);
                Verdict::Failure { severity, message, detail: lines.join("\n") }
            }
        };
        Self { name: name(&finding.subject), verdict }
    }

    fn of_unknown(unknown: &Unknown) -> Self {
        let message = format!("{}: {} not read ({})", unknown.why, unknown.evidence, unknown.reason);
        Self { name: name(&unknown.subject), verdict: Verdict::undecided(unknown.reason, message) }
    }

    fn of_omitted(kind: &OmittedKind) -> Self {
        let name = format!("{} more objects", kind.number);
        Self { name, verdict: Verdict::undecided(kind.reason, more(kind)) }
    }

    fn write(&self, class: &str, xml: &mut Xml<'_>) -> io::Result<()> {
        let name = legal(&self.name);
        let case = xml.create_element("testcase").with_attributes([("name", name.as_str()), ("classname", class)]);
        match &self.verdict {
            Verdict::Passed => case.write_empty()?,
            Verdict::Failure { severity, message, detail } => case.write_inner_content(|xml| {
                let message = legal(message);
                xml.create_element("failure")
                    .with_attributes([("message", message.as_str()), ("type", severity)])
                    .write_text_content(BytesText::new(&detail.lines().map(legal).collect::<Vec<_>>().join("\n")))?;
                Ok(())
            })?,
            Verdict::Error { reason, message } => case.write_inner_content(|xml| {
                let message = legal(message);
                let error = xml.create_element("error");
                error.with_attributes([("message", message.as_str()), ("type", reason)]).write_empty()?;
                Ok(())
            })?,
            Verdict::Skipped { message } => case.write_inner_content(|xml| {
                xml.create_element("skipped").with_attribute(("message", legal(message).as_str())).write_empty()?;
                Ok(())
            })?,
        };
        Ok(())
    }
}

impl Findings<'_> {
    fn cases(&self) -> impl Iterator<Item = Case> {
        self.report.findings.of_rule(self.rule).map(|finding| Case::of_finding(&finding.finding()))
    }

    fn numbers(&self) -> Numbers {
        self.report.findings.of_rule(self.rule).fold(Numbers::default(), |mut numbers, finding| {
            numbers.tests += 1;
            if finding.is_waived() {
                numbers.skipped += 1;
            } else {
                numbers.failures += 1;
            }
            numbers
        })
    }
}

impl Suite<'_> {
    fn numbers(&self) -> Numbers {
        let findings = self.findings.map(|findings| findings.numbers()).unwrap_or_default();
        findings.and(&Numbers::of(&self.cases))
    }

    fn write(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        let (name, class) = (legal(&self.name), legal(&self.class));
        xml.create_element("testsuite")
            .with_attribute(("name", name.as_str()))
            .with_attributes(self.numbers().attributes().iter().map(|(name, number)| (*name, number.as_str())))
            .write_inner_content(|xml| {
                if !self.properties.is_empty() {
                    xml.create_element("properties").write_inner_content(|xml| {
                        self.properties.iter().try_for_each(|(name, value)| {
                            let value = legal(value);
                            let property = xml.create_element("property");
                            property.with_attributes([("name", *name), ("value", value.as_str())]).write_empty()?;
                            Ok(())
                        })
                    })?;
                }
                let mut findings = self.findings.iter().flat_map(Findings::cases);
                findings.try_for_each(|case| case.write(&class, xml))?;
                self.cases.iter().try_for_each(|case| case.write(&class, xml))
            })?;
        Ok(())
    }
}

/// How many cases went how.
#[derive(Default)]
struct Numbers {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Numbers {
    fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        cases.into_iter().fold(Self::default(), |mut numbers, case| {
            numbers.tests += 1;
            match case.verdict {
                Verdict::Passed => {}
                Verdict::Failure { .. } => numbers.failures += 1,
                Verdict::Error { .. } => numbers.errors += 1,
                Verdict::Skipped { .. } => numbers.skipped += 1,
            }
            numbers
        })
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }

    fn attributes(&self) -> [(&'static str, String); 4] {
        [("tests", self.tests), ("failures", self.failures), ("errors", self.errors), ("skipped", self.skipped)]
            .map(|(name, number)| (name, number.to_string()))
    }
}

fn name(subject: &crate::audit::Subject) -> String {
    let part = subject.part.as_deref().map(|part| format!(" {part}")).unwrap_or_default();
    format!("{} {}{part}", super::subject::kind(subject.kind), label(subject))
}

/// Text that XML 1.0 can hold: it has no place for control characters, nor for U+FFFE and U+FFFF.
fn legal(text: &str) -> String {
    printable(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use crate::report::{Format, sample};

    #[test]
    fn coverage_is_the_first_suite_and_each_verdict_is_told_apart() {
        insta::assert_snapshot!(sample::written(Format::Junit), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="kvops audit" tests="9" failures="2" errors="2" skipped="2">
          <testsuite name="coverage 93.7 %: 15 of 16 read (1 denied)" tests="2" failures="0" errors="1" skipped="0">
            <properties>
              <property name="tenant" value="72f988bf-0000-4000-8000-2d7cd011db47"/>
              <property name="profile" value="default"/>
              <property name="policyHash" value="c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0de"/>
            </properties>
            <testcase name="applications: 12 of 12 read" classname="kvops.coverage"/>
            <testcase name="certificates: 3 of 4 read" classname="kvops.coverage">
              <error message="kv-private (firewall): Client address is not authorized; grant network access to kv-private" type="firewall"/>
            </testcase>
          </testsuite>
          <testsuite name="KVO101 Client secret on an application" tests="3" failures="1" errors="0" skipped="1">
            <properties>
              <property name="severity" value="high"/>
            </properties>
            <testcase name="application =cmd|&apos; /C calc&apos;!A0 \u{1b}[2J&lt;script&gt;alert(1)&lt;/script&gt; | [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]&gt; \u{202e}gnp;##vso[task.complete… (7b0f0000-0000-4000-8000-000000000001) aaaa0000-0000-4000-8000-000000000001" classname="kvops.KVO101">
              <failure message="critical: a client secret lives 730 days, past the limit of 180" type="critical">kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME
        critical from high: the application can become Global Administrator
        passwordCredentials[aaaa0000-0000-4000-8000-000000000001].endDateTime = 2028-11-20T12:00:00Z
        fingerprint 0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210</failure>
            </testcase>
            <testcase name="application Invoices (7b0f0000-0000-4000-8000-000000000001) aaaa0000-0000-4000-8000-000000000002" classname="kvops.KVO101">
              <skipped message="high, waived until 2027-02-28 by jane@contoso.example: vendor supports secrets only | until v9 &lt;b&gt; (SEC-4711)"/>
            </testcase>
            <testcase name="1 of 4 objects passed" classname="kvops.KVO101"/>
          </testsuite>
          <testsuite name="KVO201 Private key of a vault certificate is exportable" tests="4" failures="1" errors="1" skipped="1">
            <properties>
              <property name="severity" value="high"/>
            </properties>
            <testcase name="certificate kv-billing/billing 0123abcd" classname="kvops.KVO201">
              <failure message="medium: whoever may read the vault&apos;s secrets can download the private key" type="medium">kvops provision --vault kv-billing --name billing --app APP makes a new version
        medium from high: no application trusts this version
        policy.key_props.exportable = true
        fingerprint 98686b219af311512c53017381d678f7bed4ef93157059964863d012b1ed5e26</failure>
            </testcase>
            <testcase name="vault kv-private" classname="kvops.KVO201">
              <error message="its certificates were not read: certificates not read (firewall)" type="firewall"/>
            </testcase>
            <testcase name="application Invoices (7b0f0000-0000-4000-8000-000000000001)" classname="kvops.KVO201">
              <skipped message="not evaluated: nobody asked when it last signed in: sign-in-activity not read (not-asked)"/>
            </testcase>
            <testcase name="1 of 4 objects passed" classname="kvops.KVO201"/>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn it_is_well_formed_whatever_a_name_holds() {
        let text = sample::written(Format::Junit);
        let mut reader = Reader::from_str(&text);
        reader.config_mut().check_end_names = true;
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        // Characters that XML 1.0 has no place for, not even escaped.
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{fffe}'));
    }
}
