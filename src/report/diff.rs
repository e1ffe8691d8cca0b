//! Two reports side by side: what is new, what is fixed, what stayed, and what can't be told.

mod reading;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use reading::{InvalidReport, Snapshot};

use super::exit::{FailOn, Outcome, Verdict};
use super::overview::some;
use crate::audit::{Fingerprint, Severity};
use reading::{Known, Object};

/// How two reports of a tenant differ.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff<'a> {
    schema_version: &'static str,
    tenant: &'a str,
    before: Side<'a>,
    after: Side<'a>,
    /// Whether both were judged by the same rules and limits: if not, what is new may be so because
    /// somebody looks closer.
    is_same_policy: bool,
    new: Vec<&'a Known>,
    fixed: Vec<&'a Known>,
    /// In the first report, and not looked at in the second one: neither fixed nor there.
    undecided: Vec<&'a Known>,
    unchanged: Vec<Unchanged<'a>>,
}

/// One of the two reports.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side<'a> {
    collected_at: &'a str,
    coverage_percent: f64,
    profile: &'a str,
    policy_hash: &'a str,
    findings: usize,
}

/// A finding of both reports.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Unchanged<'a> {
    #[serde(flatten)]
    finding: &'a Known,
    /// How bad it was, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_before: Option<Severity>,
    /// Whether it was waived, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_waived: Option<bool>,
}

/// Two reports that say nothing of each other.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the reports are of two tenants: {before} and {after}")]
pub struct OtherTenant {
    before: String,
    after: String,
}

impl<'a> Diff<'a> {
    /// Compares an earlier report with a later one.
    ///
    /// # Errors
    ///
    /// When they are of two tenants.
    pub fn new(before: &'a Snapshot, after: &'a Snapshot) -> Result<Self, OtherTenant> {
        if before.header.tenant != after.header.tenant {
            let (before, after) = (before.header.tenant.clone(), after.header.tenant.clone());
            return Err(OtherTenant { before, after });
        }
        let earlier: BTreeMap<Fingerprint, &Known> =
            before.findings.iter().map(|known| (known.fingerprint, known)).collect();
        let later: BTreeSet<Fingerprint> = after.findings.iter().map(|known| known.fingerprint).collect();
        let reach = Reach::of(after);
        let (fixed, undecided) = before
            .findings
            .iter()
            .filter(|known| !later.contains(&known.fingerprint))
            .partition(|known| reach.was_decided(known));
        let (mut new, mut unchanged) = (Vec::new(), Vec::new());
        for finding in &after.findings {
            match earlier.get(&finding.fingerprint) {
                None => new.push(finding),
                Some(known) => unchanged.push(Unchanged {
                    finding,
                    severity_before: (known.severity != finding.severity).then_some(known.severity),
                    was_waived: (known.is_waived() != finding.is_waived()).then(|| known.is_waived()),
                }),
            }
        }
        Ok(Self {
            schema_version: "1.0",
            tenant: &after.header.tenant,
            before: Side::of(before),
            after: Side::of(after),
            is_same_policy: before.policy.hash == after.policy.hash,
            new,
            fixed,
            undecided,
            unchanged,
        })
    }

    /// Decides what the difference means to a pipeline: only what is new, and not waived, fails it.
    pub fn verdict(&self, fail_on: FailOn) -> Verdict {
        let fails = |known: &&&Known| match fail_on {
            FailOn::Nothing => false,
            FailOn::New => true,
            FailOn::Severity(least) => known.severity >= least,
        };
        let failing = self.new.iter().filter(|known| !known.is_waived()).filter(fails).count();
        if failing == 0 {
            return Verdict { outcome: Outcome::Clean, reasons: Vec::new() };
        }
        Verdict { outcome: Outcome::Findings, reasons: vec![some(failing as u64, "new finding")] }
    }
}

impl<'a> Side<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            collected_at: &snapshot.header.collected_at,
            coverage_percent: snapshot.coverage.percent,
            profile: &snapshot.policy.profile,
            policy_hash: &snapshot.policy.hash,
            findings: snapshot.findings.len(),
        }
    }
}

/// What a report looked at: only there does an absent finding mean that the fault is gone.
struct Reach<'a> {
    is_narrowed: bool,
    rules: BTreeSet<&'a str>,
    undecided: BTreeSet<(&'a str, &'a str, &'a str)>,
    omitted: BTreeSet<&'a str>,
}

impl<'a> Reach<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let header = &snapshot.header;
        Self {
            is_narrowed: header.is_narrowed_to_applications || header.is_narrowed_to_vaults,
            rules: snapshot.rules.iter().map(|rule| rule.id.as_str()).collect(),
            undecided: snapshot
                .unknown
                .iter()
                .map(|unknown| (unknown.rule.as_str(), unknown.subject.kind.as_str(), unknown.subject.id.as_str()))
                .collect(),
            omitted: snapshot.unknown_omitted.iter().map(|kind| kind.rule.as_str()).collect(),
        }
    }

    fn was_decided(&self, known: &Known) -> bool {
        let rule = known.rule.as_str();
        // Which objects those are, a report does not say.
        let has_omitted = self.omitted.contains(rule);
        if self.is_narrowed || has_omitted || !self.rules.contains(rule) {
            return false;
        }
        let Object { kind, id, .. } = &known.subject;
        let is_unknown = |kind: &str, id: &str| self.undecided.contains(&(known.rule.as_str(), kind, id));
        let vault = id.split_once('/').map_or(id.as_str(), |(vault, _)| vault);
        let is_vault_unknown = kind == "certificate" && is_unknown("vault", vault);
        let is_tenant_unknown = self.undecided.iter().any(|(rule, kind, _)| *rule == known.rule && *kind == "tenant");
        !(is_unknown(kind, id) || is_vault_unknown || is_tenant_unknown)
    }
}

#[cfg(test)]
mod tests;
