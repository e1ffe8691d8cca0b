//! Vaults as Azure resources: which there are, and how they are kept.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt as _;
use futures::stream;
use uuid::Uuid;

use super::refusal::{self, Refusal};
use super::run::Run;
use crate::arm;
use crate::domain::{self, VaultName};

use crate::inventory::{AccessPolicy, Evidence, Reason, Seen, Vault, VaultProperties};

/// So many requests are under way at once.
const READINGS_AT_ONCE: usize = 16;

/// The vaults of a run, with the address of each.
pub(super) type Found = Vec<(domain::Vault, Vault)>;

/// The vaults that the plan names, or all that Azure shows, and how many it shows. Their certificates
/// are not read yet.
pub(super) async fn vaults(run: &Run<'_>) -> (Found, usize) {
    let known = discovered(run).await;
    let shown = known.as_ref().map_or(0, Vec::len);
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
    (vaults, shown)
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
    let (rows, subscriptions) = futures::future::join(run.arm.vaults().all(), run.arm.subscriptions().all()).await;
    let rows = rows.map_err(|error| refusal::of_arm(&error))?;
    let subscriptions = subscriptions.map_err(|error| refusal::of_arm(&error));
    if rows.is_empty() && subscriptions.as_ref().map_err(Clone::clone)?.is_empty() {
        return Err(Refusal {
            reason: Reason::Rbac,
            detail: "Azure shows no subscription to this identity, and so no vault".to_owned(),
            grant: "Reader".to_owned(),
        });
    }
    let above = |subscription: &str| above(&subscriptions, subscription);
    let mut found = Vec::new();
    for row in rows {
        match address(run, &row) {
            Some(vault) => {
                let groups = above(row.subscription_id.as_deref().unwrap_or_default());
                let record = record(&vault, row, groups);
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

/// The names of the management groups above a subscription.
fn above(known: &Result<Vec<arm::Subscription>, Refusal>, subscription: &str) -> Seen<Vec<Box<str>>> {
    let known = match known {
        Ok(known) => known,
        Err(refusal) => return Seen::unread(refusal.reason),
    };
    let found = known.iter().find(|one| one.subscription_id.eq_ignore_ascii_case(subscription));
    let chain = found.and_then(|one| one.properties.management_group_ancestors_chain.as_ref());
    chain.map_or(Seen::unread(Reason::Rbac), |chain| Seen::Read(chain.iter().map(|group| group.name.clone()).collect()))
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

fn record(vault: &domain::Vault, row: arm::Vault, management_groups: Seen<Vec<Box<str>>>) -> Vault {
    let properties = row.properties;
    let lower = |list: Vec<Box<str>>| list.iter().map(|text| text.to_ascii_lowercase().into()).collect();
    let policy = |policy: arm::AccessPolicy| AccessPolicy {
        principal: policy.object_id,
        principal_type: Box::default(),
        members: Seen::default(),
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
        management_groups,
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

pub(super) fn refused<T>(run: &Run<'_>, evidence: Evidence, object: &str, error: &arm::Error) -> Seen<T> {
    let refusal = refusal::of_arm(error);
    run.gap(refusal.gap(evidence, object));
    Seen::unread(refusal.reason)
}
