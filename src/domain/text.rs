//! Text that somebody else wrote.

/// Makes text from a directory or a service safe for a terminal: control characters, bidirectional
/// overrides and other invisible formatting become `\u{…}` escapes, so that a display name can
/// neither move the cursor nor pretend to be another.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character is formatting that changes what a reader sees, and is not seen itself:
/// Unicode's general category Cf, as far as that goes (UAX #9, UTS #39); or none at all, and never to be:
/// some formats, XML among them, cannot even hold those.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_lose_their_power_and_umlauts_stay() {
        assert_eq!(printable("\u{1b}[2Jbilling\u{202e}gnp"), "\\u{1b}[2Jbilling\\u{202e}gnp");
        assert_eq!(printable("Rechnungs-Börse 請求"), "Rechnungs-Börse 請求");
        assert_eq!(printable("a\u{fffe}\u{ffff}\u{1fffe}b"), "a\\u{fffe}\\u{ffff}\\u{1fffe}b", "XML cannot hold these");
    }
}
