//! What a lab holds at its start.

mod hand;
mod operator;
mod small;

use std::str::FromStr;

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::Duration;
use uuid::Uuid;

use super::azure;
use super::directory::Scale;
use super::fleet::Fleet;
use super::keyvault;
use super::world::World;
use crate::domain::Secret;

pub(crate) use operator::{add_auditor, assignment};

/// The vault to work in. Every seed has it.
const VAULT: &str = "contoso-kv";

/// What a lab holds at its start. As text: `empty`, `small`, `scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seed {
    /// The operator's own application and nothing else.
    Empty,
    /// Two dozen applications of which all but one have one fault, and three vaults.
    Small,
    /// Made up while it is read.
    Scale {
        /// Applications in the directory.
        applications: u32,
        /// Service principals in the directory.
        principals: u32,
        /// Vaults.
        vaults: u32,
        /// Certificates in each vault.
        certificates: u32,
    },
}

impl FromStr for Seed {
    type Err = super::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = |list: &str| list.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<_>>>();
        match (text, text.strip_prefix("scale:").and_then(numbers).as_deref()) {
            ("empty", _) => Ok(Self::Empty),
            ("small", _) => Ok(Self::Small),
            (_, Some(&[applications, principals, vaults, certificates])) => {
                Ok(Self::Scale { applications, principals, vaults, certificates })
            }
            _ => Err(super::Error::Seed(format!(
                "`{text}` is no seed: `empty`, `small` or `scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES`"
            ))),
        }
    }
}

/// The identity that works in the lab, and the application that it works on by default.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Operator {
    pub(crate) app_id: Uuid,
    /// Object id of its service principal.
    pub(crate) principal: Uuid,
    pub(crate) subject_object_id: Uuid,
    pub(crate) subject_app_id: Uuid,
    /// Name of the vault to work in.
    pub(crate) vault: String,
}

impl Operator {
    /// What it signs in with, as long as nobody has taken the secret away.
    pub(crate) fn secret(&self, world: &World) -> Secret<String> {
        let application = world.directory.application_by_app_id(self.app_id);
        let secret = application.and_then(|app| app.credentials.passwords.first().map(|it| it.secret_text.clone()));
        Secret::new(secret.unwrap_or_default())
    }
}

/// Fills an empty world.
pub(crate) fn plant(world: &mut World, seed: &Seed) -> Result<(), String> {
    world.entra.identity_header = world.guid().simple().to_string();
    let long_ago = world.now() - Duration::days(400);
    let operator = operator::register(world, long_ago)?;
    keyvault::create_vault(world, VAULT, keyvault::VaultOptions::default());
    let right = json!({ "vault": VAULT, "principal": operator.principal, "role": "Key Vault Administrator" });
    keyvault::grant(world, &right)?;
    // It sees what is there, and changes nothing in the management plane.
    azure::grant(world, &json!({ "principal": operator.principal, "role": "Reader" }))?;
    world.entra.operator = Some(operator);
    sow(world, seed)?;
    world.directory.settle();
    Ok(())
}

/// Adds what a seed describes to a world that has an operator.
pub(crate) fn sow(world: &mut World, seed: &Seed) -> Result<(), String> {
    let operator = world.entra.operator.clone().ok_or("this lab has no operator")?;
    match *seed {
        Seed::Empty => {}
        Seed::Small => {
            let subject = small::sow(world, &operator)?;
            if let Some(operator) = &mut world.entra.operator {
                operator.subject_object_id = subject.id;
                operator.subject_app_id = subject.app_id;
            }
        }
        Seed::Scale { applications, principals, vaults, certificates } => {
            let (seed, now) = (world.random.random(), world.now());
            let fleet = Fleet { seed, vaults, certificates, at: now.unix_timestamp() };
            let scale = Scale { seed, applications, service_principals: principals, now, fleet, graph: None };
            world.directory.scale(scale);
            keyvault::scale(world, fleet);
            azure::grant(world, &json!({ "principal": operator.principal, "role": "Key Vault Administrator" }))?;
            let own = world.keyvault.subscription();
            for other in world.keyvault.subscriptions().into_iter().filter(|id| *id != own) {
                let scope = format!("/subscriptions/{other}");
                azure::grant(world, &json!({ "principal": operator.principal, "role": "Reader", "scope": scope }))?;
            }
        }
    }
    world.directory.settle();
    Ok(())
}

#[cfg(test)]
mod tests;
