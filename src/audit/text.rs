//! What findings say, kept small: a large tenant has a million sentences that differ only in the ids of
//! their subjects.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::finding::{Adjustment, Details, Fact, Subject};
use super::severity::Severity;
use crate::inventory::Evidence;

/// Stands before the letter of what was taken out of a sentence.
const SIGN: char = '\u{1}';

/// Shorter ids occur by chance, and save nothing.
const SHORTEST: usize = 12;

/// Sentences, each once, for all findings of a run.
#[derive(Debug, Default)]
pub(super) struct Texts(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// The details of one finding.
#[derive(Clone)]
pub(super) struct Packed {
    texts: Arc<Texts>,
    bytes: Box<[u8]>,
}

impl Packed {
    pub(super) fn of(details: &Details, subject: &Subject, texts: &Arc<Texts>) -> Self {
        let mut to = Writer { bytes: Vec::with_capacity(64), texts, subject };
        to.sentence(&details.message);
        to.sentence(&details.remedy);
        to.number(details.adjustments.len());
        for step in &details.adjustments {
            to.number(position(&Severity::ALL, step.from));
            to.number(position(&Severity::ALL, step.to));
            to.sentence(&step.why);
        }
        to.number(details.evidence.len());
        for fact in &details.evidence {
            to.number(position(&Evidence::ALL, fact.evidence));
            to.sentence(&fact.field);
            to.text(&fact.value);
        }
        Self { texts: Arc::clone(texts), bytes: to.bytes.into() }
    }

    /// The details again. What `of` has written can always be read.
    pub(super) fn details(&self, subject: &Subject) -> Details {
        let mut from = Reader { bytes: &self.bytes, texts: &self.texts, subject };
        let (message, remedy) = (from.sentence(), from.sentence());
        let adjustments = (0..from.number()).map(|_| Adjustment {
            from: at(&Severity::ALL, from.number()),
            to: at(&Severity::ALL, from.number()),
            why: from.sentence(),
        });
        let adjustments = adjustments.collect();
        let evidence = (0..from.number()).map(|_| Fact {
            evidence: at(&Evidence::ALL, from.number()),
            field: from.sentence().into(),
            value: from.text().into(),
        });
        let evidence = evidence.collect();
        Details { adjustments, message: message.into(), evidence, remedy }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

struct Writer<'a> {
    bytes: Vec<u8>,
    texts: &'a Texts,
    subject: &'a Subject,
}

impl Writer<'_> {
    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// The number of a sentence, or 0 and the sentence itself, if it could be mistaken for a pattern.
    fn sentence(&mut self, text: &str) {
        match pattern(text, self.subject).and_then(|pattern| self.texts.number(&pattern)) {
            Some(number) => self.number(number as usize + 1),
            None => {
                self.number(0);
                self.text(text);
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    texts: &'a Texts,
    subject: &'a Subject,
}

impl Reader<'_> {
    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn text(&mut self) -> String {
        let length = self.number();
        let (text, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn sentence(&mut self) -> String {
        match self.number() {
            0 => self.text(),
            number => filled(&self.texts.text(number - 1), self.subject),
        }
    }
}

impl Texts {
    /// `None`: there are four thousand million already.
    fn number(&self, text: &str) -> Option<u32> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = table.numbers.get(text) {
            return Some(*number);
        }
        let number = u32::try_from(table.texts.len()).ok()?;
        let text: Arc<str> = text.into();
        table.texts.push(Arc::clone(&text));
        table.numbers.insert(text, number);
        Some(number)
    }

    fn text(&self, number: usize) -> Arc<str> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.texts.get(number).cloned().unwrap_or_default()
    }
}

/// A sentence without the ids of its subject; `None` if it could not be told from another.
fn pattern<'a>(text: &'a str, subject: &Subject) -> Option<Cow<'a, str>> {
    if text.contains(SIGN) {
        return None;
    }
    let mut text = Cow::Borrowed(text);
    let mut take_out = |id: &str, letter: char| {
        if id.len() >= SHORTEST && !id.contains(SIGN) && text.contains(id) {
            text = Cow::Owned(text.replace(id, &format!("{SIGN}{letter}")));
        }
    };
    subject.part.iter().for_each(|part| take_out(part, 'p'));
    subject.app_id.iter().for_each(|app| take_out(&app.to_string(), 'a'));
    take_out(&subject.id, 'i');
    Some(text)
}

fn filled(pattern: &str, subject: &Subject) -> String {
    let mut pieces = pattern.split(SIGN);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.as_bytes().first() {
            Some(b'p') => text.push_str(subject.part.as_deref().unwrap_or_default()),
            Some(b'a') => text.extend(subject.app_id.map(|app| app.to_string())),
            _ => text.push_str(&subject.id),
        }
        text.push_str(piece.get(1..).unwrap_or_default());
    }
    text
}

fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|known| *known == one).unwrap_or_default()
}

fn at<T: Copy>(all: &[T], position: usize) -> T {
    all[position.min(all.len() - 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "11110000-0000-4000-8000-000000000001";
    const APP: &str = "7b0f0000-0000-4000-8000-000000000001";

    fn subject(part: &str) -> Subject {
        Subject::application(ID.parse().unwrap(), APP.parse().unwrap(), "billing").part(part)
    }

    fn details(text: &str) -> Details {
        let text = text.replace('I', ID).replace('A', APP);
        Details {
            adjustments: vec![Adjustment { from: Severity::Low, to: Severity::Critical, why: text.clone() }],
            message: text.as_str().into(),
            evidence: [Fact { evidence: Evidence::KeyBytes, field: text.as_str().into(), value: text.as_str().into() }]
                .into(),
            remedy: text,
        }
    }

    proptest! {
        #[test]
        fn details_come_back_as_they_were(
            text in "[IAaip \u{1}é]{0,40}",
            part in "([IAaip\u{1}-]{0,30}|a part of a thing)",
        ) {
            let (subject, texts) = (subject(&part), Arc::default());
            let details = details(&text.replace('-', &part));
            prop_assert_eq!(Packed::of(&details, &subject, &texts).details(&subject), details);
        }
    }

    #[test]
    fn sentences_that_differ_in_ids_only_are_kept_once() {
        let texts: Arc<Texts> = Arc::default();
        for number in 0..100 {
            let part = format!("{number:036}");
            let subject = subject(&part);
            let details = Details { evidence: [].into(), ..details(&format!("key {part} of A is old")) };
            assert_eq!(Packed::of(&details, &subject, &texts).details(&subject), details);
        }
        assert_eq!(texts.0.lock().unwrap().texts.len(), 1);
    }
}
