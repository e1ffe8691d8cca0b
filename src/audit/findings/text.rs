//! What findings say, kept small: sentences of a large tenant differ in ids, days and numbers only. Those are
//! taken out, and what is left is kept once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::bytes::{Id, Reader, Writer, guid, hex};
use crate::audit::finding::Subject;
use crate::domain::HexCase;

/// Stands before the letter of what was taken out of a sentence.
const SIGN: u8 = 1;

/// Shorter ids occur by chance, and save nothing.
const SHORTEST: usize = 12;

/// Patterns that are kept once: what varies without end must not fill the memory.
const MOST: usize = 1 << 16;

/// Whole values likewise. They leave room for sentences that come later.
const MOST_VALUES: usize = 1 << 14;

/// Patterns that were met once are remembered in so many places.
const MET: usize = 1 << 14;

/// Patterns by number. One is taken in when it is met the second time: a name that occurs once stays where it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<[u8]>, u32>,
    patterns: Vec<Arc<[u8]>>,
    met: Vec<u64>,
    /// By address, for texts of the program.
    fixed: HashMap<(usize, usize), u32>,
    /// Used again and again.
    pattern: Vec<u8>,
    arguments: Vec<u8>,
}

/// The ids of a subject, which its sentences repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    pub(super) id: Id<'a>,
    pub(super) part: Option<Id<'a>>,
    pub(super) app: Option<[u8; 16]>,
}

impl<'a> Ids<'a> {
    pub(super) fn of(subject: &'a Subject) -> Self {
        Self {
            id: Id::of(&subject.id),
            part: subject.part.as_deref().map(Id::of),
            app: subject.app_id.map(|app| app.uuid().into_bytes()),
        }
    }
}

impl Texts {
    /// A sentence, of which many differ in what is taken out of them.
    pub(super) fn sentence(&mut self, text: &str, ids: &Ids<'_>, to: &mut Writer) {
        self.pattern_of(text, ids, false, to);
    }

    fn pattern_of(&mut self, text: &str, ids: &Ids<'_>, is_new_as_a_whole: bool, to: &mut Writer) {
        let (mut pattern, mut arguments) = (std::mem::take(&mut self.pattern), Writer::default());
        arguments.bytes = std::mem::take(&mut self.arguments);
        pattern.clear();
        arguments.bytes.clear();
        split(text, ids, &mut pattern, &mut arguments);
        let is_new = is_new_as_a_whole && pattern == text.as_bytes();
        match (!is_new).then(|| self.number(&pattern, MOST)).flatten() {
            Some(number) => to.number(u64::from(number) + 1),
            None => {
                to.number(0);
                to.text(&pattern);
            }
        }
        to.bytes.extend_from_slice(&arguments.bytes);
        (self.pattern, self.arguments) = (pattern, arguments.bytes);
    }

    /// A value: the same one often occurs again as a whole.
    pub(super) fn value(&mut self, text: &str, ids: &Ids<'_>, to: &mut Writer) {
        let is_plain = !text.as_bytes().contains(&SIGN);
        match is_plain.then(|| self.number(text.as_bytes(), MOST_VALUES)).flatten() {
            Some(number) => to.number(u64::from(number) + 1),
            None => self.pattern_of(text, ids, is_plain, to),
        }
    }

    /// A text of the program itself.
    pub(super) fn fixed(&mut self, text: &'static str, ids: &Ids<'_>, to: &mut Writer) {
        let place = (text.as_ptr() as usize, text.len());
        let number = self.fixed.get(&place).copied().or_else(|| {
            let is_plain = !text.as_bytes().contains(&SIGN);
            let number = is_plain.then(|| self.known_or_added(text.as_bytes(), MOST)).flatten()?;
            self.fixed.insert(place, number);
            Some(number)
        });
        match number {
            Some(number) => to.number(u64::from(number) + 1),
            None => self.sentence(text, ids, to),
        }
    }

