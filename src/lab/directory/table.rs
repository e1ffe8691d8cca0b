//! Objects of one kind: what is there, what was deleted, and what a slow replica still shows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::object::Object;
use super::scale::Scale;

/// How long a deleted object can be restored.
const RESTORABLE: Duration = Duration::days(30);

/// No replica is later than this; older states are forgotten.
const LONGEST_LAG: Duration = Duration::minutes(30);

/// Written objects come after all that a `scale` seed can make up.
pub(super) const FIRST_WRITTEN: u64 = 1 << 40;

/// Which replica a read has met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// The one that took the last write.
    Current,
    /// One that is still where the directory was at this moment.
    AsOf(OffsetDateTime),
}

/// All objects of one kind. Those of a `scale` seed are made up when somebody looks, and stored
/// once somebody has changed them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
pub(crate) struct Table<T: Object> {
    entries: BTreeMap<Uuid, Entry<T>>,
    /// Of entries, whatever their state.
    by_app_id: BTreeMap<Uuid, Uuid>,
    /// Position in lists → id, of entries.
    positions: BTreeMap<u64, Uuid>,
    next: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
struct Entry<T: Object> {
    state: State<T>,
    /// Oldest first.
    past: Vec<Past<T>>,
    /// The directory's revision at the last change; what delta queries ask for.
    revision: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
enum State<T: Object> {
    Live(T),
    Deleted {
        object: T,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    Purged,
}

/// What readers saw before a change. `None`: nothing.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound = "")]
struct Past<T: Object> {
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
    object: Option<T>,
}

/// How an object stands in a delta query.
#[derive(Debug)]
pub(crate) enum Change<'a, T: Object> {
    Present(&'a T),
    Removed { id: Uuid, restorable: bool },
}

impl<T: Object> Default for Table<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_app_id: BTreeMap::new(), positions: BTreeMap::new(), next: FIRST_WRITTEN }
    }
}

