//! JSON in which no character is invisible: text of others keeps its value, and cannot turn the
//! direction of the lines in which somebody reads it.

use std::io::{self, Write};

use crate::domain::is_invisible;

/// What is held until it is looked at: JSON comes in pieces of a few bytes.
const HELD: usize = 64 << 10;

/// Writes invisible characters as `\uXXXX`, for what writes JSON: there they stand in strings only. It is done
/// when it is flushed.
pub(super) struct Visible<'a> {
    out: &'a mut dyn Write,
    held: Vec<u8>,
}

impl<'a> Visible<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, held: Vec::with_capacity(HELD) }
    }

    /// Passes on what is held. A piece never ends within a character.
    fn pass(&mut self) -> io::Result<()> {
        match str::from_utf8(&self.held) {
            Ok(text) if !text.is_ascii() && text.contains(is_invisible) => shown(text, self.out)?,
            _ => self.out.write_all(&self.held)?,
        }
        self.held.clear();
        Ok(())
    }
}

impl Write for Visible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        if self.held.len() < HELD { Ok(()) } else { self.pass() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass()?;
        self.out.flush()
    }
}

fn shown(text: &str, out: &mut dyn Write) -> io::Result<()> {
    for part in text.split_inclusive(is_invisible) {
        let seen = part.trim_end_matches(is_invisible);
        out.write_all(seen.as_bytes())?;
        for unit in part.get(seen.len()..).unwrap_or_default().encode_utf16() {
            write!(out, "\\u{unit:04x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_value_and_shows_what_it_hides() {
        for text in ["a\u{202e}b\u{feff}", "\u{e0041}x", "Börse 請求", "\u{200b}\u{200b}"] {
            let mut out = Vec::new();
            let mut visible = Visible::new(&mut out);
            serde_json::to_writer(&mut visible, text).unwrap();
            visible.flush().unwrap();
            assert!(!String::from_utf8(out.clone()).unwrap().contains(is_invisible));
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn what_is_held_is_passed_on_in_time_and_whole() {
        let text = "é\u{202e}x".repeat(HELD);
        let mut out = Vec::new();
        let mut visible = Visible::new(&mut out);
        for _ in 0..3 {
            serde_json::to_writer(&mut visible, &text).unwrap();
            assert!(visible.held.len() < HELD);
        }
        visible.flush().unwrap();
        let said: Vec<String> =
            serde_json::Deserializer::from_slice(&out).into_iter().collect::<Result<_, _>>().unwrap();
        assert!(said.iter().all(|said| *said == text) && said.len() == 3);
        assert!(!str::from_utf8(&out).unwrap().contains(is_invisible));
    }
}
