//! What holds for the tenant as a whole: policies, directory roles, the recycle bin, reports of use.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use super::plan::Activity;
use super::record;
use super::refusal::{self, NotSignedIn};
use super::run::Run;
use crate::domain::{AppId, CredentialId, ObjectId};
use crate::graph::{self, RoleAssigned};
use crate::inventory::{
    Application, CustomAppManagementPolicy, DeletedApplication, DirectoryRole, Evidence, Moment, Policies, Reason,
    Seen, ServicePrincipal,
};

/// So many applications have a report of a few pages.
const QUICK_REPORT: usize = 2_000;

/// Relations that come with an object are cut at twenty.
const MOST_EXPANDED: usize = graph::MOST_EXPANDED;

/// Policies of the tenant.
pub(super) async fn policies(run: &Run<'_>) -> Result<Policies, NotSignedIn> {
    let (default, custom, authorization) =
        futures::future::join3(run.graph.default_policy(), custom_policies(run), run.graph.authorization_policy())
            .await;
    let app_management = match default {
        Ok(policy) => {
            run.read(Evidence::AppManagementPolicies, 1);
            Seen::Read(record::default_policy(policy))
        }
        Err(error) => Seen::unread(run.refused(Evidence::AppManagementPolicies, "default", &error)?),
    };
    let authorization = match authorization {
        Ok(policy) => {
            run.read(Evidence::AuthorizationPolicy, 1);
            Seen::Read(crate::inventory::AuthorizationPolicy {
                users_may_register_applications: policy.default_user_role_permissions.allowed_to_create_apps,
            })
        }
        Err(error) => Seen::unread(run.refused(Evidence::AuthorizationPolicy, "", &error)?),
    };
    Ok(Policies { app_management, custom_app_management: custom?, authorization })
}

async fn custom_policies(run: &Run<'_>) -> Result<Seen<Vec<CustomAppManagementPolicy>>, NotSignedIn> {
    let read = run.entire(Evidence::AppManagementPolicies, "custom", || run.graph.custom_policies()).await?;
    let Seen::Read(read) = read else { return Ok(Seen::unread(read.reason().unwrap_or_default())) };
    let mut policies = Vec::new();
    for mut policy in read {
        let mut applies_to: Vec<_> = std::mem::take(&mut policy.applies_to).into_iter().map(|known| known.id).collect();
        if applies_to.len() >= MOST_EXPANDED {
            let id = policy.id.clone();
            let all = run.entire(Evidence::AppManagementPolicies, &id, || run.graph.policy_targets(&id)).await?;
            let Seen::Read(all) = all else { return Ok(Seen::unread(all.reason().unwrap_or_default())) };
            applies_to = all.into_iter().map(|known| known.id).collect();
        }
        applies_to.sort_unstable();
        applies_to.dedup();
        policies.push(record::custom_policy(policy, applies_to));
    }
    policies.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(Seen::Read(policies))
}

/// Who has roles in the directory, and who may activate some.
pub(super) async fn directory_roles(run: &Run<'_>) -> Result<Seen<Vec<DirectoryRole>>, NotSignedIn> {
    let (assigned, eligible) = futures::future::join(
        run.entire(Evidence::DirectoryRoles, "assigned", || run.graph.directory_roles()),
        eligible_roles(run),
    )
    .await;
    let (assigned, eligible) = (assigned?, eligible?);
    // Who may activate a role has it as soon as they like: without knowing that, roles are not known.
    let eligible = match eligible {
        Ok(eligible) => eligible,
        Err(reason) => return Ok(Seen::unread(reason)),
    };
    let Seen::Read(assigned) = assigned else { return Ok(Seen::unread(assigned.reason().unwrap_or_default())) };
    let mut roles: Vec<_> = assigned.into_iter().map(|role| directory_role(role, false)).collect();
    roles.extend(eligible.into_iter().map(|role| directory_role(role, true)));
    roles.sort_by(|one, other| {
        (one.principal, one.role, one.is_eligible, &one.scope).cmp(&(
            other.principal,
            other.role,
            other.is_eligible,
            &other.scope,
        ))
    });
    roles.dedup();
    Ok(Seen::Read(roles))
}

