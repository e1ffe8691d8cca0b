//! How a runner tells what it is doing, and learns that it should stop.

use std::fmt::Debug;
use std::time::Duration;

use super::error::Error;

/// Somebody who looks on. The command line shows it on standard error.
pub trait Watcher: Debug + Send + Sync {
    /// Something begins, or is being waited for.
    fn doing(&self, what: &str);

    /// Something is done, with its result.
    fn done(&self, what: &str);

    /// Whether the user has asked to stop.
    fn is_interrupted(&self) -> bool;
}

/// Ends the run before `step` if the user has asked for it.
pub fn check(watcher: &dyn Watcher, step: &str) -> Result<(), Error> {
    if watcher.is_interrupted() { Err(Error::Interrupted { before: step.to_owned() }) } else { Ok(()) }
}

/// "waiting for the token endpoint: 14 s of 300 s".
pub fn waiting(what: &str, waited: Duration, limit: Duration) -> String {
    format!("waiting for {what}: {} s of {} s", waited.as_secs(), limit.as_secs())
}