    /// The text that was written; `text` is memory for it.
    pub(super) fn read<'t>(&self, from: &mut Reader<'_>, ids: &Ids<'_>, text: &'t mut Vec<u8>) -> &'t str {
        let pattern = match from.count() {
            0 => from.text(),
            number => self.patterns.get(number - 1).map(|pattern| &**pattern).unwrap_or_default(),
        };
        text.clear();
        let mut pieces = pattern.split(|byte| *byte == SIGN);
        text.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            let Some((letter, rest)) = piece.split_first() else { continue };
            fill(*letter, from, ids, text);
            text.extend_from_slice(rest);
        }
        str::from_utf8(text).unwrap_or_default()
    }

    /// The number of a pattern; `None` when it is met for the first time, or when there are too many.
    fn number(&mut self, pattern: &[u8], most: usize) -> Option<u32> {
        if let Some(number) = self.numbers.get(pattern) {
            return Some(*number);
        }
        let mut hasher = DefaultHasher::new();
        pattern.hash(&mut hasher);
        let hash = hasher.finish();
        if self.met.is_empty() {
            self.met = vec![0; MET];
        }
        let met = &mut self.met[hash as usize % MET];
        if *met != hash {
            *met = hash;
            return None;
        }
        self.known_or_added(pattern, most)
    }

    fn known_or_added(&mut self, pattern: &[u8], most: usize) -> Option<u32> {
        if let Some(number) = self.numbers.get(pattern) {
            return Some(*number);
        }
        let number = u32::try_from(self.patterns.len()).ok().filter(|_| self.patterns.len() < most)?;
        let pattern: Arc<[u8]> = pattern.into();
        self.patterns.push(Arc::clone(&pattern));
        self.numbers.insert(pattern, number);
        Some(number)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.patterns.len()
    }
}

/// Takes ids, days and numbers out of a text.
fn split(text: &str, ids: &Ids<'_>, pattern: &mut Vec<u8>, arguments: &mut Writer) {
    let part = needle(ids.part);
    let id = needle(Some(ids.id));
    let next = |needle: Option<&str>, from: usize| {
        needle.and_then(|needle| Some(from + text.get(from..)?.find(needle)?)).unwrap_or(usize::MAX)
    };
    let (mut next_part, mut next_id) = (next(part, 0), next(id, 0));
    let (bytes, mut at, mut is_start) = (text.as_bytes(), 0, true);
    while let Some(&byte) = bytes.get(at) {
        let taken = if at >= next_part {
            pattern.extend([SIGN, b'p']);
            part.map(str::len)
        } else if at >= next_id {
            pattern.extend([SIGN, b'i']);
            id.map(str::len)
        } else if byte == SIGN {
            pattern.extend([SIGN, b's']);
            Some(1)
        } else if is_start && byte.is_ascii_hexdigit() {
            // A needle that begins within it is left to the next text that has it.
            token(bytes.get(at..).unwrap_or_default(), ids, pattern, arguments)
        } else {
            None
        };
        match taken {
            Some(length) => {
                at += length;
                is_start = false;
                if at > next_part {
                    next_part = next(part, at);
                }
                if at > next_id {
                    next_id = next(id, at);
                }
            }
            None => {
                pattern.push(byte);
                is_start = !byte.is_ascii_alphanumeric();
                at += 1;
            }
        }
    }
}

/// An id that is looked for as a text.
fn needle(id: Option<Id<'_>>) -> Option<&str> {
    match id {
        Some(Id::Text(text)) if text.len() >= SHORTEST => Some(text),
        _ => None,
    }
}

/// Takes out what a text begins with, and says how long that is.
fn token(text: &[u8], ids: &Ids<'_>, pattern: &mut Vec<u8>, arguments: &mut Writer) -> Option<usize> {
    if let Some(bytes) = text.get(..36).and_then(guid) {
        let letter = match Some(bytes) {
            found if ids.part == found.map(Id::Guid) => b'p',
            found if found == ids.app => b'a',
            found if Some(ids.id) == found.map(Id::Guid) => b'i',
            _ => {
                arguments.bytes.extend_from_slice(&bytes);
                b'g'
            }
        };
        pattern.extend([SIGN, letter]);
        return Some(36);
    }
    if let Some(length) = digest(text, ids, pattern, arguments) {
        return Some(length);
    }
    if let Some((number, letter, length)) = moment(text).or_else(|| decimal(text)) {
        pattern.extend([SIGN, letter]);
        arguments.number(number);
        return Some(length);
    }
    None
}

