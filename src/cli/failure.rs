//! How a command fails: what happened, on what, what to do about it, what the shell is told.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

use super::exit::Exit;
use crate::domain::Chain;

/// The one error block that a command ends with. Boxed, because every result of the command line
/// carries one.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Failure(Box<Block>);

#[derive(Debug, Serialize)]
struct Block {
    message: String,
    exit: Exit,
    #[serde(flatten)]
    service: ServiceFacts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

/// What the service's own support would ask for.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ServiceFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retryable: Option<bool>,
    /// In whose name the refused request was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<String>,
}

impl Failure {
    /// A failure in our own words, lower case and without a full stop.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self(Box::new(Block { message: message.into(), exit, service: ServiceFacts::default(), hints: Vec::new() }))
    }

    /// A failure with its causes, each said once.
    pub(crate) fn from_error(exit: Exit, error: &(dyn StdError + 'static)) -> Self {
        Self::new(exit, Chain(error).to_string())
    }

    /// What to do next; begins with a verb, and a command in backticks works when it is pasted.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// The service's own names for what happened.
    #[must_use]
    pub(crate) fn service(mut self, service: ServiceFacts) -> Self {
        self.0.service = service;
        self
    }

    /// What happened, without the hints.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next.
    pub(crate) fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        for hint in &self.0.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
