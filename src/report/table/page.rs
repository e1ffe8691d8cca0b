//! Lines that fit a terminal, coloured if there is somebody to see it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use textwrap::core::display_width;
use textwrap::{Options, WordSplitter};

/// Widest text that is pleasant to read.
const WIDEST: usize = 140;

/// Narrowest that is worth wrapping for.
const NARROWEST: usize = 40;

/// The column in which the values of fields begin.
const FIELDS: usize = 10;

/// What a piece of text is. Colour never carries meaning alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::report) enum Tone {
    Plain,
    Good,
    Critical,
    Bad,
    Warning,
    Notice,
    Strong,
    Faint,
}

/// A page in the making.
#[derive(Debug)]
pub(in crate::report) struct Page {
    text: String,
    width: usize,
    has_colour: bool,
}

impl Page {
    pub(in crate::report) fn new(width: usize, has_colour: bool) -> Self {
        Self { text: String::new(), width: width.clamp(NARROWEST, WIDEST), has_colour }
    }

    pub(in crate::report) fn text(self) -> String {
        self.text
    }

    pub(in crate::report) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A name and its values, in columns.
    pub(in crate::report) fn field(&mut self, name: &str, values: &[(Tone, &str)]) {
        let mut line = self.painted(Tone::Faint, &format!("{name:FIELDS$}"));
        let mut width = display_width(name).max(FIELDS);
        for (index, (tone, value)) in values.iter().enumerate() {
            let gap = if index == 0 { " " } else { "  " };
            if index > 0 && width + gap.len() + display_width(value) > self.width {
                self.line(&line);
                line = " ".repeat(FIELDS - 1);
                width = FIELDS - 1;
            }
            width += gap.len() + display_width(value);
            line = format!("{line}{gap}{}", self.painted(*tone, value));
        }
        self.line(&line);
    }

    /// What the lines below are about.
    pub(in crate::report) fn heading(&mut self, kind: &str, name: &str) {
        let lead = format!("{kind} ");
        let lines = self.lines(name, lead.len(), 2);
        for (index, line) in lines.iter().enumerate() {
            let start = if index == 0 { &lead } else { "  " };
            let text = self.painted(Tone::Strong, format!("{start}{line}").trim_end());
            self.line(&text);
        }
    }

    /// Text behind labels, wrapped to stand below itself.
    pub(in crate::report) fn wrapped(&mut self, labels: &[(Tone, &str)], text: &str, indent: usize) {
        let width = indent + labels.iter().map(|(_, label)| display_width(label) + 1).sum::<usize>();
        // Behind very long labels there is no room to stand in.
        let below = if width > 24 { indent + 9 } else { width };
        let mut line = " ".repeat(indent);
        for (tone, label) in labels {
            let _ = write!(line, "{} ", self.painted(*tone, label));
        }
        for (index, part) in self.lines(text, width, below).iter().enumerate() {
            if index > 0 {
                line = " ".repeat(below);
            }
            line.push_str(part);
            self.line(&line);
        }
    }

    /// Something less important.
    pub(in crate::report) fn faint(&mut self, text: &str, indent: usize) {
        for part in self.lines(text, indent, indent) {
            let line = format!("{}{}", " ".repeat(indent), self.painted(Tone::Faint, &part));
            self.line(&line);
        }
    }

    /// What to do next, behind an arrow. A command that is too long goes on behind a backslash, so
    /// that it can be pasted.
    pub(in crate::report) fn remedy(&mut self, text: &str, indent: usize) {
        let (command, rest) = command(text);
        let mut lines = Vec::new();
        if !command.is_empty() {
            lines = self.lines(&glued(command), indent + 4, indent + 6);
            let last = lines.len().saturating_sub(1);
            for (index, line) in lines.iter_mut().enumerate() {
                *line = line.replace(GLUE, " ");
                if index < last {
                    line.push_str(" \\");
                }
            }
        }
        let commands = lines.len();
        if !rest.is_empty() {
            lines.extend(self.lines(rest, indent + 2, indent + 2));
        }
        for (index, line) in lines.iter().enumerate() {
            let start = match index {
                0 => "→ ",
                index if index < commands => "    ",
                _ => "  ",
            };
            let line = self.painted(if index < commands { Tone::Notice } else { Tone::Plain }, line);
            self.line(&format!("{}{start}{line}", " ".repeat(indent)));
        }
    }

