//! Owners and federated credentials: what ties objects of the directory together.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream;
use time::OffsetDateTime;
use uuid::Uuid;

use super::gathered::{ByKey, Gathered};
use super::objects::Objects;
use super::parts;
use super::record;
use super::refusal::{self, NotSignedIn};
use super::run::{MOST_RESTARTS, Run, from_beginning_to_end};
use crate::domain::ObjectId;
use crate::graph::{self, Class, Part};
use crate::inventory::{Evidence, FederatedCredential, Owner, OwnerKind, Reason, Seen, ServicePrincipal};

/// So many objects are asked at once.
const READINGS_AT_ONCE: usize = 64;

/// An expansion comes in pages of so many objects.
pub(super) const EXPANDED_PAGE: usize = 100;

/// Owners by object; one that is missing was not read.
pub(super) type Owners = ByKey<ObjectId, Seen<Vec<Owner>>>;

type SomeOwners = Gathered<ObjectId, Seen<Vec<Owner>>>;

/// The owners of all objects of a class, in pieces of the parts that the class is read in.
pub(super) async fn owners_of_all(
    run: &Run<'_>,
    class: Class,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
) -> Result<Owners, NotSignedIn> {
    let pieces = parts::finer(parts, EXPANDED_PAGE, created, run.now);
    let readings = pieces.into_iter().map(|part| owners_of_part(run, class, part));
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut all = SomeOwners::new();
    while let Some(part) = reading.next().await {
        all.append(part?);
    }
    drop(reading);
    all.keep_last();
    run.read(Evidence::Owners, all.values().filter(|owners| owners.read().is_some()).count());
    Ok(all.by_key())
}

async fn owners_of_part(run: &Run<'_>, class: Class, part: Part) -> Result<SomeOwners, NotSignedIn> {
    let mut found = SomeOwners::new();
    let mut cut = HashSet::new();
    let mut restarts = 0;
    let mut list = run.graph.owners_of_all(class, part);
    loop {
        match list.next().await {
            Ok(Some(page)) => {
                for owned in page.items {
                    if owned.may_be_cut() {
                        cut.insert(owned.id);
                    } else {
                        found.push(owned.id, &Seen::Read(sorted(owned.owners.into_iter().map(record::owner))));
                    }
                }
                run.unreadable(Evidence::Owners, &page.unreadable);
            }
            Ok(None) => break,
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => {
                restarts += 1;
                list = run.graph.owners_of_all(class, part);
            }
            Err(error) => {
                run.refused(Evidence::Owners, parts::describe(part), &error)?;
                break;
            }
        }
    }
    let cut: Vec<_> = cut.into_iter().collect();
    found.append(read_owners_of(run, class, &cut).await?);
    Ok(found)
}

/// The owners of a few objects, all of them.
pub(super) async fn owners_of_some(run: &Run<'_>, class: Class, ids: &[ObjectId]) -> Result<Owners, NotSignedIn> {
    let all = read_owners_of(run, class, ids).await?;
    run.read(Evidence::Owners, all.values().filter(|owners| owners.read().is_some()).count());
    Ok(all.by_key())
}

