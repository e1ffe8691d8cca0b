//! Reading all applications, or all service principals, with the bytes of their certificates.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream;
use futures::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::bytes;
use super::gathered::Gathered;
use super::join::Wanted;
use super::listed::Listed;
use super::news::Pointed;
use super::parts;
use super::record::{Facts, KnownFacts};
use super::refusal::{self, NotSignedIn, Refusal};
use super::run::{MOST_RESTARTS, Run};
use crate::domain::ObjectId;
use crate::graph::{LARGEST_PAGE, List, Part};
use crate::http::Unreadable;
use crate::inventory::{Evidence, Gap, Reason, Records, Seen};

/// So many ids fit into one condition.
pub(super) const IDS_AT_ONCE: usize = 15;

/// So many such readings are under way at once.
const READINGS_AT_ONCE: usize = 16;

/// All objects of a class, packed, and what is still to be put beside them.
#[derive(Debug)]
pub(super) struct Objects<T> {
    /// Each once, in whatever order.
    records: Gathered<ObjectId, T>,
    /// What bytes said.
    facts: KnownFacts,
    /// Those with certificates whose bytes have still to be asked for one by one.
    unproven: Vec<ObjectId>,
    /// Those of them that are not asked for.
    given_up: HashSet<ObjectId>,
    now: OffsetDateTime,
}

impl<T: Listed> Objects<T> {
    /// Objects, each once, with what the bytes of their certificates say.
    pub(super) fn new(records: Gathered<ObjectId, T>, facts: Facts, now: OffsetDateTime) -> Self {
        let (unproven, given_up) = (Vec::new(), HashSet::new());
        let mut objects = Self { records, facts: facts.by_key(), unproven, given_up, now };
        objects.unproven = objects.wanting();
        objects
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Which there are.
    pub(super) fn ids(&self) -> &[ObjectId] {
        self.records.keys()
    }

    /// Whether the bytes of all certificates that matter are known.
    pub(super) fn is_proven(&self) -> bool {
        self.unproven.is_empty()
    }

    /// Each of them, with what is known of bytes beside it.
    pub(super) fn each(&self) -> impl Iterator<Item = T> + '_ {
        self.records.values().map(|mut record| {
            self.put_bytes(&mut record);
            record
        })
    }

    /// The records, by id, with what is to be put beside each.
    pub(super) fn finished(mut self, run: &Run<'_>, mut put: impl FnMut(&mut T)) -> Records<T> {
        let mut records = std::mem::take(&mut self.records);
        let mut seen = 0;
        records.change(|record| {
            self.put_bytes(record);
            seen += count_bytes(run, record);
            put(record);
            true
        });
        run.read(Evidence::KeyBytes, seen);
        records.by_key().into_values()
    }

    fn put_bytes(&self, record: &mut T) {
        bytes::put(record, |which| self.facts.get(which), self.now);
        if self.given_up.contains(&record.id()) {
            bytes::give_up(record.keys(), Reason::Throttled, self.now);
        }
    }

    /// The objects whose certificates have still not been seen.
    fn wanting(&self) -> Vec<ObjectId> {
        self.each().filter_map(|mut record| bytes::is_wanting(record.keys(), self.now).then(|| record.id())).collect()
    }

    fn learn(&mut self, facts: Facts) {
        let mut all = std::mem::take(&mut self.facts).reopened();
        all.append(facts);
        self.facts = all.by_key();
    }
}

/// Reads a whole class, part by part: its objects and, as soon as it is clear of a part that this is
/// less work than asking one by one, the bytes of all its certificates beside them.
pub(super) async fn all<T: Listed>(
    run: &Run<'_>,
    parts: &[parts::Sized],
    listed: Option<oneshot::Sender<Pointed>>,
) -> Result<Objects<T>, NotSignedIn> {
    let pointing = Mutex::new(Pointing { left: parts.len(), pointed: Pointed::new(), listed });
    let mut reading: FuturesUnordered<_> = parts.iter().map(|part| with_bytes::<T>(run, *part, &pointing)).collect();
    let mut records = Gathered::new();
    while let Some(part) = reading.next().await {
        records.append(part?);
    }
    // One that was changed while it was read may have come with two parts.
    records.keep_first();
    run.read(T::EVIDENCE, records.len());
    Ok(Objects::new(records, Facts::new(), run.now))
}

/// What the credentials of all parts point at.
#[derive(Debug)]
struct Pointing {
    /// Parts that are still to be listed.
    left: usize,
    pointed: Pointed,
    /// Who waits for it, if anybody.
    listed: Option<oneshot::Sender<Pointed>>,
}

impl Pointing {
    fn add(&mut self, wanted: Wanted) {
        self.pointed.extend(wanted.pointed());
        self.left -= 1;
        if self.left == 0 {
            let pointed = std::mem::take(&mut self.pointed);
            // Nobody need listen.
            self.listed.take().and_then(|listed| listed.send(pointed).ok());
        }
    }
}

/// A part, and what its certificates' bytes say: put beside them as soon as both are there, for what is
/// kept apart takes memory twice.
async fn with_bytes<T: Listed>(
    run: &Run<'_>,
    (part, expected): parts::Sized,
    pointing: &Mutex<Pointing>,
) -> Result<Gathered<ObjectId, T>, NotSignedIn> {
    let (start, started) = oneshot::channel();
    let listing = async {
        let (found, wanted) = listing::<T>(run, part, expected.div_ceil(LARGEST_PAGE).max(1), start).await?;
        pointing.lock().unwrap_or_else(PoisonError::into_inner).add(wanted);
        Ok(found)
    };
    let facts = async {
        match started.await {
            Ok(()) => bytes::of_part(run, T::CLASS, part).await,
            Err(_) => Ok(Facts::new()),
        }
    };
    let (found, facts) = futures::future::join(listing, facts).await;
    let (mut found, facts) = (found?, facts?);
    if facts.len() > 0 {
        let facts = facts.by_key();
        found.change(|record| {
            bytes::put(record, |which| facts.get(which), run.now);
            true
        });
    }
    Ok(found)
}

