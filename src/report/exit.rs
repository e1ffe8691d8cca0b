//! What a report means to a pipeline: a pure decision, in one order of precedence.

use std::fmt;
use std::str::FromStr;

use super::overview::{Overview, active, percent};
use crate::audit::{Entry, Report, Severity, State};

/// When an audit fails.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Which findings fail it.
    pub fail_on: FailOn,
    /// Whether it fails when a rule could not decide something that was asked for.
    pub fail_on_unknown: bool,
    /// The least share that must have been read, in percent.
    pub require_coverage: Option<f64>,
    /// Whether findings of the baseline are passed over; critical ones never are.
    pub new_since: bool,
    /// What drifted from a signed baseline, one line each.
    pub drift: Vec<String>,
    /// Whether it never fails; what it would have failed for is said all the same.
    pub exit_zero: bool,
}

/// Which findings fail an audit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailOn {
    /// None.
    Nothing,
    /// Any that is not in the baseline, however bad.
    New,
    /// Those of a severity, and worse ones.
    Severity(Severity),
}

/// Text that says no threshold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no threshold: none, info, low, medium, high, critical or new")]
pub struct InvalidFailOn(String);

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing that fails it (exit code 0).
    Clean,
    /// Findings (1).
    Findings,
    /// Drift from the signed baseline (6).
    Changed,
    /// Too little was read, or decided (5).
    Partial,
}

/// What came of it, and everything that is to be said about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The one that the exit code tells: a fault goes before drift, and both before incompleteness.
    pub outcome: Outcome,
    /// All reasons, those that the exit code doesn't tell too; nothing when it is clean.
    pub reasons: Vec<String>,
}

/// Decides what a report means.
pub fn verdict(report: &Report, thresholds: &Thresholds) -> Verdict {
    let mut reasons = Vec::new();
    let mut outcome = Outcome::Clean;
    let mut note = |found: Outcome, reason: String| {
        reasons.push(reason);
        if outcome == Outcome::Clean {
            outcome = found;
        }
    };
    let failing = active(report).filter(|finding| thresholds.fails(finding)).count();
    if failing > 0 {
        note(Outcome::Findings, thresholds.sentence(failing));
    }
    for drift in &thresholds.drift {
        note(Outcome::Changed, drift.clone());
    }
    if let Some(required) = thresholds.require_coverage
        && report.coverage.percent() < required
    {
        note(Outcome::Partial, format!("coverage is {} %, below the {required} % required", percent(&report.coverage)));
    }
    let Overview { unknown, not_asked, .. } = Overview::of(report);
    let unknown = unknown - not_asked;
    if thresholds.fail_on_unknown && unknown > 0 {
        note(Outcome::Partial, format!("{unknown} could not be evaluated"));
    }
    if thresholds.exit_zero {
        outcome = Outcome::Clean;
    }
    Verdict { outcome, reasons }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fail_on: FailOn::Severity(Severity::High),
            fail_on_unknown: false,
            require_coverage: None,
            new_since: false,
            drift: Vec::new(),
            exit_zero: false,
        }
    }
}

impl Thresholds {
    /// Whether a finding that nobody waived fails the audit.
    fn fails(&self, finding: &Entry<'_>) -> bool {
        let is_known = matches!(finding.state(), State::Existing { .. }) && finding.severity() < Severity::Critical;
        match self.fail_on {
            FailOn::Nothing => false,
            FailOn::New => !is_known,
            FailOn::Severity(least) => finding.severity() >= least && !(self.new_since && is_known),
        }
    }

    fn sentence(&self, number: usize) -> String {
        let findings = if number == 1 { "1 finding" } else { &format!("{number} findings") };
        let of = match self.fail_on {
            FailOn::Nothing | FailOn::New => String::new(),
            FailOn::Severity(Severity::Critical) => " of severity critical".to_owned(),
            FailOn::Severity(severity) => format!(" of severity {severity} or worse"),
        };
        let new = if self.new_since || self.fail_on == FailOn::New { ", new or critical" } else { "" };
        format!("{findings}{of}{new}")
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.pad("none"),
            Self::New => f.pad("new"),
            Self::Severity(severity) => severity.fmt(f),
        }
    }
}

impl FromStr for FailOn {
    type Err = InvalidFailOn;