/// Hex digits in one case, as many as a version, a SHA-1 or a SHA-256 has.
fn digest(text: &[u8], ids: &Ids<'_>, pattern: &mut Vec<u8>, arguments: &mut Writer) -> Option<usize> {
    let run = |case: HexCase| text.iter().take(65).take_while(|digit| case.has(**digit)).count();
    let (lower, upper) = (run(HexCase::Lower), run(HexCase::Upper));
    let (case, length) = if lower >= upper { (HexCase::Lower, lower) } else { (HexCase::Upper, upper) };
    let digits = text.get(..length)?;
    let letter = match length {
        32 => {
            let bytes = hex::<16>(digits, case)?;
            if case == HexCase::Lower && ids.part == Some(Id::Hex(bytes)) {
                pattern.extend([SIGN, b'p']);
                return Some(length);
            }
            arguments.bytes.extend_from_slice(&bytes);
            b'h'
        }
        40 => {
            arguments.bytes.extend_from_slice(&hex::<20>(digits, case)?);
            b'k'
        }
        64 => {
            arguments.bytes.extend_from_slice(&hex::<32>(digits, case)?);
            b'm'
        }
        _ => return None,
    };
    pattern.extend([SIGN, if case == HexCase::Upper { letter.to_ascii_uppercase() } else { letter }]);
    Some(length)
}

/// `2026-11-22`, or `2026-11-22T08:00:00Z`, as one number: days and moments that are none are not taken for one.
fn moment(text: &[u8]) -> Option<(u64, u8, usize)> {
    let digits = |from: usize, length: usize| {
        let digits = text.get(from..from + length)?;
        digits.iter().all(u8::is_ascii_digit).then(|| value(digits))
    };
    let is = |at: usize, sign: u8| text.get(at) == Some(&sign);
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    if !is(4, b'-') || !is(7, b'-') || month > 12 || day > 31 {
        return None;
    }
    let date = (year * 13 + month) * 32 + day;
    let time = || {
        let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
        let is_time = is(10, b'T') && is(13, b':') && is(16, b':') && is(19, b'Z');
        (is_time && hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)
    };
    match time() {
        Some(time) => Some((date * 86_400 + time, b't', 20)),
        None => Some((date, b'd', 10)),
    }
}

