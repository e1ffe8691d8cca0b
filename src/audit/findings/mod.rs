//! The findings of a report. A tenant of a million applications has four million of them, and all are kept
//! until they are sorted: each is packed into some sixty bytes, and is a [`Finding`] only while it is looked at.

mod bytes;
mod chunks;
mod order;
mod record;
mod states;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;

use self::bytes::{Reader, Writer};
use self::chunks::Chunks;
use self::record::{About, read_details, write_adjustments, write_fact};
use self::states::States;
use self::text::{Ids, Texts};
use super::finding::{Adjustment, Finding, Fingerprint, ObjectKind, State, Subject};
use super::severity::Severity;
use crate::domain::TenantId;
use crate::inventory::Evidence;

/// Findings of a tenant, in their order.
#[derive(Clone)]
pub struct Findings {
    tenant: TenantId,
    rules: Vec<&'static str>,
    numbers: HashMap<&'static str, usize>,
    states: States,
    texts: Texts,
    chunks: Chunks,
    rows: Vec<Row>,
    /// So many of them are in order.
    sorted: usize,
    /// Of the last one: what it is about, and the place of the record that says so.
    last: Option<(Subject, u64)>,
    facts: Facts,
    scratch: Scratch,
}

/// The facts of a finding that is yet to come, packed.
#[derive(Clone, Default)]
struct Facts {
    number: u64,
    packed: Writer,
}

/// Memory that is used again for every finding.
#[derive(Clone, Default)]
struct Scratch {
    head: Writer,
    body: Writer,
    field: String,
    value: String,
}

/// Where a finding stands, and what is asked of all of them. Rules and places need fewer bits than a machine
/// has memory for.
#[derive(Clone, Copy)]
struct Row {
    /// The lower bits of the place.
    low: u32,
    /// Five bits more of it, three of the severity, and the rule.
    high: u32,
    state: u32,
}

/// A finding where it stands: what is asked of it is unpacked, and nothing else.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    findings: &'a Findings,
    row: Row,
}

/// What a finding says, beside its facts.
pub(super) struct Said<'a> {
    pub(super) message: &'a str,
    pub(super) remedy: Cow<'static, str>,
    pub(super) adjustments: &'a [Adjustment],
}

impl Findings {
    /// No findings yet.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            rules: Vec::new(),
            numbers: HashMap::new(),
            states: States::default(),
            texts: Texts::default(),
            chunks: Chunks::default(),
            rows: Vec::new(),
            sorted: 0,
            last: None,
            facts: Facts::default(),
            scratch: Scratch::default(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each finding, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Finding> {
        self.entries().map(|entry| entry.finding())
    }

    /// The same, for what needs little of most of them.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.rows.iter().map(|row| Entry { findings: self, row: *row })
    }