    fn from_str(text: &str) -> Result<Self, InvalidFailOn> {
        match text {
            "none" => Ok(Self::Nothing),
            "new" => Ok(Self::New),
            _ => text.parse().map(Self::Severity).map_err(|_| InvalidFailOn(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Unknown;
    use crate::inventory::{Evidence, Reason};
    use crate::report::sample;

    /// A report with one finding, of a severity and in a state.
    fn with(severity: Severity, state: State) -> Report {
        let mut report = sample::clean();
        let mut finding = sample::finding();
        (finding.severity, finding.state) = (severity, state);
        report.findings.replace([finding]);
        report
    }

    fn existing() -> State {
        State::Existing { first_seen: time::macros::date!(2026 - 10 - 01) }
    }

    fn outcome(report: &Report, thresholds: &Thresholds) -> Outcome {
        verdict(report, thresholds).outcome
    }

    #[test]
    fn a_finding_fails_from_its_threshold_on_and_not_below() {
        for severity in Severity::ALL {
            for least in Severity::ALL {
                let thresholds = Thresholds { fail_on: FailOn::Severity(least), ..Thresholds::default() };
                let expected = if severity >= least { Outcome::Findings } else { Outcome::Clean };
                assert_eq!(outcome(&with(severity, State::New), &thresholds), expected, "{severity} at {least}");
            }
            let nothing = Thresholds { fail_on: FailOn::Nothing, ..Thresholds::default() };
            assert_eq!(outcome(&with(severity, State::New), &nothing), Outcome::Clean);
            let new = Thresholds { fail_on: FailOn::New, ..Thresholds::default() };
            assert_eq!(outcome(&with(severity, State::New), &new), Outcome::Findings);
        }
        assert_eq!(outcome(&with(Severity::Medium, State::New), &Thresholds::default()), Outcome::Clean);
        assert_eq!(outcome(&with(Severity::High, State::New), &Thresholds::default()), Outcome::Findings);
    }

    #[test]
    fn what_is_waived_fails_nothing_and_the_baseline_counts_only_when_asked_and_never_for_critical() {
        assert_eq!(outcome(&with(Severity::Critical, sample::waived_state()), &Thresholds::default()), Outcome::Clean);
        let since = Thresholds { new_since: true, ..Thresholds::default() };
        let table = [
            (Severity::High, existing(), &Thresholds::default(), Outcome::Findings),
            (Severity::High, existing(), &since, Outcome::Clean),
            (Severity::High, State::New, &since, Outcome::Findings),
            (Severity::Critical, existing(), &since, Outcome::Findings),
        ];
        for (severity, state, thresholds, expected) in table {
            assert_eq!(outcome(&with(severity, state.clone()), thresholds), expected, "{severity} {state:?}");
        }
        let new = Thresholds { fail_on: FailOn::New, ..Thresholds::default() };
        assert_eq!(outcome(&with(Severity::High, existing()), &new), Outcome::Clean);
        assert_eq!(outcome(&with(Severity::Critical, existing()), &new), Outcome::Findings);
    }

    #[test]
    fn too_little_coverage_is_partial_and_all_of_it_is_not() {
        let mut report = sample::clean();
        let all = Thresholds { require_coverage: Some(100.0), ..Thresholds::default() };
        assert_eq!(outcome(&report, &all), Outcome::Clean);
        report.coverage = sample::report().coverage;
        assert_eq!(outcome(&report, &all), Outcome::Partial);
        assert_eq!(outcome(&report, &Thresholds { require_coverage: Some(50.0), ..all }), Outcome::Clean);
        assert_eq!(outcome(&report, &Thresholds::default()), Outcome::Clean);
    }

    #[test]
    fn unknown_fails_when_asked_unless_nobody_asked_for_the_evidence() {
        let mut report = sample::clean();
        let unknown = |reason| Unknown { reason, evidence: Evidence::SignInActivity, ..sample::unknown() };
        report.unknowns = vec![unknown(Reason::NotAsked), unknown(Reason::NotInCloud)];
        let strict = Thresholds { fail_on_unknown: true, ..Thresholds::default() };
        assert_eq!(outcome(&report, &strict), Outcome::Clean);
        report.unknowns.push(unknown(Reason::Rbac));
        assert_eq!(outcome(&report, &strict), Outcome::Partial);
        assert_eq!(outcome(&report, &Thresholds::default()), Outcome::Clean);
        assert_eq!(verdict(&report, &strict).reasons, ["1 could not be evaluated"]);
    }

    #[test]
    fn a_fault_goes_before_drift_and_drift_before_incompleteness_and_all_of_them_are_said() {
        let mut report = sample::report();
        let all = Thresholds {
            require_coverage: Some(100.0),
            drift: vec!["the policy of kv-billing/billing is not the recorded one".to_owned()],
            ..Thresholds::default()
        };
        let found = verdict(&report, &all);
        assert_eq!(found.outcome, Outcome::Findings);
        assert_eq!(found.reasons.len(), 3, "{:?}", found.reasons);
        report.findings.replace([]);
        assert_eq!(outcome(&report, &all), Outcome::Changed);
        assert_eq!(outcome(&report, &Thresholds { drift: vec![], ..all.clone() }), Outcome::Partial);
        let zero = verdict(&sample::report(), &Thresholds { exit_zero: true, ..all });
        assert_eq!((zero.outcome, zero.reasons.len()), (Outcome::Clean, 3));
    }

    #[test]
    fn thresholds_have_names() {
        for name in ["none", "info", "low", "medium", "high", "critical", "new"] {
            assert_eq!(name.parse::<FailOn>().unwrap().to_string(), name);
        }
        assert_eq!(
            "severe".parse::<FailOn>().unwrap_err().to_string(),
            "`severe` is no threshold: none, info, low, medium, high, critical or new"
        );
    }
}
