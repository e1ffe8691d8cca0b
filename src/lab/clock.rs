//! The lab's time: the machine's clock plus an offset, a clock that stands until it is moved, or a
//! simulation in which time goes to the next thing that somebody waits for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::{Notify, oneshot};

use crate::domain::{Clock, SystemClock};

/// A clock that can be moved. Clones share one time.
///
/// Waiting on it moves it, so nothing ever waits: to the moment that is waited for, never by a sum,
/// so that ten which wait two seconds at once take two seconds. In a simulation waiting waits until
/// everybody else waits, too.
#[derive(Clone, Debug, Default)]
pub struct LabClock(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    time: Mutex<Time>,
    /// Somebody waits in a simulation.
    waits: Notify,
}

#[derive(Debug, Default)]
struct Time {
    frozen_at: Option<OffsetDateTime>,
    offset: time::Duration,
    simulation: Option<Simulation>,
}

/// Who waits for what, and whether anybody is at work.
#[derive(Debug)]
struct Simulation {
    /// How long nothing may happen, in real time, until everybody is taken to be waiting.
    quiet: Duration,
    /// How often clients are to look at the clock, if they are.
    tick: Option<Duration>,
    waiting: BTreeMap<(OffsetDateTime, u64), oneshot::Sender<()>>,
    next: u64,
    /// Requests that are being answered.
    busy: usize,
    /// Counts what happens.
    events: u64,
}

/// Somebody is at work as long as this lives, and time stands.
#[derive(Debug)]
pub(crate) struct Busy(LabClock);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(simulation) = &mut self.0.lock().simulation {
            simulation.busy = simulation.busy.saturating_sub(1);
            simulation.events += 1;
        }
    }
}

impl Time {
    fn now(&self) -> OffsetDateTime {
        self.frozen_at.unwrap_or_else(|| SystemClock.now()) + self.offset
    }

    /// Never back.
    fn reach(&mut self, moment: OffsetDateTime) {
        let by = moment - self.now();
        if by.is_positive() {
            self.offset += by;
        }
    }
}

impl LabClock {
    /// A clock that stands at `now` until it is moved.
    pub fn frozen(now: OffsetDateTime) -> Self {
        let clock = Self::default();
        clock.lock().frozen_at = Some(now);
        clock
    }

    /// Moves the clock. It may go back, as a machine's clock may.
    pub fn advance(&self, by: time::Duration) {
        self.lock().offset += by;
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: OffsetDateTime) {
        let by = now - self.now();
        self.advance(by);
    }

    /// Whether it stands unless it is moved.
    pub(crate) fn is_frozen(&self) -> bool {
        self.lock().frozen_at.is_some()
    }

    /// Whether it waits for everybody before it moves.
    pub(crate) fn is_simulated(&self) -> bool {
        self.lock().simulation.is_some()
    }

    /// How often clients are to look at the clock of a simulation.
    pub(crate) fn tick(&self) -> Option<Duration> {
        self.lock().simulation.as_ref()?.tick
    }

    /// Begins a simulation at the present, or ends one. Whoever waits in it goes on when it ends.
    pub(crate) fn simulate(&self, quiet: Option<Duration>, tick: Option<Duration>) {
        let mut time = self.lock();
        let now = time.now();
        (time.frozen_at, time.offset) = (Some(now), time::Duration::ZERO);
        time.simulation =
            quiet.map(|quiet| Simulation { quiet, tick, waiting: BTreeMap::new(), next: 0, busy: 0, events: 0 });
    }

    /// Somebody begins to work.
    pub(crate) fn busy(&self) -> Busy {
        if let Some(simulation) = &mut self.lock().simulation {
            simulation.busy += 1;
            simulation.events += 1;
        }
        Busy(self.clone())
    }

    /// Waits until a moment. Outside a simulation the moment comes at once.
    pub(crate) async fn wait_until(&self, moment: OffsetDateTime) {
        let told = {
            let mut time = self.lock();
            let is_past = time.now() >= moment;
            match &mut time.simulation {
                None => {
                    time.reach(moment);
                    return;
                }
                Some(simulation) => {
                    simulation.events += 1;
                    if is_past {
                        return;
                    }
                    let (told, waits) = oneshot::channel();
                    simulation.next += 1;
                    simulation.waiting.insert((moment, simulation.next), told);
                    waits
                }
            }
        };
        self.0.waits.notify_one();
        // A simulation that ends forgets who waited, which lets them go on.
        let _ = told.await;
    }

