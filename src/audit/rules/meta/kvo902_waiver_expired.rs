//! KVO902: a waiver that has ended, of a fault that has not.

use crate::audit::conclude::Ground;
use crate::audit::day;
use crate::audit::report::Report;
use crate::audit::rule::{Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::Evidence;

pub(in crate::audit) const RULE: Rule = Rule {
    id: "KVO902",
    name: "waiver-expired",
    title: "A waiver has expired, and what it waived is still there",
    group: Group::Audit,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[],
    params: &[],
    fix: "fix what was waived, or have somebody answer for it until a new day",
    mitre: &[],
    controls: &["NIST SP 800-53 CA-5"],
    references: &[],
    page: include_str!("../../../../docs/rules/KVO902.md"),
    check: Check::Engine,
};

pub(in crate::audit) fn check(ground: &Ground<'_>, report: &Report, out: &mut Verdicts<'_>) {
    for (finding, expired) in ground.policy.waivers.expired(&report.findings, ground.today()) {
        let days = (ground.today() - expired).whole_days();
        let id = format!("{} {}", finding.rule, finding.subject.id);
        let mut subject = ground.subject(id);
        subject.part.clone_from(&finding.subject.part);
        let message = format!(
            "{} was waived until {}, {} ago, and stands again",
            finding.rule,
            day::text(expired),
            counted(days, "day")
        );
        out.finding(subject, message)
            .severity(finding.severity, "it is as bad as what was waived")
            .evidence(Evidence::History, "waiver.expires", day::text(expired))
            .fix(finding.details.fix(&finding.subject))
            .report();
    }
}