/// A number without zeros before it.
fn decimal(text: &[u8]) -> Option<(u64, u8, usize)> {
    let length = text.iter().take(19).take_while(|digit| digit.is_ascii_digit()).count();
    let digits = text.get(..length)?;
    let is_number = (1..19).contains(&length) && (length == 1 || digits.first() != Some(&b'0'));
    is_number.then(|| (value(digits), b'n', length))
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// Puts back what a letter stands for.
fn fill(letter: u8, from: &mut Reader<'_>, ids: &Ids<'_>, to: &mut Vec<u8>) {
    let case = if letter.is_ascii_uppercase() { HexCase::Upper } else { HexCase::Lower };
    match letter.to_ascii_lowercase() {
        b'p' => ids.part.into_iter().for_each(|part| part.write(to)),
        b'a' => ids.app.into_iter().for_each(|app| Id::Guid(app).write(to)),
        b'i' => ids.id.write(to),
        b'g' => Id::Guid(from.array()).write(to),
        b'h' => case.write(&from.array::<16>(), to),
        b'k' => case.write(&from.array::<20>(), to),
        b'm' => case.write(&from.array::<32>(), to),
        b'n' => to.extend_from_slice(from.number().to_string().as_bytes()),
        b'd' => write_date(from.number(), to),
        b't' => {
            let moment = from.number();
            write_date(moment / 86_400, to);
            let time = moment % 86_400;
            to.push(b'T');
            write_digits(time / 3600, 2, to);
            to.push(b':');
            write_digits(time / 60 % 60, 2, to);
            to.push(b':');
            write_digits(time % 60, 2, to);
            to.push(b'Z');
        }
        _ => to.push(SIGN),
    }
}

fn write_date(date: u64, to: &mut Vec<u8>) {
    write_digits(date / 32 / 13, 4, to);
    to.push(b'-');
    write_digits(date / 32 % 13, 2, to);
    to.push(b'-');
    write_digits(date % 32, 2, to);
}

fn write_digits(number: u64, length: u32, to: &mut Vec<u8>) {
    to.extend((0..length).rev().map(|place| b'0' + (number / 10_u64.pow(place) % 10) as u8));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "11110000-0000-4000-8000-000000000001";
    const APP: &str = "7b0f0000-0000-4000-8000-000000000001";
    const OTHER: &str = "ffff0000-0000-4000-8000-00000000000f";

    fn subject(part: &str) -> Subject {
        Subject::application(ID.parse().unwrap(), APP.parse().unwrap(), "billing").part(part)
    }

    /// A text as it comes back, and the bytes that it took.
    fn again(texts: &mut Texts, text: &str, subject: &Subject) -> (String, usize) {
        let ids = Ids::of(subject);
        let mut to = Writer::default();
        texts.sentence(text, &ids, &mut to);
        texts.value(text, &ids, &mut to);
        let length = to.bytes.len();
        let mut from = Reader { bytes: &to.bytes };
        let mut read = || texts.read(&mut from, &ids, &mut Vec::new()).to_owned();
        let (sentence, value) = (read(), read());
        assert!(from.bytes.is_empty());
        assert_eq!(sentence, value);
        (sentence, length)
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_were(
            text in "([IAOPV]|[0-9]{1,20}|[0-9]{4}-[0-9]{2}-[0-9]{2}|T[0-9]{2}:[0-9]{2}:[0-9]{2}Z|[iapsn \u{1}é./-]|[0-9a-f]{32}|[0-9a-f]{40}|[0-9A-F]{40}|[0-9A-F]{64}){0,9}",
            part in "([IOV]|[iap\u{1}-]{0,30}|a part of a thing|https://[a-z]{5}/[0-9]{4}|[0-9a-f]{32})",
        ) {
            let version = "0123456789abcdef0123456789abcdef";
            let named = |text: &str| text.replace('I', ID).replace('A', APP).replace('O', OTHER).replace('V', version);
            let part = named(&part);
            let (subject, mut texts) = (subject(&part), Texts::default());
            let text = named(&text).replace('P', &part);
            for _ in 0..3 {
                prop_assert_eq!(again(&mut texts, &text, &subject).0, text.as_str());
            }
        }
    }

    #[test]
    fn sentences_that_differ_in_ids_days_and_numbers_are_kept_once() {
        let mut texts = Texts::default();
        for number in 1..100 {
            let part = format!("{number:08x}-0000-4000-8000-000000000001");
            let (subject, day) = (subject(&part), 10 + number % 20);
            let text = format!("key {part} of {APP} and {OTHER} is {number} days old since 2026-11-{day}T08:00:00Z");
            let (said, length) = again(&mut texts, &text, &subject);
            assert_eq!(said, text);
            assert!(number == 1 || length < 80, "{length}");
        }
        assert_eq!(texts.len(), 1);
    }

    #[test]
    fn names_that_all_differ_are_not_gathered() {
        let subject = subject("p");
        let gathered = |times: usize, put: fn(&mut Texts, &str, &Ids<'_>, &mut Writer)| {
            let mut texts = Texts::default();
            for number in 0..100_000 {
                let text = format!("signed by CN=svc{number}x");
                (0..times).for_each(|_| put(&mut texts, &text, &Ids::of(&subject), &mut Writer::default()));
            }
            texts.len()
        };
        assert_eq!([gathered(1, Texts::sentence), gathered(1, Texts::value)], [0, 0]);
        assert_eq!([gathered(2, Texts::sentence), gathered(2, Texts::value)], [MOST, MOST_VALUES]);
    }

    #[test]
    fn values_that_occur_again_take_a_number_alone() {
        let mut texts = Texts::default();
        let lengths = [0; 3].map(|_| again(&mut texts, "Key Vault Administrator", &subject("p")).1);
        assert!(lengths[2] <= 2, "{lengths:?}");
    }
}
