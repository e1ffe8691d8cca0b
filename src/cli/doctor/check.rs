//! One question that `kvops doctor` asks, and its answer.

use serde::Serialize;

use super::super::console::Tone;
use super::super::exit::Exit;
use super::super::failure::Failure;

/// One question and its answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    /// What it is about: `network`, `directory`, …
    pub(super) area: &'static str,
    /// What was asked.
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// The answer, in one line.
    pub(super) said: String,
    /// What to do; each begins with a verb.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) next: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<Exit>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Good,
    /// It works, and somebody should look at it.
    Warning,
    Failed,
    /// It was not asked, or only a change would show it.
    Unknown,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "look",
            Self::Failed => "FAILED",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Warning => Tone::Warning,
            Self::Failed => Tone::Bad,
            Self::Unknown => Tone::Faint,
        }
    }
}

impl Check {
    /// A question without an answer yet.
    pub(super) fn of(area: &'static str, name: impl Into<String>) -> Self {
        Self { area, name: name.into(), verdict: Verdict::Unknown, said: String::new(), next: Vec::new(), exit: None }
    }

    pub(super) fn good(self, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, said: said.into(), ..self }
    }

    pub(super) fn warning(self, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, said: said.into(), ..self }
    }

    pub(super) fn unknown(self, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, said: said.into(), ..self }
    }

    /// As the command that needs it would fail.
    pub(super) fn failed(self, failure: &Failure) -> Self {
        let said = failure.message().to_owned();
        Self { verdict: Verdict::Failed, said, exit: Some(failure.exit()), next: failure.hints().to_vec(), ..self }
    }

    /// A right that only some commands need.
    pub(super) fn lacking(self, failure: &Failure) -> Self {
        match failure.exit() {
            Exit::Denied => Self { exit: None, verdict: Verdict::Warning, ..self.failed(failure) },
            _ => self.failed(failure),
        }
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }

    /// The exit code of a check that failed.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }
}
