//! The directory's side of a run: all of it, a few applications, or what has changed.

use std::collections::HashSet;

use futures::future::{join, join4};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::changes;
use super::grants::{self, Grants};
use super::join::Wanted;
use super::news::{Pointed, Teller};
use super::objects::{self, Listed, Objects};
use super::parts;
use super::record;
use super::refusal::NotSignedIn;
use super::relations;
use super::roles;
use super::run::Run;
use super::tenant;
use crate::domain::{AppId, ObjectId};
use crate::graph::Class;
use crate::inventory::state::{Mark, State};
use crate::inventory::{
    Application, DeletedApplication, DirectoryRole, Evidence, Header, Policies, Reason, Seen, ServicePrincipal,
};

/// What was read of the directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) applications: Vec<Application>,
    pub(super) service_principals: Vec<ServicePrincipal>,
    pub(super) deleted: Seen<Vec<DeletedApplication>>,
    pub(super) roles: Seen<Vec<DirectoryRole>>,
    pub(super) role_resources: Seen<Vec<AppId>>,
    pub(super) policies: Policies,
}

/// What an earlier run left of a class.
#[derive(Debug)]
struct Before<T> {
    records: Vec<T>,
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
    let read = match run.plan.applications.is_empty() {
        true => Box::pin(all(run, header.tenant_created_at, state, teller)).await?,
        false => Box::pin(some(run, teller.wanted)).await?,
    };
    Ok(finished(run, read, Uuid::try_parse(header.tenant.as_str()).ok()))
}

