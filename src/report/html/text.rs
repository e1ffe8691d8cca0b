//! Text of others in a page: as HTML, and as JSON within HTML.

use std::borrow::Cow;
use std::io;

use serde_json::ser::Formatter;

use crate::domain::printable;

/// Characters of a name that are kept. Names of ten megabytes exist, and nobody reads them.
const LONGEST: usize = 4_096;

/// Text of others as it is shown: without power over what stands around it, and not without end.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => printable(text),
        Some((end, _)) => {
            format!("{}… ({} characters in all)", printable(&text[..end]), grouped(text.chars().count() as u64))
        }
    }
}

/// Text as HTML, for content and for quoted attributes.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Text of others in a page, in a direction of its own.
pub(super) fn isolated(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(&shown(text)))
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 vault`, `2 vaults`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// JSON that may stand in a `script` element: nothing in it can end the element, or begin another.
pub(super) struct InPage;

impl Formatter for InPage {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        const RISKY: &[char] = &['<', '>', '&', '\u{2028}', '\u{2029}'];
        let mut rest = fragment;
        while let Some(at) = rest.find(RISKY) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let Some(c) = rest[at..].chars().next() else { break };
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize as _;

    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut out, InPage)).unwrap();
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn no_text_can_end_the_element_that_it_is_in_and_all_of_it_comes_back(text in ".*") {
            let json = json(&text);
            let risky = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!json.contains(risky));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn escaped_text_has_no_markup(text in ".*") {
            let risky = ['<', '>', '"', '\''];
            prop_assert!(!escaped(&text).contains(risky));
        }
    }

    #[test]
    fn a_name_of_ten_megabytes_is_cut_and_says_how_long_it_was() {
        let shown = shown(&"ä".repeat(10_000_000));
        assert!(shown.len() < 9_000);
        assert!(shown.ends_with("… (10,000,000 characters in all)"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
