//! Vaults of any size: certificates that are computed from their number when somebody looks.
//!
//! They share one RSA key, whose PKCS#1 signatures are always the same, so that a list shows the
//! thumbprint of a certificate that is made anew for each look. What is changed is kept from then on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::life::Life;
use super::model::{Attributes, Certificate, CertificateVersion, Vault};
use super::policy::{Policy, PolicyInput, key_ops};
use super::vaults::{VaultOptions, create_vault};
use super::x509::{self, Lifetime, Profile};
use crate::lab::keys::{KeyKind, PrivateKey};
use crate::lab::world::World;

const DAY: i64 = 86400;

/// The certificates of a vault that nobody has touched yet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Generated {
    vault: u32,
    count: u32,
    /// The moment around which they are valid, expired and about to expire.
    at: i64,
    key: PrivateKey,
    /// Those that were purged.
    gone: BTreeSet<String>,
}

/// Adds `vaults` vaults of `certificates` certificates each, named `scale-00000` and so on. Their
/// names are given back, so that rights can be granted.
pub(crate) fn scale(world: &mut World, vaults: u32, certificates: u32) -> Vec<String> {
    let key = world.keys.take(KeyKind::Rsa(2048));
    let at = world.now().unix_timestamp();
    let mut names = Vec::new();
    for vault in 0..vaults {
        let name = format!("scale-{vault:05}");
        create_vault(world, &name, VaultOptions::default());
        if let Some(found) = world.keyvault.vault_mut(&name) {
            let generated = Generated { vault, count: certificates, at, key: key.clone(), gone: BTreeSet::new() };
            found.generated = Some(generated);
        }
        names.push(name);
    }
    names
}

impl Vault {
    /// Makes a computed certificate a stored one, if the name is one of theirs.
    pub(super) fn keep(&mut self, name: &str) {
        let key = name.to_ascii_lowercase();
        if self.certificates.contains_key(&key) {
            return;
        }
        if let Some(certificate) = self.generated.as_ref().and_then(|generated| generated.certificate(&key)) {
            self.certificates.insert(key, certificate);
        }
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
            names.extend((0..generated.count).map(Generated::name).filter(|name| !generated.gone.contains(name)));
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
    fn name(index: u32) -> String {
        format!("app-{index:06}")
    }

    fn certificate(&self, name: &str) -> Option<Certificate> {
        let index = name.strip_prefix("app-")?.parse().ok().filter(|index| *index < self.count)?;
        if Self::name(index) != name || self.gone.contains(name) {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(format!("{}/{index}", self.vault)).into();
        let (draw, id) = digest.split_at(16);
        // From issued today to expired for a year.
        let age = i64::from(u16::from_be_bytes([draw[0], draw[1]])) % 730;
        let created = self.at - age * DAY - i64::from(draw[2]);
        let exportable = draw[3] % 4 == 0;
        let policy: PolicyInput = serde_json::from_value(serde_json::json!({
            "key_props": {"exportable": exportable, "key_size": 2048},
            "x509_props": {"subject": format!("CN={name}"), "key_usage": ["digitalSignature"]},
            "lifetime_actions": [{"trigger": {"days_before_expiry": 30}, "action": {"action_type": "EmailContacts"}}],
            "issuer": {"name": "Self"},
        }))
        .ok()?;
        let policy = Policy::create(policy, created).ok()?;
        let lifetime = Lifetime::of_months(created, policy.x509_props.validity_months);
        let serial = draw.try_into().ok()?;
        let der = x509::certificate(&Profile::of(&policy)?, &self.key, lifetime, serial, None).ok()?;
        let version = CertificateVersion {
            version: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            der,
            chain: Vec::new(),
            leaf_index: 0,
            key: self.key.clone(),
            kty: policy.key_props.kty.clone(),
            key_ops: key_ops(&policy.x509_props.key_usage),
            exportable,
            content_type: policy.secret_props.content_type.clone(),
            attributes: Attributes {
                not_before: Some(lifetime.not_before),
                expires: Some(lifetime.not_after),
                ..Attributes::new(created)
            },
            tags: None,
            preserve_order: None,
        };
        Some(Certificate {
            name: name.to_owned(),
            life: Life::default(),
            policy,
            placeholder: None,
            versions: vec![version],
            pending: None,
        })
    }
}
