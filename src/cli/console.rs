//! What people see: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;
use crate::config::env;
use crate::domain::Environment;

/// How a result is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// Where and how to write. Colour never carries meaning alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    format: Format,
    has_colour: bool,
    errors_have_colour: bool,
    is_quiet: bool,
    shows_progress: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    /// It is as it should be.
    Good,
    /// Look at this.
    Bad,
    /// Might matter.
    Warning,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
}

impl Console {
    /// Looks at the terminal and at what the user asked for.
    pub(crate) fn new(format: Option<Format>, no_color: bool, is_quiet: bool, environment: &Environment) -> Self {
        let is_plain = no_color || environment.get(env::NO_COLOR).is_some() || environment.get("TERM") == Some("dumb");
        let stdout = io::stdout().is_terminal();
        let stderr = io::stderr().is_terminal();
        Self {
            format: format.unwrap_or(if stdout { Format::Table } else { Format::Json }),
            has_colour: stdout && !is_plain,
            errors_have_colour: stderr && !is_plain,
            is_quiet,
            shows_progress: stderr && !is_quiet,
        }
    }

    /// Whether results are for people.
    pub(crate) fn is_for_people(self) -> bool {
        self.format == Format::Table
    }

    /// Whether somebody sees colours on standard output.
    pub(crate) fn has_colour(self) -> bool {
        self.has_colour
    }

    /// The same console, but with a format of its own.
    pub(crate) fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Text for standard output, coloured if there is somebody to see it.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        painted(self.has_colour, tone, text)
    }

    /// Text for standard error, likewise.
    pub(crate) fn paint_note(self, tone: Tone, text: &str) -> String {
        painted(self.errors_have_colour, tone, text)
    }

    /// Writes the result: `people` for a terminal, `machine` as JSON. A reader that has gone away
    /// is not an error.
    pub(crate) fn result(self, machine: &impl Serialize, people: impl FnOnce() -> String) -> io::Result<()> {
        let text = match self.format {
            Format::Table => people(),
            Format::Json => serde_json::to_string_pretty(machine)?,
        };
        self.line(&text)
    }

    /// Writes one line, or several, to standard output.
    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome,
        }
    }

    /// Tells something on standard error that is not the result.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet {
            to_stderr(text);
        }
    }

    /// Warns, even when quiet.
    pub(crate) fn warn(self, text: &str) {
        to_stderr(&format!("{} {text}", painted(self.errors_have_colour, Tone::Warning, "warning:")));
    }

    /// The one block that a failed command ends with.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.format == Format::Json {
            let block = serde_json::json!({ "error": failure });
            to_stderr(&block.to_string());
        } else {
            to_stderr(&format!("{} {failure}", painted(self.errors_have_colour, Tone::Bad, "error:")));
        }
    }

    /// Shows what is going on, for anything that may take over a second. Without a terminal only
    /// what is done is said.
    pub(crate) fn progress(self) -> Progress {
        if !self.shows_progress {
            return Progress { bar: None, console: self };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar: Some(bar), console: self }
    }
}

/// A line that changes while something goes on, and goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    console: Console,
}

impl Progress {
    /// Says what is being done now, or waited for.
    pub(crate) fn set(&self, text: &str) {
        // Without a terminal, what is waited for would fill a log.
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says something that is to stay on the screen.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.note(text)),
            None => self.console.note(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn painted(has_colour: bool, tone: Tone, text: &str) -> String {
    if !has_colour {
        return text.to_owned();
    }
    let style = match tone {
        Tone::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
        Tone::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
        Tone::Warning => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}

fn to_stderr(text: &str) {
    // There is nobody left to tell when this write fails.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
