//! When to try again. A pure function, because it decides whether something happens twice.

use std::time::Duration;

use http::StatusCode;

use super::operation::Repeat;

/// How often, how long and how patiently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// Attempts in all while not even a connection can be made.
    pub max_connects: u32,
    /// From the first attempt to the start of the last.
    pub max_elapsed: Duration,
    /// The first wait where the service names none; it doubles from there.
    pub base_delay: Duration,
    /// The longest such wait.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    /// One minute in all. Key Vault's own advice for a 429 is 1, 2, 4, 8, 16 seconds.
    fn default() -> Self {
        Self {
            max_attempts: 8,
            max_connects: 3,
            max_elapsed: Duration::from_secs(60),
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(16),
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// There is no such place, or it is not who it says: waiting will not help.
    Unreachable,
    /// It never left. Sending it again can't do anything twice.
    NotSent,
    /// It left, and no whole answer came back. It may have been carried out.
    Lost,
    /// The service answered, and not with success.
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// How long the service asked us to wait.
        retry_after: Option<Duration>,
    },
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Report the outcome.
    GiveUp,
    /// Send it again after a wait.
    After(Duration),
}

impl RetryPolicy {
    /// Decides on the attempt that has just ended, the `attempt`th, counted from 1. `jitter` is
    /// from 0 up to 1 and spreads our own waits over their upper half.
    ///
    /// A `Retry-After` is obeyed in full or not at all: a wait that would overrun `max_elapsed` is
    /// refused at once instead of being cut short, because a service that said "in five minutes"
    /// only throttles harder when it is asked in one.
    pub fn decide(&self, attempt: u32, elapsed: Duration, repeat: Repeat, outcome: Outcome, jitter: f64) -> Verdict {
        let most = if outcome == Outcome::NotSent { self.max_connects } else { self.max_attempts };
        if attempt >= most || !may_repeat(repeat, outcome) {
            return Verdict::GiveUp;
        }
        let asked = match outcome {
            Outcome::Refused { retry_after, .. } => retry_after,
            Outcome::Unreachable | Outcome::NotSent | Outcome::Lost => None,
        };
        let delay = asked.unwrap_or_else(|| self.own_delay(attempt, jitter));
        if elapsed.saturating_add(delay) > self.max_elapsed {
            return Verdict::GiveUp;
        }
        Verdict::After(delay)
    }

    fn own_delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = self.base_delay.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(self.max_delay);
        doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

fn may_repeat(repeat: Repeat, outcome: Outcome) -> bool {
    match (repeat, outcome) {
        (Repeat::Never, _) | (_, Outcome::Unreachable) => false,
        (_, Outcome::NotSent) => true,
        (_, Outcome::Lost) => repeat == Repeat::Safe,
        (_, Outcome::Refused { status, .. }) => match status {
            // Turned away at the door.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
            _ => repeat == Repeat::Safe && is_transient(status),
        },
    }
}

/// Whether the same request may well succeed later.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn outcomes() -> impl Strategy<Value = Outcome> {
        let statuses = select(vec![400_u16, 401, 403, 404, 408, 409, 412, 429, 500, 501, 502, 503, 504]);
        let waits = proptest::option::of(select(vec![0_u64, 1, 5, 59, 60, 61, 300]).prop_map(Duration::from_secs));
        let refused = (statuses, waits).prop_map(|(status, retry_after)| Outcome::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after,
        });
        prop_oneof![
            Just(Outcome::Unreachable),
            Just(Outcome::NotSent),
            Just(Outcome::Lost),
            refused.clone(),
            refused.clone(),
            refused
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn keeps_its_promises(
            attempt in 1_u32..10,
            elapsed in select(vec![0_u64, 1, 30, 59, 60, 61]).prop_map(Duration::from_secs),
            repeat in select(vec![Repeat::Safe, Repeat::OnlyIfNotSent, Repeat::Never]),
            outcome in outcomes(),
            jitter in 0.0_f64..1.0,
        ) {
            let policy = RetryPolicy::default();
            let Verdict::After(delay) = policy.decide(attempt, elapsed, repeat, outcome, jitter) else {
                return Ok(());
            };
            prop_assert!(attempt < policy.max_attempts);
            prop_assert!(elapsed + delay <= policy.max_elapsed, "outlives its budget");
            prop_assert!(repeat != Repeat::Never, "repeats what rests on an old reading");
            match outcome {
                Outcome::Unreachable => prop_assert!(false, "asks where there is nobody"),
                Outcome::NotSent => prop_assert!(attempt < policy.max_connects),
                Outcome::Lost => prop_assert!(repeat == Repeat::Safe, "may act twice"),
                Outcome::Refused { status, retry_after } => {
                    prop_assert!(is_transient(status), "won't take no for an answer");
                    prop_assert!(retry_after.is_none_or(|asked| delay >= asked), "comes early");
                    prop_assert!(repeat == Repeat::Safe || [429, 503].contains(&status.as_u16()), "may act twice");
                }
            }
        }
    }

    #[test]
    fn what_can_be_repeated_is() {
        let policy = RetryPolicy::default();
        let refused =
            |status: u16| Outcome::Refused { status: StatusCode::from_u16(status).unwrap(), retry_after: None };
        let zero = Duration::ZERO;
        for outcome in [Outcome::NotSent, Outcome::Lost, refused(429), refused(503), refused(500), refused(408)] {
            assert_ne!(policy.decide(1, zero, Repeat::Safe, outcome, 0.0), Verdict::GiveUp, "{outcome:?}");
        }
        for outcome in [Outcome::NotSent, refused(429), refused(503)] {
            assert_ne!(policy.decide(1, zero, Repeat::OnlyIfNotSent, outcome, 0.0), Verdict::GiveUp, "{outcome:?}");
        }
        let asked =
            Outcome::Refused { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(policy.decide(1, zero, Repeat::Safe, asked, 0.0), Verdict::After(Duration::from_secs(60)));
    }

    #[test]
    fn own_waits_double_up_to_a_limit_and_are_spread() {
        let policy = RetryPolicy::default();
        let seconds = |attempt, jitter| policy.own_delay(attempt, jitter).as_secs_f64();
        assert_eq!([seconds(1, 0.0), seconds(2, 0.0), seconds(5, 0.0), seconds(7, 0.0)], [0.5, 1.0, 8.0, 8.0]);
        assert!(seconds(1, 0.999) > 0.99 && seconds(1, 0.999) < 1.0);
    }
}
