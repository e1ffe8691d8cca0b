//! What the shell is told. Part of the interface: see `docs/STABILITY.md`.

use std::process::ExitCode;

use serde::Serialize;

/// An exit code, and what it promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "u8")]
pub enum Exit {
    /// Done, or nothing to do.
    Ok,
    /// There are findings, or an expectation did not hold.
    Findings,
    /// The command line, the configuration or a file given is wrong.
    Usage,
    /// Nobody is signed in, or who is may not do this.
    Denied,
    /// A service failed, could not be reached, or answered what it never should.
    Upstream,
    /// Some of it was done, or seen, and some was not.
    Partial,
    /// The world changed meanwhile, or is not as it was when the plan was made.
    Changed,
    /// A policy or a safety rule says no.
    Refused,
    /// Somebody pressed Ctrl-C; running the command again goes on.
    Interrupted,
}

impl Exit {
    /// All codes, for the reference page.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Findings,
        Self::Usage,
        Self::Denied,
        Self::Upstream,
        Self::Partial,
        Self::Changed,
        Self::Refused,
        Self::Interrupted,
    ];
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Denied => 3,
            Exit::Upstream => 4,
            Exit::Partial => 5,
            Exit::Changed => 6,
            Exit::Refused => 7,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(u8::from(exit))
    }
}
