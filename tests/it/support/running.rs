//! A program that is still running, and conditions that come true while it does.

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use super::Bench;
use super::Ran;

/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails the test when it never does.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A program that was started and has not been waited for.
#[derive(Debug)]
pub(crate) struct Running(pub(super) Child);

impl Running {
    /// Sends what Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let signalled = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(signalled.success());
    }

    /// Sends it again and again, as somebody without patience does.
    pub(crate) fn interrupt_until_it_ends(mut self) -> Ran {
        until("the program ends", || {
            self.interrupt();
            self.0.try_wait().unwrap().is_some()
        });
        self.wait()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ran {
        Ran::from(self.0.wait_with_output().unwrap())
    }
}

impl Bench {
    /// Starts the program and goes on.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts the program and goes on as soon as a request of it is held up by the fault `id`.
    pub(crate) fn spawn_until_held(&self, arguments: &[&str], id: u64) -> Running {
        let running = self.spawn(arguments);
        until("the program reaches the fault", || self.hits(id) > 0);
        running
    }
}
