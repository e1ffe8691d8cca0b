//! TOML that people write, read with the place of everything in it: whatever is wrong is shown with
//! file, line and caret, all of it at once.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use time::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::audit::day;
use crate::domain::printable;

/// A file that somebody wrote.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct File {
    /// Its path, as people know it.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Something wrong in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    excerpt: String,
    width: usize,
}

/// Everything wrong in the files that were read, in their order.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", shown(.0))]
pub struct Problems(pub Vec<Problem>);

/// Collects what is wrong while a file is read.
#[derive(Debug)]
pub(crate) struct Reader<'f> {
    file: &'f File,
    problems: RefCell<Vec<Problem>>,
}

/// A table of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'r> {
    reader: &'r Reader<'r>,
    table: &'r DeTable<'r>,
    /// Where it begins.
    pub(crate) span: (usize, usize),
}

/// A value of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'r> {
    reader: &'r Reader<'r>,
    /// Its key.
    pub(crate) key: &'r str,
    key_span: (usize, usize),
    value: &'r Spanned<DeValue<'r>>,
}

impl File {
    /// A file with its text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The line of a place in the text, from 1.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    /// A problem at a place in the text.
    pub(crate) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        let start = floor(&self.text, span.start);
        let begin = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line_end = floor(&self.text, span.end).clamp(start, end);
        Problem {
            file: self.name.clone(),
            line: self.line_of(start),
            column: self.text[begin..start].chars().count() + 1,
            message: message.into(),
            excerpt: printable(&self.text[begin..end].replace('\t', " ")),
            width: self.text[start..line_end].chars().count().max(1),
        }
    }
}

/// The nearest place at or before `at` that is not inside a character.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl<'f> Reader<'f> {
    /// Reads `file` by `read`, and returns what it made of it, or everything that is wrong.
    pub(crate) fn read<T>(file: &'f File, read: impl FnOnce(Table<'_>) -> T) -> Result<T, Problems> {
        let parsed = DeTable::parse(&file.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            Problems(vec![file.problem(span, error.message())])
        })?;
        let reader = Reader { file, problems: RefCell::default() };
        let read = read(Table { reader: &reader, table: parsed.get_ref(), span: (0, 0) });
        let problems = reader.problems.into_inner();
        if problems.is_empty() { Ok(read) } else { Err(Problems(problems)) }
    }

    fn report(&self, span: (usize, usize), message: impl Into<String>) {
        self.problems.borrow_mut().push(self.file.problem(span.0..span.1, message));
    }
}

impl<'r> Table<'r> {
    /// Everything in it, in the order of the file.
    pub(crate) fn values(self) -> Vec<Value<'r>> {
        let mut values: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| Value {
                reader: self.reader,
                key: key.get_ref(),
                key_span: (key.span().start, key.span().end),
                value,
            })
            .collect();
        values.sort_by_key(|value| value.key_span);
        values
    }

    /// One of its values.
    pub(crate) fn get(self, key: &str) -> Option<Value<'r>> {
        self.values().into_iter().find(|value| value.key == key)
    }

    /// One of its values; it is a problem when it is not there.
    pub(crate) fn need(self, key: &str, what: &str) -> Option<Value<'r>> {
        let found = self.get(key);
        if found.is_none() {
            self.problem(format!("`{key}` is missing: {what}"));
        }
        found
    }

    /// Every key that is none of those is a problem.
    pub(crate) fn only(self, known: &[&str]) {
        for value in self.values().into_iter().filter(|value| !known.contains(&value.key)) {
            value.key_problem(format!("`{}` is not known here{}", value.key, meant(value.key, known)));
        }
    }

    /// Something is wrong with it as a whole.
    pub(crate) fn problem(self, message: impl Into<String>) {
        self.reader.report(self.span, message);
    }

    /// Its line, from 1.
    pub(crate) fn line(self) -> usize {
        self.reader.file.line_of(self.span.0)
    }

    /// Name of its file.
    pub(crate) fn file(self) -> &'r str {
        &self.reader.file.name
    }
}