    /// Those of one rule.
    pub fn of_rule<'a>(&'a self, rule: &str) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let number = self.numbers.get(rule).copied();
        self.entries().filter(move |entry| Some(entry.row.rule()) == number)
    }

    /// Notes a fact for the finding that is added next.
    pub(super) fn fact(
        &mut self,
        subject: &Subject,
        evidence: Evidence,
        field: impl fmt::Display,
        value: impl fmt::Display,
    ) {
        let scratch = &mut self.scratch;
        scratch.field.clear();
        scratch.value.clear();
        // Writing into a string does not fail.
        let _ = write!(scratch.field, "{field}");
        let _ = write!(scratch.value, "{value}");
        let fact = (evidence, scratch.field.as_str(), scratch.value.as_str());
        write_fact(fact, &Ids::of(subject), &mut self.texts, &mut self.facts.packed);
        self.facts.number += 1;
    }

    /// Adds a finding, with the facts that were noted for it.
    pub(super) fn add(&mut self, (rule, severity): (&'static str, Severity), subject: Subject, said: Said<'_>) {
        let about = About::of(&subject);
        let mut body = std::mem::take(&mut self.scratch.body);
        body.bytes.clear();
        about.write_part(&mut body);
        self.texts.sentence(said.message, &about.ids, &mut body);
        match said.remedy {
            Cow::Borrowed(text) => self.texts.fixed(text, &about.ids, &mut body),
            Cow::Owned(text) => self.texts.sentence(&text, &about.ids, &mut body),
        }
        write_adjustments(said.adjustments, &about.ids, &mut self.texts, &mut body);
        body.number(self.facts.number);
        body.bytes.extend_from_slice(&self.facts.packed.bytes);
        self.facts.number = 0;
        self.facts.packed.bytes.clear();

        let place = self.place(&subject, &about, &body.bytes);
        self.scratch.body = body;
        let rule = self.number(rule);
        self.rows.push(Row::new(place, severity, rule));
        if self.last.is_none() {
            self.last = Some((subject, place));
        }
    }

    /// Puts a record behind the others. The object stands before the first finding about it, and those that follow
    /// it in the same piece say how far back that is.
    fn place(&mut self, subject: &Subject, about: &About<'_>, body: &[u8]) -> u64 {
        /// What a number takes at most.
        const NUMBER: usize = 10;
        let head = &mut self.scratch.head;
        head.bytes.clear();
        let has_room = self.chunks.has_room(NUMBER + body.len());
        self.last.take_if(|(last, _)| !has_room || !is_same_object(last, subject));
        match self.last {
            Some((_, first)) => head.number(self.chunks.end() - first),
            None => {
                head.number(0);
                about.write(head);
                if !self.chunks.has_room(head.bytes.len() + body.len()) {
                    self.chunks.open(head.bytes.len() + body.len());
                }
            }
        }
        let place = self.chunks.end();
        self.chunks.push(&head.bytes);
        self.chunks.push(body);
        place
    }

    /// The number of a rule.
    fn number(&mut self, rule: &'static str) -> usize {
        *self.numbers.entry(rule).or_insert_with(|| {
            self.rules.push(rule);
            self.rules.len() - 1
        })
    }

    /// What a record is about, and the rest of it.
    fn about(&self, row: &Row) -> (About<'_>, Reader<'_>) {
        let mut from = Reader { bytes: self.chunks.from(row.place()) };
        let about = match from.number() {
            0 => About::read(&mut from),
            back => {
                let mut first = Reader { bytes: self.chunks.from(row.place().saturating_sub(back)) };
                first.number();
                About::read(&mut first)
            }
        };
        (about.read_part(&mut from), from)
    }

    /// Gives a new state to those that `of` has one for.
    pub(super) fn restate(&mut self, mut of: impl FnMut(&Entry<'_>) -> Option<State>) {
        for index in 0..self.rows.len() {
            let entry = Entry { findings: self, row: self.rows[index] };
            if let Some(state) = of(&entry) {
                self.rows[index].state = self.states.number(state);
            }
        }
    }

    /// Adds a finding by itself, with its state.
    pub(super) fn push(&mut self, finding: &Finding) {
        for fact in &finding.details.evidence {
            self.fact(&finding.subject, fact.evidence, &fact.field, &fact.value);
        }
        let said = Said {
            message: &finding.details.message,
            remedy: finding.details.remedy.clone().into(),
            adjustments: &finding.details.adjustments,
        };
        self.add((finding.rule, finding.severity), finding.subject.clone(), said);
        let state = self.states.number(finding.state.clone());
        self.rows.last_mut().into_iter().for_each(|row| row.state = state);
    }

    /// Adds those of others.
    pub(super) fn append(&mut self, others: &Self) {
        others.iter().for_each(|finding| self.push(&finding));
    }
}

/// Whether both are about one object, whichever part of it.
fn is_same_object(one: &Subject, other: &Subject) -> bool {
    let object = |subject: &Subject| (subject.kind, subject.app_id);
    object(one) == object(other) && one.id == other.id && one.name == other.name
}

impl Row {
    fn new(place: u64, severity: Severity, rule: usize) -> Self {
        let high = (place >> 32) as u32 & 31 | (severity as u32) << 5 | (rule as u32) << 8;
        Self { low: place as u32, high, state: 0 }
    }

    fn place(&self) -> u64 {
        u64::from(self.high & 31) << 32 | u64::from(self.low)
    }

    fn severity(&self) -> Severity {
        let number = (self.high >> 5 & 7) as usize;
        Severity::ALL.into_iter().rev().nth(number).unwrap_or(Severity::Critical)
    }

    fn rule(&self) -> usize {
        (self.high >> 8) as usize
    }
}

impl<'a> Entry<'a> {
    /// `KVO101`, or the id of a rule that somebody added.
    pub fn rule(&self) -> &'static str {
        self.findings.rules.get(self.row.rule()).copied().unwrap_or_default()
    }

    /// How bad, after adjustments.
    pub fn severity(&self) -> Severity {
        self.row.severity()
    }

    /// How it stands to what is known and accepted.
    pub fn state(&self) -> &'a State {
        self.findings.states.get(self.row.state)
    }

    /// Whether somebody accepted it for now.
    pub fn is_waived(&self) -> bool {
        matches!(self.state(), State::Waived { .. })
    }

    /// What kind of object has the fault.
    pub fn kind(&self) -> ObjectKind {
        self.findings.about(&self.row).0.kind
    }

    /// What has the fault.
    pub fn subject(&self) -> Subject {
        self.findings.about(&self.row).0.subject()
    }

    /// The same for the same fault in every run.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.rule(), &self.findings.tenant, &self.subject())
    }

    /// All of it.
    pub fn finding(&self) -> Finding {
        let (about, mut from) = self.findings.about(&self.row);
        let (rule, subject) = (self.rule(), about.subject());
        Finding {
            rule,
            severity: self.severity(),
            fingerprint: Fingerprint::of(rule, &self.findings.tenant, &subject),
            state: self.state().clone(),
            details: read_details(&about.ids, &self.findings.texts, &mut from),
            subject,
        }
    }
}

impl fmt::Debug for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding().fmt(f)
    }
}
