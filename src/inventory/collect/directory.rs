//! The directory's side of a run: all of it, a few applications, or what has changed.

use std::collections::HashSet;

use futures::future::{join, join3, join4};
use time::OffsetDateTime;
use uuid::Uuid;

use super::changes;
use super::objects::{self, Listed, Objects};
use super::parts;
use super::record;
use super::refusal::NotSignedIn;
use super::relations;
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
pub(super) async fn read(run: &Run<'_>, header: &Header, state: &mut State) -> Result<Directory, NotSignedIn> {
    let read = match run.plan.applications.is_empty() {
        true => Box::pin(all(run, header.tenant_created_at, state)).await?,
        false => Box::pin(some(run)).await?,
    };
    Ok(finished(run, read, Uuid::try_parse(header.tenant.as_str()).ok()))
}

async fn all(run: &Run<'_>, created: Option<OffsetDateTime>, state: &mut State) -> Result<Directory, NotSignedIn> {
    run.watcher.doing("reading the directory");
    let is_kept = state.is_kept();
    let before = std::mem::take(&mut state.applications);
    let before = Before { records: before, mark: state.marks.applications.take(), is_kept };
    let applications = applications(run, created, before);
    let before = std::mem::take(&mut state.service_principals);
    let before = Before { records: before, mark: state.marks.service_principals.take(), is_kept };
    let principals = principals(run, created, before);
    let (applications, principals, policies, deleted) =
        Box::pin(join4(applications, principals, tenant::policies(run), tenant::deleted(run))).await;
    let ((Objects { records: mut applications, unproven }, mark), principals) = (applications?, principals?);
    state.marks.applications = mark;
    state.marks.service_principals = principals.mark;
    let Objects { records: mut service_principals, unproven: unproven_principals } = principals.objects;

    let (first, first_principals) = powerful(&applications, &service_principals, &tenant::holders(&principals.roles));
    let proven = join(
        objects::prove(run, &mut applications, &unproven, &first),
        objects::prove(run, &mut service_principals, &unproven_principals, &first_principals),
    );
    let proven = Box::pin(proven).await;
    proven.0?;
    proven.1?;
    tenant::activity(run, &mut applications, &mut service_principals).await?;
    Ok(Directory {
        applications,
        service_principals,
        deleted: deleted?,
        roles: principals.roles,
        role_resources: principals.role_resources,
        policies: policies?,
    })
}

/// The applications with their owners and federated credentials.
async fn applications(
    run: &Run<'_>,
    created: Option<OffsetDateTime>,
    before: Before<Application>,
) -> Result<(Objects<Application>, Option<Mark>), NotSignedIn> {
    let parts = parts::of(&run.graph, Class::Applications, created, run.now).await;
    let (now, owners, federated) = Box::pin(join3(
        in_parts(run, &parts, before),
        relations::owners_of_all(run, Class::Applications, &parts, created),
        relations::with_federation(run),
    ))
    .await;
    let (mut objects, mark) = now?;
    relations::put_owners(&mut objects.records, owners?, |one| one.id, |one| &mut one.owners, Reason::Failed);
    relations::federation(run, &mut objects.records, federated?).await?;
    Ok((objects, mark))
}

/// The service principals with what they may do.
#[derive(Debug)]
struct Principals {
    objects: Objects<ServicePrincipal>,
    mark: Option<Mark>,
    roles: Seen<Vec<DirectoryRole>>,
    role_resources: Seen<Vec<AppId>>,
}

async fn principals(
    run: &Run<'_>,
    created: Option<OffsetDateTime>,
    before: Before<ServicePrincipal>,
) -> Result<Principals, NotSignedIn> {
    let parts = parts::of(&run.graph, Class::ServicePrincipals, created, run.now).await;
    let (now, holders, grants, roles) = Box::pin(join4(
        in_parts(run, &parts, before),
        relations::role_holders(run),
        relations::grants(run),
        tenant::directory_roles(run),
    ))
    .await;
    let ((mut objects, mark), holders, roles) = (now?, holders?, roles?);
    let role_resources = relations::resources(&holders);
    relations::put_roles(holders, &mut objects.records);
    relations::put_grants(grants?, &mut objects.records);
    let held = tenant::holders(&roles);
    let owners = relations::owners_of_principals(run, &objects.records, &parts, created, &held).await?;
    relations::put_owners(&mut objects.records, owners, |one| one.id, |one| &mut one.owners, Reason::NotAsked);
    Ok(Principals { objects, mark, roles, role_resources })
}

/// A class by its changes, if an earlier run left enough for that, else in full.
async fn in_parts<T: Listed>(
    run: &Run<'_>,
    parts: &[parts::Sized],
    before: Before<T>,
) -> Result<(Objects<T>, Option<Mark>), NotSignedIn> {
    if let Some(mark) = before.mark
        && let Some((objects, mark)) = changes::since(run, before.records, &mark).await?
    {
        return Ok((objects, Some(mark)));
    }
    let mark = if before.is_kept { changes::mark(run, T::CLASS).await } else { None };
    Ok((objects::all(run, parts).await?, mark))
}

/// The applications that the plan names, and what belongs to them.
async fn some(run: &Run<'_>) -> Result<Directory, NotSignedIn> {
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
    relations::roles_of(run, &mut principals).await?;
    relations::grants_of(run, &mut principals).await?;
    let federated = Seen::Read(applications.iter().map(|application| application.id).collect());
    relations::federation(run, &mut applications, federated).await?;
    let nobody = HashSet::new();
    objects::prove(run, &mut applications, &unproven, &nobody).await?;
    objects::prove(run, &mut principals, &unproven_principals, &nobody).await?;
    let (policies, roles) = Box::pin(join(tenant::policies(run), tenant::directory_roles(run))).await;
    tenant::activity(run, &mut applications, &mut principals).await?;
    Ok(Directory {
        applications,
        service_principals: principals,
        deleted: Seen::default(),
        roles: roles?,
        // Asked from the other side, a principal tells of every API.
        role_resources: Seen::Read(relations::watched()),
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
