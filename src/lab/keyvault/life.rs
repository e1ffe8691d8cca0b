//! Soft delete: what an object goes through after it was deleted or recovered.

use serde::{Deserialize, Serialize};

/// When an object was deleted or recovered. Both take a while to show.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Life {
    deleted_at: Option<i64>,
    recovered_at: Option<i64>,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Live,
    /// Recovered a moment ago and not readable yet.
    Recovering,
    /// Deleted a moment ago: neither live nor deleted.
    Deleting,
    Deleted,
}

impl Life {
    /// Where the object stands at `now`, when changes take `lag` seconds.
    pub(super) fn phase(&self, now: i64, lag: i64) -> Phase {
        match (self.deleted_at, self.recovered_at) {
            (Some(at), _) if now < at + lag => Phase::Deleting,
            (Some(_), _) => Phase::Deleted,
            (None, Some(at)) if now < at + lag => Phase::Recovering,
            (None, _) => Phase::Live,
        }
    }

    pub(super) fn deleted_at(&self) -> Option<i64> {
        self.deleted_at
    }

    pub(super) fn delete(&mut self, now: i64) {
        *self = Self { deleted_at: Some(now), recovered_at: None };
    }

    pub(super) fn recover(&mut self, now: i64) {
        *self = Self { deleted_at: None, recovered_at: Some(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletion_and_recovery_show_after_the_lag() {
        let mut life = Life::default();
        assert_eq!(life.phase(0, 8), Phase::Live);
        life.delete(100);
        assert_eq!((life.phase(107, 8), life.phase(108, 8)), (Phase::Deleting, Phase::Deleted));
        life.recover(200);
        assert_eq!((life.phase(207, 8), life.phase(208, 8)), (Phase::Recovering, Phase::Live));
    }

    #[test]
    fn without_lag_nothing_is_between() {
        let mut life = Life::default();
        life.delete(100);
        assert_eq!(life.phase(100, 0), Phase::Deleted);
        life.recover(100);
        assert_eq!(life.phase(100, 0), Phase::Live);
    }
}
