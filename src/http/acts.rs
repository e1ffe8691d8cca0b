//! The requests that were more than a look, for whoever keeps a record of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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

tokio::task_local! {
    /// Where the acts of one piece of work are noted.
    static WITNESS: Arc<Acts>;
}

/// Does `work`, and tells which acts were its own. Other work may go on at the same time, unless it
/// is told off to another task.
pub async fn witness<T>(work: impl Future<Output = T>) -> (T, Vec<Act>) {
    let acts = Arc::new(Acts::default());
    let ended = WITNESS.scope(Arc::clone(&acts), work).await;
    (ended, acts.take())
}

/// Tells whoever is the witness here.
pub(super) fn told(act: &Act) {
    // Nobody need be.
    let _ = WITNESS.try_with(|acts| acts.add(act.clone()));
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

    #[tokio::test]
    async fn each_piece_of_work_is_told_its_own() {
        let act = |id: &str| Act { service: Service::Entra, operation: "x", status: None, id: id.to_owned() };
        let work = async |id: &str| {
            tokio::task::yield_now().await;
            told(&act(id));
        };
        let (one, other) = tokio::join!(witness(work("one")), witness(work("other")));
        assert_eq!((one.1, other.1), (vec![act("one")], vec![act("other")]));
        told(&act("nobody's"));
    }
}
