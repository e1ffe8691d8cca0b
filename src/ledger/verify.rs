//! Reading a ledger back, and saying what was done to it.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::entry::{Entry, Step};
use super::error::Error;
use super::line::Hash;

/// What verification found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Lines that are entries.
    pub entries: u64,
    /// Hash of the last line.
    pub last: Hash,
    /// Everything that is wrong, by line. A ledger without damage is as it was written.
    pub damage: Vec<Damage>,
}

/// Something that is wrong with a ledger.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a ledger.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It is no entry.
    NotAnEntry(String),
    /// It does not carry the hash of the line before: that line, or this one, was changed.
    Changed,
    /// Numbers are missing before it.
    Gap {
        /// The number that should stand here.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// It stands where another one belongs.
    Reordered {
        /// The number that should stand here.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// The last line has no end: a writer died, or somebody cut it.
    CutLine,
    /// A line that is known from elsewhere is not there: the end was cut off.
    Truncated {
        /// Where the hash is known from.
        anchor: String,
    },
    /// A signature over the lines before it does not hold, or is not there.
    Checkpoint(String),
}

/// The hash of a line that is known from elsewhere, such as a tag of a certificate's version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchor {
    /// Where it is known from.
    pub source: String,
    /// The hash.
    pub hash: Hash,
}

/// Reads the entries of a ledger that is sound.
pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let text = fs::read(path).map_err(|source| Error::File { path: path.to_owned(), doing: "read", source })?;
    Ok(entries(&text))
}

/// The entries of a ledger's text; a line that is none is left to [`verify`].
pub fn entries(text: &[u8]) -> Vec<Entry> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Looks for edits, gaps, wrong order and, by what is known from elsewhere, a cut end.
pub fn verify(text: &[u8], anchors: &[Anchor]) -> Verified {
    let mut state =
        State { entries: 0, number: 0, hash: Hash::NONE, torn: None, hashes: Vec::new(), damage: Vec::new() };
    let has_end = text.is_empty() || text.ends_with(b"\n");
    let body = if has_end && !text.is_empty() { &text[..text.len() - 1] } else { text };
    let mut last = 0;
    if !body.is_empty() {
        for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
            last = index as u64 + 1;
            state.line(last, line);
        }
    }
    if !has_end {
        state.damage.push(Damage { line: last, fault: Fault::CutLine });
    } else if let Some((line, _, problem)) = state.torn.take() {
        state.damage.push(Damage { line, fault: Fault::NotAnEntry(problem) });
    }
    for anchor in anchors.iter().filter(|anchor| !state.hashes.contains(&anchor.hash)) {
        state.damage.push(Damage { line: last + 1, fault: Fault::Truncated { anchor: anchor.source.clone() } });
    }
    state.damage.sort_by_key(|damage| damage.line);
    Verified { entries: state.entries, last: state.hash, damage: state.damage }
}

struct State {
    entries: u64,
    /// Number of the last entry.
    number: u64,
    hash: Hash,
    /// A line that is no entry; the next one may say that a crash tore it.
    torn: Option<(u64, Hash, String)>,
    hashes: Vec<Hash>,
    damage: Vec<Damage>,
}

impl State {
    fn line(&mut self, line: u64, text: &[u8]) {
        let hash = Hash::of(text);
        let entry = match serde_json::from_slice::<Entry>(text) {
            Ok(entry) => entry,
            Err(error) => {
                if let Some((line, _, problem)) = self.torn.replace((line, hash, error.to_string())) {
                    self.damage.push(Damage { line, fault: Fault::NotAnEntry(problem) });
                }
                return;
            }
        };
        if let Some((at, torn, problem)) = self.torn.take() {
            let declared = entry.facts.get("torn").is_some_and(|known| *known == torn.to_string());
            if entry.step != Step::Torn || !declared {
                self.damage.push(Damage { line: at, fault: Fault::NotAnEntry(problem) });
            }
        }
        let expected = self.number + 1;
        let fault = match entry.seq {
            found if found == expected && entry.prev == self.hash => None,
            found if found == expected => Some(Fault::Changed),
            found if found > expected => Some(Fault::Gap { expected, found }),
            found => Some(Fault::Reordered { expected, found }),
        };
        self.damage.extend(fault.map(|fault| Damage { line, fault }));
        (self.entries, self.number, self.hash) = (self.entries + 1, entry.seq, hash);
        self.hashes.push(hash);
    }
}

impl Verified {
    /// Whether the ledger is as it was written, as far as that can be seen.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEntry(problem) => write!(f, "it is no entry: {problem}"),
            Self::Changed => f.write_str("it does not carry the hash of the line before: one of the two was changed"),
            Self::Gap { expected, found } => {
                write!(f, "entry {expected} should stand here, and {found} does: entries are missing")
            }
            Self::Reordered { expected, found } => {
                write!(f, "entry {expected} should stand here, and {found} does: the order was changed")
            }
            Self::CutLine => f.write_str("it has no end: a writer died, or somebody cut it"),
            Self::Checkpoint(problem) => write!(f, "the signed checkpoint: {problem}"),
            Self::Truncated { anchor } => write!(f, "the entry that {anchor} names is not there: the end was cut off"),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
