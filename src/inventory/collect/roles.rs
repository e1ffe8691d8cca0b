//! Permissions for applications on the APIs that matter: who holds them.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream;
use time::OffsetDateTime;
use uuid::Uuid;

use super::gathered::{ByKey, Gathered};
use super::parts;
use super::refusal::{self, NotSignedIn};
use super::relations::EXPANDED_PAGE;
use super::run::{MOST_RESTARTS, Run};
use crate::domain::{AppId, ObjectId};
use crate::graph::{Class, Part, RoleHolder};
use crate::inventory::{Evidence, Reason, RoleGrant, Seen};

/// So many lists are read at once.
const READINGS_AT_ONCE: usize = 64;

/// So many service principals without a date are asked one by one.
const MOST_UNDATED: usize = 100;

/// The APIs whose roles make an application powerful: Microsoft Graph, its predecessor, Exchange,
/// `SharePoint`, the management API of Office 365, Defender for Endpoint and Azure itself.
/// Source: the appIds at <https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in>.
const WATCHED: [&str; 7] = [
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0000-c000-000000000000",
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
    "c5393580-f805-4401-95e8-94b7a6ef2fc2",
    "fc780465-2017-40d4-a0c5-307022471b92",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
];

/// Who holds permissions for applications on the APIs that are watched, by holder.
pub(super) type Holders = Seen<Held>;

/// Permissions by holder, each with the place of its API in [`watched`].
type Held = ByKey<ObjectId, Vec<(u8, Uuid)>>;

type SomeHeld = Gathered<ObjectId, Vec<(u8, Uuid)>>;

/// Who holds permissions on the watched APIs. The APIs could tell it in fewer requests, but each of
/// them in one list whose pages follow each other, and nearly everybody is in the same one. So a
/// large tenant is asked from the side of the holders, in parts.
pub(super) async fn holders(
    run: &Run<'_>,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
) -> Result<Holders, NotSignedIn> {
    if parts.len() > 1
        && let Some(held) = by_holder(run, parts, created).await?
    {
        return Ok(Seen::Read(held));
    }
    by_resource(run).await
}

