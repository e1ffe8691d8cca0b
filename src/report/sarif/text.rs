//! Text in SARIF messages, in which brackets are links and braces are arguments (SARIF 3.11).

use std::fmt::Write as _;

use crate::domain::printable;

/// Text without links or arguments, whatever it holds.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '\\' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '{' | '}' => {
                out.push(c);
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// The same as Markdown: nothing in it is markup, and it mentions nobody.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' | '#' | ':' => {
                let _ = write!(out, "{c}<!-- -->");
            }
            '{' | '}' => {
                let _ = write!(out, "\\{c}{c}");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// A link to a page of ours.
pub(super) fn link(text: &str, page: &str) -> String {
    format!("[{}]({page})", markdown(text))
}

/// A path as a URI reference (RFC 3986).
pub(super) fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_becomes_a_link_an_argument_or_markup() {
        assert_eq!(plain("[x](1) {0} \\ \n"), "\\[x\\](1) {{0}} \\\\ \\\\u{{a}}");
        assert_eq!(markdown("<b>*@x"), "&lt;b&gt;\\*@<!-- -->x");
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("apps/my app+#1/kvops.toml"), "apps/my%20app%2B%231/kvops.toml");
    }
}
