//! What could not be decided: enough of it is named to be looked into, and the rest is counted.
//!
//! One right that is missing leaves a rule undecided for each application of the tenant. A million
//! sentences that differ in an id help nobody, and would need more memory than the tenant itself.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::finding::Unknown;
use crate::inventory::{Evidence, Reason};

/// So many are named of each rule, evidence and reason.
const NAMED: u64 = 1000;

/// Where rules put what they cannot decide.
#[derive(Debug, Default)]
pub(super) struct Unknowns {
    named: Vec<Unknown>,
    kinds: BTreeMap<(&'static str, Evidence, Reason), u64>,
    objects: Vec<u64>,
    number: u64,
}

/// What is undecided and not named.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Omitted {
    kinds: Vec<OmittedKind>,
    /// Of each rule and object, in order: two that are alike are one object too many called undecided.
    objects: Vec<u64>,
}

/// How much is undecided and not named, of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OmittedKind {
    /// The rule.
    pub rule: Box<str>,
    /// What was missing.
    pub evidence: Evidence,
    /// Why it was missing.
    pub reason: Reason,
    /// How many.
    pub number: u64,
}

impl Unknowns {
    /// Takes one more of a rule.
    pub(super) fn push(&mut self, rule: &'static str, unknown: Unknown) {
        self.number += 1;
        let count = self.kinds.entry((rule, unknown.evidence, unknown.reason)).or_default();
        *count += 1;
        if *count <= NAMED {
            self.named.push(unknown);
            return;
        }
        let object = hash(rule, &unknown.subject.id);
        if self.objects.last() != Some(&object) {
            self.objects.push(object);
        }
    }

    /// How many there are, named or not.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What is named, and what is counted.
    pub(super) fn finish(mut self) -> (Vec<Unknown>, Omitted) {
        self.objects.sort_unstable();
        self.objects.dedup();
        let omitted = self.kinds.into_iter().filter(|(_, count)| *count > NAMED);
        let kinds = omitted
            .map(|((rule, evidence, reason), count)| OmittedKind {
                rule: rule.into(),
                evidence,
                reason,
                number: count - NAMED,
            })
            .collect();
        (self.named, Omitted { kinds, objects: self.objects })
    }
}

impl Omitted {
    /// By rule, evidence and reason.
    pub fn kinds(&self) -> &[OmittedKind] {
        &self.kinds
    }

    /// All of it.
    pub fn number(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.number).sum()
    }

    /// Adds what rules that ran later left out; they are other rules than those before.
    #[cfg(feature = "rego")]
    pub(super) fn add(&mut self, later: Self) {
        self.kinds.extend(later.kinds);
        self.objects.extend(later.objects);
        self.objects.sort_unstable();
        self.objects.dedup();
    }

    /// Whether a rule is undecided for an object that is not named.
    pub(super) fn has(&self, rule: &str, object: &str) -> bool {
        self.objects.binary_search(&hash(rule, object)).is_ok()
    }

    /// Whether a rule is undecided for any object that is not named.
    pub(super) fn has_rule(&self, rule: &str) -> bool {
        self.kinds.iter().any(|kind| *kind.rule == *rule)
    }
}

fn hash(rule: &str, object: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (rule, object).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::finding::{ObjectKind, Subject};

    fn unknown(rule: &str, object: u64, reason: Reason) -> Unknown {
        Unknown {
            rule: rule.into(),
            subject: Subject::new(ObjectKind::Application, object.to_string(), ""),
            evidence: Evidence::KeyBytes,
            reason,
            why: String::new(),
        }
    }

    #[test]
    fn the_first_of_each_kind_are_named_and_the_rest_is_counted_and_still_known_to_be_undecided() {
        let mut unknowns = Unknowns::default();
        let mut push = |rule, object, reason| unknowns.push(rule, unknown(rule, object, reason));
        (0..NAMED + 3).for_each(|object| push("KVO118", object, Reason::Throttled));
        push("KVO118", NAMED + 2, Reason::Throttled);
        push("KVO118", 7, Reason::Rbac);
        (0..NAMED).for_each(|object| push("KVO701", object, Reason::Throttled));
        assert_eq!(unknowns.number(), 2 * NAMED + 5);
        let (named, omitted) = unknowns.finish();
        assert_eq!(named.len() as u64, 2 * NAMED + 1);
        assert_eq!(omitted.number(), 4);
        assert_eq!(omitted.kinds().len(), 1);
        assert_eq!((&*omitted.kinds()[0].rule, omitted.kinds()[0].reason), ("KVO118", Reason::Throttled));
        assert!(omitted.has("KVO118", "1002") && !omitted.has("KVO118", "999") && !omitted.has("KVO701", "1002"));
        assert!(omitted.has_rule("KVO118") && !omitted.has_rule("KVO701"));
    }
}
