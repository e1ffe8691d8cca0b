//! The requests that were more than a look, for whoever keeps a record of them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::operation::Service;

/// So many are kept when nobody asks for them.
const MOST: usize = 256;

/// A request that was more than a look, as it ended: what a record needs to name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Act {
    /// Who was asked.
    pub service: Service,
    /// What for.
    pub operation: &'static str,
    /// Status of the answer; none when none came.
    pub status: Option<u16>,
    /// The service's id of the request; ours where the service gave none.
    pub id: String,
}

/// The latest of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Acts(Mutex<VecDeque<Act>>);

impl Acts {
    pub(super) fn add(&self, act: Act) {
        let mut acts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if acts.len() == MOST {
            acts.pop_front();
        }
        acts.push_back(act);
    }

    pub(super) fn take(&self) -> Vec<Act> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_each_is_told_once() {
        let acts = Acts::default();
        for number in 0..MOST + 2 {
            acts.add(Act { service: Service::Graph, operation: "x", status: None, id: number.to_string() });
        }
        let taken = acts.take();
        assert_eq!((taken.len(), taken[0].id.as_str()), (MOST, "2"));
        assert_eq!(acts.take(), []);
    }
}
