//! Signatures at the rate that a vault allows: whoever asks for more waits a moment here, and not for
//! seconds after the vault has turned him away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use time::OffsetDateTime;
use url::Url;

use crate::domain::Clock;
use crate::http::{Operation, Pace, Permit, Seen};
use crate::pki::PublicKey;

/// The share of the vault's budget that is used; others have keys in it, too.
const USED: f64 = 0.95;

/// Seconds' worth that may leave at once after a pause. With it, ten seconds stay within the budget.
const BURST: f64 = 0.4;

/// What is left of the rate when the vault turns a signature away, at the least, and what comes back each second.
const BRAKED: f64 = 0.5;
const LEAST: f64 = 0.05;
const LOOSENED: f64 = 0.02;

/// The brake on the signatures of one certificate.
#[derive(Debug)]
pub(super) struct SigningPace {
    clock: Arc<dyn Clock>,
    bucket: Mutex<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Signatures a second.
    rate: f64,
    /// Signatures in hand; what is lent is below zero.
    units: f64,
    /// The share of the rate that is used, 1 without any brake.
    share: f64,
    at: Option<OffsetDateTime>,
    braked_at: Option<OffsetDateTime>,
    closed_until: Option<OffsetDateTime>,
}

impl SigningPace {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, bucket: Mutex::new(Bucket::new(budget_of_bits(2048))) }
    }

    /// Signs at the rate of this kind of key from now on.
    pub(super) fn follow(&self, key: &PublicKey) {
        self.bucket().rate = USED * budget(key);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pace for SigningPace {
    async fn admit(&self, _: &Operation, url: &Url) -> Permit {
        if is_signature(url) {
            let wait = self.bucket().take(self.clock.now());
            if !wait.is_zero() {
                self.clock.sleep(wait).await;
            }
        }
        Permit::default()
    }

    fn seen(&self, _: &Operation, url: &Url, seen: &Seen<'_>) {
        if is_signature(url) && seen.status == StatusCode::TOO_MANY_REQUESTS {
            self.bucket().brake(seen.retry_after, self.clock.now());
        }
    }
}

impl Bucket {
    const fn new(budget: f64) -> Self {
        let rate = USED * budget;
        Self { rate, units: rate * BURST, share: 1.0, at: None, braked_at: None, closed_until: None }
    }

    /// Takes one signature, and says how long to wait until it is there.
    fn take(&mut self, now: OffsetDateTime) -> Duration {
        self.refill(now);
        self.units -= 1.0;
        let lent = Duration::try_from_secs_f64(-self.units / (self.rate * self.share)).unwrap_or_default();
        let closed = self.closed_until.and_then(|until| Duration::try_from(until - now).ok()).unwrap_or_default();
        lent.max(closed)
    }

    /// Many refusals tell of one and the same overload: they count once a second.
    fn brake(&mut self, wait: Option<Duration>, now: OffsetDateTime) {
        self.refill(now);
        let until = now + wait.unwrap_or(Duration::from_secs(1));
        self.closed_until = self.closed_until.max(Some(until));
        if self.braked_at.is_none_or(|at| now - at >= time::Duration::SECOND) {
            self.braked_at = Some(now);
            self.share = (self.share * BRAKED).max(LEAST);
            self.units = self.units.min(0.0);
        }
    }

    fn refill(&mut self, now: OffsetDateTime) {
        let passed = self.at.map_or(0.0, |at| (now - at).as_seconds_f64()).max(0.0);
        self.at = self.at.max(Some(now));
        self.units = (self.units + passed * self.rate * self.share).min(self.rate * BURST);
        self.share = (self.share + passed * LOOSENED).min(1.0);
    }
}

/// Signatures a second that a vault grants for a key in software; one in hardware has half of it.
/// <https://learn.microsoft.com/azure/key-vault/general/service-limits>
fn budget(key: &PublicKey) -> f64 {
    match key {
        PublicKey::Rsa { modulus, .. } => budget_of_bits(modulus.len() * 8),
        PublicKey::Ec { .. } => 400.0,
    }
}

const fn budget_of_bits(bits: usize) -> f64 {
    match bits {
        ..=2048 => 400.0,
        2049..=3072 => 100.0,
        _ => 50.0,
    }
}

fn is_signature(url: &Url) -> bool {
    url.path().ends_with("/sign")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    /// When each of so many signatures leaves, with all of them asked for at once.
    fn leaving(bucket: &mut Bucket, number: usize) -> Vec<f64> {
        (0..number).map(|_| bucket.take(START).as_secs_f64()).collect()
    }

    #[test]
    fn what_leaves_within_ten_seconds_is_within_the_budget_and_nearly_all_of_it() {
        for bits in [2048, 3072, 4096] {
            let budget = budget_of_bits(bits);
            let left = leaving(&mut Bucket::new(budget), (budget * 30.0) as usize);
            for start in [0.0, 0.2, 5.0, 15.0] {
                let share =
                    left.iter().filter(|at| (start..start + 10.0).contains(*at)).count() as f64 / (budget * 10.0);
                assert!((0.94..=1.0).contains(&share), "{bits}: {share} from {start}");
            }
        }
    }

    #[test]
    fn a_refusal_halves_the_rate_once_a_second_and_time_brings_it_back() {
        let mut bucket = Bucket::new(100.0);
        for _ in 0..50 {
            bucket.brake(Some(Duration::from_secs(3)), START);
        }
        assert_eq!(bucket.share, 0.5);
        assert_eq!(bucket.take(START), Duration::from_secs(3), "nothing leaves before the vault wants to be asked");
        bucket.refill(START + Duration::from_secs(60));
        assert_eq!(bucket.share, 1.0);
        for second in 100..200 {
            bucket.brake(None, START + Duration::from_secs(second));
        }
        assert!(bucket.share >= LEAST);
    }
}
