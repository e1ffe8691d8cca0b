//! What came of an audit. Formats write it down; nothing else is in them.

use serde::Serialize;

use super::finding::{Finding, Unknown};
use super::rule::Rule;
use crate::inventory::{Coverage, Header};

/// The result of judging an inventory.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was judged.
    pub header: Header,
    /// Name of the profile.
    pub profile: String,
    /// What was read, and what was not.
    pub coverage: Coverage,
    /// Faults: worst first, then by rule and object.
    pub findings: Vec<Finding>,
    /// What could not be decided, by rule and object.
    pub unknowns: Vec<Unknown>,
    /// Each rule that ran, in the order of the list.
    pub tallies: Vec<Tally>,
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
