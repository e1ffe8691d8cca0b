//! JSON in which no character is invisible: text of others keeps its value, and cannot turn the
//! direction of the lines in which somebody reads it.

use std::io::{self, Write};

use crate::domain::is_invisible;

/// Writes invisible characters as `\uXXXX`, for what writes JSON: there they stand in strings only.
pub(super) struct Visible<'a>(pub(super) &'a mut dyn Write);

impl Write for Visible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if !text.is_ascii() && text.contains(is_invisible) => text,
            _ => return self.0.write_all(bytes),
        };
        for part in text.split_inclusive(is_invisible) {
            let seen = part.trim_end_matches(is_invisible);
            self.0.write_all(seen.as_bytes())?;
            for unit in part.get(seen.len()..).unwrap_or_default().encode_utf16() {
                write!(self.0, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_value_and_shows_what_it_hides() {
        for text in ["a\u{202e}b\u{feff}", "\u{e0041}x", "Börse 請求", "\u{200b}\u{200b}"] {
            let mut out = Vec::new();
            serde_json::to_writer(Visible(&mut out), text).unwrap();
            assert!(!String::from_utf8(out.clone()).unwrap().contains(is_invisible));
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