impl<'r> Value<'r> {
    /// The value of a table.
    pub(crate) fn table(self) -> Option<Table<'r>> {
        let Some(table) = self.value.get_ref().as_table() else {
            self.problem(format!("`{}` must be a table", self.key));
            return None;
        };
        Some(Table { reader: self.reader, table, span: self.key_span })
    }

    /// The tables of an array of tables, or the one that stands in its place.
    pub(crate) fn tables(self) -> Vec<Table<'r>> {
        let Some(array) = self.value.get_ref().as_array() else { return self.table().into_iter().collect() };
        let tables = array.iter().filter_map(|item| {
            let span = (item.span().start, item.span().end);
            let table = item.get_ref().as_table();
            if table.is_none() {
                self.reader.report(span, format!("`{}` must hold tables", self.key));
            }
            Some(Table { reader: self.reader, table: table?, span })
        });
        tables.collect()
    }

    /// Whether it is a list with nothing in it.
    pub(crate) fn is_empty_list(self) -> bool {
        self.value.get_ref().as_array().is_some_and(|list| list.is_empty())
    }

    /// Whether it is `true`.
    pub(crate) fn is_true(self) -> bool {
        self.value.get_ref().as_bool() == Some(true)
    }

    /// The value of a text that is not blank.
    pub(crate) fn text(self) -> Option<&'r str> {
        let text = self.value.get_ref().as_str().map(str::trim);
        match text {
            None => self.problem(format!("`{}` must be text in quotes", self.key)),
            Some("") => self.problem(format!("`{}` must not be empty", self.key)),
            Some(_) => {}
        }
        text.filter(|text| !text.is_empty())
    }

    /// The value of a day.
    pub(crate) fn day(self) -> Option<Date> {
        let written = match self.value.get_ref() {
            DeValue::Datetime(moment) if moment.time.is_none() => Some(moment.to_string()),
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        let day = written.and_then(|text| day::parse(&text));
        if day.is_none() {
            self.problem(format!("`{}` must be a day, such as 2027-03-31", self.key));
        }
        day
    }

    /// Whether it is a table.
    pub(crate) fn is_table(self) -> bool {
        self.value.get_ref().is_table()
    }

    /// A plain value as JSON: what is no text, list of texts, whole number, true or false is a problem.
    pub(crate) fn plain(self) -> Option<serde_json::Value> {
        let plain = match self.value.get_ref() {
            DeValue::String(text) => Some(serde_json::Value::from(text.as_ref())),
            DeValue::Boolean(flag) => Some(serde_json::Value::from(*flag)),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(serde_json::Value::from)
            }
            DeValue::Array(_) => Some(self.texts().into_iter().map(|(text, _)| text).collect()),
            _ => None,
        };
        if plain.is_none() {
            self.problem(format!("`{}` must be a whole number, a text, or true or false", self.key));
        }
        plain
    }

    /// The texts of an array.
    pub(crate) fn texts(self) -> Vec<(&'r str, Self)> {
        let Some(array) = self.value.get_ref().as_array() else {
            self.problem(format!("`{}` must be a list", self.key));
            return Vec::new();
        };
        let items = array.iter().map(|value| Value { value, ..self });
        items.filter_map(|item| Some((item.text()?, item))).collect()
    }

    /// Something is wrong with the value.
    pub(crate) fn problem(self, message: impl Into<String>) {
        let span = self.value.span();
        // A table under its header has no text of its own: its key is where people look.
        let span = if self.is_table() { self.key_span } else { (span.start, span.end) };
        self.reader.report(span, message);
    }

    /// Something is wrong with the key.
    pub(crate) fn key_problem(self, message: impl Into<String>) {
        self.reader.report(self.key_span, message);
    }

    /// Its line, from 1.
    pub(crate) fn line(self) -> usize {
        self.reader.file.line_of(self.key_span.0)
    }
}

/// `; did you mean …?`, when something known is near, else what there is when that is little.
pub(crate) fn meant(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(word, known), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + word.len() / 4 => format!("; did you mean `{nearest}`?"),
        _ if !known.is_empty() && known.len() <= 12 => format!("; known are {}", known.join(", ")),
        _ => String::new(),
    }
}

/// How many letters have to be changed, put in or taken out (Levenshtein).
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (index, letter) in one.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..two.len() {
            let change = diagonal + usize::from(two[column] != letter);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[two.len()]
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let space = " ".repeat(self.column - 1);
        let carets = "^".repeat(self.width);
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        write!(f, "\n {gutter} |\n {number} | {}\n {gutter} | {space}{carets}", self.excerpt)
    }
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_file_line_and_caret_also_behind_umlauts() {
        let file = File::new("params.toml", "a = 1\nb = [\"ä\", \"ö\"]\n");
        let problems = Reader::read(&file, |table| table.get("b").unwrap().texts()[1].1.problem("no")).unwrap_err();
        assert_eq!(problems.to_string(), "params.toml:2:11: no\n   |\n 2 | b = [\"ä\", \"ö\"]\n   |           ^^^");
    }

    #[test]
    fn what_is_no_toml_is_shown_at_its_place_too() {
        let file = File::new("w.toml", "[[waiver]\nrule = 1\n");
        let problems = Reader::read(&file, |_| ()).unwrap_err();
        assert_eq!(problems.0[0].line, 1, "{problems}");
        assert!(problems.to_string().contains("[[waiver]\n"), "{problems}");
    }

    #[test]
    fn all_problems_are_told_at_once_and_a_near_word_is_offered() {
        let file = File::new("p.toml", "onwer = \"a\"\nreason = \" \"\nexpires = 2027-13-01x\n");
        assert!(Reader::read(&file, |_| ()).is_err());
        let file = File::new("p.toml", "onwer = \"a\"\nreason = \" \"\nexpires = 3\n");
        let problems = Reader::read(&file, |table| {
            table.only(&["owner", "reason", "expires"]);
            table.get("reason").unwrap().text();
            table.get("expires").unwrap().day();
        });
        let said = problems.unwrap_err().to_string();
        assert!(said.contains("did you mean `owner`?") && said.contains("must not be empty"), "{said}");
        assert!(said.contains("p.toml:3:11: `expires` must be a day"), "{said}");
    }
}
