//! KVO903: a waiver that waives nothing; one that is malformed stops the audit before it begins.

use crate::audit::conclude::Ground;
use crate::audit::report::{Report, WaiverState};
use crate::audit::rule::{Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(in crate::audit) const RULE: Rule = Rule {
    id: "KVO903",
    name: "waiver-dead",
    title: "A waiver is about nothing",
    group: Group::Audit,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[],
    params: &["max_waiver_days", "max_waiver_objects"],
    fix: "take the waiver out of the file",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-3"],
    references: &[],
    page: include_str!("../../../../docs/rules/KVO903.md"),
    check: Check::Engine,
};

pub(in crate::audit) fn check(ground: &Ground<'_>, report: &Report, out: &mut Verdicts<'_>) {
    for waiver in report.waivers.iter().filter(|waiver| waiver.state == WaiverState::Dead) {
        let subject = ground.subject(format!("{} {}", waiver.rule, waiver.subject));
        out.finding(subject, "nothing was found that the waiver is about: it would hide a fault that is yet to come")
            .evidence(Evidence::History, "waiver", format!("{}:{}", waiver.file, waiver.line))
            .report();
    }
}
