//! KVO904: a baseline that is too old to compare with.

use crate::audit::conclude::Ground;
use crate::audit::report::Report;
use crate::audit::rule::{Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::{counted, verb};
use crate::inventory::Evidence;

pub(in crate::audit) const RULE: Rule = Rule {
    id: "KVO904",
    name: "baseline-stale",
    title: "The baseline is old, or tells what is no longer so",
    group: Group::Audit,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[],
    params: &["max_baseline_days"],
    fix: "kvops audit --write-baseline FILE, and have the change reviewed",
    mitre: &[],
    controls: &["NIST SP 800-53 CM-2"],
    references: &[],
    page: include_str!("../../../../docs/rules/KVO904.md"),
    check: Check::Engine,
};

pub(in crate::audit) fn check(ground: &Ground<'_>, report: &Report, out: &mut Verdicts<'_>) {
    let (Some(baseline), Some(delta)) = (ground.baseline, &report.delta) else { return };
    let days = (ground.now - baseline.taken_at).whole_days();
    let most = i64::from(ground.policy.params.max_baseline_days);
    let is_old = days > most;
    let fixed = delta.fixed.len();
    let message = match (is_old, fixed) {
        (false, 0) => return,
        (true, 0) => format!("the baseline is {days} days old, past the limit of {most}"),
        (false, _) => {
            format!("{} of the baseline {} no longer there", counted(fixed, "finding"), verb(fixed, "is", "are"))
        }
        (true, _) => format!(
            "the baseline is {days} days old, past the limit of {most}, and {fixed} of its findings are no longer there"
        ),
    };
    out.finding(ground.subject("baseline"), message)
        .evidence(Evidence::History, "baseline.takenAt", baseline.taken_at.date())
        .report();
}
