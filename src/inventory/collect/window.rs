//! A budget of so many requests in any span of time, and the brake on it.

use std::collections::VecDeque;
use std::time::Duration;

use time::OffsetDateTime;

/// However often a service turns us away, this share of its limit is tried: one in so many.
const LEAST: usize = 4;

/// Where all that was allowed is still under way, it is worth asking again so soon.
const SOON: Duration = Duration::from_millis(250);

/// Counts requests, whether they are under way or answered. The service has counted each at some time in
/// between: so one is over when the span has passed since its answer, however late it arrived there, and
/// whether the service's windows slide or are fixed.
#[derive(Clone, Debug)]
pub(super) struct Window {
    limit: usize,
    span: Duration,
    /// What is used of the limit; all of it without any brake.
    allowed: usize,
    under_way: usize,
    /// When those of the last span were answered.
    answered: VecDeque<OffsetDateTime>,
    /// When the brake was last pulled.
    pulled: Option<OffsetDateTime>,
    /// Nothing leaves before.
    closed_until: Option<OffsetDateTime>,
}

impl Window {
    /// A window in which there is nothing yet.
    pub(super) const fn new(limit: usize, span: Duration) -> Self {
        let answered = VecDeque::new();
        Self { limit, span, allowed: limit, under_way: 0, answered, pulled: None, closed_until: None }
    }

    /// Lets a request leave, or says when to ask again.
    pub(super) fn enter(&mut self, now: OffsetDateTime) -> Result<(), Duration> {
        let span = self.span;
        // A clock that was set back begins anew.
        self.answered.retain(|at| *at <= now && now - *at < span);
        let closed = self.closed_until.and_then(|until| Duration::try_from(until - now).ok());
        if let Some(closed) = closed.filter(|closed| !closed.is_zero()) {
            return Err(closed);
        }
        if self.under_way + self.answered.len() < self.allowed {
            self.under_way += 1;
            return Ok(());
        }
        let oldest = self.answered.front().and_then(|at| Duration::try_from(*at + span - now).ok());
        Err(oldest.unwrap_or(SOON))
    }

    /// A request that has left is over, with an answer or without.
    pub(super) fn leave(&mut self, now: OffsetDateTime) {
        self.under_way = self.under_way.saturating_sub(1);
        self.answered.push_back(now);
    }

    /// The service has served a request.
    pub(super) fn served(&mut self) {
        self.allowed = self.limit.min(self.allowed + 1);
    }

    /// The service has turned a request away. Others share its limit, or know a smaller one.
    pub(super) fn refused(&mut self, wait: Option<Duration>, now: OffsetDateTime) {
        let until = now + wait.unwrap_or(Duration::from_secs(1));
        self.closed_until = Some(self.closed_until.map_or(until, |known| known.max(until)));
        // Many answers tell of one and the same overload: they count once a second.
        if self.pulled.is_none_or(|pulled| now - pulled >= time::Duration::SECOND) {
            self.pulled = Some(now);
            self.allowed = (self.allowed / 2).max(self.limit.div_ceil(LEAST));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
    const MINUTE: Duration = Duration::from_secs(60);

    fn full() -> Window {
        let mut window = Window::new(3, MINUTE);
        for _ in 0..3 {
            window.enter(START).unwrap();
        }
        window
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_the_limit_whenever_the_service_counts(
            requests in proptest::collection::vec((0_u64..5_000, 0_u64..20_000, 0.0..1.0), 1..200),
        ) {
            let mut window = Window::new(7, MINUTE);
            let (mut now, mut under_way, mut counted) = (START, Vec::<OffsetDateTime>::new(), Vec::new());
            for (pause, takes, share) in requests {
                now += Duration::from_millis(pause);
                loop {
                    under_way.sort_unstable();
                    while under_way.first().is_some_and(|ends| *ends <= now) {
                        window.leave(under_way.remove(0));
                    }
                    let Err(wait) = window.enter(now) else { break };
                    prop_assert!(!wait.is_zero() && wait <= MINUTE, "{:?}", wait);
                    now += wait;
                }
                let takes = Duration::from_millis(takes);
                under_way.push(now + takes);
                counted.push(now + takes.mul_f64(share));
            }
            counted.sort_unstable();
            for (first, at) in counted.iter().enumerate() {
                let within = counted[first..].iter().filter(|other| **other - *at < MINUTE).count();
                prop_assert!(within <= 7, "{}", within);
            }
        }
    }

    #[test]
    fn what_is_over_makes_room_a_span_after_its_answer() {
        let mut window = full();
        assert_eq!(window.enter(START), Err(SOON), "all are under way");
        window.leave(START + Duration::from_secs(2));
        assert_eq!(window.enter(START + Duration::from_secs(12)), Err(Duration::from_secs(50)));
        assert_eq!(window.enter(START + Duration::from_secs(62)), Ok(()));
    }

    #[test]
    fn after_a_refusal_nobody_leaves_before_the_time_that_the_service_named_and_then_fewer() {
        let mut window = Window::new(100, MINUTE);
        for _ in 0..20 {
            window.refused(Some(Duration::from_secs(17)), START);
        }
        assert_eq!(window.enter(START), Err(Duration::from_secs(17)));
        let later = START + Duration::from_secs(17);
        let left = |window: &mut Window| (0..200).filter(|_| window.enter(later).is_ok()).count();
        assert_eq!(left(&mut window), 50, "one overload, one brake");
        window.served();
        assert_eq!(left(&mut window), 1, "what is served loosens it");
    }

    #[test]
    fn however_often_it_is_refused_a_quarter_of_the_limit_is_tried() {
        let mut window = Window::new(8, MINUTE);
        for second in 0..9 {
            window.refused(None, START + Duration::from_secs(second));
        }
        let later = START + MINUTE;
        assert_eq!((0..9).filter(|_| window.enter(later).is_ok()).count(), 2);
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let mut window = full();
        (0..3).for_each(|_| window.leave(START));
        assert!(window.enter(START - time::Duration::HOUR).is_ok());
    }
}
