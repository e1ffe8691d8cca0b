//! The directory's side of a run: all of it, a few applications, or what has changed.

use std::collections::HashSet;

use futures::future::{join, join3, join4};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::changes;
use super::gathered::Gathered;
use super::grants::{self, Grants};
use super::join::Wanted;
use super::listed::Listed;
use super::news::{Pointed, Teller};
use super::objects::{self, Objects};
use super::parts;
use super::record;
use super::record::Facts;
use super::refusal::NotSignedIn;
use super::relations::{self, Federation, Homes, Owners};
use super::roles;
use super::run::Run;
use super::tenant;
use crate::domain::{AppId, ObjectId};
use crate::graph::Class;
use crate::inventory::state::{Mark, State};
use crate::inventory::{
    Application, DeletedApplication, DirectoryRole, Evidence, Header, Policies, Reason, Records, Seen, ServicePrincipal,
};

/// What was read of the directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) applications: Records<Application>,
    pub(super) service_principals: Records<ServicePrincipal>,
    pub(super) deleted: Seen<Vec<DeletedApplication>>,
    pub(super) roles: Seen<Vec<DirectoryRole>>,
    pub(super) role_resources: Seen<Vec<AppId>>,
    pub(super) policies: Policies,
}

/// What an earlier run left of a class.
struct Before<T> {
    records: Records<T>,
    mark: Option<Mark>,
    /// Whether there will be a next run.
    is_kept: bool,
}

/// Reads what the plan asks of the directory.
pub(super) async fn read(
    run: &Run<'_>,
    header: &Header,
    state: &mut State,
    teller: Teller,
) -> Result<Directory, NotSignedIn> {
    let tenant = Uuid::try_parse(header.tenant.as_str()).ok();
    match run.plan.applications.is_empty() {
        true => Box::pin(all(run, header.tenant_created_at, tenant, state, teller)).await,
        false => Box::pin(some(run, tenant, teller.wanted)).await,
    }
}

async fn all(
    run: &Run<'_>,
    created: Option<OffsetDateTime>,
    tenant: Option<Uuid>,
    state: &mut State,
    teller: Teller,
) -> Result<Directory, NotSignedIn> {
    run.watcher.doing("reading the directory");
    let is_kept = state.is_kept();
    let before = std::mem::take(&mut state.applications);
    let applications = Before { records: before, mark: state.marks.applications.take(), is_kept };
    let before = std::mem::take(&mut state.service_principals);
    let principals = Before { records: before, mark: state.marks.service_principals.take(), is_kept };
    let before = std::mem::take(&mut state.grants);
    let grants = grants::Before { grants: before, mark: state.marks.grants.take(), is_kept };
    let (own, others) = join(
        parts::of(&run.graph, Class::Applications, created, run.now),
        parts::of(&run.graph, Class::ServicePrincipals, created, run.now),
    )
    .await;
    let records = async {
        let both = join(
            in_parts(run, &own, applications, teller.applications),
            in_parts(run, &others, principals, teller.principals),
        );
        let (applications, principals) = Box::pin(both).await;
        run.close_unused().await;
        let (applications, principals) = (applications?, principals?);
        let wanted = match applications.0.is_proven() && principals.0.is_proven() {
            true => tell_wanted(run, &applications.0, &principals.0, teller.wanted),
            false => Some(teller.wanted),
        };
        Ok((applications, principals, wanted))
    };
    let tenant_wide = join(tenant::policies(run), tenant::deleted(run));
    let (records, of_applications, of_principals, (policies, deleted)) = Box::pin(join4(
        records,
        of_applications(run, &own, created),
        of_principals(run, &others, created, grants),
        tenant_wide,
    ))
    .await;
    let ((mut applications, mark), (mut principals, principals_mark), wanted) = records?;
    state.marks.applications = mark;
    state.marks.service_principals = principals_mark;
    let (owners, federation) = of_applications?;
    let OfPrincipals { holders, grants: (grants, mark), roles, owners: owners_of_principals } = of_principals?;
    state.marks.grants = mark;
    let held = tenant::holders(&roles);

    if let Some(told) = wanted {
        let (first, first_principals) = powerful(&applications, &principals, &holders, &held);
        let proven = join(
            objects::prove(run, &mut applications, &first),
            objects::prove(run, &mut principals, &first_principals),
        );
        let proven = Box::pin(proven).await;
        proven.0?;
        proven.1?;
        tell_wanted(run, &applications, &principals, told);
    }
    let owners_of_principals = match owners_of_principals {
        Some(owners) => owners,
        None => {
            let has_role = |id: &ObjectId| held.contains(id) || holders.read().is_none_or(|holders| holders.has(id));
            relations::owners_of_principals(run, &principals, has_role).await?
        }
    };
    let (policies, deleted) = (policies?, deleted?);
    let role_resources = roles::resources(&holders);
    let uses = tenant::activity(run, applications.len(), principals.len()).await?;
    // Putting it all together takes the most memory.
    run.close_unused().await;
    let homes = Homes::of(&principals, tenant);
    let federation = federation.settled(run, applications.ids())?;
    let applications = with_relations(run, applications, owners, &federation, &homes, uses.as_ref());
    let watched = roles::watched();
    let service_principals = principals.finished(run, |one| {
        one.app_roles = roles::roles_in(&holders, &watched, one.id);
        one.delegated = grants::of_client(&grants, one.id);
        one.owners = owners_of_principals.get(&one.id).unwrap_or(Seen::unread(Reason::NotAsked));
        put_the_rest(one, &homes, uses.as_ref());
    });
    if let Seen::Read(grants) = grants
        && is_kept
    {
        state.grants = grants.into_values();
    }
    Ok(Directory { applications, service_principals, deleted, roles, role_resources, policies })
}

