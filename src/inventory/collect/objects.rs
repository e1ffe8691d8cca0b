//! Reading all applications, or all service principals, with the bytes of their certificates.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use futures::stream;
use futures::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::bytes;
use super::join::Wanted;
use super::news::Pointed;
use super::parts;
use super::record::{self, Facts};
use super::refusal::{self, NotSignedIn, Refusal};
use super::run::{MOST_RESTARTS, Run};
use crate::domain::ObjectId;
use crate::graph::{self, Class, LARGEST_PAGE, List, Part};
use crate::http::Unreadable;
use crate::inventory::{Application, Evidence, Gap, KeyCredential, PasswordCredential, Reason, Seen, ServicePrincipal};

/// So many ids fit into one condition.
pub(super) const IDS_AT_ONCE: usize = 15;

/// So many such readings are under way at once.
const READINGS_AT_ONCE: usize = 16;

/// A class of objects that lists give.
pub(super) trait Listed: Sized {
    /// As Graph sends it.
    type Wire: DeserializeOwned;

    const CLASS: Class;
    const EVIDENCE: Evidence;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire>;
    fn record(wire: Self::Wire) -> Self;
    fn id(&self) -> ObjectId;
    fn keys(&mut self) -> &mut [KeyCredential];
    fn passwords(&mut self) -> &mut [PasswordCredential];

    /// Drops what the directory's changes do not tell about.
    fn forget_relations(&mut self);

    /// Leaves of a record of an earlier run what still holds.
    fn forget(&mut self, now: OffsetDateTime) {
        self.forget_relations();
        for key in self.keys() {
            key.last_used = Seen::default();
            if !matches!(key.x, Seen::Read(_) | Seen::Unread { unread: Reason::Parse }) {
                key.x = Seen::default();
            }
        }
        bytes::forget_ended(self.keys(), now);
        self.passwords().iter_mut().for_each(|password| password.last_used = Seen::default());
    }
}

impl Listed for Application {
    type Wire = graph::Registration;

    const CLASS: Class = Class::Applications;
    const EVIDENCE: Evidence = Evidence::Applications;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire> {
        graph.registrations(part)
    }

    fn record(wire: Self::Wire) -> Self {
        record::application(wire)
    }

    fn id(&self) -> ObjectId {
        self.id
    }

    fn keys(&mut self) -> &mut [KeyCredential] {
        &mut self.keys
    }

    fn passwords(&mut self) -> &mut [PasswordCredential] {
        &mut self.passwords
    }

    fn forget_relations(&mut self) {
        self.owners = Seen::default();
        self.federated = Seen::default();
    }
}

impl Listed for ServicePrincipal {
    type Wire = graph::Principal;

    const CLASS: Class = Class::ServicePrincipals;
    const EVIDENCE: Evidence = Evidence::ServicePrincipals;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire> {
        graph.principals(part)
    }

    fn record(wire: Self::Wire) -> Self {
        record::principal(wire)
    }

    fn id(&self) -> ObjectId {
        self.id
    }

    fn keys(&mut self) -> &mut [KeyCredential] {
        &mut self.keys
    }

    fn passwords(&mut self) -> &mut [PasswordCredential] {
        &mut self.passwords
    }

    fn forget_relations(&mut self) {
        self.owners = Seen::default();
        self.app_roles = Seen::default();
        self.delegated = Seen::default();
        self.last_sign_in = Seen::default();
        self.last_user_sign_in = Seen::default();
    }
}

/// All objects of a class.
#[derive(Debug)]
pub(super) struct Objects<T> {
    /// By id, each once.
    pub(super) records: Vec<T>,
    /// Those with certificates whose bytes have still to be asked for one by one.
    pub(super) unproven: Vec<ObjectId>,
}

/// Reads a whole class, part by part: its objects and, as soon as it is clear of a part that this is
/// less work than asking one by one, the bytes of all its certificates beside them.
pub(super) async fn all<T: Listed>(
    run: &Run<'_>,
    parts: &[parts::Sized],
    listed: oneshot::Sender<Pointed>,
) -> Result<Objects<T>, NotSignedIn> {
    let (mut listings, mut bulks) = (FuturesUnordered::new(), FuturesUnordered::new());
    for (part, expected) in parts {
        let (start, started) = oneshot::channel();
        let pages = expected.div_ceil(LARGEST_PAGE).max(1);
        listings.push(listing::<T>(run, *part, pages, start));
        bulks.push(async move {
            match started.await {
                Ok(()) => bytes::of_part(run, T::CLASS, *part).await,
                Err(_) => Ok(Facts::new()),
            }
        });
    }
    let records = async {
        let mut records: Vec<T> = Vec::new();
        while let Some(part) = listings.next().await {
            records.extend(part?);
        }
        records.sort_by_key(T::id);
        // One that was changed while it was read may have come with two parts.
        records.dedup_by_key(|record| record.id());
        tell(&mut records, run.now, listed);
        Ok(records)
    };
    let facts = async {
        let mut facts = Facts::new();
        while let Some(part) = bulks.next().await {
            facts.extend(part?);
        }
        Ok(facts)
    };
    let (records, facts) = futures::future::join(records, facts).await;
    let (mut records, mut facts) = (records?, facts?);
    for record in &mut records {
        bytes::put(record, |which| facts.remove(which), run.now);
    }
    run.read(T::EVIDENCE, records.len());
    let unproven = unproven(&mut records, run.now);
    Ok(Objects { records, unproven })
}

