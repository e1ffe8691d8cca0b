//! What has changed since an earlier run, in place of everything.

use std::collections::BTreeSet;

use futures::future::join;
use serde::de::DeserializeOwned;
use time::Duration;
use tokio::sync::oneshot;

use super::gathered::Gathered;
use super::join::Wanted;
use super::listed::Listed;
use super::news::Pointed;
use super::objects::{self, Objects};
use super::record::{self, Facts};
use super::refusal::{self, NotSignedIn, Refusal};
use super::run::Run;
use crate::domain::ObjectId;
use crate::graph::{Class, List};
use crate::inventory::state::Mark;
use crate::inventory::{Reason, Records};

/// The directory keeps the moment of a mark for seven days.
pub(super) const LIFETIME: Duration = Duration::days(7);

/// If more than one in so many has changed, everything is read anew.
const TOO_MANY: usize = 5;

/// A mark of this moment, for the next run; taken before anything is read, so that no change falls
/// between.
pub(super) async fn mark(run: &Run<'_>, class: Class) -> Option<Mark> {
    let (all, keys) = join(
        latest(run.graph.changes(class, None)),
        // Without it, bytes are read in other ways.
        latest(run.graph.changed_keys(class, None)),
    )
    .await;
    Some(Mark { token: all?, keys, at: run.now })
}

pub(super) async fn latest<T: DeserializeOwned>(mut list: List<'_, T>) -> Option<String> {
    while list.next().await.ok()?.is_some() {}
    token(list.delta_link()?)
}

/// The records of an earlier run, brought up to date, with the next mark. `None`: there is no way but
/// to read everything. Tells what the credentials point at, as far as it is known by now.
pub(super) async fn since<T: Listed>(
    run: &Run<'_>,
    before: Records<T>,
    mark: &Mark,
    listed: &mut Option<oneshot::Sender<Pointed>>,
) -> Result<Option<(Objects<T>, Mark)>, NotSignedIn> {
    if run.now - mark.at >= LIFETIME {
        return Ok(None);
    }
    let (all, keys) = join(changed::<T>(run, before, mark), changed_keys(run, T::CLASS, mark.keys.as_deref())).await;
    let (Some((records, mut next, wanted)), (facts, keys)) = (all?, keys) else { return Ok(None) };
    next.keys = keys;
    if let Some(listed) = listed.take() {
        // Nobody need listen.
        listed.send(wanted.pointed()).ok();
    }
    Ok(Some((Objects::new(records, facts, run.now), next)))
}

/// The bytes of certificates that are new, and the next mark. That something has not come this way
/// means nothing: what is still missing is asked for by name.
async fn changed_keys(run: &Run<'_>, class: Class, mark: Option<&str>) -> (Facts, Option<String>) {
    let mut facts = Facts::new();
    let Some(mark) = mark else { return (facts, latest(run.graph.changed_keys(class, None)).await) };
    let mut list = run.graph.changed_keys(class, Some(mark));
    loop {
        match list.next().await {
            Ok(Some(page)) => facts.extend(page.items.iter().flat_map(|item| record::facts_of(item, &run.known))),
            Ok(None) => return (facts, list.delta_link().and_then(token)),
            Err(_) => return (facts, None),
        }
    }
}

/// Records, the next mark, and what the credentials point at.
type Changed<T> = (Gathered<ObjectId, T>, Mark, Wanted);

async fn changed<T: Listed>(
    run: &Run<'_>,
    mut before: Records<T>,
    mark: &Mark,
) -> Result<Option<Changed<T>>, NotSignedIn> {
    let (mut changed, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let mut list = run.graph.changes(T::CLASS, Some(&mark.token));
    loop {
        match list.next().await {
            Ok(Some(page)) if page.unreadable.is_empty() => {
                for item in page.items {
                    // The last word about an object counts.
                    let (into, out) =
                        if item.is_gone() { (&mut gone, &mut changed) } else { (&mut changed, &mut gone) };
                    into.insert(item.id);
                    out.remove(&item.id);
                }
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) => break,
            Err(error) => {
                // Not to be signed in ends the run; whatever else, the full way may still be open.
                refusal::of_graph(&error)?;
                return Ok(None);
            }
        }
    }
    let Some(token) = list.delta_link().and_then(token) else { return Ok(None) };
    if changed.len() * TOO_MANY > before.len() {
        return Ok(None);
    }
    let mut next = Mark { token, keys: None, at: run.now };
    let ids: Vec<ObjectId> = changed.iter().copied().collect();
    let read = objects::some::<T>(run, &ids).await?;
    let (mut kept, mut wanted) = (Vec::new(), Wanted::default());
    before.change(|record| {
        let is_kept = !gone.contains(&record.id()) && !changed.contains(&record.id());
        if is_kept {
            record.forget(run.now);
            wanted.note(record.keys(), run.now);
            kept.push(record.id());
        }
        is_kept
    });
    let mut records = Gathered::of(kept, before);
    run.read(T::EVIDENCE, records.len());
    for mut record in read.values() {
        wanted.note(record.keys(), run.now);
        changed.remove(&record.id());
    }
    records.append(read);
    for id in &changed {
        // Not everywhere yet, or gone since: the old mark will name it again.
        next = mark.clone();
        let refusal = Refusal::new(Reason::Failed, "it has changed, and could not be read again yet");
        run.gap(refusal.gap(T::EVIDENCE, id.to_string()));
    }
    Ok(Some((records, next, wanted)))
}

/// The token of a delta link: the rest of the link is ours to build.
pub(super) fn token(link: &str) -> Option<String> {
    let link = url::Url::parse(link).ok()?;
    let found = link.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("$deltatoken"))?;
    Some(found.1.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_link_is_taken_and_its_address_is_not() {
        let link = "https://graph.microsoft.com/v1.0/applications/delta?$deltatoken=a%2Bb";
        assert_eq!(token(link).as_deref(), Some("a+b"));
        assert_eq!(token("https://graph.microsoft.com/v1.0/applications/delta?$skiptoken=x"), None);
        assert_eq!(token("nonsense"), None);
    }
}
