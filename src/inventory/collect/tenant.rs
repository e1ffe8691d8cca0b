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
    CustomAppManagementPolicy, DeletedApplication, DirectoryRole, Evidence, KeyCredential, Moment, PasswordCredential,
    Policies, Reason, Seen, ServicePrincipal,
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

/// When credentials and service principals were last used.
#[derive(Debug)]
pub(super) struct Uses {
    credentials: Seen<HashMap<CredentialId, Option<OffsetDateTime>>>,
    principals: Seen<HashMap<AppId, graph::PrincipalUse>>,
}

/// When they were last used, as far as the plan wants to know; `None` if it does not.
pub(super) async fn activity(
    run: &Run<'_>,
    applications: usize,
    principals: usize,
) -> Result<Option<Uses>, NotSignedIn> {
    let is_asked = match run.plan.activity {
        Activity::Always => true,
        Activity::Never => false,
        Activity::IfQuick => applications.max(principals) <= QUICK_REPORT,
    };
    if !is_asked {
        return Ok(None);
    }
    let (credentials, sign_ins) = futures::future::join(
        run.entire(Evidence::CredentialActivity, "", || run.graph.credential_activity()),
        run.entire(Evidence::SignInActivity, "", || run.graph.principal_activity()),
    )
    .await;
    let credentials = match credentials? {
        Seen::Read(uses) => {
            let mut last: HashMap<CredentialId, Option<OffsetDateTime>> = HashMap::new();
            for one in uses {
                // One credential may be listed for several resources.
                let latest = last.entry(one.key_id).or_default();
                *latest = (*latest).max(one.sign_in_activity.last_sign_in_date_time);
            }
            Seen::Read(last)
        }
        Seen::Unread { unread } => Seen::unread(unread),
    };
    let principals = match sign_ins? {
        Seen::Read(uses) => Seen::Read(uses.into_iter().map(|one| (one.app_id, one)).collect()),
        Seen::Unread { unread } => Seen::unread(unread),
    };
    Ok(Some(Uses { credentials, principals }))
}

impl Uses {
    /// Says of credentials when they were last used.
    pub(super) fn put(&self, keys: &mut [KeyCredential], passwords: &mut [PasswordCredential]) {
        let of = |id: CredentialId| match &self.credentials {
            Seen::Read(last) => Seen::Read(last.get(&id).copied().flatten().map(Moment)),
            Seen::Unread { unread } => Seen::unread(*unread),
        };
        keys.iter_mut().for_each(|key| key.last_used = of(key.key_id));
        passwords.iter_mut().for_each(|password| password.last_used = of(password.key_id));
    }

    /// Says of a service principal when it, and its users, last signed in.
    pub(super) fn put_sign_ins(&self, principal: &mut ServicePrincipal) {
        let found = match &self.principals {
            Seen::Read(uses) => Seen::Read(uses.get(&principal.app_id)),
            Seen::Unread { unread } => Seen::unread(*unread),
        };
        let moment = |of: fn(&graph::PrincipalUse) -> Option<OffsetDateTime>| match &found {
            Seen::Read(found) => Seen::Read(found.and_then(of).map(Moment)),
            Seen::Unread { unread } => Seen::unread(*unread),
        };
        principal.last_sign_in =
            moment(|one| one.application_authentication_client_sign_in_activity.last_sign_in_date_time);
        principal.last_user_sign_in = moment(|one| one.delegated_client_sign_in_activity.last_sign_in_date_time);
    }
}