/// Tells the vaults' side what to look for. The return is for whoever would have to tell later.
fn tell_wanted(
    run: &Run<'_>,
    applications: &Objects<Application>,
    principals: &Objects<ServicePrincipal>,
    told: oneshot::Sender<Wanted>,
) -> Option<oneshot::Sender<Wanted>> {
    let mut wanted = Wanted::seeking(run.plan.seeks);
    applications.each().for_each(|one| wanted.note(&one.keys, run.now));
    principals.each().for_each(|one| wanted.note(&one.keys, run.now));
    // Nobody need listen.
    told.send(wanted.noted()).ok();
    None
}

/// The owners of applications, and their federated credentials.
async fn of_applications(
    run: &Run<'_>,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
) -> Result<(Owners, Federation), NotSignedIn> {
    let owners = relations::owners_of_all(run, Class::Applications, parts, created);
    let (owners, federation) = join(owners, relations::federation_of_all(run)).await;
    run.close_unused().await;
    Ok((owners?, federation?))
}

/// What ties service principals to others.
#[derive(Debug)]
struct OfPrincipals {
    holders: roles::Holders,
    grants: Grants,
    roles: Seen<Vec<DirectoryRole>>,
    /// Of all of them, where more than a few matter.
    owners: Option<Owners>,
}

async fn of_principals(
    run: &Run<'_>,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
    before: grants::Before,
) -> Result<OfPrincipals, NotSignedIn> {
    let owners = async {
        // In a large tenant, more than a few of them matter.
        match parts.len() > 1 {
            true => relations::owners_of_all(run, Class::ServicePrincipals, parts, created).await.map(Some),
            false => Ok(None),
        }
    };
    let in_parts = async {
        let both = join(roles::holders(run, parts, created), owners).await;
        run.close_unused().await;
        both
    };
    let ((holders, owners), grants, roles) =
        Box::pin(join3(in_parts, grants::all(run, before, parts.len() > 1), tenant::directory_roles(run))).await;
    Ok(OfPrincipals { holders: holders?, grants: grants?, roles: roles?, owners: owners? })
}

/// A class by its changes, if an earlier run left enough for that, else in full.
async fn in_parts<T: Listed>(
    run: &Run<'_>,
    parts: &[parts::Sized],
    before: Before<T>,
    listed: oneshot::Sender<Pointed>,
) -> Result<(Objects<T>, Option<Mark>), NotSignedIn> {
    let mut listed = Some(listed);
    if let Some(mark) = before.mark
        && let Some((objects, mark)) = changes::since(run, before.records, &mark, &mut listed).await?
    {
        return Ok((objects, Some(mark)));
    }
    let mark = if before.is_kept { changes::mark(run, T::CLASS).await } else { None };
    Ok((objects::all(run, parts, listed).await?, mark))
}

