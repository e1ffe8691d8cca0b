//! One run of the program: what it intends, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use uuid::Uuid;

use super::entry::{Actor, Entry, Object, Phase, RequestRecord, Step};
use super::error::Error;
use super::file::Ledger;
use super::line::Hash;

/// Version of the lines that this program writes.
const LINE_VERSION: u32 = 1;

/// The entries of one run. Cheap to clone; all clones write to the same ledger.
#[derive(Clone, Debug)]
pub struct Run {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    id: Uuid,
    actor: Actor,
    now: Box<dyn Now>,
    plan: Mutex<(Option<String>, Option<String>)>,
}

/// Tells the time for entries.
trait Now: Debug + Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

struct Told<F>(F);

/// What is written of a step beside its name.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// On what.
    pub object: Object,
    /// The requests that were made.
    pub requests: Vec<RequestRecord>,
    /// Facts of the step.
    pub facts: BTreeMap<String, String>,
}

/// A step that was begun. It has to be ended one way or the other; a process that dies in between
/// leaves the intention behind, for whoever looks.
#[derive(Debug)]
#[must_use = "a step that was begun is done or failed"]
pub struct Started {
    run: Run,
    step: Step,
    object: Object,
}

impl Run {
    /// A run with an id, in somebody's name, by a clock.
    pub fn new(
        ledger: Ledger,
        id: Uuid,
        actor: Actor,
        now: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Self {
        let now = Box::new(Told(now));
        Self { shared: Arc::new(Shared { ledger: Mutex::new(ledger), id, actor, now, plan: Mutex::default() }) }
    }

    /// Its id, which all of its lines carry.
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// Says which plan the steps from now on belong to, and by which policy it was judged.
    pub fn follow(&self, plan: Option<String>, policy: Option<String>) {
        *self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner) = (plan, policy);
    }

    /// Writes down that a step is about to be done. On disk when this returns.
    pub fn begin(&self, step: Step, record: Record) -> Result<Started, Error> {
        let object = record.object.clone();
        self.write(step, Phase::Intended, &record)?;
        Ok(Started { run: self.clone(), step, object })
    }

    /// Writes down something that was seen rather than done: a proof, a refusal, the start of a soak.
    pub fn note(&self, step: Step, record: &Record) -> Result<Hash, Error> {
        self.write(step, Phase::Done, record)
    }

    fn write(&self, step: Step, phase: Phase, record: &Record) -> Result<Hash, Error> {
        let shared = &self.shared;
        let (plan, policy) = shared.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at = shared.now.now();
        let mut ledger = shared.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.append(|seq, prev| Entry {
            v: LINE_VERSION,
            seq,
            at,
            run: shared.id,
            step,
            phase,
            actor: shared.actor.clone(),
            object: record.object.clone(),
            plan: plan.clone(),
            policy: policy.clone(),
            requests: record.requests.clone(),
            facts: record.facts.clone(),
            prev,
        })
    }
}

impl Started {
    /// It was done. What `record` knows besides is added to what was known before.
    pub fn done(self, record: Record) -> Result<Hash, Error> {
        self.end(Phase::Done, record)
    }

    /// It failed.
    pub fn failed(self, record: Record) -> Result<Hash, Error> {
        self.end(Phase::Failed, record)
    }

    fn end(self, phase: Phase, record: Record) -> Result<Hash, Error> {
        let record = Record { object: self.object.and(record.object), ..record };
        self.run.write(self.step, phase, &record)
    }
}

impl Record {
    /// A record about an object.
    pub fn of(object: Object) -> Self {
        Self { object, ..Self::default() }
    }

    /// With one more fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }

    /// With the requests that were made.
    #[must_use]
    pub fn requests(mut self, requests: Vec<RequestRecord>) -> Self {
        self.requests = requests;
        self
    }
}

impl<F: Fn() -> OffsetDateTime + Send + Sync> Now for Told<F> {
    fn now(&self) -> OffsetDateTime {
        self.0()
    }
}

impl<F> Debug for Told<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}
