//! The last part of an audit: what is accepted and what was known is laid over the findings, and the
//! run itself is judged.

use time::{Date, OffsetDateTime};

use super::baseline::Baseline;
use super::finding::{ObjectKind, Subject};
use super::policy::Policy;
use super::report::Report;
use super::rule::Rule;
use super::rules::meta;
use super::verdict::Verdicts;
use crate::domain::TenantId;

/// What a run is judged by, beside its inventory.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The policy, with its waivers.
    pub policy: &'a Policy,
    /// What was known.
    pub baseline: Option<&'a Baseline>,
    /// The file that the inventory is from; `None` when it was collected in this run.
    pub input: Option<&'a InputFile>,
    /// The time of the audit: that of the inventory, unless the inventory is from a file.
    pub now: OffsetDateTime,
}

/// A file that an inventory was read from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InputFile {
    /// The tenant that was asked for, if one was.
    pub tenant: Option<TenantId>,
    /// Why it is not as it was written, if it is not.
    pub damage: Option<String>,
}

impl Ground<'_> {
    /// The day of the audit.
    pub(super) fn today(&self) -> Date {
        self.now.date()
    }

    /// A part of the audit itself, for findings.
    pub(super) fn subject(&self, id: impl Into<Box<str>>) -> Subject {
        Subject::new(ObjectKind::Audit, id, "")
    }
}

impl Report {
    /// Applies waivers and baseline, and judges the run itself. Without it a report has no policy hash.
    pub fn conclude(&mut self, ground: &Ground<'_>, inventory: &crate::inventory::Inventory) {
        self.policy_hash = ground.policy.hash();
        self.warnings.clone_from(&ground.policy.warnings);
        for (rule, decide) in meta::BEFORE {
            self.decide(rule, *decide, ground);
        }
        ground.policy.waivers.apply(self, ground.today());
        if let Some(baseline) = ground.baseline {
            baseline.apply(self, inventory);
        }
        for (rule, decide) in meta::AFTER {
            self.decide(rule, *decide, ground);
        }
        self.sort();
    }

    fn decide(&mut self, rule: &Rule, decide: fn(&Ground<'_>, &Self, &mut Verdicts<'_>), ground: &Ground<'_>) {
        let Some(index) = self.tallies.iter().position(|tally| tally.rule.id == rule.id) else { return };
        let (mut findings, mut unknowns) = (Vec::new(), Vec::new());
        let mut verdicts = Verdicts {
            rule: self.tallies[index].rule,
            tenant: &self.header.tenant,
            severity: ground.policy.severity_of(rule),
            steps: &[],
            findings: &mut findings,
            unknowns: &mut unknowns,
        };
        decide(ground, self, &mut verdicts);
        let tally = &mut self.tallies[index];
        tally.objects += 1;
        tally.findings += findings.len() as u64;
        tally.passed += u64::from(findings.is_empty());
        self.findings.append(&mut findings);
    }
}
