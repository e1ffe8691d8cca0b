//! Planted faults, one at least for every shipped rule, judged at every run with the run's own limits: a rule
//! that does not find its fault is dead, and its silence about a tenant would mean nothing.
//!
//! The faults are so gross that no legal limit excuses them. Waivers and severities do not apply.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;
use time::Duration;

use super::baseline::Baseline;
use super::conclude::{Ground, InputFile};
use super::engine::judge;
use super::history::History;
use super::manifest::{Manifest, ManifestEntry};
use super::policy::{File, Policy};
use super::rule::{Group, Rule};
use super::rules::rule;
use super::waiver::Waivers;
use crate::domain::AppId;
use crate::inventory::{Inventory, Seen};

/// A rule that does not find what was planted for it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{} did not find the fault that was planted for it: silence about your tenant would mean nothing", .0.join(", "))]
pub struct DeadRules(pub Vec<String>);

/// Tenants that never were.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    /// A line for the reader of the file.
    #[serde(rename = "about")]
    _about: String,
    tenants: Vec<Planted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Planted {
    /// The rules that find something here.
    rules: BTreeSet<String>,
    /// Limits that switch those rules off: with one of them nothing is expected.
    #[serde(default)]
    unless: BTreeMap<String, Json>,
    inventory: Inventory,
    #[serde(default)]
    manifest: Vec<Entry>,
    #[serde(default)]
    manifest_is_complete: bool,
    #[serde(default)]
    history: Option<History>,
}

#[derive(Clone, Deserialize)]
struct Entry {
    app: AppId,
    #[serde(flatten)]
    table: ManifestEntry,
}

/// Judges the planted faults by a policy. Do it before anything is collected: it takes milliseconds.
pub fn check_canary(policy: &Policy) -> Result<(), DeadRules> {
    let text = include_str!("../../policies/canary/inventory.json");
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    let canary = serde_json::from_str(text).expect("a file that a test has read");
    check(canary, policy)
}

fn check(canary: Canary, policy: &Policy) -> Result<(), DeadRules> {
    let params = serde_json::to_value(&policy.params).unwrap_or_default();
    let tenants = canary.tenants;
    // Rules that teams add bring tests of their own; of the shipped ones a test knows that each is here.
    let has_fault = |rule: &&&Rule| tenants.iter().any(|planted| planted.rules.contains(rule.id));
    let mut silent: BTreeSet<&str> = policy.rules.iter().filter(has_fault).map(|rule| rule.id).collect();
    let mut alone = policy.clone();
    alone.waivers = Waivers::default();
    alone.overrides.clear();
    for planted in tenants {
        if planted.unless.iter().any(|(name, value)| params.get(name) == Some(value)) {
            silent.retain(|id| !planted.rules.contains(*id));
            continue;
        }
        if planted.rules.iter().any(|id| silent.contains(&**id)) {
            for found in planted.judged(&alone) {
                silent.remove(&*found);
            }
        }
    }
    if silent.is_empty() { Ok(()) } else { Err(DeadRules(silent.into_iter().map(str::to_owned).collect())) }
}

impl Planted {
    /// The rules that find something.
    fn judged(self, policy: &Policy) -> BTreeSet<Box<str>> {
        let manifest = self.manifest();
        let history = self.history.clone().map_or_else(Seen::default, Seen::Read);
        let mut policy = policy.clone();
        let is_about_the_run = self.rules.iter().any(|id| rule(id).is_some_and(|rule| rule.group == Group::Audit));
        if !is_about_the_run {
            let report = judge(&self.inventory, &policy, &manifest, &history);
            return report.findings.entries().map(|finding| finding.rule().into()).collect();
        }
        // A waiver and a baseline need a finding to be about, whatever the profile.
        policy.rules.extend(rule("KVO101").filter(|first| policy.rules.iter().all(|rule| rule.id != first.id)));
        let now = self.inventory.header.collected_at + Duration::days(3650);
        let known: Vec<&str> = policy.rules.iter().map(|rule| rule.id).collect();
        let file = File::new("policies/canary/waivers.toml", include_str!("../../policies/canary/waivers.toml"));
        // A malformed file stops every audit; here it would make KVO902 and KVO903 silent, and that is told.
        policy.waivers = Waivers::read(&file, &policy.params, &known, now.date()).unwrap_or_default();
        let text = include_str!("../../policies/canary/baseline.json");
        let baseline = Baseline::read("policies/canary/baseline.json", text).ok();
        let input = InputFile { tenant: None, damage: Some("planted".to_owned()) };
        let mut report = judge(&self.inventory, &policy, &manifest, &history);
        let ground = Ground { policy: &policy, baseline: baseline.as_ref(), input: Some(&input), now };
        report.conclude(&ground, &self.inventory);
        report.findings.entries().map(|finding| finding.rule().into()).collect()
    }

