//! One request inside one vault, after the caller was recognised.

use rand::Rng as _;
use rand_chacha::ChaCha20Rng;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Kind;
use super::error::Refusal;
use super::life::{Life, Phase};
use super::model::{Attributes, Vault};
use super::permission::Permission;
use super::version::ApiVersion;
use crate::lab::azure::Azure;
use crate::lab::chaos::Chaos;
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::keys::KeyPool;
use crate::lab::world::Settings;

/// What an operation works with.
pub(super) struct Call<'w> {
    pub(super) vault: &'w mut Vault,
    pub(super) caller: &'w Caller,
    pub(super) azure: &'w Azure,
    pub(super) keys: &'w KeyPool,
    pub(super) random: &'w mut ChaCha20Rng,
    pub(super) settings: &'w Settings,
    /// The moods of its list, if it is one.
    pub(super) chaos: Chaos,
    /// Unix seconds of the lab's clock.
    pub(super) now: i64,
    /// `https://NAME.vault.localhost:PORT`.
    pub(super) base: String,
    pub(super) version: ApiVersion,
    /// The role assignment that allowed the operation.
    pub(super) assignment: Option<String>,
}

impl Call<'_> {
    /// Goes on only if the caller may do this in the whole vault.
    pub(super) fn allow(&mut self, permission: Permission) -> Result<(), Refusal> {
        self.assignment = self.vault.authorise(self.azure, self.caller, permission, None)?;
        Ok(())
    }

    /// Goes on only if the name is one and the caller may do this to the object.
    pub(super) fn allow_on(&mut self, permission: Permission, name: &str) -> Result<(), Refusal> {
        let is_name = (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_name {
            return Err(Refusal::invalid_name(name));
        }
        let object = format!("{}/{name}", permission.collection);
        self.assignment = self.vault.authorise(self.azure, self.caller, permission, Some(&object))?;
        Ok(())
    }

    /// 32 hex digits: a version or the id of an operation.
    pub(super) fn fresh_id(&mut self) -> String {
        format!("{:032x}", self.random.random::<u128>())
    }

    /// Seconds from a delete or recover to the moment when it shows.
    pub(super) fn lag(&self) -> i64 {
        i64::from(self.settings.soft_delete_lag)
    }

    /// Where an object stands now.
    pub(super) fn phase(&self, life: &Life) -> Phase {
        life.phase(self.now, self.lag())
    }

    /// The URL of an object, of a version of it if one is given.
    pub(super) fn url(&self, collection: &str, name: &str, version: Option<&str>) -> String {
        match version {
            Some(version) => format!("{}/{collection}/{name}/{version}", self.base),
            None => format!("{}/{collection}/{name}", self.base),
        }
    }

    /// `attributes` of a bundle: what lists show, and how the vault keeps deleted objects.
    pub(super) fn attributes(&self, attributes: &Attributes) -> Map<String, Value> {
        let mut members = attributes.members();
        members.insert("recoveryLevel".to_owned(), self.vault.retention.level().into());
        if self.version.has_recoverable_days() {
            members.insert("recoverableDays".to_owned(), self.vault.retention.days.into());
        }
        members
    }

    /// `recoveryId`, `deletedDate` and `scheduledPurgeDate`, which stand before the bundle.
    pub(super) fn deletion(&self, kind: Kind, name: &str, life: &Life) -> Map<String, Value> {
        let mut members = Map::new();
        let at = life.deleted_at().unwrap_or(self.now);
        let collection = format!("deleted{}", kind.collection());
        members.insert("recoveryId".to_owned(), self.url(&collection, name, None).into());
        members.insert("deletedDate".to_owned(), at.into());
        members.insert("scheduledPurgeDate".to_owned(), (at + self.vault.retention.seconds()).into());
        members
    }
}

/// Reads a body. What is no JSON of the right shape is a property without a name, as in the service.
pub(super) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    request.json().map_err(|_| Refusal::invalid_property("", ""))
}
