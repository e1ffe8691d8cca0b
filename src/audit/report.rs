//! What came of an audit. Formats write it down; nothing else is in them.

use serde::Serialize;
use time::Date;

use super::day;
use super::finding::{Fingerprint, Subject, Unknown};
use super::findings::Findings;
use super::omitted::Omitted;
use super::rule::Rule;
use super::severity::Severity;
use super::summary::Summary;
use crate::inventory::{Coverage, Header};

/// The result of judging an inventory.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was judged.
    pub header: Header,
    /// Name of the profile.
    pub profile: String,
    /// SHA-256 over rules, limits, severities and waivers, in hex: two reports with the same one were
    /// judged alike.
    pub policy_hash: String,
    /// What was read, and what was not.
    pub coverage: Coverage,
    /// Faults: worst first, then by rule and object.
    pub findings: Findings,
    /// What could not be decided, by rule and object: the first of each kind.
    pub unknowns: Vec<Unknown>,
    /// The rest of it.
    pub omitted: Omitted,
    /// Each rule that ran, in the order of the list.
    pub tallies: Vec<Tally>,
    /// Every waiver of the file, and what it did.
    pub waivers: Vec<WaiverUse>,
    /// How the findings stand to the baseline, if one was given.
    pub delta: Option<Delta>,
    /// What whoever wrote the policy should know: a limit of one application that no longer holds.
    pub warnings: Vec<String>,
    /// Counts, dates and the riskiest applications.
    pub summary: Summary,
}

/// How a rule did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tally {
    /// The rule.
    #[serde(skip)]
    pub rule: &'static Rule,
    /// Objects that it looked at.
    pub objects: u64,
    /// Objects without a finding and without an unknown.
    pub passed: u64,
    /// Findings.
    pub findings: u64,
    /// Undecided objects.
    pub unknown: u64,
}

/// A waiver and what it did.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaiverUse {
    /// The rule.
    pub rule: Box<str>,
    /// The object, as it was written: `app 7b0f…, key *`.
    pub subject: String,
    /// Who answers for it.
    pub owner: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Where that is discussed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Box<str>>,
    /// The last day on which it holds.
    #[serde(with = "day")]
    pub expires: Date,
    /// Whole days from the audit until then, negative once it has passed.
    pub days_left: i64,
    /// How many findings it is about.
    pub findings: u64,
    /// What came of it.
    pub state: WaiverState,
    /// File of the waiver.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
}

/// What came of a waiver.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It holds no longer.
    Expired,
    /// It holds.
    Active,
    /// Nothing that it is about was found: it can go.
    Dead,
    /// Whether it is about anything could not be decided, or was not asked.
    Undecided,
}

/// How findings stand to a baseline.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// The day of the baseline.
    #[serde(with = "day")]
    pub since: Date,
    /// Whether the baseline was judged by the same policy.
    pub is_same_policy: bool,
    /// Findings that are not in the baseline.
    pub new: u64,
    /// Findings that are.
    pub existing: u64,
    /// What is in the baseline and is no longer so.
    pub fixed: Vec<Gone>,
    /// What is in the baseline, and could not be looked at again.
    pub undecided: Vec<Gone>,
}

/// A finding of a baseline that was not found again.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// Of the finding.
    pub fingerprint: Fingerprint,
    /// The rule.
    pub rule: Box<str>,
    /// How bad it was.
    pub severity: Severity,
    /// What had the fault.
    pub subject: Subject,
    /// Since when it was known.
    #[serde(with = "day")]
    pub first_seen: Date,
}

impl Report {
    /// A report that says nothing yet.
    pub fn new(header: Header) -> Self {
        Self {
            findings: Findings::new(header.tenant.clone()),
            header,
            profile: String::new(),
            policy_hash: String::new(),
            coverage: Coverage::default(),
            unknowns: Vec::new(),
            omitted: Omitted::default(),
            tallies: Vec::new(),
            waivers: Vec::new(),
            delta: None,
            warnings: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// Puts findings and unknowns into the order of every report.
    pub(super) fn sort(&mut self) {
        self.findings.sort();
        self.unknowns.sort_by(|a, b| (&a.rule, &a.subject).cmp(&(&b.rule, &b.subject)));
    }

    /// The rule of a finding, among those that ran.
    pub fn rule(&self, id: &str) -> Option<&'static Rule> {
        self.tallies.iter().map(|tally| tally.rule).find(|rule| rule.id == id)
    }
}
