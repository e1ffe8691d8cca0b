//! A budget that refills with time, and the brake on it.

use std::time::Duration;

use time::OffsetDateTime;

/// The brake begins to loosen again at once, and is off after 25 seconds.
const LOOSENED_PER_SECOND: f64 = 0.04;

/// However hard a service brakes us, this much of the rate is left.
const LEAST: f64 = 0.05;

/// A token bucket that lends: who asks is told how long to wait, and has then been counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Units a second.
    rate: f64,
    /// Units that may leave at once after a pause.
    burst: f64,
    /// Units in hand; what is lent is below zero.
    units: f64,
    /// The share of the rate that is used, 1 without any brake.
    share: f64,
    /// When `units` and `share` were last brought up to date.
    at: Option<OffsetDateTime>,
    /// When the brake was last pulled.
    pulled: Option<OffsetDateTime>,
    /// Nothing leaves before.
    closed_until: Option<OffsetDateTime>,
}

impl Bucket {
    /// A bucket that is full.
    pub(super) const fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, units: burst, share: 1.0, at: None, pulled: None, closed_until: None }
    }

    /// Takes units, and says how long to wait before they are there.
    pub(super) fn take(&mut self, units: f64, now: OffsetDateTime) -> Duration {
        self.refill(now);
        self.units -= units;
        let lent = Duration::try_from_secs_f64(-self.units / (self.rate * self.share)).unwrap_or_default();
        let closed = self.closed_until.map_or(Duration::ZERO, |until| (until - now).try_into().unwrap_or_default());
        lent.max(closed)
    }

    /// The service says how much of its limit we use: from `0.8` up it is time to brake.
    pub(super) fn warned(&mut self, now: OffsetDateTime) {
        self.pull(0.75, now);
    }

    /// The service has turned a request away.
    pub(super) fn refused(&mut self, wait: Option<Duration>, now: OffsetDateTime) {
        self.pull(0.5, now);
        let until = now + wait.unwrap_or(Duration::from_secs(1));
        self.closed_until = Some(self.closed_until.map_or(until, |known| known.max(until)));
    }

    /// Many answers tell of one and the same overload: they count once a second.
    fn pull(&mut self, factor: f64, now: OffsetDateTime) {
        self.refill(now);
        if self.pulled.is_some_and(|pulled| now - pulled < time::Duration::SECOND) {
            return;
        }
        self.pulled = Some(now);
        self.share = (self.share * factor).max(LEAST);
        self.units = self.units.min(0.0);
    }

    fn refill(&mut self, now: OffsetDateTime) {
        let passed = self.at.map_or(0.0, |at| (now - at).as_seconds_f64()).max(0.0);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        self.units = (self.units + passed * self.rate * self.share).min(self.burst);
        self.share = (self.share + passed * LOOSENED_PER_SECOND).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn seconds(wait: Duration) -> f64 {
        (wait.as_secs_f64() * 1000.0).round() / 1000.0
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_at_the_rate() {
        let mut bucket = Bucket::new(2.5, 1.0);
        let waits: Vec<_> = (0..4).map(|_| seconds(bucket.take(1.0, START))).collect();
        assert_eq!(waits, [0.0, 0.4, 0.8, 1.2]);
    }

    #[test]
    fn no_more_than_the_limit_leaves_in_any_window() {
        let mut bucket = Bucket::new(2.5, 1.0);
        let mut now = START;
        let mut left = Vec::new();
        for step in 0..400 {
            let wait = bucket.take(1.0, now);
            left.push(now + wait);
            // Some come late, some early.
            now += Duration::from_millis(if step % 7 == 0 { 1_900 } else { 50 });
        }
        left.sort_unstable();
        for (first, _) in left.iter().enumerate() {
            let in_window = left[first..].iter().filter(|at| **at - left[first] < time::Duration::MINUTE).count();
            assert!(in_window <= 151, "{in_window}");
        }
    }

    #[test]
    fn the_brake_is_pulled_once_a_second_and_loosens_by_itself() {
        let mut bucket = Bucket::new(100.0, 1.0);
        bucket.warned(START);
        bucket.warned(START);
        assert_eq!(seconds(bucket.take(75.0, START)), 1.0);
        let later = START + Duration::from_secs(60);
        let mut fresh = Bucket::new(100.0, 1.0);
        assert_eq!(bucket.take(101.0, later), fresh.take(101.0, later));
    }

    #[test]
    fn after_a_refusal_nobody_leaves_before_the_time_that_the_service_named() {
        let mut bucket = Bucket::new(100.0, 10.0);
        bucket.refused(Some(Duration::from_millis(2_128)), START);
        assert_eq!(seconds(bucket.take(1.0, START)), 2.128);
        assert_eq!(seconds(bucket.take(1.0, START + Duration::from_secs(3))), 0.0);
        for _ in 0..100 {
            bucket.refused(None, START + Duration::from_secs(3));
        }
        assert!(bucket.take(1.0, START + Duration::from_secs(3)) < Duration::from_secs(2), "one overload, one brake");
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let mut bucket = Bucket::new(1.0, 1.0);
        bucket.take(1.0, START);
        assert!(bucket.take(1.0, START - time::Duration::HOUR) <= Duration::from_secs(1));
    }
}
