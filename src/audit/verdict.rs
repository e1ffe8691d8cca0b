//! Where rules put what they decide. What a rule does not mention has passed.

use std::borrow::Cow;
use std::fmt;

use super::facts::CertificateFacts;
use super::finding::{Adjustment, Subject, Unknown};
use super::findings::{Findings, Said};
use super::omitted::Unknowns;
use super::rule::Rule;
use super::severity::Severity;
use crate::inventory::{Evidence, Reason};

/// The verdicts of one rule on one object.
#[derive(Debug)]
pub struct Verdicts<'a> {
    pub(super) rule: &'static Rule,
    /// The severity to start from: the rule's, or what the policy says in its place.
    pub(super) severity: Severity,
    /// Steps that hold for the object, whatever the rule.
    pub(super) steps: &'a [Step],
    /// The certificate, if the object is one: whoever trusts it is named in what to do.
    pub(super) certificate: Option<&'a CertificateFacts<'a>>,
    pub(super) findings: &'a mut Findings,
    pub(super) unknowns: &'a mut Unknowns,
}

/// A step of severity that an object brings along.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// One step worse, with the reason.
    Raise(&'static str),
    /// One step less bad, with the reason.
    Lower(&'static str),
}

/// A finding in the making; dropped, it is recorded.
#[derive(Debug)]
pub struct Draft<'v, 'a> {
    verdicts: &'v mut Verdicts<'a>,
    severity: Severity,
    adjustments: Vec<Adjustment>,
    subject: Option<Subject>,
    message: String,
    fix: Option<Cow<'static, str>>,
    is_never_raised: bool,
    is_never_lowered: bool,
}

impl<'a> Verdicts<'a> {
    /// Records a finding. `message` states the fact with its numbers, not the rule.
    pub fn finding<'v>(&'v mut self, subject: Subject, message: impl Into<String>) -> Draft<'v, 'a> {
        let severity = self.severity;
        Draft {
            verdicts: self,
            severity,
            adjustments: Vec::new(),
            subject: Some(subject),
            message: message.into(),
            fix: None,
            is_never_raised: false,
            is_never_lowered: false,
        }
    }

    /// Records that nothing can be said, and which evidence is missing for what reason.
    pub fn unknown(&mut self, subject: Subject, evidence: Evidence, reason: Reason, why: impl Into<String>) {
        let rule = self.rule.id;
        self.unknowns.push(rule, Unknown { rule: rule.into(), subject, evidence, reason, why: why.into() });
    }
}

impl Draft<'_, '_> {
    /// Another severity than the rule's, because of what was seen: `why` says what.
    #[must_use]
    pub fn severity(mut self, severity: Severity, why: &str) -> Self {
        if severity != self.severity {
            self.adjustments.push(Adjustment { from: self.severity, to: severity, why: why.to_owned() });
            self.severity = severity;
        }
        self
    }

    /// One step less bad, because of what was seen: `why` says what.
    #[must_use]
    pub fn lowered(self, why: &str) -> Self {
        let severity = self.severity.lowered();
        self.severity(severity, why)
    }

    /// Leaves out the steps that the object brings along, where the rule has taken them into account.
    #[must_use]
    pub fn without_steps(self) -> Self {
        self.without_raising().without_lowering()
    }

    /// Leaves out the steps for the worse, where the rule has taken the tier into account.
    #[must_use]
    pub fn without_raising(mut self) -> Self {
        self.is_never_raised = true;
        self
    }

    /// Leaves out the steps for the better, where what lowers is itself the fault.
    #[must_use]
    pub fn without_lowering(mut self) -> Self {
        self.is_never_lowered = true;
        self
    }

    /// Where the fact was seen.
    #[must_use]
    pub fn evidence(self, evidence: Evidence, field: impl fmt::Display, value: impl fmt::Display) -> Self {
        if let Some(subject) = &self.subject {
            self.verdicts.findings.fact(subject, evidence, field, value);
        }
        self
    }

    /// Another remedy than the rule's, with the same placeholders.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Cow<'static, str>>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Done: the finding is recorded.
    pub fn report(self) {}
}

impl Drop for Draft<'_, '_> {
    fn drop(&mut self) {
        let Some(subject) = self.subject.take() else { return };
        for step in self.verdicts.steps {
            let (to, why) = match step {
                Step::Raise(_) if self.is_never_raised => continue,
                Step::Lower(_) if self.is_never_lowered => continue,
                Step::Raise(why) => (self.severity.raised(), *why),
                Step::Lower(why) => (self.severity.lowered(), *why),
            };
            if to != self.severity {
                self.adjustments.push(Adjustment { from: self.severity, to, why: why.to_owned() });
                self.severity = to;
            }
        }
        let rule = self.verdicts.rule;
        let mut remedy = self.fix.take().unwrap_or(Cow::Borrowed(rule.fix));
        let trust = self.verdicts.certificate.and_then(|found| found.only_trust(subject.part.as_deref()));
        if let Some((app, key)) = trust {
            let named = remedy.replace("--app APP", &format!("--app {app}"));
            remedy = named.replace("--key KEYID", &format!("--key {key}")).into();
        }
        let said = Said { message: &self.message, remedy, adjustments: &self.adjustments };
        self.verdicts.findings.add((rule.id, self.severity), subject, said);
    }
}
