//! The lab's time: the machine's clock plus an offset, or a clock that stands until it is moved.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::domain::{Clock, SystemClock};

/// A clock that can be moved. Clones share one time. Waiting on it moves it, so nothing ever waits.
#[derive(Clone, Debug, Default)]
pub struct LabClock(Arc<Mutex<Time>>);

#[derive(Debug, Default)]
struct Time {
    frozen_at: Option<OffsetDateTime>,
    offset: time::Duration,
}

impl LabClock {
    /// A clock that stands at `now` until it is moved.
    pub fn frozen(now: OffsetDateTime) -> Self {
        Self(Arc::new(Mutex::new(Time { frozen_at: Some(now), offset: time::Duration::ZERO })))
    }

    /// Moves the clock. It may go back, as a machine's clock may.
    pub fn advance(&self, by: time::Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.offset += by;
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: OffsetDateTime) {
        let by = now - self.now();
        self.advance(by);
    }
}

#[async_trait]
impl Clock for LabClock {
    fn now(&self) -> OffsetDateTime {
        let time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.frozen_at.unwrap_or_else(|| SystemClock.now()) + time.offset
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(time::Duration::try_from(duration).unwrap_or(time::Duration::MAX));
    }
}
