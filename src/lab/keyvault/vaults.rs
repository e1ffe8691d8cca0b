//! The vaults of the lab.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::{Access, Mode, Network};
use super::model::{Retention, Tags, Vault};
use crate::lab::keys::KeyKind;
use crate::lab::world::World;

/// All vaults of the lab.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct KeyVault {
    vaults: BTreeMap<String, Vault>,
    subscription: Uuid,
}

/// What a new vault is like.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VaultOptions {
    /// Nil: the lab's own.
    #[serde(skip)]
    pub(crate) subscription: Uuid,
    pub(crate) mode: Mode,
    pub(crate) location: String,
    pub(crate) resource_group: String,
    /// Days for which deleted objects are kept: 7 to 90.
    pub(crate) retention_days: u32,
    pub(crate) purge_protection: bool,
    pub(crate) tags: Tags,
    /// `premium` has hardware.
    pub(crate) sku: Sku,
    pub(crate) network: Network,
    /// What the log has: `AuditEvent`, or one of the groups `audit` and `allLogs`. Absent: no log.
    pub(crate) diagnostics: Option<String>,
}

/// What a vault can do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sku {
    #[default]
    Standard,
    Premium,
}

impl Default for VaultOptions {
    fn default() -> Self {
        Self {
            subscription: Uuid::nil(),
            mode: Mode::Rbac,
            location: "westus".to_owned(),
            resource_group: "lab".to_owned(),
            retention_days: 90,
            purge_protection: false,
            tags: Tags::new(),
            sku: Sku::Standard,
            network: Network::Open,
            diagnostics: None,
        }
    }
}

impl KeyVault {
    /// A vault by its name, in any case.
    pub(crate) fn vault(&self, name: &str) -> Option<&Vault> {
        self.vaults.get(&name.to_ascii_lowercase())
    }

    pub(super) fn vault_mut(&mut self, name: &str) -> Option<&mut Vault> {
        self.vaults.get_mut(&name.to_ascii_lowercase())
    }

    /// All vaults, by name.
    pub(crate) fn vaults(&self) -> impl Iterator<Item = &Vault> {
        self.vaults.values()
    }

    /// The lab's own subscription, nil as long as there is no vault.
    pub(crate) fn subscription(&self) -> Uuid {
        self.subscription
    }

    /// The subscriptions of all vaults, the lab's own first.
    pub(crate) fn subscriptions(&self) -> Vec<Uuid> {
        let all: BTreeSet<Uuid> = self.vaults.values().map(|vault| vault.subscription).collect();
        let others = all.into_iter().filter(|id| *id != self.subscription);
        Some(self.subscription).filter(|id| !id.is_nil()).into_iter().chain(others).collect()
    }
}

impl Vault {
    /// In lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The Azure region: `westus`.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn subscription(&self) -> Uuid {
        self.subscription
    }

    pub(crate) fn resource_group(&self) -> &str {
        &self.resource_group
    }

    /// Its path in Resource Manager.
    pub(crate) fn resource_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.KeyVault/vaults/{}",
            self.subscription, self.resource_group, self.name
        )
    }

    pub(crate) fn sku(&self) -> Sku {
        self.sku
    }

    /// The category or group of log entries that are kept, if any are.
    pub(crate) fn diagnostics(&self) -> Option<&str> {
        self.diagnostics.as_deref()
    }

    /// What the current version of a key is made of, and whether it sits in hardware: budgets of
    /// signatures depend on both.
    pub(crate) fn key_material(&self, name: &str) -> Option<(KeyKind, bool)> {
        let name = name.to_ascii_lowercase();
        let of_certificate = self.certificates.get(&name).and_then(|it| it.versions.last());
        let material = of_certificate.map(|it| (it.key.kind(), &it.kty));
        let standalone = || self.keys.get(&name)?.versions.last().map(|it| (it.key.kind(), &it.kty));
        material.or_else(standalone).map(|(kind, kty)| (kind, kty.ends_with("-HSM")))
    }

    /// The tags of the vault itself, as Resource Manager shows them.
    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// `enableRbacAuthorization` of Resource Manager.
    pub(crate) fn uses_rbac(&self) -> bool {
        self.access.mode == Mode::Rbac
    }

    /// `accessPolicies` of Resource Manager.
    pub(crate) fn access_policies(&self, tenant: Uuid) -> Vec<Value> {
        self.access.policies.iter().map(|policy| policy.shown(tenant)).collect()
    }

    /// Whether callers from the internet are let in at all: `publicNetworkAccess`.
    pub(crate) fn is_private(&self) -> bool {
        self.access.network == Network::PrivateLink
    }

    /// Whether a firewall knows some addresses only.
    pub(crate) fn has_firewall(&self) -> bool {
        matches!(self.access.network, Network::Firewall | Network::Restricted)
    }

    /// Whether the addresses that the firewall knows have the lab's clients among them.
    pub(crate) fn lets_the_lab_in(&self) -> bool {
        self.access.network == Network::Restricted
    }

    /// Days of retention, and whether purging is forbidden.
    pub(crate) fn retention(&self) -> (u32, bool) {
        (self.retention.days, self.retention.purge_protection)
    }
}

/// What a vault can be changed to. Absent members stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Change {
    sku: Option<Sku>,
    network: Option<Network>,
    /// Null: no log.
    #[serde(deserialize_with = "some")]
    diagnostics: Option<Option<String>>,
    retention_days: Option<u32>,
    purge_protection: Option<bool>,
}

/// Tells null from a member that is not there.
fn some<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Changes how a vault is set up. The error says what is wrong with the body.
pub(crate) fn change_vault(world: &mut World, name: &str, body: &Value) -> Result<Value, String> {
    let change: Change = serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
    let vault = world.keyvault.vault_mut(name).ok_or_else(|| format!("no vault `{name}`"))?;
    vault.sku = change.sku.unwrap_or(vault.sku);
    vault.access.network = change.network.unwrap_or(vault.access.network);
    vault.diagnostics = change.diagnostics.unwrap_or_else(|| vault.diagnostics.take());
    vault.retention.days = change.retention_days.unwrap_or(vault.retention.days);
    vault.retention.purge_protection = change.purge_protection.unwrap_or(vault.retention.purge_protection);
    Ok(
        json!({ "vault": vault.name, "sku": vault.sku, "network": vault.access.network, "diagnostics": vault.diagnostics }),
    )
}

/// Makes a vault. One of that name is replaced.
pub(crate) fn create_vault(world: &mut World, name: &str, options: VaultOptions) {
    if world.keyvault.subscription.is_nil() {
        world.keyvault.subscription = world.guid();
    }
    let name = name.to_ascii_lowercase();
    let vault = Vault {
        name: name.clone(),
        location: options.location,
        resource_group: options.resource_group,
        subscription: if options.subscription.is_nil() { world.keyvault.subscription } else { options.subscription },
        tags: options.tags,
        access: Access { mode: options.mode, network: options.network, ..Access::default() },
        sku: options.sku,
        diagnostics: options.diagnostics,
        retention: Retention { days: options.retention_days, purge_protection: options.purge_protection },
        certificates: BTreeMap::new(),
        keys: BTreeMap::new(),
        secrets: BTreeMap::new(),
        contacts: None,
        issuers: BTreeMap::new(),
        purged: BTreeMap::new(),
        generated: None,
    };
    world.keyvault.vaults.insert(name, vault);
}
