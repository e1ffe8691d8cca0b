//! The difference between our clock and the services', taken from `Date` headers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// `Date` has whole seconds, and an answer takes time to arrive: less than this is no difference.
const NOTICEABLE: Duration = Duration::seconds(2);

/// From here on assertions fail somewhere, so somebody should set the clock.
const WORTH_SAYING: Duration = Duration::seconds(60);

/// The last measured difference.
#[derive(Debug, Default)]
pub(super) struct Skew {
    last: Mutex<Option<Duration>>,
    told: AtomicBool,
}

impl Skew {
    /// Takes a service's `Date` between the sending of a request and the arrival of its answer.
    pub(super) fn measure(&self, host: &str, date: OffsetDateTime, sent: OffsetDateTime, arrived: OffsetDateTime) {
        let skew = difference(date, sent, arrived);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = skew;
        let Some(skew) = skew.filter(|skew| skew.abs() >= WORTH_SAYING) else { return };
        if !self.told.swap(true, Ordering::Relaxed) {
            let (seconds, side) = (skew.whole_seconds().abs(), if skew.is_positive() { "behind" } else { "ahead of" });
            tracing::warn!(
                skew_s = skew.whole_seconds(),
                "this machine's clock is {seconds} s {side} {host}; tokens are asked for by the service's clock"
            );
        }
    }

    /// What to add to our clock to get the services'.
    pub(super) fn last(&self) -> Option<Duration> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service's moment lies somewhere in the second that `Date` names and somewhere between
/// sending and arrival; only what both leave unexplained is a difference.
fn difference(date: OffsetDateTime, sent: OffsetDateTime, arrived: OffsetDateTime) -> Option<Duration> {
    let local = sent + (arrived - sent) / 2;
    let skew: Duration = date.saturating_add(Duration::milliseconds(500)) - local;
    let explained = NOTICEABLE.max((arrived - sent) / 2);
    (skew.abs() > explained).then_some(skew)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        assert_eq!(difference(NOON, NOON - Duration::seconds(9), NOON + Duration::seconds(1)), None);
        assert_eq!(difference(NOON, NOON, NOON + Duration::milliseconds(20)), None);
    }

    #[test]
    fn a_date_at_the_end_of_time_is_a_difference_like_any_other() {
        let end = datetime!(9999-12-31 23:59:59.9 UTC);
        assert!(difference(end, NOON, NOON).is_some_and(|skew| NOON.saturating_add(skew) > NOON));
    }

    #[test]
    fn six_minutes_are_measured_in_both_directions() {
        for minutes in [-6, 6] {
            let skew = difference(NOON + Duration::minutes(minutes), NOON, NOON + Duration::milliseconds(20)).unwrap();
            assert!((skew - Duration::minutes(minutes)).abs() < Duration::SECOND, "{skew}");
        }
    }

    #[test]
    fn the_last_measurement_counts() {
        let skew = Skew::default();
        skew.measure("h", NOON + Duration::minutes(6), NOON, NOON);
        assert!(skew.last().is_some());
        skew.measure("h", NOON, NOON, NOON);
        assert_eq!(skew.last(), None);
    }
}