async fn all(
    run: &Run<'_>,
    created: Option<OffsetDateTime>,
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
        let (applications, principals) = (applications?, principals?);
        let has_all_bytes = applications.0.unproven.is_empty() && principals.0.unproven.is_empty();
        let wanted = match has_all_bytes {
            true => tell_wanted(run, &applications.0.records, &principals.0.records, teller.wanted),
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
    let ((own, mark), (others, principals_mark), wanted) = records?;
    let Objects { records: mut applications, unproven } = own;
    let Objects { records: mut service_principals, unproven: unproven_principals } = others;
    state.marks.applications = mark;
    state.marks.service_principals = principals_mark;
    let (owners, federated) = of_applications?;
    let of_principals = of_principals?;
    let role_resources = roles::resources(&of_principals.holders);
    roles::put_roles(of_principals.holders, &mut service_principals);
    let (grants, mark) = of_principals.grants;
    grants::put(&grants, &mut service_principals);
    state.marks.grants = mark;
    if let Seen::Read(grants) = grants
        && is_kept
    {
        state.grants = grants;
    }
    let held = tenant::holders(&of_principals.roles);

    if let Some(told) = wanted {
        let (first, first_principals) = powerful(&applications, &service_principals, &held);
        let proven = join(
            objects::prove(run, &mut applications, &unproven, &first),
            objects::prove(run, &mut service_principals, &unproven_principals, &first_principals),
        );
        let proven = Box::pin(proven).await;
        proven.0?;
        proven.1?;
        tell_wanted(run, &applications, &service_principals, told);
    }
    relations::put_owners(&mut applications, owners, |one| one.id, |one| &mut one.owners, Reason::Failed);
    relations::put_federation(run, &mut applications, federated)?;
    let owners = match of_principals.owners {
        Some(owners) => owners,
        None => relations::owners_of_principals(run, &service_principals, &held).await?,
    };
    relations::put_owners(&mut service_principals, owners, |one| one.id, |one| &mut one.owners, Reason::NotAsked);
    tenant::activity(run, &mut applications, &mut service_principals).await?;
    Ok(Directory {
        applications,
        service_principals,
        deleted: deleted?,
        roles: of_principals.roles,
        role_resources,
        policies: policies?,
    })
}

/// Tells the vaults' side what to look for. The return is for whoever would have to tell later.
fn tell_wanted(
    run: &Run<'_>,
    applications: &[Application],
    principals: &[ServicePrincipal],
    told: oneshot::Sender<Wanted>,
) -> Option<oneshot::Sender<Wanted>> {
    // Nobody need listen.
    told.send(Wanted::of(applications, principals, run.now, run.plan.seeks)).ok();
    None
}

/// The owners of applications, and their federated credentials.
async fn of_applications(
    run: &Run<'_>,
    parts: &[parts::Sized],
    created: Option<OffsetDateTime>,
) -> Result<(relations::Owners, relations::Federation), NotSignedIn> {
    let owners = relations::owners_of_all(run, Class::Applications, parts, created);
    let (owners, federated) = join(owners, relations::federation_of_all(run)).await;
    Ok((owners?, federated?))
}

/// What ties service principals to others.
#[derive(Debug)]
struct OfPrincipals {
    holders: roles::Holders,
    grants: Grants,
    roles: Seen<Vec<DirectoryRole>>,
    /// Of all of them, where more than a few matter.
    owners: Option<relations::Owners>,
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
    let (holders, owners, grants, roles) = Box::pin(join4(
        roles::holders(run, parts, created),
        owners,
        grants::all(run, before, parts.len() > 1),
        tenant::directory_roles(run),
    ))
    .await;
    Ok(OfPrincipals { holders: holders?, grants: grants?, roles: roles?, owners: owners? })
}

/// A class by its changes, if an earlier run left enough for that, else in full.
async fn in_parts<T: Listed>(
    run: &Run<'_>,
    parts: &[parts::Sized],
    before: Before<T>,
    listed: oneshot::Sender<Pointed>,
) -> Result<(Objects<T>, Option<Mark>), NotSignedIn> {
    if let Some(mark) = before.mark
        && let Some((mut objects, mark)) = changes::since(run, before.records, &mark).await?
    {
        objects::tell(&mut objects.records, run.now, listed);
        return Ok((objects, Some(mark)));
    }
    let mark = if before.is_kept { changes::mark(run, T::CLASS).await } else { None };
    Ok((objects::all(run, parts, listed).await?, mark))
}

/// The applications that the plan names, and what belongs to them.
async fn some(run: &Run<'_>, told: oneshot::Sender<Wanted>) -> Result<Directory, NotSignedIn> {
    let read = objects::some::<Application>(run, &run.plan.applications).await?;
    let Objects { records: mut applications, unproven } = read;
    for id in &run.plan.applications {
        if applications.binary_search_by_key(id, |application| application.id).is_err() {
            run.gap(objects::gone::<Application>(*id));
        }
    }
    let mut principals = Vec::new();
    for application in &applications {
        match run.graph.principal(application.app_id).await {
            Ok(found) => principals.extend(found.map(record::principal)),
            Err(error) => {
                run.refused(Evidence::ServicePrincipals, application.app_id.to_string(), &error)?;
            }
        }
    }
    principals.sort_by_key(|principal| principal.id);
    run.read(Evidence::ServicePrincipals, principals.len());
    let unproven_principals = objects::unproven(&mut principals, run.now);

    let ids: Vec<_> = applications.iter().map(|application| application.id).collect();
    let owners = relations::owners_of_some(run, Class::Applications, &ids, true).await?;
    relations::put_owners(&mut applications, owners, |one| one.id, |one| &mut one.owners, Reason::Failed);
    let ids: Vec<_> = principals.iter().map(|principal| principal.id).collect();
    let owners = relations::owners_of_some(run, Class::ServicePrincipals, &ids, true).await?;
    relations::put_owners(&mut principals, owners, |one| one.id, |one| &mut one.owners, Reason::Failed);
    roles::roles_of(run, &mut principals).await?;
    grants::of(run, &mut principals).await?;
    let federated = relations::federation_of_some(run, &applications).await;
    relations::put_federation(run, &mut applications, federated)?;
    let nobody = HashSet::new();
    objects::prove(run, &mut applications, &unproven, &nobody).await?;
    objects::prove(run, &mut principals, &unproven_principals, &nobody).await?;
    tell_wanted(run, &applications, &principals, told);
    let (policies, roles) = Box::pin(join(tenant::policies(run), tenant::directory_roles(run))).await;
    tenant::activity(run, &mut applications, &mut principals).await?;
    Ok(Directory {
        applications,
        service_principals: principals,
        deleted: Seen::default(),
        roles: roles?,
        // Asked from the other side, a principal tells of every API.
        role_resources: Seen::Read(roles::watched()),
        policies: policies?,
    })
}

/// The objects whose keys matter most: those that hold permissions, or roles in the directory.
fn powerful(
    applications: &[Application],
    principals: &[ServicePrincipal],
    held: &HashSet<ObjectId>,
) -> (HashSet<ObjectId>, HashSet<ObjectId>) {
    let is_powerful = |principal: &&ServicePrincipal| {
        held.contains(&principal.id) || principal.app_roles.read().is_some_and(|roles| !roles.is_empty())
    };
    let (mut ids, mut app_ids) = (HashSet::new(), HashSet::<AppId>::new());
    for principal in principals.iter().filter(is_powerful) {
        ids.insert(principal.id);
        app_ids.insert(principal.app_id);
    }
    let of_applications = applications.iter().filter(|application| app_ids.contains(&application.app_id));
    (of_applications.map(|application| application.id).collect(), ids)
}

fn finished(run: &Run<'_>, mut read: Directory, tenant: Option<Uuid>) -> Directory {
    objects::count_bytes(run, &mut read.applications);
    objects::count_bytes(run, &mut read.service_principals);
    let homes = relations::homes(&read.service_principals);
    let owners = read.applications.iter_mut().map(|application| &mut application.owners);
    for owners in owners.chain(read.service_principals.iter_mut().map(|principal| &mut principal.owners)) {
        relations::tell_strangers(owners, &homes, tenant);
    }
    read
}
