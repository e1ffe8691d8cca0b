//! Vaults of any size: certificates that are computed from their number when somebody looks, and kept
//! once somebody has changed them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::life::Life;
use super::model::{Attributes, Certificate, CertificateVersion, Vault};
use super::policy::{Policy, PolicyInput, key_ops};
use super::vaults::{VaultOptions, create_vault};
use crate::lab::fleet::Fleet;
use crate::lab::keys::PrivateKey;
use crate::lab::world::World;

/// So many vaults share a subscription, and with it the budgets of Resource Manager.
const IN_A_SUBSCRIPTION: u32 = 100;

/// Where the vaults are, a tenth of them in each: budgets of Key Vault are those of a region.
const REGIONS: [&str; 10] = [
    "westus",
    "westeurope",
    "eastus",
    "northeurope",
    "uksouth",
    "francecentral",
    "eastus2",
    "southeastasia",
    "australiaeast",
    "japaneast",
];

/// The certificates of a vault that nobody has touched yet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Generated {
    vault: u32,
    fleet: Fleet,
    /// Those that were purged.
    gone: BTreeSet<String>,
}

/// Adds the vaults of a fleet, named `scale-00000` and so on.
pub(crate) fn scale(world: &mut World, fleet: Fleet) {
    let mut subscription = world.keyvault.subscription();
    for vault in 0..fleet.vaults {
        let name = format!("scale-{vault:05}");
        if vault > 0 && vault.is_multiple_of(IN_A_SUBSCRIPTION) {
            subscription = world.guid();
        }
        let tenth = vault as usize * REGIONS.len() / fleet.vaults as usize;
        let options = VaultOptions {
            subscription,
            location: REGIONS[tenth].to_owned(),
            purge_protection: true,
            diagnostics: Some("allLogs".to_owned()),
            ..VaultOptions::default()
        };
        create_vault(world, &name, options);
        if let Some(found) = world.keyvault.vault_mut(&name) {
            found.generated = Some(Generated { vault, fleet, gone: BTreeSet::new() });
        }
    }
}

impl Vault {
    /// Makes a computed certificate a stored one, if the name is one of theirs. Tells whether it did.
    pub(super) fn keep(&mut self, name: &str) -> bool {
        let key = name.to_ascii_lowercase();
        if self.certificates.contains_key(&key) {
            return false;
        }
        let Some(certificate) = self.generated.as_ref().and_then(|generated| generated.certificate(&key)) else {
            return false;
        };
        self.certificates.insert(key, certificate);
        true
    }

    /// Whether nothing is stored in it.
    #[cfg(test)]
    pub(super) fn is_untouched(&self) -> bool {
        self.certificates.is_empty() && self.keys.is_empty() && self.secrets.is_empty()
    }

    /// Computes a certificate again when it is asked for the next time: nothing has changed it.
    pub(super) fn let_go(&mut self, name: &str) {
        self.certificates.remove(&name.to_ascii_lowercase());
    }

    /// Never computes this name again.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(generated) = &mut self.generated {
            generated.gone.insert(name.to_ascii_lowercase());
        }
    }

    /// The names of all certificates, stored and computed, sorted.
    pub(super) fn certificate_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.certificates.keys().cloned().collect();
        if let Some(generated) = &self.generated {
            names.extend(
                (0..generated.fleet.certificates).map(Fleet::name).filter(|name| !generated.gone.contains(name)),
            );
            names.sort();
            names.dedup();
        }
        names
    }

    /// A stored certificate, or a computed one.
    pub(super) fn find_certificate(&self, name: &str) -> Option<std::borrow::Cow<'_, Certificate>> {
        if let Some(stored) = self.certificates.get(name) {
            return Some(std::borrow::Cow::Borrowed(stored));
        }
        self.generated.as_ref()?.certificate(name).map(std::borrow::Cow::Owned)
    }
}

impl Generated {
    fn certificate(&self, name: &str) -> Option<Certificate> {
        let fleet = &self.fleet;
        let index = name.strip_prefix("app-")?.parse().ok().filter(|index| *index < fleet.certificates)?;
        if Fleet::name(index) != name || self.gone.contains(name) {
            return None;
        }
        let number = fleet.number(self.vault, index);
        let made: Vec<_> = (0..fleet.versions(number)).map(|version| fleet.version(number, version)).collect();
        let policy: PolicyInput = serde_json::from_value(serde_json::json!({
            "key_props": {"exportable": fleet.is_exportable(number), "key_size": 2048},
            "x509_props": {"subject": format!("CN={name}"), "key_usage": ["digitalSignature"], "ekus": ["1.3.6.1.5.5.7.3.2"]},
            "lifetime_actions": [{"trigger": {"days_before_expiry": 30}, "action": {"action_type": "EmailContacts"}}],
            "issuer": {"name": "Self"},
        }))
        .ok()?;
        let policy = Policy::create(policy, made.first()?.created).ok()?;
        let version = |made: crate::lab::fleet::MadeUp| CertificateVersion {
            version: made.version,
            der: made.der,
            chain: Vec::new(),
            leaf_index: 0,
            key: PrivateKey::absent(&made.modulus),
            kty: policy.key_props.kty.clone(),
            key_ops: key_ops(&policy.x509_props.key_usage),
            exportable: policy.key_props.exportable,
            content_type: policy.secret_props.content_type.clone(),
            attributes: Attributes {
                not_before: Some(made.not_before),
                expires: Some(made.not_after),
                ..Attributes::new(made.created)
            },
            tags: None,
            preserve_order: None,
        };
        let versions = made.into_iter().map(version).collect();
        Some(Certificate {
            name: name.to_owned(),
            life: Life::default(),
            policy,
            placeholder: None,
            versions,
            pending: None,
        })
    }
}