/// Reads a few objects by their ids. Those that are gone are not among the answers.
pub(super) async fn some<T: Listed>(run: &Run<'_>, ids: &[ObjectId]) -> Result<Gathered<ObjectId, T>, NotSignedIn> {
    let readings = ids.chunks(IDS_AT_ONCE).map(|ids| async move {
        let mut list: List<'_, T::Wire> = run.graph.some_of(T::CLASS, ids);
        let mut found = Vec::new();
        loop {
            match list.next().await {
                Ok(Some(page)) => {
                    run.unreadable(T::EVIDENCE, &page.unreadable);
                    found.extend(page.items.into_iter().map(T::record));
                }
                Ok(None) => return Ok(found),
                Err(error) => {
                    for id in ids {
                        run.refused(T::EVIDENCE, id.to_string(), &error)?;
                    }
                    return Ok(found);
                }
            }
        }
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut records = Gathered::new();
    while let Some(found) = reading.next().await {
        for mut record in found? {
            bytes::put(&mut record, |which| run.known.get(which), run.now);
            records.push(record.id(), &record);
        }
    }
    drop(reading);
    records.keep_first();
    run.read(T::EVIDENCE, records.len());
    Ok(records)
}

/// A part of a class, and what its credentials point at.
type Listing<T> = (Gathered<ObjectId, T>, Wanted);

async fn listing<T: Listed>(
    run: &Run<'_>,
    part: Part,
    pages: usize,
    start: oneshot::Sender<()>,
) -> Result<Listing<T>, NotSignedIn> {
    let mut start = Some(start);
    let (mut found, mut wanted) = (Gathered::new(), Wanted::default());
    let mut unreadable: BTreeMap<Option<String>, Unreadable> = BTreeMap::new();
    let (mut restarts, mut wanting) = (0, 0);
    let mut list = T::list(&run.large, part);
    loop {
        match list.next().await {
            Ok(Some(page)) => {
                run.arrived(page.items.len());
                for wire in page.items {
                    let mut record = T::record(wire);
                    bytes::put(&mut record, |which| run.known.get(which), run.now);
                    wanting += usize::from(bytes::is_wanting(record.keys(), run.now));
                    wanted.note(record.keys(), run.now);
                    found.push(record.id(), &record);
                }
                unreadable.extend(page.unreadable.into_iter().map(|item| (item.id.clone(), item)));
                if wanting > pages && run.lists_have_bytes() {
                    // The other end waits for exactly this, or for it never to come.
                    start.take().map(|start| start.send(()));
                }
            }
            Ok(None) => break,
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => {
                restarts += 1;
                list = T::list(&run.large, part);
            }
            Err(error) => {
                run.refused(T::EVIDENCE, parts::describe(part), &error)?;
                break;
            }
        }
    }
    let unreadable: Vec<_> = unreadable.into_values().collect();
    run.unreadable(T::EVIDENCE, &unreadable);
    Ok((found, wanted))
}

/// Asks for the bytes that are still missing by fifteen objects at a time and, where lists have none,
/// one by one, `first` first, as far as the plan goes. What is left stays unread, with a gap that says
/// how many.
pub(super) async fn prove<T: Listed>(
    run: &Run<'_>,
    objects: &mut Objects<T>,
    first: &HashSet<ObjectId>,
) -> Result<(), NotSignedIn> {
    let mut order = std::mem::take(&mut objects.unproven);
    if order.len() > 1 && run.lists_have_bytes() && run.plan.most_single_reads > 0 {
        let is_page_cheaper = order.len().div_ceil(IDS_AT_ONCE) > objects.len().div_ceil(LARGEST_PAGE);
        let facts = match is_page_cheaper {
            true => bytes::of_part(run, T::CLASS, Part::Whole).await?,
            false => bytes::of_some(run, T::CLASS, &order).await,
        };
        objects.learn(facts);
        order = objects.wanting();
    }
    order.sort_by_key(|id| (!first.contains(id), *id));
    let now = order.len().min(run.plan.most_single_reads);
    let (asked, left) = order.split_at(now);
    objects.learn(bytes::of_each(run, T::CLASS, asked).await?);
    if !left.is_empty() {
        run.gap(bytes::left(left.len()));
    }
    objects.given_up = left.iter().copied().collect();
    Ok(())
}

/// The gap of an object that was asked for and is not there.
pub(super) fn gone<T: Listed>(id: ObjectId) -> Gap {
    Refusal::new(Reason::Failed, "the directory does not show it").gap(T::EVIDENCE, id.to_string())
}

/// Counts the certificates whose bytes were seen, and names those that could not be understood.
fn count_bytes<T: Listed>(run: &Run<'_>, record: &mut T) -> usize {
    let id = record.id();
    let mut seen = 0;
    for key in record.keys().iter().filter(|key| !key.is_symmetric()) {
        match key.x {
            Seen::Read(_) => seen += 1,
            Seen::Unread { unread: Reason::Parse } => run.gap(bytes::no_certificate(id, key.key_id)),
            Seen::Unread { .. } => {}
        }
    }
    seen
}