/// Tells what the credentials point at, as far as it is known by now.
pub(super) fn tell<T: Listed>(records: &mut [T], now: OffsetDateTime, listed: oneshot::Sender<Pointed>) {
    let mut wanted = Wanted::default();
    for record in records {
        wanted.note(record.keys(), now);
    }
    // Nobody need listen.
    listed.send(wanted.pointed()).ok();
}

/// Reads a few objects by their ids. Those that are gone are not among the answers.
pub(super) async fn some<T: Listed>(run: &Run<'_>, ids: &[ObjectId]) -> Result<Objects<T>, NotSignedIn> {
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
    let mut records: Vec<T> = Vec::new();
    while let Some(found) = reading.next().await {
        records.extend(found?);
    }
    drop(reading);
    records.sort_by_key(T::id);
    records.dedup_by_key(|record| record.id());
    for record in &mut records {
        bytes::put(record, |which| run.known.get(which).cloned(), run.now);
    }
    run.read(T::EVIDENCE, records.len());
    let unproven = unproven(&mut records, run.now);
    Ok(Objects { records, unproven })
}

async fn listing<T: Listed>(
    run: &Run<'_>,
    part: Part,
    pages: usize,
    start: oneshot::Sender<()>,
) -> Result<Vec<T>, NotSignedIn> {
    let mut start = Some(start);
    let mut found: BTreeMap<ObjectId, T> = BTreeMap::new();
    let mut unreadable: BTreeMap<Option<String>, Unreadable> = BTreeMap::new();
    let (mut restarts, mut wanting) = (0, 0);
    let mut list = T::list(&run.graph, part);
    loop {
        match list.next().await {
            Ok(Some(page)) => {
                run.arrived(page.items.len());
                for wire in page.items {
                    let mut record = T::record(wire);
                    if found.contains_key(&record.id()) {
                        continue;
                    }
                    bytes::put(&mut record, |which| run.known.get(which).cloned(), run.now);
                    wanting += usize::from(bytes::is_wanting(record.keys(), run.now));
                    found.insert(record.id(), record);
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
                list = T::list(&run.graph, part);
            }
            Err(error) => {
                run.refused(T::EVIDENCE, parts::describe(part), &error)?;
                break;
            }
        }
    }
    let unreadable: Vec<_> = unreadable.into_values().collect();
    run.unreadable(T::EVIDENCE, &unreadable);
    Ok(found.into_values().collect())
}

/// The objects whose certificates have still not been seen.
pub(super) fn unproven<T: Listed>(records: &mut [T], now: OffsetDateTime) -> Vec<ObjectId> {
    records.iter_mut().filter_map(|record| bytes::is_wanting(record.keys(), now).then(|| record.id())).collect()
}

/// Asks for the bytes that are still missing by fifteen objects at a time and, where lists have none,
/// one by one, `first` first, as far as the plan goes. What is left stays unread, with a gap that says
/// how many.
pub(super) async fn prove<T: Listed>(
    run: &Run<'_>,
    records: &mut [T],
    unproven: &[ObjectId],
    first: &HashSet<ObjectId>,
) -> Result<(), NotSignedIn> {
    let at = |records: &[T], id: &ObjectId| records.binary_search_by_key(id, T::id).ok();
    let mut order = unproven.to_vec();
    if order.len() > 1 && run.lists_have_bytes() && run.plan.most_single_reads > 0 {
        let is_page_cheaper = order.len().div_ceil(IDS_AT_ONCE) > records.len().div_ceil(LARGEST_PAGE);
        let mut facts = match is_page_cheaper {
            true => bytes::of_part(run, T::CLASS, Part::Whole).await?,
            false => bytes::of_some(run, T::CLASS, &order).await,
        };
        order.retain(|id| {
            let Some(found) = at(records, id) else { return false };
            bytes::put(&mut records[found], |which| facts.remove(which), run.now);
            bytes::is_wanting(records[found].keys(), run.now)
        });
    }
    order.sort_by_key(|id| (!first.contains(id), *id));
    let now = order.len().min(run.plan.most_single_reads);
    let (asked, left) = order.split_at(now);
    let mut facts = bytes::of_each(run, T::CLASS, asked).await?;
    if !left.is_empty() {
        run.gap(bytes::left(left.len()));
    }
    for id in asked {
        if let Some(found) = at(records, id) {
            bytes::put(&mut records[found], |which| facts.remove(which), run.now);
        }
    }
    for id in left {
        if let Some(found) = at(records, id) {
            bytes::give_up(records[found].keys(), Reason::Throttled, run.now);
        }
    }
    Ok(())
}

/// The gap of an object that was asked for and is not there.
pub(super) fn gone<T: Listed>(id: ObjectId) -> Gap {
    Refusal::new(Reason::Failed, "the directory does not show it").gap(T::EVIDENCE, id.to_string())
}

/// Counts the certificates whose bytes were seen, and names those that could not be understood.
pub(super) fn count_bytes<T: Listed>(run: &Run<'_>, records: &mut [T]) {
    let mut seen = 0;
    for record in records {
        let id = record.id();
        for key in record.keys().iter().filter(|key| !key.is_symmetric()) {
            match key.x {
                Seen::Read(_) => seen += 1,
                Seen::Unread { unread: Reason::Parse } => run.gap(bytes::no_certificate(id, key.key_id)),
                Seen::Unread { .. } => {}
            }
        }
    }
    run.read(Evidence::KeyBytes, seen);
}
