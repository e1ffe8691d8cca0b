//! The text of an HTML mail, line by line, with what its links point to.

/// Elements after which a line ends.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "title",
    "tr",
    "ul",
];
/// Bytes of the longest character reference that is looked for.
const LONGEST_REFERENCE: usize = 12;
/// Elements of which nothing is shown.
const SILENT: &[&str] = &["head", "script", "style", "template", "title"];

/// What an HTML document shows. Cells of a table are parted by tabs.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The text.
    pub(super) text: String,
    /// The targets of its links.
    pub(super) links: Vec<String>,
}

/// Reads a document as far as a notice needs it: no layout, no style, no script.
pub(super) fn shown(html: &str) -> Shown {
    let mut shown = Shown::default();
    let mut rest = html;
    // The silent element that we are in.
    let mut silent: Option<&'static str> = None;
    // Until a quote is found that nothing closes: from there on quotes mean nothing, and a document of
    // broken tags is still read in one pass.
    let mut quotes = true;
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            if silent.is_none() {
                shown.add(rest);
            }
            break;
        };
        if silent.is_none() {
            shown.add(&rest[..start]);
        }
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if !Tag::begins(rest) {
            // A lone "<" is text.
            if silent.is_none() {
                shown.add("<");
            }
            rest = &rest[1..];
            continue;
        }
        let tag = Tag::parse(rest, quotes).or_else(|| {
            quotes = false;
            Tag::parse(rest, quotes)
        });
        // The document ends within a tag.
        let Some(tag) = tag else { break };
        rest = &rest[tag.length..];
        match silent {
            Some(element) if tag.is_end && tag.name == element => silent = None,
            Some(_) => {}
            None => {
                silent = SILENT.iter().copied().find(|name| *name == tag.name && !tag.is_end);
                shown.mark(&tag);
            }
        }
    }
    shown
}

impl Shown {
    /// Adds text in which white space is only space, as between two tags.
    fn add(&mut self, raw: &str) {
        let text = decoded(raw);
        for c in text.chars() {
            // A no-break space is for the layout here.
            let c = if c.is_whitespace() { ' ' } else { c };
            if c != ' ' || !self.text.ends_with([' ', '\n', '\t']) {
                self.text.push(c);
            }
        }
    }

    fn mark(&mut self, tag: &Tag<'_>) {
        if let Some(target) = tag.target() {
            self.links.push(target);
        }
        if BLOCKS.contains(&tag.name.as_str()) {
            self.text.push('\n');
        } else if ["td", "th"].contains(&tag.name.as_str()) && tag.is_end {
            self.text.push('\t');
        }
    }
}

struct Tag<'a> {
    name: String,
    is_end: bool,
    attributes: &'a str,
    length: usize,
}

impl<'a> Tag<'a> {
    /// Whether `text`, which begins with `<`, begins with a tag.
    fn begins(text: &str) -> bool {
        let inner = &text[1..];
        let name = inner.strip_prefix('/').unwrap_or(inner);
        inner.starts_with(['!', '?']) || name.starts_with(|c: char| c.is_ascii_alphabetic())
    }

    /// The tag at the start of `text`. A `>` within quotes does not end it, if quotes count.
    fn parse(text: &'a str, quotes: bool) -> Option<Self> {
        let inner = &text[1..];
        let is_end = inner.starts_with('/');
        let begin = usize::from(inner.starts_with(['/', '!', '?']));
        let name_length = inner[begin..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':');
        let name_end = begin + name_length.unwrap_or(inner.len() - begin);
        let mut quote = None;
        for (at, c) in inner[name_end..].char_indices() {
            match (quote, c) {
                (None, '>') => {
                    return Some(Self {
                        name: inner[begin..name_end].to_ascii_lowercase(),
                        is_end,
                        attributes: &inner[name_end..name_end + at],
                        length: name_end + at + 2,
                    });
                }
                (None, '"' | '\'') if quotes => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
        }
        None
    }

    /// Where the tag points to.
    fn target(&self) -> Option<String> {
        if self.is_end || self.name != "a" {
            return None;
        }
        let at = self.attributes.to_ascii_lowercase().find("href")?;
        let value = self.attributes[at + 4..].trim_start().strip_prefix('=')?.trim_start();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split_whitespace().next()?,
        };
        Some(decoded(value))
    }
}

/// Resolves character references: numbers, and the few names that a mail program writes.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';');
        let reference = end.map(|end| &rest[1..end]);
        match reference.and_then(|name| Some((name, character(name)?))) {
            Some((name, c)) => {
                out.push(c);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "colon" => ':',
        "hyphen" | "dash" => '-',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "aacute" => 'á',
        "oacute" => 'ó',
        "iacute" => 'í',
        "ntilde" => 'ñ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_cells_and_links_are_what_a_reader_sees() {
        let html = "<html><head><title>x</title><style>p{}</style></head><body><!-- Key Vault name: hidden -->\
            <p>Key&nbsp;Vault <b>name</b>: contoso-kv<br/>next</p>\
            <table><tr><td>Certificate name</td><td>billing</td></tr></table>\
            <a title='a > b' href=\"https://aka.ms/x?a=1&amp;b=2\">more</a><script>no()</script> 1 < 2</body></html>";
        let shown = shown(html);
        let lines: Vec<_> = shown.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, ["Key Vault name: contoso-kv", "next", "Certificate name\tbilling", "more 1 < 2"]);
        assert_eq!(shown.links, ["https://aka.ms/x?a=1&b=2"]);
    }

    #[test]
    fn references_that_are_none_stay_as_they_are() {
        assert_eq!(
            decoded("a &amp; b &#x41;&#66; &unknown; &; & &#xffffffff;"),
            "a & b AB &unknown; &; & &#xffffffff;"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_broken_to_be_read(html in "(<|>|/|!--|--|a|href=|\"|'|td|script|&|#|;|ä|x| ){0,60}") {
            let _ = shown(&html);
        }
    }
}