    fn manifest(&self) -> Manifest {
        let entries = self.manifest.iter().cloned().map(|entry| (entry.app, entry.table));
        Manifest { entries: entries.collect(), is_complete: self.manifest_is_complete, file: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::params::Params;
    use crate::audit::policy::{LIMITS, Profile};
    use crate::audit::rule::Check;
    use crate::audit::rules::RULES;

    /// The file as it lies there, so that a change of it is tested without building anew.
    fn planted() -> Canary {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/canary/inventory.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn check_canary(policy: &Policy) -> Result<(), DeadRules> {
        check(planted(), policy)
    }

    fn policy(params: Params) -> Policy {
        Policy { rules: RULES.to_vec(), params, ..Policy::default() }
    }

    /// All limits at their defaults, but for some.
    fn with(changes: &[(&str, Json)]) -> Params {
        let mut params = serde_json::to_value(Params::default()).unwrap();
        for (name, value) in changes {
            params[*name] = value.clone();
        }
        serde_json::from_value(params).unwrap()
    }

    #[test]
    fn every_shipped_rule_has_a_planted_fault_and_every_fault_a_rule() {
        let planted: BTreeSet<String> = planted().tenants.into_iter().flat_map(|tenant| tenant.rules).collect();
        let shipped: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
        let missing: Vec<_> = shipped.difference(&planted).collect();
        let lost: Vec<_> = planted.difference(&shipped).collect();
        assert!(missing.is_empty() && lost.is_empty(), "without a fault: {missing:?}; without a rule: {lost:?}");
    }

    #[test]
    fn every_profile_is_alive() {
        for name in Profile::names() {
            let profile = Profile::named(name).unwrap();
            let policy = Policy { rules: profile.rules, params: profile.params, ..Policy::default() };
            assert_eq!(check_canary(&policy), Ok(()), "{name}");
        }
    }

    #[test]
    fn no_legal_limit_kills_a_rule() {
        let mut dead = Vec::new();
        let mut least = Vec::new();
        let mut most = Vec::new();
        for (name, limit) in LIMITS.iter() {
            let values = match (&limit.default, limit.min, limit.max) {
                (Json::Bool(_), ..) => vec![Json::Bool(false), Json::Bool(true)],
                (Json::Number(_), Some(min), Some(max)) => vec![min.into(), max.into()],
                _ => limit.values.iter().map(|value| Json::from(value.as_str())).collect(),
            };
            least.extend(values.first().map(|value| (name.as_str(), value.clone())));
            most.extend(values.last().map(|value| (name.as_str(), value.clone())));
            for value in values {
                if let Err(error) = check_canary(&policy(with(&[(name, value.clone())]))) {
                    dead.extend(error.0.into_iter().map(|id| format!("{id} by {name} = {value}")));
                }
            }
        }
        for (all, changes) in [("all at their least", least), ("all at their most", most)] {
            if let Err(error) = check_canary(&policy(with(&changes))) {
                dead.extend(error.0.into_iter().map(|id| format!("{id} with {all}")));
            }
        }
        dead.sort();
        assert!(dead.is_empty(), "\n{}\n", dead.join("\n"));
    }

    #[test]
    fn a_rule_that_says_nothing_is_named() {
        fn say_nothing(
            _: &crate::audit::facts::ApplicationFacts<'_>,
            _: &crate::audit::rule::Case<'_>,
            _: &mut crate::audit::verdict::Verdicts<'_>,
        ) {
        }
        let mute: &'static Rule =
            Box::leak(Box::new(Rule { check: Check::Application(say_nothing), ..*rule("KVO101").unwrap() }));
        let policy = Policy { rules: vec![mute], ..Policy::default() };
        assert_eq!(check_canary(&policy), Err(DeadRules(vec!["KVO101".to_owned()])));
    }
}
