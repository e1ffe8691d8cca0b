//! Vaults as Azure resources: which there are, how they are kept, and who has which role where.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt as _;
use futures::stream;
use uuid::Uuid;

use super::refusal::{self, NotSignedIn, Refusal};
use super::run::Run;
use crate::arm;
use crate::domain::{self, ObjectId, VaultName};
use crate::inventory::{
    AccessPolicy, Assignment, Evidence, Reason, RoleDefinition, RolePermissions, Seen, Vault, VaultProperties,
};

/// So many requests are under way at once.
const READINGS_AT_ONCE: usize = 16;

/// The vaults of a run, with the address of each.
pub(super) type Found = Vec<(domain::Vault, Vault)>;

/// The vaults that the plan names, or all that Azure shows. Their certificates are not read yet.
pub(super) async fn vaults(run: &Run<'_>) -> Found {
    let known = discovered(run).await;
    let mut vaults: Found = match &run.plan.vaults {
        Some(named) => {
            let mut known: HashMap<VaultName, (domain::Vault, Vault)> = match known {
                Ok(known) => known.into_iter().map(|(vault, record)| (vault.name().clone(), (vault, record))).collect(),
                Err(_) => HashMap::new(),
            };
            named.iter().map(|vault| known.remove(vault.name()).unwrap_or_else(|| unknown(run, vault))).collect()
        }
        None => known.unwrap_or_else(|refusal| {
            run.gap(refusal.gap(Evidence::Vaults, ""));
            Vec::new()
        }),
    };
    vaults.sort_by(|(one, _), (other, _)| one.name().cmp(other.name()));
    vaults.dedup_by(|(one, _), (other, _)| one == other);
    run.read(Evidence::Vaults, vaults.len());
    vaults
}

/// A vault that somebody named, and of which Azure says nothing to us.
fn unknown(run: &Run<'_>, vault: &domain::Vault) -> (domain::Vault, Vault) {
    let refusal = Refusal {
        reason: Reason::Rbac,
        detail: "Azure Resource Graph does not show this vault".to_owned(),
        grant: "Reader".to_owned(),
    };
    run.gap(refusal.gap(Evidence::VaultProperties, vault.name().as_str()));
    (vault.clone(), empty(vault, Seen::unread(Reason::Rbac)))
}

fn empty(vault: &domain::Vault, properties: Seen<Box<VaultProperties>>) -> Vault {
    Vault {
        name: vault.name().clone(),
        url: vault.url().as_str().into(),
        resource_id: Box::default(),
        properties,
        is_logged: Seen::default(),
        is_defended: Seen::default(),
        contacts: Seen::default(),
        certificates: Seen::default(),
        deleted: Seen::default(),
    }
}

async fn discovered(run: &Run<'_>) -> Result<Found, Refusal> {
    let rows = run.arm.vaults().all().await.map_err(|error| refusal::of_arm(&error))?;
    if rows.is_empty() && run.arm.subscriptions().await.map_err(|error| refusal::of_arm(&error))?.is_empty() {
        return Err(Refusal {
            reason: Reason::Rbac,
            detail: "Azure shows no subscription to this identity, and so no vault".to_owned(),
            grant: "Reader".to_owned(),
        });
    }
    let mut found = Vec::new();
    for row in rows {
        match address(run, &row) {
            Some(vault) => {
                let record = record(&vault, row);
                if let Some(properties) = record.properties.read() {
                    run.limits.place(vault.url(), &properties.subscription, &properties.location);
                }
                run.read(Evidence::VaultProperties, 1);
                found.push((vault, record));
            }
            None => {
                let refusal = Refusal::new(Reason::Parse, "the vault's name or address is none of this cloud");
                run.gap(refusal.gap(Evidence::Vaults, domain::printable(&row.name)));
            }
        }
    }
    Ok(found)
}

/// A vault is asked at the address that its name has in this cloud, whatever address Azure shows: no
/// other host may get a token for vaults.
fn address(run: &Run<'_>, row: &arm::Vault) -> Option<domain::Vault> {
    let cloud = run.http.cloud();
    let by_name = domain::Vault::parse(&row.name, cloud).ok()?;
    match row.properties.vault_uri.as_deref() {
        Some(uri) => domain::Vault::parse(uri, cloud).ok().filter(|vault| *vault == by_name),
        None => Some(by_name),
    }
}

fn record(vault: &domain::Vault, row: arm::Vault) -> Vault {
    let properties = row.properties;
    let lower = |list: Vec<Box<str>>| list.iter().map(|text| text.to_ascii_lowercase().into()).collect();
    let policy = |policy: arm::AccessPolicy| AccessPolicy {
        principal: policy.object_id,
        keys: lower(policy.permissions.keys),
        secrets: lower(policy.permissions.secrets),
        certificates: lower(policy.permissions.certificates),
    };
    let is_by_role = properties.enable_rbac_authorization == Some(true);
    // With roles in force, the policies that are left over grant nothing.
    let policies = if is_by_role { Vec::new() } else { properties.access_policies };
    let properties = VaultProperties {
        location: row.location.unwrap_or_default(),
        subscription: row.subscription_id.unwrap_or_default(),
        sku: properties.sku.name.unwrap_or_default().to_ascii_lowercase().into(),
        rbac: properties.enable_rbac_authorization,
        public_network_access: properties.public_network_access,
        network_default_action: properties.network_acls.and_then(|rules| rules.default_action),
        purge_protection: properties.enable_purge_protection,
        soft_delete: properties.enable_soft_delete,
        soft_delete_days: properties.soft_delete_retention_in_days,
        access_policies: policies.into_iter().map(policy).collect(),
        tags: row.tags.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect(),
    };
    Vault { resource_id: row.id, ..empty(vault, Seen::Read(Box::new(properties))) }
}

