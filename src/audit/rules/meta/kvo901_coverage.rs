//! KVO901: something that was asked for could not be read.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::conclude::Ground;
use crate::audit::report::Report;
use crate::audit::rule::{Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Gap, Reason};

pub(in crate::audit) const RULE: Rule = Rule {
    id: "KVO901",
    name: "coverage-incomplete",
    title: "Not everything that was asked for could be read",
    group: Group::Audit,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[],
    params: &[],
    fix: "grant what the evidence names, then audit again",
    mitre: &[],
    controls: &["NIST SP 800-53 CA-7"],
    references: &[],
    page: include_str!("../../../../docs/rules/KVO901.md"),
    check: Check::Engine,
};

/// As many gaps as a reader will look at; the report has all of them.
const SHOWN: usize = 10;

pub(in crate::audit) fn check(ground: &Ground<'_>, report: &Report, out: &mut Verdicts<'_>) {
    let mut gaps: BTreeMap<Evidence, Vec<&Gap>> = BTreeMap::new();
    for gap in report.coverage.gaps.iter().filter(|gap| !matches!(gap.reason, Reason::NotAsked | Reason::NotInCloud)) {
        gaps.entry(gap.evidence).or_default().push(gap);
    }
    for (evidence, count) in &report.coverage.counts {
        if count.read < count.expected {
            gaps.entry(*evidence).or_default();
        }
    }
    for (evidence, gaps) in gaps {
        let subject = ground.subject(evidence.name());
        let count = report.coverage.counts.get(&evidence).copied().unwrap_or_default();
        let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
        for gap in &gaps {
            *reasons.entry(gap.reason).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
        let missing = count.expected.saturating_sub(count.read).max(gaps.len() as u64);
        let mut message = format!("{missing} of {} {evidence} could not be read", count.expected.max(missing));
        if !reasons.is_empty() {
            message = format!("{message}: {}", reasons.join(", "));
        }
        let mut finding = out.finding(subject, message);
        for gap in gaps.iter().take(SHOWN) {
            let object = if gap.object.is_empty() { "all of them" } else { &gap.object };
            finding = finding.evidence(evidence, object, format!("{}: {}", gap.reason, gap.detail));
        }
        let grants: BTreeSet<&str> =
            gaps.iter().map(|gap| gap.grant.as_str()).filter(|grant| !grant.is_empty()).collect();
        if !grants.is_empty() {
            finding = finding
                .fix(format!("grant {}, then audit again", grants.into_iter().collect::<Vec<_>>().join(" and ")));
        }
        finding.report();
    }
}
