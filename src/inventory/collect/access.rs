//! Who may do what in vaults: role assignments at every scope that reaches one, access policies, and the
//! members of the groups that both name.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt as _;
use futures::stream;
use uuid::Uuid;

use super::azure::{Found, refused};
use super::refusal::NotSignedIn;
use super::run::Run;
use crate::arm;
use crate::domain::ObjectId;
use crate::graph::MOST_LOOKED_UP;
use crate::inventory::{Assignment, Evidence, RoleDefinition, RolePermissions, Seen, Vault};

/// So many requests are under way at once.
const READINGS_AT_ONCE: usize = 16;

/// Role assignments that reach vaults, with the members of groups, and the roles that they name.
pub(super) async fn roles(
    run: &Run<'_>,
    vaults: &Found,
) -> Result<(Seen<Vec<Assignment>>, Vec<RoleDefinition>), NotSignedIn> {
    let read = futures::future::join(run.arm.role_assignments().all(), run.arm.role_definitions().all()).await;
    let (assignments, definitions) = match read {
        (Ok(assignments), Ok(definitions)) => (assignments, definitions),
        (Err(error), _) | (_, Err(error)) => {
            return Ok((refused(run, Evidence::RoleAssignments, "", &error), Vec::new()));
        }
    };
    let mut definitions: Vec<_> = definitions.into_iter().filter_map(definition).collect();
    definitions.sort_by_key(|definition| definition.id);
    definitions.dedup_by_key(|definition| definition.id);
    let opens_vaults: BTreeSet<Uuid> =
        definitions.iter().filter(|definition| reaches_vaults(definition)).map(|definition| definition.id).collect();
    let places: BTreeSet<Scope> = vaults.iter().filter_map(|(_, vault)| Scope::of(vault)).collect();
    let mut kept: Vec<_> = assignments
        .into_iter()
        .filter_map(assignment)
        .filter(|assignment| opens_vaults.contains(&assignment.role))
        .filter(|assignment| reaches_any(&assignment.scope, &places))
        .collect();
    kept.sort_by(|one, other| (&one.scope, one.principal, one.role).cmp(&(&other.scope, other.principal, other.role)));
    kept.dedup_by(|one, other| one.scope == other.scope && one.principal == other.principal && one.role == other.role);
    members(run, &mut kept).await?;
    run.read(Evidence::RoleAssignments, kept.len());
    definitions.retain(|definition| kept.iter().any(|assignment| assignment.role == definition.id));
    Ok((Seen::Read(kept), definitions))
}

async fn members(run: &Run<'_>, assignments: &mut [Assignment]) -> Result<(), NotSignedIn> {
    let groups = assignments.iter().filter(|assignment| assignment.principal_type.eq_ignore_ascii_case("Group"));
    let all = members_of(run, groups.map(|assignment| assignment.principal).collect()).await?;
    for assignment in assignments {
        if let Some(members) = all.get(&assignment.principal) {
            assignment.members = members.clone();
        }
    }
    Ok(())
}

/// The members of groups, through groups within groups.
async fn members_of(run: &Run<'_>, groups: BTreeSet<Uuid>) -> Result<HashMap<Uuid, Seen<Vec<Uuid>>>, NotSignedIn> {
    let readings = groups.into_iter().map(|group| async move {
        let list = || run.graph.members(ObjectId::new(group));
        let read = run.entire(Evidence::RoleAssignments, &group.to_string(), list).await?;
        Ok((group, read))
    });
    let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
    let mut all = HashMap::new();
    while let Some(one) = reading.next().await {
        let (group, read) = one?;
        let read = match read {
            Seen::Read(members) => {
                let mut members: Vec<_> = members.into_iter().map(|member| member.id.uuid()).collect();
                members.sort_unstable();
                members.dedup();
                Seen::Read(members)
            }
            Seen::Unread { unread } => Seen::unread(unread),
        };
        all.insert(group, read);
    }
    Ok(all)
}

/// What the principals of access policies are, with the members of groups: a vault knows their ids only.
#[derive(Debug, Default)]
pub(super) struct Principals {
    kinds: HashMap<Uuid, Box<str>>,
    members: HashMap<Uuid, Seen<Vec<Uuid>>>,
}

/// Looks up who the access policies are for.
pub(super) async fn principals(run: &Run<'_>, vaults: &Found) -> Result<Principals, NotSignedIn> {
    let policies = vaults.iter().filter_map(|(_, vault)| vault.properties.read()).flat_map(|it| &it.access_policies);
    let ids: BTreeSet<Uuid> = policies.map(|policy| policy.principal).collect();
    let ids: Vec<_> = ids.into_iter().map(ObjectId::new).collect();
    let mut kinds = HashMap::new();
    for ids in ids.chunks(MOST_LOOKED_UP) {
        match run.graph.principals_by_id(ids).await {
            Ok(found) => kinds.extend(found.into_iter().filter_map(|found| {
                let kind = match found.kind?.rsplit('.').next()? {
                    "user" => "User",
                    "group" => "Group",
                    "servicePrincipal" => "ServicePrincipal",
                    _ => return None,
                };
                Some((found.id.uuid(), Box::from(kind)))
            })),
            Err(error) => {
                run.refused(Evidence::RoleAssignments, "access policies", &error)?;
            }
        }
    }
    let groups = kinds.iter().filter(|(_, kind)| &***kind == "Group").map(|(id, _)| *id).collect();
    Ok(Principals { members: members_of(run, groups).await?, kinds })
}