impl<T: Object> Table<T> {
    /// The object with this id.
    pub(super) fn find<'a>(&'a self, scale: Option<&Scale>, id: Uuid, view: View) -> Option<Cow<'a, T>> {
        match self.entries.get(&id) {
            Some(entry) => entry.seen(view).map(Cow::Borrowed),
            None => {
                let scale = scale?;
                Some(Cow::Owned(T::generated(scale, scale.index_of_id(T::KIND, id)?)))
            }
        }
    }

    /// The object with this client id.
    pub(super) fn find_by_app_id<'a>(&'a self, scale: Option<&Scale>, app_id: Uuid, view: View) -> Option<Cow<'a, T>> {
        match self.by_app_id.get(&app_id) {
            Some(id) => self.entries.get(id)?.seen(view).map(Cow::Borrowed),
            None => {
                let scale = scale?;
                let index = scale.index_of_app_id(T::KIND, app_id)?;
                // Changed ones are entries, and found above.
                Some(Cow::Owned(T::generated(scale, index)))
            }
        }
    }

    /// All objects from a position on, with their positions, oldest first.
    pub(super) fn scan<'a>(
        &'a self,
        scale: Option<&'a Scale>,
        from: u64,
        generated: std::ops::Range<u32>,
        name_prefix: Option<String>,
        view: View,
    ) -> impl Iterator<Item = (u64, Cow<'a, T>)> + use<'a, T> {
        let start = u32::try_from(from).unwrap_or(u32::MAX).clamp(generated.start, generated.end.max(generated.start));
        let made_up = scale.into_iter().flat_map(move |scale| {
            let name_prefix = name_prefix.clone();
            (start..generated.end).filter_map(move |index| {
                let position = u64::from(index);
                match self.positions.get(&position) {
                    Some(id) => Some((position, Cow::Borrowed(self.entries.get(id)?.seen(view)?))),
                    // A name is made much faster than an object.
                    None if name_prefix.as_ref().is_some_and(|prefix| !scale.name(index).starts_with(prefix)) => None,
                    None => Some((position, Cow::Owned(T::generated(scale, index)))),
                }
            })
        });
        let written = self
            .positions
            .range(from.max(FIRST_WRITTEN)..)
            .filter_map(move |(&position, id)| Some((position, Cow::Borrowed(self.entries.get(id)?.seen(view)?))));
        made_up.chain(written)
    }

    /// The objects that have been written.
    pub(super) fn stored(&self, view: View) -> impl Iterator<Item = &T> {
        self.positions.values().filter_map(move |id| self.entries.get(id)?.seen(view))
    }

    /// Whether an object of a `scale` seed has been changed.
    pub(super) fn holds_generated(&self) -> bool {
        self.positions.range(..FIRST_WRITTEN).next().is_some()
    }

    /// How many objects are there.
    pub(super) fn count(&self, scale: Option<&Scale>) -> usize {
        let generated = scale.map_or(0, |scale| scale.len(T::KIND) as usize);
        let stored = self.positions.range(..FIRST_WRITTEN).count();
        generated - stored + self.entries.values().filter(|entry| entry.live().is_some()).count()
    }

    /// Entries that changed after a revision. Objects of a `scale` seed change never before that.
    pub(super) fn changes(&self, after: u64) -> impl Iterator<Item = (u64, Change<'_, T>)> {
        self.entries.iter().filter(move |(_, entry)| entry.revision > after).map(|(&id, entry)| {
            let change = match &entry.state {
                State::Live(object) => Change::Present(object),
                State::Deleted { .. } => Change::Removed { id, restorable: true },
                State::Purged => Change::Removed { id, restorable: false },
            };
            (entry.revision, change)
        })
    }

    /// What can still be restored.
    pub(super) fn deleted(&self, now: OffsetDateTime) -> impl Iterator<Item = (&T, OffsetDateTime)> {
        self.entries.values().filter_map(move |entry| match &entry.state {
            State::Deleted { object, at } if *at + RESTORABLE > now => Some((object, *at)),
            _ => None,
        })
    }

    /// Creates or replaces.
    pub(super) fn put(&mut self, scale: Option<&Scale>, object: T, now: OffsetDateTime, revision: u64) {
        let id = object.id();
        self.by_app_id.insert(object.app_id(), id);
        self.adopt(scale, id).change(State::Live(object), now, revision);
    }

    /// Moves an object to the deleted items. False if it is not there.
    pub(super) fn delete(&mut self, scale: Option<&Scale>, id: Uuid, now: OffsetDateTime, revision: u64) -> bool {
        let Some(object) = self.find(scale, id, View::Current).map(Cow::into_owned) else { return false };
        self.by_app_id.insert(object.app_id(), id);
        self.adopt(scale, id).change(State::Deleted { object, at: now }, now, revision);
        true
    }

    /// Brings a deleted object back.
    pub(super) fn restore(&mut self, id: Uuid, now: OffsetDateTime, revision: u64) -> Option<T> {
        let object = self.deleted(now).find(|(object, _)| object.id() == id)?.0.clone();
        self.entries.get_mut(&id)?.change(State::Live(object.clone()), now, revision);
        self.by_app_id.insert(object.app_id(), id);
        Some(object)
    }

    /// Forgets a deleted object. False if it is not among the deleted.
    pub(super) fn purge(&mut self, id: Uuid, now: OffsetDateTime, revision: u64) -> bool {
        let is_deleted = self.deleted(now).any(|(object, _)| object.id() == id);
        if let Some(entry) = self.entries.get_mut(&id).filter(|_| is_deleted) {
            entry.change(State::Purged, now, revision);
        }
        is_deleted
    }

    /// The entry of an object, made if there is none. A made-up object keeps its position.
    fn adopt(&mut self, scale: Option<&Scale>, id: Uuid) -> &mut Entry<T> {
        let Self { entries, positions, next, .. } = self;
        entries.entry(id).or_insert_with(|| {
            let generated = scale.and_then(|scale| Some((scale, scale.index_of_id(T::KIND, id)?)));
            let (position, state) = match generated {
                Some((scale, index)) => (u64::from(index), State::Live(T::generated(scale, index))),
                None => {
                    *next += 1;
                    (*next - 1, State::Purged)
                }
            };
            positions.insert(position, id);
            Entry { state, past: Vec::new(), revision: 0 }
        })
    }
}

impl<T: Object> Entry<T> {
    fn seen(&self, view: View) -> Option<&T> {
        if let View::AsOf(moment) = view
            && let Some(past) = self.past.iter().find(|past| past.until > moment)
        {
            return past.object.as_ref();
        }
        self.live()
    }

    fn live(&self) -> Option<&T> {
        match &self.state {
            State::Live(object) => Some(object),
            State::Deleted { .. } | State::Purged => None,
        }
    }

    fn change(&mut self, state: State<T>, now: OffsetDateTime, revision: u64) {
        let before = match std::mem::replace(&mut self.state, state) {
            State::Live(object) => Some(object),
            State::Deleted { .. } | State::Purged => None,
        };
        self.past.retain(|past| past.until + LONGEST_LAG > now);
        self.past.push(Past { until: now, object: before });
        self.revision = revision;
    }
}