async fn read_owners_of(run: &Run<'_>, class: Class, ids: &[ObjectId]) -> Result<SomeOwners, NotSignedIn> {
    let readings = ids.iter().map(|id| async move {
        let read = run.graph.owners_of_one(class, *id).all().await;
        let owners = match read {
            Ok(page) if page.unreadable.is_empty() => Seen::Read(sorted(page.items.into_iter().map(record::owner))),
            Ok(page) => {
                run.unreadable(Evidence::Owners, &page.unreadable);
                Seen::unread(Reason::Parse)
            }
            Err(error) => Seen::unread(run.refused(Evidence::Owners, id.to_string(), &error)?),
        };
        Ok((*id, owners))
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut all = SomeOwners::new();
    while let Some(one) = reading.next().await {
        all.extend([one?]);
    }
    Ok(all)
}

fn sorted(owners: impl Iterator<Item = Owner>) -> Vec<Owner> {
    let mut owners: Vec<_> = owners.collect();
    owners.sort_by_key(|owner| owner.id);
    owners.dedup_by_key(|owner| owner.id);
    // It may still be in the memory of the answer, which is several times as large.
    owners.shrink_to_fit();
    owners
}

/// The owners of the service principals for which they matter: whoever owns what holds credentials or
/// permissions can act as it. In a large tenant those are too many to ask one by one.
pub(super) async fn owners_of_principals(
    run: &Run<'_>,
    principals: &Objects<ServicePrincipal>,
    has_role: impl Fn(&ObjectId) -> bool,
) -> Result<Owners, NotSignedIn> {
    let matters = |principal: &ServicePrincipal| {
        !principal.keys.is_empty() || !principal.passwords.is_empty() || has_role(&principal.id)
    };
    let ids: Vec<_> = principals.each().filter(matters).map(|principal| principal.id).collect();
    if ids.len() <= principals.len().div_ceil(EXPANDED_PAGE) {
        return owners_of_some(run, Class::ServicePrincipals, &ids).await;
    }
    owners_of_all(run, Class::ServicePrincipals, &[(Part::Whole, principals.len())], None).await
}

/// Where service principals come from.
#[derive(Debug)]
pub(super) struct Homes {
    /// Whether it is this tenant, in the order of their ids; nothing where that is not known.
    is_here: Vec<(ObjectId, bool)>,
}

impl Homes {
    /// Of all service principals, seen from a tenant.
    pub(super) fn of(principals: &Objects<ServicePrincipal>, tenant: Option<Uuid>) -> Self {
        let home = |principal: ServicePrincipal| Some((principal.id, principal.owner_tenant? == tenant?));
        let mut is_here: Vec<_> = principals.each().filter_map(home).collect();
        is_here.sort_unstable();
        Self { is_here }
    }

    /// Tells owners of another tenant apart, where the directory knows them.
    pub(super) fn tell_strangers(&self, owners: &mut Seen<Vec<Owner>>) {
        let Seen::Read(owners) = owners else { return };
        for owner in owners.iter_mut().filter(|owner| owner.kind == OwnerKind::ServicePrincipal) {
            let found = self.is_here.binary_search_by_key(&owner.id, |(id, _)| *id).ok();
            owner.is_external = found.and_then(|found| self.is_here.get(found)).map(|(_, is_here)| !is_here);
        }
    }
}

/// The federated credentials of the applications that have some.
#[derive(Debug)]
pub(super) struct Federation {
    read: Seen<ByKey<ObjectId, Seen<Vec<FederatedCredential>>>>,
    /// What could not be read, until it is known which of these applications are still there.
    refused: HashMap<ObjectId, graph::Error>,
}

/// The federated credentials of all applications that have some.
pub(super) async fn federation_of_all(run: &Run<'_>) -> Result<Federation, NotSignedIn> {
    let read = run.entire(Evidence::FederatedCredentials, "", || run.graph.with_federation()).await?;
    match read {
        Seen::Read(found) => Ok(federation_of(run, found.into_iter().map(|found| found.id)).await),
        Seen::Unread { unread } => Ok(Federation { read: Seen::unread(unread), refused: HashMap::new() }),
    }
}

/// The federated credentials of some applications.
pub(super) async fn federation_of(run: &Run<'_>, ids: impl Iterator<Item = ObjectId>) -> Federation {
    let readings = ids.map(|id| async move { (id, from_beginning_to_end(|| run.graph.federation(id)).await) });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let (mut all, mut refused) = (Gathered::new(), HashMap::new());
    while let Some((id, read)) = reading.next().await {
        match read {
            Ok(page) if page.unreadable.is_empty() => {
                let mut found: Vec<_> = page.items.into_iter().map(record::federated).collect();
                found.sort_by(|one, other| one.id.cmp(&other.id));
                all.push(id, &Seen::Read(found));
            }
            Ok(page) => {
                run.unreadable(Evidence::FederatedCredentials, &page.unreadable);
                all.push(id, &Seen::unread(Reason::Parse));
            }
            Err(error) => drop(refused.insert(id, error)),
        }
    }
    Federation { read: Seen::Read(all.by_key()), refused }
}

impl Federation {
    /// Notes what was refused. What the index tells of an application that is no longer there is of no
    /// account.
    pub(super) fn settled(mut self, run: &Run<'_>, applications: &[ObjectId]) -> Result<Self, NotSignedIn> {
        let Seen::Read(read) = &mut self.read else { return Ok(self) };
        let mut all = std::mem::take(read).reopened();
        let is_there = |id: &&ObjectId| self.refused.contains_key(id);
        for id in applications.iter().filter(is_there) {
            let Some(error) = self.refused.get(id) else { continue };
            let reason = run.refused(Evidence::FederatedCredentials, id.to_string(), error)?;
            all.push(*id, &Seen::unread(reason));
        }
        *read = all.by_key();
        Ok(self)
    }

    /// Those of an application; most have none.
    pub(super) fn of(&self, run: &Run<'_>, id: ObjectId) -> Seen<Vec<FederatedCredential>> {
        let read = match &self.read {
            Seen::Read(read) => read,
            Seen::Unread { unread } => return Seen::unread(*unread),
        };
        let Some(found) = read.get(&id) else { return Seen::Read(Vec::new()) };
        if found.read().is_some() {
            run.read(Evidence::FederatedCredentials, 1);
        }
        found
    }
}
