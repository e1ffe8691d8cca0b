//! Owners and federated credentials: what ties objects of the directory together.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream;
use time::OffsetDateTime;
use uuid::Uuid;

use super::parts;
use super::record;
use super::refusal::{self, NotSignedIn};
use super::run::{MOST_RESTARTS, Run, from_beginning_to_end};
use crate::domain::ObjectId;
use crate::graph::{self, Class, Federated, Page, Part};
use crate::inventory::{Application, Evidence, FederatedCredential, Owner, OwnerKind, Reason, Seen, ServicePrincipal};

/// So many objects are asked at once.
const READINGS_AT_ONCE: usize = 64;

/// An expansion comes in pages of so many objects.
pub(super) const EXPANDED_PAGE: usize = 100;

/// Owners by object; one that is missing was not read.
pub(super) type Owners = HashMap<ObjectId, Seen<Vec<Owner>>>;

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
    let mut all = Owners::new();
    while let Some(part) = reading.next().await {
        all.extend(part?);
    }
    drop(reading);
    run.read(Evidence::Owners, all.values().filter(|owners| owners.read().is_some()).count());
    Ok(all)
}

async fn owners_of_part(run: &Run<'_>, class: Class, part: Part) -> Result<Owners, NotSignedIn> {
    let mut found = Owners::new();
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
                        found.insert(owned.id, Seen::Read(sorted(owned.owners.into_iter().map(record::owner))));
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
    found.extend(owners_of_some(run, class, &cut, false).await?);
    Ok(found)
}

/// The owners of a few objects, all of them.
pub(super) async fn owners_of_some(
    run: &Run<'_>,
    class: Class,
    ids: &[ObjectId],
    is_counted: bool,
) -> Result<Owners, NotSignedIn> {
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
    let mut all = Owners::new();
    while let Some(one) = reading.next().await {
        all.extend([one?]);
    }
    drop(reading);
    if is_counted {
        run.read(Evidence::Owners, all.values().filter(|owners| owners.read().is_some()).count());
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
    principals: &[ServicePrincipal],
    has_directory_role: &HashSet<ObjectId>,
) -> Result<Owners, NotSignedIn> {
    let matters = |principal: &&ServicePrincipal| {
        let has_roles = principal.app_roles.read().is_none_or(|roles| !roles.is_empty());
        !principal.keys.is_empty()
            || !principal.passwords.is_empty()
            || has_roles
            || has_directory_role.contains(&principal.id)
    };
    let ids: Vec<_> = principals.iter().filter(matters).map(|principal| principal.id).collect();
    if ids.len() <= principals.len().div_ceil(EXPANDED_PAGE) {
        return owners_of_some(run, Class::ServicePrincipals, &ids, true).await;
    }
    owners_of_all(run, Class::ServicePrincipals, &[(Part::Whole, principals.len())], None).await
}

/// Puts the owners beside their applications.
pub(super) fn put_owners<T>(
    records: &mut [T],
    mut owners: Owners,
    id: impl Fn(&T) -> ObjectId,
    place: impl Fn(&mut T) -> &mut Seen<Vec<Owner>>,
    otherwise: Reason,
) {
    for record in records {
        *place(record) = owners.remove(&id(record)).unwrap_or(Seen::unread(otherwise));
    }
}

/// The tenants that service principals come from.
pub(super) type Homes = HashMap<ObjectId, Uuid>;

/// Where the service principals come from.
pub(super) fn homes(principals: &[ServicePrincipal]) -> Homes {
    principals.iter().filter_map(|principal| Some((principal.id, principal.owner_tenant?))).collect()
}

/// Tells owners of another tenant apart, where the directory knows them.
pub(super) fn tell_strangers(owners: &mut Seen<Vec<Owner>>, homes: &Homes, tenant: Option<Uuid>) {
    let Seen::Read(owners) = owners else { return };
    for owner in owners.iter_mut().filter(|owner| owner.kind == OwnerKind::ServicePrincipal) {
        owner.is_external = homes.get(&owner.id).and_then(|home| Some(*home != tenant?));
    }
}

/// What was answered about the federated credentials of those applications that have some.
pub(super) type Federation = Seen<HashMap<ObjectId, Result<Page<Federated>, graph::Error>>>;

/// The federated credentials of all applications that have some.
pub(super) async fn federation_of_all(run: &Run<'_>) -> Result<Federation, NotSignedIn> {
    let read = run.entire(Evidence::FederatedCredentials, "", || run.graph.with_federation()).await?;
    Ok(match read {
        Seen::Read(found) => Seen::Read(federation_of(run, found.into_iter().map(|found| found.id)).await),
        Seen::Unread { unread } => Seen::unread(unread),
    })
}

/// The same of some applications.
pub(super) async fn federation_of_some(run: &Run<'_>, applications: &[Application]) -> Federation {
    Seen::Read(federation_of(run, applications.iter().map(|application| application.id)).await)
}

async fn federation_of(
    run: &Run<'_>,
    ids: impl Iterator<Item = ObjectId>,
) -> HashMap<ObjectId, Result<Page<Federated>, graph::Error>> {
    let readings = ids.map(|id| async move { (id, from_beginning_to_end(|| run.graph.federation(id)).await) });
    stream::iter(readings).buffer_unordered(READINGS_AT_ONCE).collect().await
}

/// Puts federated credentials beside their applications. What the index tells of an application that is
/// no longer there is of no account.
pub(super) fn put_federation(
    run: &Run<'_>,
    applications: &mut [Application],
    found: Federation,
) -> Result<(), NotSignedIn> {
    let mut found = match found {
        Seen::Read(found) => found,
        Seen::Unread { unread } => {
            applications.iter_mut().for_each(|application| application.federated = Seen::unread(unread));
            return Ok(());
        }
    };
    for application in applications {
        application.federated = match found.remove(&application.id) {
            Some(read) => federated(run.judged(Evidence::FederatedCredentials, &application.id.to_string(), read)?),
            None => Seen::Read(Vec::new()),
        };
    }
    Ok(())
}

fn federated(read: Seen<Vec<Federated>>) -> Seen<Vec<FederatedCredential>> {
    match read {
        Seen::Read(found) => {
            let mut found: Vec<_> = found.into_iter().map(record::federated).collect();
            found.sort_by(|one, other| one.id.cmp(&other.id));
            Seen::Read(found)
        }
        Seen::Unread { unread } => Seen::unread(unread),
    }
}
