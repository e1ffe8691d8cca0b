//! Tokens in memory, each asked for once however many wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use time::{Duration, OffsetDateTime};

use super::refusal::Refusal;
use super::wanted::Wanted;
use crate::domain::Clock;
use crate::entra::Token;

/// A token is replaced so long before its end.
const EARLY: Duration = Duration::minutes(5);

/// While a new token cannot be had, the old one is handed out until so long before its end.
const LAST: Duration = Duration::minutes(1);

/// And so long nobody asks for the new one again.
const PAUSE: Duration = Duration::seconds(30);

/// A refusal that cost a signature is repeated for so long before anybody signs again.
const REFUSED: Duration = Duration::seconds(5);

/// A clock that goes back by more than this was set.
const STEP: Duration = Duration::minutes(1);

/// So many tokens are kept.
const MOST: usize = 1_000;

/// How a token was come by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cache {
    /// It was in memory.
    Hit,
    /// It was asked for now.
    Miss,
    /// Somebody else had asked for it just before.
    Shared,
}

impl Cache {
    /// As in the header `X-Kvops-Cache`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
        }
    }
}

/// Tokens by what was asked for.
#[derive(Debug)]
pub(super) struct Tokens {
    clock: Arc<dyn Clock>,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    slots: HashMap<Wanted, Slot>,
    /// The latest that the clock has shown.
    latest: Option<OffsetDateTime>,
}

type Ended = Result<Token, Arc<Refusal>>;
type Flight = Shared<BoxFuture<'static, Ended>>;

#[derive(Debug, Default)]
struct Slot {
    kept: Option<Kept>,
    refused: Option<(Arc<Refusal>, OffsetDateTime)>,
    flight: Option<Flight>,
}

#[derive(Clone, Debug)]
struct Kept {
    token: Token,
    refresh_at: OffsetDateTime,
}

impl Tokens {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shelf: Arc::default() }
    }

    /// A token: kept, or brought by somebody else's question, or by `ask`. What was begun is ended
    /// even if whoever wanted it goes away.
    pub(super) async fn get<F>(&self, wanted: &Wanted, ask: impl FnOnce() -> F) -> Result<(Token, Cache), Arc<Refusal>>
    where
        F: Future<Output = Result<Token, Refusal>> + Send + 'static,
    {
        let (flight, cache, old) = {
            let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            shelf.notice(now);
            let slot = shelf.slots.get(wanted);
            let kept = slot.and_then(|slot| slot.kept.as_ref());
            if let Some(kept) = kept.filter(|kept| now < kept.refresh_at) {
                return Ok((kept.token.clone(), Cache::Hit));
            }
            if let Some((refusal, _)) = slot.and_then(|slot| slot.refused.as_ref()).filter(|(_, until)| now < *until) {
                return Err(Arc::clone(refusal));
            }
            let kept = kept.cloned();
            match slot.and_then(|slot| slot.flight.clone()) {
                Some(flight) => (flight, Cache::Shared, kept),
                None => {
                    let flight = self.depart(wanted.clone(), ask());
                    make_room(&mut shelf.slots, now);
                    let slot = Slot { kept: kept.clone(), refused: None, flight: Some(flight.clone()) };
                    shelf.slots.insert(wanted.clone(), slot);
                    (flight, Cache::Miss, kept)
                }
            }
        };
        match (flight.await, old) {
            (Ok(token), _) => Ok((token, cache)),
            // The service is out of order, and what we have is still good.
            (Err(refusal), Some(old)) if refusal.is_transient() && old.lasts(self.clock.now()) => {
                Ok((old.token, Cache::Hit))
            }
            (Err(refusal), _) => Err(refusal),
        }
    }

    fn depart<F>(&self, wanted: Wanted, asking: F) -> Flight
    where
        F: Future<Output = Result<Token, Refusal>> + Send + 'static,
    {
        let task = tokio::spawn(asking);
        let (shelf, clock) = (Arc::clone(&self.shelf), Arc::clone(&self.clock));
        let flight = async move {
            let ended = task.await.unwrap_or_else(|_| Err(Refusal::Died)).map_err(Arc::new);
            let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock.now();
            shelf.notice(now);
            let before = shelf.slots.remove(&wanted).and_then(|slot| slot.kept);
            let slot = match &ended {
                Ok(token) => {
                    let kept = Kept { token: token.clone(), refresh_at: refresh_at(token, now) };
                    Some(Slot { kept: Some(kept), ..Slot::default() })
                }
                Err(refusal) if refusal.cost_a_signature() => {
                    Some(Slot { refused: Some((Arc::clone(refusal), now + REFUSED)), ..Slot::default() })
                }
                Err(refusal) => before.filter(|kept| refusal.is_transient() && kept.lasts(now)).map(|kept| {
                    let refresh_at = (now + PAUSE).min(kept.token.expires_at - LAST);
                    Slot { kept: Some(Kept { refresh_at, ..kept }), ..Slot::default() }
                }),
            };
            if let Some(slot) = slot {
                shelf.slots.insert(wanted, slot);
            }
            ended
        };
        let flight = flight.boxed().shared();
        // Whoever asked may go away; the answer is kept all the same.
        tokio::spawn(flight.clone());
        flight
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.slots.values().filter(|slot| slot.refused.is_none()).count()
    }
}

impl Shelf {
    /// By a clock that was set back, tokens that have ended look as if they had not.
    fn notice(&mut self, now: OffsetDateTime) {
        if self.latest.is_some_and(|latest| now < latest.saturating_sub(STEP)) {
            tracing::info!("the clock was set back, so that no token is remembered");
            self.slots.retain(|_, slot| slot.flight.is_some());
            self.slots.values_mut().for_each(|slot| slot.kept = None);
            self.latest = None;
        }
        self.latest = self.latest.max(Some(now));
    }
}

impl Kept {
    /// Whether it is good enough to go on with.
    fn lasts(&self, now: OffsetDateTime) -> bool {
        now < self.token.expires_at - LAST
    }
}

/// A lab, or an impatient policy, may give tokens that live shorter than our margin.
fn refresh_at(token: &Token, now: OffsetDateTime) -> OffsetDateTime {
    let margin = EARLY.min((token.expires_at - now) / 2);
    token.expires_at.saturating_sub(margin)
}

/// What has ended goes first, then whatever ends soonest; questions under way stay.
fn make_room(slots: &mut HashMap<Wanted, Slot>, now: OffsetDateTime) {
    if slots.len() < MOST {
        return;
    }
    let is_good = |slot: &Slot| slot.kept.as_ref().is_some_and(|kept| now < kept.refresh_at);
    slots.retain(|_, slot| slot.flight.is_some() || is_good(slot));
    while slots.len() >= MOST {
        let soonest = slots
            .iter()
            .filter(|(_, slot)| slot.flight.is_none())
            .min_by_key(|(_, slot)| slot.kept.as_ref().map(|kept| kept.refresh_at))
            .map(|(wanted, _)| wanted.clone());
        let Some(soonest) = soonest else { return };
        slots.remove(&soonest);
    }
}