/// Without the licence for it nobody can be eligible for anything, and that is no gap.
async fn eligible_roles(run: &Run<'_>) -> Result<Result<Vec<RoleAssigned>, Reason>, NotSignedIn> {
    match run.graph.eligible_roles().all().await {
        Ok(page) => {
            run.unreadable(Evidence::DirectoryRoles, &page.unreadable);
            run.read(Evidence::DirectoryRoles, 1);
            Ok(Ok(page.items))
        }
        Err(error) => {
            let refusal = refusal::of_graph(&error)?;
            if matches!(refusal.reason, Reason::NotLicensed | Reason::NotInCloud) {
                return Ok(Ok(Vec::new()));
            }
            let reason = refusal.reason;
            run.gap(refusal.gap(Evidence::DirectoryRoles, "eligible"));
            Ok(Err(reason))
        }
    }
}

fn directory_role(read: RoleAssigned, is_eligible: bool) -> DirectoryRole {
    DirectoryRole {
        principal: read.principal_id,
        role: read.role_definition_id.uuid(),
        scope: read.directory_scope_id.unwrap_or_default(),
        is_eligible,
    }
}

/// The principals with a role in the directory.
pub(super) fn holders(roles: &Seen<Vec<DirectoryRole>>) -> HashSet<ObjectId> {
    roles.read().into_iter().flatten().map(|role| role.principal).collect()
}

/// Applications in the recycle bin.
pub(super) async fn deleted(run: &Run<'_>) -> Result<Seen<Vec<DeletedApplication>>, NotSignedIn> {
    let read = run.entire(Evidence::DeletedApplications, "", || run.graph.deleted_registrations()).await?;
    Ok(match read {
        Seen::Read(read) => {
            let mut all: Vec<_> = read.into_iter().map(record::deleted).collect();
            all.sort_by_key(|application| application.id);
            all.dedup_by_key(|application| application.id);
            Seen::Read(all)
        }
        Seen::Unread { unread } => Seen::unread(unread),
    })
}

/// When credentials and service principals were last used, as far as the plan wants to know.
pub(super) async fn activity(
    run: &Run<'_>,
    applications: &mut [Application],
    principals: &mut [ServicePrincipal],
) -> Result<(), NotSignedIn> {
    let is_asked = match run.plan.activity {
        Activity::Always => true,
        Activity::Never => false,
        Activity::IfQuick => applications.len().max(principals.len()) <= QUICK_REPORT,
    };
    if !is_asked {
        return Ok(());
    }
    let (credentials, sign_ins) = futures::future::join(
        run.entire(Evidence::CredentialActivity, "", || run.graph.credential_activity()),
        run.entire(Evidence::SignInActivity, "", || run.graph.principal_activity()),
    )
    .await;
    put_uses(credentials?, applications, principals);
    put_sign_ins(sign_ins?, principals);
    Ok(())
}

fn put_uses(
    read: Seen<Vec<graph::CredentialUse>>,
    applications: &mut [Application],
    principals: &mut [ServicePrincipal],
) {
    let mut last: HashMap<CredentialId, Option<OffsetDateTime>> = HashMap::new();
    let unread = read.reason();
    if let Seen::Read(uses) = read {
        for one in uses {
            // One credential may be listed for several resources.
            let latest = last.entry(one.key_id).or_default();
            *latest = (*latest).max(one.sign_in_activity.last_sign_in_date_time);
        }
    }
    let of = |id: CredentialId| match unread {
        Some(reason) => Seen::unread(reason),
        None => Seen::Read(last.get(&id).copied().flatten().map(Moment)),
    };
    let keys = applications.iter_mut().flat_map(|application| &mut application.keys);
    keys.chain(principals.iter_mut().flat_map(|principal| &mut principal.keys)).for_each(|key| {
        key.last_used = of(key.key_id);
    });
    let passwords = applications.iter_mut().flat_map(|application| &mut application.passwords);
    passwords.chain(principals.iter_mut().flat_map(|principal| &mut principal.passwords)).for_each(|password| {
        password.last_used = of(password.key_id);
    });
}

fn put_sign_ins(read: Seen<Vec<graph::PrincipalUse>>, principals: &mut [ServicePrincipal]) {
    let unread = read.reason();
    let uses: HashMap<AppId, graph::PrincipalUse> = match read {
        Seen::Read(uses) => uses.into_iter().map(|one| (one.app_id, one)).collect(),
        Seen::Unread { .. } => HashMap::new(),
    };
    for principal in principals {
        let found = uses.get(&principal.app_id);
        let moment = |moment: Option<OffsetDateTime>| match unread {
            Some(reason) => Seen::unread(reason),
            None => Seen::Read(moment.map(Moment)),
        };
        principal.last_sign_in =
            moment(found.and_then(|one| one.application_authentication_client_sign_in_activity.last_sign_in_date_time));
        principal.last_user_sign_in =
            moment(found.and_then(|one| one.delegated_client_sign_in_activity.last_sign_in_date_time));
    }
}