/// Whether a vault writes a log, and whether its subscription is watched.
pub(super) type Watched = (Seen<bool>, Seen<bool>);

/// Where the vaults write their logs, and whether their subscriptions are watched; in their order.
pub(super) async fn watching(run: &Run<'_>, vaults: &Found) -> Vec<Watched> {
    let subscriptions: BTreeSet<Box<str>> = vaults
        .iter()
        .filter_map(|(_, vault)| vault.properties.read().map(|properties| properties.subscription.clone()))
        .filter(|subscription| Uuid::try_parse(subscription).is_ok())
        .collect();
    let plans = subscriptions.iter().map(|subscription| async move {
        let read = match run.arm.is_defended(subscription).await {
            Ok(is_defended) => {
                run.read(Evidence::SecurityPricings, 1);
                Seen::Read(is_defended)
            }
            Err(error) => refused(run, Evidence::SecurityPricings, subscription, &error),
        };
        (subscription.clone(), read)
    });
    let plans: HashMap<Box<str>, Seen<bool>> = stream::iter(plans).buffer_unordered(READINGS_AT_ONCE).collect().await;
    let readings = vaults.iter().map(|(_, vault)| {
        let plan = vault.properties.read().and_then(|properties| plans.get(&properties.subscription).copied());
        async move {
            let is_logged = match vault.resource_id.is_empty() {
                true => Seen::default(),
                false => match run.arm.is_logged(&vault.resource_id).await {
                    Ok(is_logged) => {
                        run.read(Evidence::DiagnosticSettings, 1);
                        Seen::Read(is_logged)
                    }
                    Err(error) => refused(run, Evidence::DiagnosticSettings, vault.name.as_str(), &error),
                },
            };
            (is_logged, plan.unwrap_or_default())
        }
    });
    stream::iter(readings).buffered(READINGS_AT_ONCE).collect().await
}

fn refused<T>(run: &Run<'_>, evidence: Evidence, object: &str, error: &arm::Error) -> Seen<T> {
    let refusal = refusal::of_arm(error);
    run.gap(refusal.gap(evidence, object));
    Seen::unread(refusal.reason)
}

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
    let places: Vec<&str> = vaults.iter().map(|(_, vault)| &*vault.resource_id).filter(|id| !id.is_empty()).collect();
    let mut kept: Vec<_> = assignments
        .into_iter()
        .filter_map(assignment)
        .filter(|assignment| opens_vaults.contains(&assignment.role))
        .filter(|assignment| places.iter().any(|vault| meet(&assignment.scope, vault)))
        .collect();
    kept.sort_by(|one, other| (&one.scope, one.principal, one.role).cmp(&(&other.scope, other.principal, other.role)));
    kept.dedup_by(|one, other| one.scope == other.scope && one.principal == other.principal && one.role == other.role);
    members(run, &mut kept).await?;
    run.read(Evidence::RoleAssignments, kept.len());
    definitions.retain(|definition| kept.iter().any(|assignment| assignment.role == definition.id));
    Ok((Seen::Read(kept), definitions))
}

async fn members(run: &Run<'_>, assignments: &mut [Assignment]) -> Result<(), NotSignedIn> {
    let groups: BTreeSet<Uuid> = assignments
        .iter()
        .filter(|assignment| assignment.principal_type.eq_ignore_ascii_case("Group"))
        .map(|assignment| assignment.principal)
        .collect();
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
    for assignment in assignments {
        if let Some(members) = all.get(&assignment.principal) {
            assignment.members = members.clone();
        }
    }
    Ok(())
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

/// Whether a scope holds a vault, or is within one. A management group is not part of a vault's id:
/// what is shown to us of those is above us, and so it counts.
fn meet(scope: &str, vault: &str) -> bool {
    let (scope, vault) = (scope.trim_end_matches('/').to_ascii_lowercase(), vault.to_ascii_lowercase());
    let holds = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    scope.is_empty()
        || scope.starts_with("/providers/microsoft.management/managementgroups/")
        || holds(&scope, &vault)
        || holds(&vault, &scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/vaults/v";

    #[test]
    fn a_scope_reaches_a_vault_from_above_and_from_within_and_not_from_beside() {
        for scope in [
            "/",
            "/providers/Microsoft.Management/managementGroups/root",
            "/subscriptions/s",
            "/subscriptions/s/resourcegroups/g/",
            VAULT,
            &format!("{VAULT}/keys/billing"),
        ] {
            assert!(meet(scope, VAULT), "{scope}");
        }
        for scope in ["/subscriptions/s2", "/subscriptions/s/resourceGroups/g2", &format!("{VAULT}2")] {
            assert!(!meet(scope, VAULT), "{scope}");
        }
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