impl Principals {
    /// Puts what is known beside the access policies.
    pub(super) fn put(&self, vaults: &mut Found) {
        for (_, vault) in vaults {
            let Seen::Read(properties) = &mut vault.properties else { continue };
            for policy in &mut properties.access_policies {
                policy.principal_type = self.kinds.get(&policy.principal).cloned().unwrap_or_default();
                policy.members = self.members.get(&policy.principal).cloned().unwrap_or_default();
            }
        }
    }
}

fn assignment(read: arm::Assignment) -> Option<Assignment> {
    let read = read.properties;
    Some(Assignment {
        principal: read.principal_id,
        role: read.role()?,
        principal_type: read.principal_type.unwrap_or_default(),
        members: Seen::default(),
        scope: read.scope,
        condition: read.condition.filter(|condition| !condition.is_empty()),
    })
}

fn definition(read: arm::Definition) -> Option<RoleDefinition> {
    Some(RoleDefinition {
        id: read.guid()?,
        name: read.properties.role_name.unwrap_or_default(),
        permissions: read
            .properties
            .permissions
            .into_iter()
            .map(|set| RolePermissions {
                actions: set.actions.into(),
                not_actions: set.not_actions.into(),
                data_actions: set.data_actions.into(),
                not_data_actions: set.not_data_actions.into(),
            })
            .collect(),
    })
}

/// Whether a role permits anything with a vault or what is in it, or could give such a right.
fn reaches_vaults(role: &RoleDefinition) -> bool {
    let reaches = |action: &str| {
        let action = action.to_ascii_lowercase();
        let fixed = action.split('*').next().unwrap_or_default();
        ["microsoft.keyvault/", "microsoft.authorization/roleassignments/"]
            .iter()
            .any(|prefix| fixed.starts_with(prefix) || (action.contains('*') && prefix.starts_with(fixed)))
    };
    role.permissions.iter().any(|set| set.actions.iter().chain(&set.data_actions).any(|action| reaches(action)))
}

/// Where a vault is.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Scope {
    /// Its resource id, in lower case.
    id: String,
    /// The names of the management groups above it, in lower case; `None` if they could not be seen.
    groups: Option<Vec<String>>,
}

impl Scope {
    fn of(vault: &Vault) -> Option<Self> {
        let groups = vault.properties.read()?.management_groups.read();
        let groups = groups.map(|groups| groups.iter().map(|name| name.to_ascii_lowercase()).collect());
        (!vault.resource_id.is_empty()).then(|| Self { id: vault.resource_id.to_ascii_lowercase(), groups })
    }

    /// Whether a scope holds the vault, or is within it.
    fn meets(&self, scope: &str) -> bool {
        let holds = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match scope.strip_prefix("/providers/microsoft.management/managementgroups/") {
            // One that may or may not be above is taken for one that is.
            Some(group) => self.groups.as_ref().is_none_or(|groups| groups.iter().any(|name| name == group)),
            None => scope.is_empty() || holds(scope, &self.id) || holds(&self.id, scope),
        }
    }
}

fn reaches_any(scope: &str, vaults: &BTreeSet<Scope>) -> bool {
    let scope = scope.trim_end_matches('/').to_ascii_lowercase();
    vaults.iter().any(|vault| vault.meets(&scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/vaults/v";

    #[test]
    fn a_scope_reaches_a_vault_from_above_and_from_within_and_not_from_beside() {
        let vault = Scope { id: VAULT.to_ascii_lowercase(), groups: Some(vec!["root".to_owned()]) };
        let vaults = BTreeSet::from([vault]);
        for scope in [
            "/",
            "/providers/Microsoft.Management/managementGroups/Root",
            "/subscriptions/s",
            "/subscriptions/s/resourcegroups/g/",
            VAULT,
            &format!("{VAULT}/keys/billing"),
        ] {
            assert!(reaches_any(scope, &vaults), "{scope}");
        }
        for scope in [
            "/providers/Microsoft.Management/managementGroups/elsewhere",
            "/subscriptions/s2",
            "/subscriptions/s/resourceGroups/g2",
            &format!("{VAULT}2"),
        ] {
            assert!(!reaches_any(scope, &vaults), "{scope}");
        }
        let unseen = BTreeSet::from([Scope { id: VAULT.to_ascii_lowercase(), groups: None }]);
        assert!(reaches_any("/providers/Microsoft.Management/managementGroups/elsewhere", &unseen));
    }

    #[test]
    fn roles_that_open_vaults_are_found_however_wide_they_are() {
        let role = |action: &str| RoleDefinition {
            id: Uuid::nil(),
            name: "".into(),
            permissions: [RolePermissions { data_actions: [action.into()].into(), ..RolePermissions::default() }]
                .into(),
        };
        for action in ["*", "*/read", "Microsoft.KeyVault/vaults/keys/sign/action", "Microsoft.*/read"] {
            assert!(reaches_vaults(&role(action)), "{action}");
        }
        assert!(reaches_vaults(&role("Microsoft.Authorization/*/write")), "who gives rights can take them");
        assert!(!reaches_vaults(&role("Microsoft.Storage/*")));
    }
}
