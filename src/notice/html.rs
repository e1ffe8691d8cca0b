//! The text of an HTML mail, line by line, with what its links point to.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

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

/// Reads a document as far as a notice needs it: no layout, no style, no script. What a style hides is
/// read like the rest: a mail that says one thing and hides another says two.
pub(super) fn shown(html: &str) -> Shown {
    let mut shown = Shown::default();
    // The silent element that we are in.
    let mut silent: Option<&'static str> = None;
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                if silent == Some("head") && name == "body" {
                    silent = None;
                }
                if silent.is_none() {
                    silent = SILENT.iter().copied().find(|element| *element == name);
                    shown.begin(&name, &tag);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                if silent.is_none() {
                    shown.end(&name);
                } else if silent == Some(&*name) {
                    silent = None;
                }
            }
            Token::String(text) if silent.is_none() => shown.add(&String::from_utf8_lossy(&text)),
            _ => {}
        }
    }
    shown
}

impl Shown {
    /// Adds text in which white space is only space, as between two tags.
    fn add(&mut self, text: &str) {
        for c in text.chars() {
            // A no-break space is for the layout here.
            let c = if c.is_whitespace() { ' ' } else { c };
            if c != ' ' || !self.text.ends_with([' ', '\n', '\t']) {
                self.text.push(c);
            }
        }
    }

    fn begin(&mut self, name: &str, tag: &StartTag<()>) {
        if name == "a"
            && let Some(target) = tag.attributes.get(&b"href"[..])
        {
            self.links.push(String::from_utf8_lossy(target).into_owned());
        }
        self.end_line(name);
    }

    fn end(&mut self, name: &str) {
        if ["td", "th"].contains(&name) {
            self.text.push('\t');
        }
        self.end_line(name);
    }

    fn end_line(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.text.push('\n');
        }
    }
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
        let text = "a &amp; b &#x41;&#66; &hyphen; &Eacute; &unknown; &; & x";
        assert_eq!(shown(text).text, "a & b AB \u{2010} É &unknown; &; & x");
    }

    #[test]
    fn a_head_that_nobody_closes_hides_no_body_and_a_script_hides_its_tags() {
        let html = "<head><title>x</title><body><script>if (a<b) '</p>Key Vault name: x'</script>shown";
        assert_eq!(shown(html).text.trim(), "shown");
    }

    proptest! {
        #[test]
        fn no_text_is_too_broken_to_be_read(html in "(<|>|/|!--|--|a|href=|\"|'|td|script|&|#|;|ä|x| ){0,60}") {
            let _ = shown(&html);
        }
    }
}
