//! What every format says first: how much was read, and how many findings there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Entry, Finding, ObjectKind, OmittedKind, Report, Severity, State};
use crate::inventory::{Count, Coverage, Evidence, Gap, Reason};

/// The numbers of a report.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Overview {
    /// Findings that nobody waived, worst severity first.
    pub(super) by_severity: [u64; 5],
    /// Findings that nobody waived.
    pub(super) findings: u64,
    /// Of those, the ones that are in the baseline.
    pub(super) existing: u64,
    /// Findings that somebody answers for.
    pub(super) waived: u64,
    /// Objects that a rule could not decide.
    pub(super) unknown: u64,
    /// Of those, the ones that nobody asked for, or that this cloud does not have.
    pub(super) not_asked: u64,
}

impl Overview {
    pub(super) fn of(report: &Report) -> Self {
        let mut this = Self::default();
        for finding in active(report) {
            for (number, severity) in this.by_severity.iter_mut().zip(Severity::ALL) {
                *number += u64::from(severity == finding.severity());
            }
            this.findings += 1;
            this.existing += u64::from(matches!(finding.state(), State::Existing { .. }));
        }
        this.waived = report.findings.len() as u64 - this.findings;
        this.unknown = report.unknowns.len() as u64 + report.omitted.number();
        let named = report.unknowns.iter().filter(|unknown| is_outside(unknown.reason)).count() as u64;
        let omitted = report.omitted.kinds().iter().filter(|kind| is_outside(kind.reason));
        this.not_asked = named + omitted.map(|kind| kind.number).sum::<u64>();
        this
    }

    /// Severities with a number above zero, worst first.
    pub(super) fn severities(&self) -> impl Iterator<Item = (Severity, u64)> {
        Severity::ALL.into_iter().zip(self.by_severity).filter(|(_, number)| *number > 0)
    }

    /// `3 critical, 1 high`; `no findings` when there is none.
    pub(super) fn sentence(&self) -> String {
        let parts: Vec<_> = self.severities().map(|(severity, number)| format!("{number} {severity}")).collect();
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }
}

/// `1 finding`, `2 findings`.
pub(super) fn some(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How much was read, and what is not in the list of faults: for formats with one line for it.
pub(super) fn first_line(report: &Report) -> String {
    let Overview { waived, unknown, .. } = Overview::of(report);
    let mut line = coverage_sentence(&report.coverage);
    if !is_complete(&report.coverage) {
        line.push_str("; what was not read did not pass");
    }
    if waived > 0 {
        line.push_str(&format!("; {} waived", some(waived, "finding")));
    }
    if unknown > 0 {
        line.push_str(&format!("; {} not evaluated", some(unknown, "object")));
    }
    line
}

/// Findings that count: nobody waived them.
pub(super) fn active(report: &Report) -> impl Iterator<Item = Entry<'_>> {
    report.findings.entries().filter(|finding| !finding.is_waived())
}

/// Findings that somebody answers for.
pub(super) fn waived(report: &Report) -> impl Iterator<Item = Entry<'_>> {
    report.findings.entries().filter(|finding| finding.is_waived())
}

/// Whether something was not read because nobody asked for it, or because there is no such thing
/// here: it is no hole in what was asked.
pub(super) const fn is_outside(reason: Reason) -> bool {
    matches!(reason, Reason::NotAsked | Reason::NotInCloud)
}

/// The share that was read, as people see it: never rounded up to all of it.
pub(super) fn percent(coverage: &Coverage) -> String {
    let percent = coverage.percent();
    if percent >= 100.0 { "100".to_owned() } else { format!("{:.1}", (percent * 10.0).floor() / 10.0) }
}

/// What was asked for and not read: all kinds together.
pub(super) fn total(coverage: &Coverage) -> Count {
    let mut total = Count::default();
    for count in coverage.counts.values() {
        total.expected += count.expected;
        total.read += count.read;
        total.denied += count.denied;
        total.throttled += count.throttled;
        total.failed += count.failed;
    }
    total
}

/// Whether everything that was asked for was read.
pub(super) fn is_complete(coverage: &Coverage) -> bool {
    holes(coverage).next().is_none() && coverage.counts.values().all(|count| count.read >= count.expected)
}

/// The gaps in what was asked for.
pub(super) fn holes(coverage: &Coverage) -> impl Iterator<Item = &Gap> {
    coverage.gaps.iter().filter(|gap| !is_outside(gap.reason))
}

/// `coverage 98.7 % (2 denied, 1 throttled)`.
pub(super) fn coverage_sentence(coverage: &Coverage) -> String {
    let total = total(coverage);
    let parts: Vec<_> = [("denied", total.denied), ("throttled", total.throttled), ("failed", total.failed)]
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(word, number)| format!("{number} {word}"))
        .collect();
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!("coverage {} %: {} of {} read{detail}", percent(coverage), total.read, total.expected)
}

/// What a kind of evidence that is missing keeps from being decided, and what would let it be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Missing {
    /// Rules that could not decide because of it.
    pub(super) rules: BTreeSet<Box<str>>,
    /// Objects that they could not decide.
    pub(super) objects: u64,
    /// What would let it be read; empty when nobody said.
    pub(super) grants: BTreeSet<String>,
    /// Where it is missing; empty when it is all of the kind.
    pub(super) places: BTreeSet<String>,
}

/// Everything undecided, by what is missing for it.
pub(super) fn missing(report: &Report) -> Vec<((Evidence, Reason), Missing)> {
    let mut groups: BTreeMap<(Evidence, Reason), Missing> = BTreeMap::new();
    for unknown in &report.unknowns {
        let group = groups.entry((unknown.evidence, unknown.reason)).or_default();
        group.objects += 1;
        if !group.rules.contains(&unknown.rule) {
            group.rules.insert(unknown.rule.clone());
        }
    }
    for kind in report.omitted.kinds() {
        groups.entry((kind.evidence, kind.reason)).or_default().objects += kind.number;
    }
    for gap in holes(&report.coverage) {
        let group = groups.entry((gap.evidence, gap.reason)).or_default();
        for (set, text) in [(&mut group.grants, &gap.grant), (&mut group.places, &gap.object)] {
            if !text.is_empty() {
                set.insert(text.clone());
            }
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // What can be repaired by granting something first, and what nobody asked for last.
    groups.sort_by_key(|((evidence, reason), _)| (is_outside(*reason), *reason, *evidence));
    groups
}

/// What stands for the undecided objects that a report does not name.
pub(super) fn more(kind: &OmittedKind) -> String {
    format!("{} more: {} not read ({}); only the first of a kind are named", kind.number, kind.evidence, kind.reason)
}

/// What a finding is grouped under: people mend an application, a vault or the tenant at a time.
pub(super) fn place(finding: &Finding) -> (ObjectKind, &str) {
    let subject = &finding.subject;
    match subject.kind {
        ObjectKind::Certificate => {
            (ObjectKind::Vault, subject.id.split_once('/').map_or(&*subject.id, |(vault, _)| vault))
        }
        kind => (kind, &subject.id),
    }
}