/// The applications that the plan names, and what belongs to them.
async fn some(run: &Run<'_>, tenant: Option<Uuid>, told: oneshot::Sender<Wanted>) -> Result<Directory, NotSignedIn> {
    let applications = objects::some::<Application>(run, &run.plan.applications).await?;
    for id in run.plan.applications.iter().filter(|id| !applications.keys().contains(id)) {
        run.gap(objects::gone::<Application>(*id));
    }
    let mut principals = Gathered::new();
    for application in applications.values() {
        match run.graph.principal(application.app_id).await {
            Ok(found) => principals.extend(found.map(record::principal).map(|one| (one.id, one))),
            Err(error) => {
                run.refused(Evidence::ServicePrincipals, application.app_id.to_string(), &error)?;
            }
        }
    }
    run.read(Evidence::ServicePrincipals, principals.len());
    let mut applications = Objects::new(applications, Facts::new(), run.now);
    let mut principals = Objects::new(principals, Facts::new(), run.now);

    let owners = relations::owners_of_some(run, Class::Applications, applications.ids()).await?;
    let ids = principals.ids();
    let owners_of_principals = relations::owners_of_some(run, Class::ServicePrincipals, ids).await?;
    let mut roles_of_some = roles::roles_of(run, ids).await?;
    let mut grants = grants::of(run, ids).await?;
    let federation = relations::federation_of(run, applications.ids().iter().copied()).await;
    let federation = federation.settled(run, applications.ids())?;
    let nobody = HashSet::new();
    objects::prove(run, &mut applications, &nobody).await?;
    objects::prove(run, &mut principals, &nobody).await?;
    tell_wanted(run, &applications, &principals, told);
    let (policies, roles) = Box::pin(join(tenant::policies(run), tenant::directory_roles(run))).await;
    let uses = tenant::activity(run, applications.len(), principals.len()).await?;
    let homes = Homes::of(&principals, tenant);
    let applications = with_relations(run, applications, owners, &federation, &homes, uses.as_ref());
    let service_principals = principals.finished(run, |one| {
        one.app_roles = roles_of_some.remove(&one.id).unwrap_or_default();
        one.delegated = grants.remove(&one.id).unwrap_or_default();
        one.owners = owners_of_principals.get(&one.id).unwrap_or(Seen::unread(Reason::Failed));
        put_the_rest(one, &homes, uses.as_ref());
    });
    Ok(Directory {
        applications,
        service_principals,
        deleted: Seen::default(),
        roles: roles?,
        // Asked from the other side, a principal tells of every API.
        role_resources: Seen::Read(roles::watched()),
        policies: policies?,
    })
}

/// The objects whose keys matter most: those that hold permissions, or roles in the directory.
fn powerful(
    applications: &Objects<Application>,
    principals: &Objects<ServicePrincipal>,
    holders: &roles::Holders,
    held: &HashSet<ObjectId>,
) -> (HashSet<ObjectId>, HashSet<ObjectId>) {
    let has_roles =
        |id: &ObjectId| holders.read().is_some_and(|holders| holders.get(id).is_some_and(|it| !it.is_empty()));
    let (mut ids, mut app_ids) = (HashSet::new(), HashSet::<AppId>::new());
    for principal in principals.each().filter(|one| held.contains(&one.id) || has_roles(&one.id)) {
        ids.insert(principal.id);
        app_ids.insert(principal.app_id);
    }
    let of_applications = applications.each().filter(|application| app_ids.contains(&application.app_id));
    (of_applications.map(|application| application.id).collect(), ids)
}

/// Applications with all that was read of them in other ways.
fn with_relations(
    run: &Run<'_>,
    applications: Objects<Application>,
    owners: Owners,
    federation: &Federation,
    homes: &Homes,
    uses: Option<&tenant::Uses>,
) -> Records<Application> {
    applications.finished(run, |one| {
        one.owners = owners.get(&one.id).unwrap_or(Seen::unread(Reason::Failed));
        homes.tell_strangers(&mut one.owners);
        one.federated = federation.of(run, one.id);
        if let Some(uses) = uses {
            uses.put(&mut one.keys, &mut one.passwords);
        }
    })
}

fn put_the_rest(principal: &mut ServicePrincipal, homes: &Homes, uses: Option<&tenant::Uses>) {
    homes.tell_strangers(&mut principal.owners);
    if let Some(uses) = uses {
        uses.put(&mut principal.keys, &mut principal.passwords);
        uses.put_sign_ins(principal);
    }
}