    /// Moves time in simulations, for ever. The lab runs it.
    pub(crate) async fn drive(self) {
        loop {
            self.0.waits.notified().await;
            let mut seen = None;
            while let Some((quiet, events)) = self.step(seen) {
                seen = Some(events);
                // Real time: the only sign that a client has nothing left to do is that nothing happens.
                tokio::time::sleep(quiet).await;
            }
        }
    }

    /// Goes to the next moment that somebody waits for, if nothing has happened since `seen`. Gives the
    /// time to watch, and what has happened by now; nothing if nobody waits.
    fn step(&self, seen: Option<u64>) -> Option<(Duration, u64)> {
        let mut time = self.lock();
        let Time { simulation, .. } = &mut *time;
        let simulation = simulation.as_mut()?;
        // Who has gone away meanwhile waits for nothing.
        simulation.waiting.retain(|_, told| !told.is_closed());
        let &(moment, _) = simulation.waiting.keys().next()?;
        if seen != Some(simulation.events) || simulation.busy > 0 {
            return Some((simulation.quiet, simulation.events));
        }
        let later = simulation.waiting.split_off(&(moment, u64::MAX));
        let due = std::mem::replace(&mut simulation.waiting, later);
        simulation.events += 1;
        let watch = (simulation.quiet, simulation.events);
        time.reach(moment);
        for told in due.into_values() {
            let _ = told.send(());
        }
        Some(watch)
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.0.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for LabClock {
    fn now(&self) -> OffsetDateTime {
        self.lock().now()
    }

    async fn sleep(&self, duration: Duration) {
        let moment = time::Duration::try_from(duration).ok().and_then(|by| self.now().checked_add(by));
        let moment = moment.unwrap_or_else(|| time::PrimitiveDateTime::MAX.assume_utc());
        if !self.is_simulated() {
            // Others that begin to wait at the same moment name theirs before the clock moves.
            tokio::task::yield_now().await;
        }
        self.wait_until(moment).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn passed(clock: &LabClock) -> i64 {
        (clock.now() - START).whole_seconds()
    }

    #[tokio::test]
    async fn waits_at_the_same_time_take_as_long_as_the_longest() {
        let clock = LabClock::frozen(START);
        join_all([2, 3, 2].map(|seconds| clock.sleep(Duration::from_secs(seconds)))).await;
        assert_eq!(passed(&clock), 3);
        clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(passed(&clock), 5, "one after the other they add up");
    }

    #[tokio::test]
    async fn a_simulation_goes_from_one_end_of_waiting_to_the_next() {
        let clock = LabClock::frozen(START);
        clock.simulate(Some(Duration::from_millis(2)), None);
        let driver = tokio::spawn(clock.clone().drive());
        let short = async {
            let mut ends = Vec::new();
            for _ in 0..3 {
                clock.sleep(Duration::from_secs(2)).await;
                ends.push(passed(&clock));
            }
            ends
        };
        let long = async {
            clock.sleep(Duration::from_secs(60)).await;
            passed(&clock)
        };
        assert_eq!(futures::join!(long, short), (60, vec![2, 4, 6]));
        driver.abort();
    }

    #[tokio::test]
    async fn time_stands_while_somebody_works() {
        let clock = LabClock::frozen(START);
        clock.simulate(Some(Duration::from_millis(1)), None);
        let busy = clock.busy();
        let mut waiting = Box::pin(clock.wait_until(START + time::Duration::SECOND));
        assert!(futures::poll!(&mut waiting).is_pending());
        let (_, events) = clock.step(None).unwrap();
        assert_eq!(clock.step(Some(events)), Some((Duration::from_millis(1), events)));
        assert_eq!(passed(&clock), 0);
        drop(busy);
        let (_, events) = clock.step(Some(events)).unwrap();
        assert_eq!(passed(&clock), 0, "its end is something that happened");
        clock.step(Some(events)).unwrap();
        assert_eq!(passed(&clock), 1);
        waiting.await;
    }

    #[tokio::test]
    async fn the_end_of_a_simulation_lets_everybody_go_on() {
        let clock = LabClock::frozen(START);
        clock.simulate(Some(Duration::from_secs(1)), None);
        let mut waiting = Box::pin(clock.wait_until(START + time::Duration::HOUR));
        assert!(futures::poll!(&mut waiting).is_pending());
        clock.simulate(None, None);
        waiting.await;
        assert_eq!(passed(&clock), 0);
    }
}