/// `None` where the directory does not answer like this; whoever asks the other way will learn why.
async fn by_holder(
    run: &Run<'_>,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
) -> Result<Option<Held>, NotSignedIn> {
    let mut apis = Apis::new();
    for (api, found) in futures::future::join_all((0..).zip(watched()).map(async |(api, app_id)| {
        let found = run.graph.principal(app_id).await;
        (api, found)
    }))
    .await
    {
        match found {
            Ok(found) => apis.extend(found.map(|found| (found.id, api))),
            Err(error) => {
                refusal::of_graph(&error)?;
                return Ok(None);
            }
        }
    }
    let pieces = parts::finer(parts, EXPANDED_PAGE, created, run.now);
    let readings = pieces.into_iter().map(|part| {
        let apis = &apis;
        async move {
            match part {
                Part::Undated => held_by_undated(run, apis).await,
                _ => held_in_part(run, part, apis).await,
            }
        }
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut held = SomeHeld::new();
    while let Some(part) = reading.next().await {
        let Some(part) = part? else { return Ok(None) };
        held.append(part);
    }
    drop(reading);
    run.read(Evidence::AppRoles, apis.len());
    Ok(Some(held.by_key()))
}

type Apis = HashMap<ObjectId, u8>;

async fn held_in_part(run: &Run<'_>, part: Part, apis: &Apis) -> Result<Option<SomeHeld>, NotSignedIn> {
    let (mut found, mut cut) = (SomeHeld::new(), HashSet::new());
    let mut restarts = 0;
    let mut list = run.graph.roles_held_by_all(part);
    loop {
        match list.next().await {
            Ok(Some(page)) if page.unreadable.is_empty() => {
                for holding in &page.items {
                    let Some(held) = &holding.app_role_assignments else { return Ok(None) };
                    if holding.may_be_cut() {
                        cut.insert(holding.id);
                    } else if !held.is_empty() {
                        found.push(holding.id, &grants(held, apis));
                    }
                }
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) => break,
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => {
                restarts += 1;
                list = run.graph.roles_held_by_all(part);
            }
            Err(error) => {
                refusal::of_graph(&error)?;
                return Ok(None);
            }
        }
    }
    let Some(cut) = held_by_each(run, cut, apis).await? else { return Ok(None) };
    found.append(cut);
    Ok(Some(found))
}

/// What has no date is found by an index that expands nothing.
async fn held_by_undated(run: &Run<'_>, apis: &Apis) -> Result<Option<SomeHeld>, NotSignedIn> {
    match run.graph.ids_of(Class::ServicePrincipals, Part::Undated).all().await {
        Ok(page) if page.unreadable.is_empty() && page.items.len() <= MOST_UNDATED => {
            held_by_each(run, page.items.into_iter().map(|known| known.id).collect(), apis).await
        }
        Ok(_) => Ok(None),
        Err(error) => refusal::of_graph(&error).map(|_| None),
    }
}

async fn held_by_each(run: &Run<'_>, ids: HashSet<ObjectId>, apis: &Apis) -> Result<Option<SomeHeld>, NotSignedIn> {
    let mut held = SomeHeld::new();
    for id in ids {
        match run.graph.roles_held(id).all().await {
            Ok(page) if page.unreadable.is_empty() => held.push(id, &grants(&page.items, apis)),
            Ok(_) => return Ok(None),
            Err(error) => return refusal::of_graph(&error).map(|_| None),
        };
    }
    Ok(Some(held))
}

/// Those on the watched APIs.
fn grants(held: &[RoleHolder], apis: &Apis) -> Vec<(u8, Uuid)> {
    held.iter().filter_map(|held| Some((*apis.get(&held.resource_id)?, held.app_role_id.uuid()))).collect()
}

/// The permissions for applications on the APIs that are watched, from the side of the APIs: there
/// are few of them, and many service principals.
async fn by_resource(run: &Run<'_>) -> Result<Holders, NotSignedIn> {
    let readings = (0..).zip(watched()).map(|(api, app_id)| async move {
        let resource = match run.graph.principal(app_id).await {
            Ok(Some(resource)) => resource.id,
            // What is not in the tenant has given nothing to anybody.
            Ok(None) => return Ok((api, Seen::Read(Vec::new()))),
            Err(error) => {
                return Ok((api, Seen::unread(run.refused(Evidence::AppRoles, app_id.to_string(), &error)?)));
            }
        };
        let read = run.entire(Evidence::AppRoles, &app_id.to_string(), || run.graph.role_holders(resource)).await?;
        Ok((api, read))
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut held = SomeHeld::new();
    let mut unread = None;
    while let Some(one) = reading.next().await {
        match one? {
            (api, Seen::Read(holders)) => {
                held.extend(holders.iter().map(|holder| (holder.principal_id, vec![(api, holder.app_role_id.uuid())])));
            }
            (_, Seen::Unread { unread: reason }) => unread = Some(reason),
        }
    }
    // One API that could not be asked may be the one that matters.
    Ok(unread.map_or(Seen::Read(held.by_key()), Seen::unread))
}

/// The APIs whose holders are known.
pub(super) fn resources(holders: &Holders) -> Seen<Vec<AppId>> {
    match holders {
        Seen::Read(_) => Seen::Read(watched()),
        Seen::Unread { unread } => Seen::unread(*unread),
    }
}

/// The APIs that are watched, in order.
pub(super) fn watched() -> Vec<AppId> {
    let mut watched: Vec<_> = WATCHED.iter().filter_map(|app_id| app_id.parse().ok()).collect();
    watched.sort_unstable();
    watched
}

/// The permissions of a holder, of whom most have none.
pub(super) fn roles_in(holders: &Holders, watched: &[AppId], id: ObjectId) -> Seen<Vec<RoleGrant>> {
    match holders {
        Seen::Read(held) => {
            let role = |(api, role)| Some(RoleGrant { resource: *watched.get(usize::from(api))?, role });
            Seen::Read(ordered(held.all(&id).flatten().filter_map(role).collect()))
        }
        Seen::Unread { unread } => Seen::unread(*unread),
    }
}

/// The permissions of a few service principals, from their side.
pub(super) type RolesOfSome = HashMap<ObjectId, Seen<Vec<RoleGrant>>>;

/// Reads them.
pub(super) async fn roles_of(run: &Run<'_>, principals: &[ObjectId]) -> Result<RolesOfSome, NotSignedIn> {
    let mut all = RolesOfSome::new();
    for id in principals.iter().copied() {
        let read = run.entire(Evidence::AppRoles, &id.to_string(), || run.graph.roles_held(id)).await?;
        let Seen::Read(held) = read else {
            all.insert(id, Seen::unread(read.reason().unwrap_or_default()));
            continue;
        };
        let mut resources: Vec<_> = held.iter().map(|role| role.resource_id).collect();
        resources.sort_unstable();
        resources.dedup();
        let mut app_ids = HashMap::new();
        for ids in resources.chunks(15) {
            let list = || run.graph.some_of::<crate::graph::Principal>(Class::ServicePrincipals, ids);
            if let Seen::Read(found) = run.entire(Evidence::AppRoles, &id.to_string(), list).await? {
                app_ids.extend(found.into_iter().map(|found| (found.id, found.app_id)));
            }
        }
        let roles: Option<Vec<_>> =
            held.iter().map(|held| Some(role(*app_ids.get(&held.resource_id)?, held))).collect();
        all.insert(id, roles.map_or(Seen::unread(Reason::Failed), |roles| Seen::Read(ordered(roles))));
    }
    Ok(all)
}

fn role(resource: AppId, holder: &RoleHolder) -> RoleGrant {
    RoleGrant { resource, role: holder.app_role_id.uuid() }
}

fn ordered(mut roles: Vec<RoleGrant>) -> Vec<RoleGrant> {
    roles.sort_by_key(|grant| (grant.resource, grant.role));
    roles.dedup();
    roles.shrink_to_fit();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watched_api_is_named_by_an_id() {
        assert_eq!(watched().len(), WATCHED.len());
    }
}
