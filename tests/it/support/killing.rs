//! Ending the program as a power cut would, at a request of one's choice.

use serde_json::Value;
use serde_json::json;

use super::Bench;
use super::running::Running;
use super::running::until;

/// When, as seen from one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moment {
    /// The service has not seen it, and never will.
    Before,
    /// The service has acted on it, and nobody has heard the answer.
    After,
}

/// Longer than the program is let live.
const HELD_MS: u64 = 60_000;

impl Bench {
    /// Runs the program and ends it at the request that follows `earlier` others, none of which is
    /// disturbed. Gives the request as `METHOD route`, or how the program ended if it made no more.
    pub(crate) fn killed_at(&self, arguments: &[&str], earlier: u32, moment: Moment) -> Result<String, super::Ran> {
        let result = match moment {
            Moment::Before => json!({ "stall_ms": HELD_MS, "drop": "before" }),
            Moment::After => json!({ "late_ms": HELD_MS }),
        };
        let fault = self.fault(&json!({ "match": {}, "result": result, "skip": earlier, "times": 1 }));
        let mark = self.mark();
        let mut running = self.spawn(arguments);
        let mut has_ended = false;
        until("the program reaches the request, or its end", || {
            has_ended = running.has_ended();
            has_ended || self.is_held(fault, moment, mark)
        });
        if has_ended {
            self.no_faults();
            return Err(running.wait());
        }
        running.kill();
        let reached = match moment {
            Moment::After => self.lab().requests_since(mark).into_iter().find(|entry| entry.fault == Some(fault)),
            Moment::Before => None,
        };
        self.no_faults();
        Ok(reached.map_or_else(String::new, |entry| format!("{} {}", entry.method, entry.route)))
    }

    fn is_held(&self, fault: u64, moment: Moment, mark: u64) -> bool {
        match moment {
            Moment::Before => self.hits(fault) > 0,
            Moment::After => self.lab().requests_since(mark).iter().any(|entry| entry.fault == Some(fault)),
        }
    }

    /// The lab as it is now, to come back to. The ledger does not belong to it.
    pub(crate) fn remembered(&self) -> Value {
        self.lab().control("GET", "/state", &Value::Null).unwrap()
    }

    /// Takes the lab back to where it was, and the ledger to nothing or to `ledger`.
    pub(crate) fn back_to(&self, state: &Value, ledger: Option<&[u8]>) {
        self.no_faults();
        self.lab().control("PUT", "/state", state).unwrap();
        match ledger {
            Some(bytes) => std::fs::write(self.ledger_file(), bytes).unwrap(),
            None => drop(std::fs::remove_file(self.ledger_file())),
        }
    }
}

impl Running {
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}