    /// Text in lines, the first and the others behind so many columns.
    fn lines(&self, text: &str, first: usize, below: usize) -> Vec<String> {
        let (first, below) = (" ".repeat(first), " ".repeat(below));
        let options = Options::new(self.width)
            .initial_indent(&first)
            .subsequent_indent(&below)
            .word_splitter(WordSplitter::NoHyphenation);
        let lines: Vec<_> = textwrap::wrap(text, options)
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let indent = if index == 0 { &first } else { &below };
                line.strip_prefix(indent.as_str()).unwrap_or(line.trim_start()).to_owned()
            })
            .collect();
        if lines.is_empty() { vec![String::new()] } else { lines }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        if !self.has_colour || tone == Tone::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Critical => colour(AnsiColor::Red).bold().underline(),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Warning => colour(AnsiColor::Yellow),
            Tone::Notice => colour(AnsiColor::Cyan),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// Flags of remedies that stand for themselves.
const SWITCHES: [&str; 5] = ["--plan", "--cert", "--recover", "--adopt", "--federated"];

/// A blank at which no line ends.
const GLUE: char = '\u{a0}';

/// A command whose lines end before a flag, and not between it and its value.
fn glued(command: &str) -> String {
    let mut out = String::with_capacity(command.len());
    let mut is_flag = true;
    for word in command.split(' ') {
        if !out.is_empty() {
            out.push(if is_flag && !word.starts_with("--") { GLUE } else { ' ' });
        }
        is_flag = word.starts_with("--");
        out.push_str(word);
    }
    out
}

/// A remedy's command and what is said after it: words go on being the command until one stands
/// where neither a flag nor its value could.
fn command(text: &str) -> (&str, &str) {
    if !text.starts_with("kvops ") && !text.starts_with("az ") {
        return ("", text);
    }
    let mut end = 0;
    let mut flags = false;
    let mut takes_value = false;
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end();
        let is_flag = bare.starts_with("--");
        let word_of_command = |c: char| c.is_ascii_alphanumeric() || "-,;:".contains(c);
        let is_part = is_flag || takes_value || (!flags && bare.chars().all(word_of_command));
        if !is_part {
            break;
        }
        end += word.len();
        if bare.ends_with([';', ',', ':']) {
            break;
        }
        flags |= is_flag;
        takes_value = is_flag && !bare.contains('=') && !SWITCHES.contains(&bare);
    }
    let (command, rest) = text.split_at(end);
    (command.trim_end().trim_end_matches([';', ',', ':']), rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_where_the_sentence_goes_on() {
        let text = "kvops provision --vault kv --name n --app APP makes a new version; then stop trusting this one";
        assert_eq!(
            command(text),
            ("kvops provision --vault kv --name n --app APP", "makes a new version; then stop trusting this one")
        );
        assert_eq!(command("kvops attach --app A --name N"), ("kvops attach --app A --name N", ""));
        assert_eq!(command("kvops cert info, then kvops audit"), ("kvops cert info", "then kvops audit"));
        assert_eq!(command("kvops attach --app A --plan shows it"), ("kvops attach --app A --plan", "shows it"));
        let delete = "az ad app credential delete --id A --key-id K --cert";
        assert_eq!(command(&format!("{delete} takes it away")), (delete, "takes it away"));
        assert_eq!(command("turn the firewall on"), ("", "turn the firewall on"));
        assert_eq!(command("kvops attach --app A, then wait"), ("kvops attach --app A", "then wait"));
    }

    #[test]
    fn a_long_command_can_be_pasted() {
        let mut page = Page::new(60, false);
        page.remedy("kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME", 4);
        let text = page.text();
        let pasted: Vec<_> =
            text.lines().map(|line| line.trim_start_matches(['→', ' ']).trim_end_matches(" \\")).collect();
        assert_eq!(
            pasted.join(" "),
            "kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME"
        );
        assert!(text.lines().count() > 1 && text.lines().all(|line| display_width(line) <= 60), "{text}");
    }
}
