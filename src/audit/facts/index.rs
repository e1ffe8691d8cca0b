//! The join of what the directory trusts with what the vaults hold.
//!
//! Tables hold positions and hashes, and no records: those of a large tenant stay packed until somebody
//! looks at them. Hashes have a new key in each run, so that nobody can make two digests meet; places
//! that they find are compared in full.

use std::hash::{BuildHasher as _, RandomState};

use time::OffsetDateTime;

use super::Facts;
use super::Tier;
use super::credential::is_saml;
use super::desk::Desk;
use super::multimap::{Multimap, repeated};
use crate::domain::{AppId, CredentialId};
use crate::inventory::{
    Certificate, DeletedCertificate, Inventory, KeyCredential, Reason, ServicePrincipal, Vault, VersionRecord,
};

/// How sure it is that a credential and a vault's version belong together.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// The credential's label names it. The caller wrote that label: a hint, never proof.
    Label,
    /// The same key in another certificate.
    Spki,
    /// The same certificate.
    Der,
}

/// Where a key may be.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A version of a certificate.
    Version(&'a VersionRecord),
    /// The current version, of which only the list of certificates was read.
    Listed,
    /// A deleted certificate that can be recovered.
    Deleted(&'a DeletedCertificate),
}

/// A place where a credential's key may be.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// How sure that is.
    pub level: Level,
    /// In which vault.
    pub vault: &'a Vault,
    /// Of which certificate; `None` for a deleted one.
    pub certificate: Option<&'a Certificate>,
    /// Where exactly.
    pub place: Place<'a>,
}

/// Something that trusts a key.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    identity: Identity,
    app_id: AppId,
    key_id: CredentialId,
    end: Option<OffsetDateTime>,
    is_active: bool,
    is_for_sign_in: bool,
}

/// Whose credential it is, by the position in the inventory.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Identity {
    Application(u32),
    Principal(u32),
}

/// Look-up tables over an inventory.
#[derive(Debug, Default)]
pub(super) struct Index {
    hasher: RandomState,
    /// By hashes of digests.
    by_sha1: Multimap<u64, Spot>,
    by_spki: Multimap<u64, Spot>,
    /// By the hash of `vault/name/version`; of `vault/name` where the list alone tells the current version.
    trust: Multimap<u64, Trust>,
    /// Of keys that several hold, by hash.
    holders: Multimap<u64, Trust>,
    /// Of labels that several keys carry: hashes of the keys, by that of the label.
    labels: Multimap<u64, u64>,
    /// Why bytes were not read, by the hash of what the label says.
    unread_labels: Multimap<u64, Reason>,
}

/// A place in an inventory, by position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Spot {
    vault: u32,
    /// Among its certificates, or among those that were deleted.
    certificate: u32,
    at: At,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Version(u32),
    Listed,
    Deleted,
}

/// Who trusts what, while it is gathered.
#[derive(Debug, Default)]
struct Trusts {
    trust: Vec<(u64, Trust)>,
    holders: Vec<(u64, (Identity, u32))>,
    labels: Vec<(u64, u64)>,
    unread_labels: Vec<(u64, Reason)>,
}

impl Index {
    /// Of the vaults. [`Index::join`] adds who trusts what is in them.
    pub(super) fn of_vaults(inventory: &Inventory) -> Self {
        let mut index = Self::default();
        let (mut by_sha1, mut by_spki) = (Vec::new(), Vec::new());
        for (number, vault) in inventory.vaults.iter().enumerate() {
            let number = number as u32;
            let mut add = |sha1: Option<&str>, spki: Option<&str>, certificate: usize, at| {
                let spot = Spot { vault: number, certificate: certificate as u32, at };
                by_spki.extend(spki.map(|spki| (index.hash(spki), spot)));
                by_sha1.extend(sha1.map(|sha1| (index.hash(sha1), spot)));
            };
            for (position, certificate) in vault.certificates.read().into_iter().flat_map(|all| all.iter().enumerate())
            {
                let versions = certificate.versions.read().map(Vec::as_slice).unwrap_or_default();
                if let Some(x5t) = &certificate.x5t
                    && !versions.iter().any(|version| version.x5t.as_ref() == Some(x5t))
                {
                    add(Some(x5t.as_str()), None, position, At::Listed);
                }
                for (number, version) in versions.iter().enumerate() {
                    let place = Place::Version(version);
                    add(sha1_of(place, None), spki_of(place), position, At::Version(number as u32));
                }
            }
            for (position, deleted) in vault.deleted.read().into_iter().flatten().enumerate() {
                let place = Place::Deleted(deleted);
                add(sha1_of(place, None), spki_of(place), position, At::Deleted);
            }
        }
        index.by_sha1 = by_sha1.into_iter().collect();
        index.by_spki = by_spki.into_iter().collect();
        index
    }

    /// Adds who trusts what, and tells `see` of everybody while they are unpacked.
    pub(super) fn join(
        mut self,
        inventory: &Inventory,
        now: OffsetDateTime,
        mut see: impl FnMut(Identity, AppId),
    ) -> Self {
        let mut trusts = Trusts::default();
        for (number, application) in inventory.applications.iter().enumerate() {
            let identity = Identity::Application(number as u32);
            see(identity, application.app_id);
            trusts.add(&self, inventory, identity, application.app_id, &application.keys, now);
        }
        for (number, principal) in inventory.service_principals.iter().enumerate() {
            let identity = Identity::Principal(number as u32);
            see(identity, principal.app_id);
            trusts.add(&self, inventory, identity, principal.app_id, &principal.keys, now);
        }
        // Most keys have one holder, and most labels one key: those that have several are asked for.
        let Trusts { trust, holders, mut labels, unread_labels } = trusts;
        self.trust = trust.into_iter().collect();
        self.holders = repeated(holders)
            .into_iter()
            .filter_map(|(hash, (identity, key))| Some((hash, identity.trust(key as usize, inventory, now)?)))
            .collect();
        labels.sort_unstable();
        labels.dedup();
        self.labels = repeated(labels).into_iter().collect();
        self.unread_labels = unread_labels.into_iter().collect();
        self
    }

    /// Where a credential's key is: by its bytes if they were read, else by its label.
    pub(super) fn matches<'a>(&self, key: &KeyCredential, inventory: &'a Inventory, desk: &'a Desk) -> Vec<Match<'a>> {
        let label = key.thumbprint();
        let at_label = |hex: &str| self.at(&self.by_sha1, hex, Level::Label, inventory, desk);
        let Some(x) = key.x.read() else {
            let found = label.map(|label| at_label(&label.hex()));
            return found.into_iter().flatten().map(|(_, found)| found).collect();
        };
        // A place whose bytes were not read is known by what the vault states of itself, and a vault does not lie.
        let mut found = self.at(&self.by_sha1, x.sha1.as_str(), Level::Der, inventory, desk);
        for place in self.at(&self.by_spki, x.spki.as_str(), Level::Spki, inventory, desk) {
            if !found.iter().any(|(known, _)| *known == place.0) {
                found.push(place);
            }
        }
        if let Some(label) = label.filter(|label| !x.has(label)) {
            found.extend(at_label(&label.hex()));
        }
        found.into_iter().map(|(_, found)| found).collect()
    }

    /// The places that a table has under a digest.
    fn at<'a>(
        &self,
        table: &Multimap<u64, Spot>,
        digest: &str,
        level: Level,
        inventory: &'a Inventory,
        desk: &'a Desk,
    ) -> Vec<(Spot, Match<'a>)> {
        let spots = table.get(&self.hash(digest)).iter();
        let found = spots.filter_map(|spot| Some((*spot, spot.unpacked(level, inventory, desk)?)));
        let is_it = |found: &Match<'_>| match level {
            Level::Spki => spki_of(found.place) == Some(digest),
            Level::Der | Level::Label => sha1_of(found.place, found.certificate) == Some(digest),
        };
        found.filter(|(_, found)| is_it(found)).collect()
    }

    /// Who trusts what is at a path.
    pub(super) fn trust(&self, path: &str) -> &[Trust] {
        self.trust.get(&self.hash(path))
    }

    pub(super) fn holders(&self, spki: &str) -> &[Trust] {
        self.holders.get(&self.hash(spki))
    }

    pub(super) fn unread_label(&self, thumbprint: &str) -> Option<Reason> {
        self.unread_labels.get(&self.hash(thumbprint)).last().copied()
    }

    /// How many keys beside one carry the same label.
    pub(super) fn others_labelled(&self, label: &str, spki: &str) -> usize {
        let own = self.hash(spki);
        self.labels.get(&self.hash(label)).iter().filter(|key| **key != own).count()
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }
}

impl Spot {
    fn unpacked<'a>(self, level: Level, inventory: &'a Inventory, desk: &'a Desk) -> Option<Match<'a>> {
        let (number, position) = (self.vault as usize, self.certificate as usize);
        let vault = inventory.vaults.get(number)?;
        if self.at == At::Deleted {
            let deleted = vault.deleted.read()?.get(position)?;
            return Some(Match { level, vault, certificate: None, place: Place::Deleted(deleted) });
        }
        let certificate = certificate_at(inventory, (number, position), desk)?;
        let place = match self.at {
            At::Version(version) => Place::Version(certificate.versions.read()?.get(version as usize)?),
            At::Listed | At::Deleted => Place::Listed,
        };
        Some(Match { level, vault, certificate: Some(certificate), place })
    }
}

/// A certificate, by the positions of its vault and of itself.
pub(super) fn certificate_at<'a>(
    inventory: &'a Inventory,
    (vault, position): (usize, usize),
    desk: &'a Desk,
) -> Option<&'a Certificate> {
    let all = inventory.vaults.get(vault)?.certificates.read()?;
    desk.certificates.record((vault, position), || all.get(position))
}

impl Trusts {
    fn add(
        &mut self,
        index: &Index,
        inventory: &Inventory,
        identity: Identity,
        app_id: AppId,
        keys: &[KeyCredential],
        now: OffsetDateTime,
    ) {
        for (number, key) in keys.iter().enumerate() {
            let desk = Desk::default();
            let trust = Trust::new(identity, app_id, key, keys, now);
            for found in index.matches(key, inventory, &desk) {
                if found.is_proven() && !found.is_deleted() {
                    self.trust.push((index.hash(&found.path()), trust));
                }
            }
            let label = key.thumbprint().map(|label| index.hash(&label.hex()));
            match key.x.get() {
                Ok(x) => {
                    let spki = index.hash(x.spki.as_str());
                    self.holders.push((spki, (identity, number as u32)));
                    self.labels.extend(label.map(|label| (label, spki)));
                }
                Err(reason) => self.unread_labels.extend(label.map(|label| (label, reason))),
            }
        }
    }
}

/// SHA-1 of the certificate at a place, by its bytes or by what the vault states.
pub(super) fn sha1_of<'a>(place: Place<'a>, certificate: Option<&'a Certificate>) -> Option<&'a str> {
    let (x, stated) = match place {
        Place::Version(version) => (version.x.read(), version.x5t.as_ref()),
        Place::Deleted(deleted) => (deleted.x.read(), deleted.x5t.as_ref()),
        Place::Listed => (None, certificate.and_then(|certificate| certificate.x5t.as_ref())),
    };
    x.map(|x| &x.sha1).or(stated).map(|digest| digest.as_str())
}

fn spki_of(place: Place<'_>) -> Option<&str> {
    let x = match place {
        Place::Version(version) => version.x.read(),
        Place::Deleted(deleted) => deleted.x.read(),
        Place::Listed => None,
    };
    x.map(|x| x.spki.as_str())
}

impl<'a> Match<'a> {
    /// Whether it is more than a label.
    pub fn is_proven(&self) -> bool {
        self.level > Level::Label
    }

    /// The version, where it is one that was read.
    pub fn version(&self) -> Option<&'a VersionRecord> {
        match self.place {
            Place::Version(version) => Some(version),
            Place::Listed | Place::Deleted(_) => None,
        }
    }

    /// Whether it is a deleted certificate.
    pub fn is_deleted(&self) -> bool {
        matches!(self.place, Place::Deleted(_))
    }

    /// `vault/name/version`, as far as it is known.
    pub fn path(&self) -> String {
        match self.place {
            Place::Version(version) => {
                let name = self.certificate.map_or("", |certificate| certificate.name.as_str());
                path(self.vault, name, Some(version))
            }
            Place::Listed => {
                path(self.vault, self.certificate.map_or("", |certificate| certificate.name.as_str()), None)
            }
            Place::Deleted(deleted) => path(self.vault, deleted.name.as_str(), None),
        }
    }
}

/// `vault/name`, with `/version` where there is one.
pub(super) fn path(vault: &Vault, name: &str, version: Option<&VersionRecord>) -> String {
    let vault = &vault.name;
    version.map_or_else(|| format!("{vault}/{name}"), |version| format!("{vault}/{name}/{}", version.version))
}

impl Identity {
    fn trust(self, key: usize, inventory: &Inventory, now: OffsetDateTime) -> Option<Trust> {
        let (app_id, keys) = match self {
            Self::Application(number) => {
                let application = inventory.applications.get(number as usize)?;
                (application.app_id, application.keys)
            }
            Self::Principal(number) => {
                let principal = inventory.service_principals.get(number as usize)?;
                (principal.app_id, principal.keys)
            }
        };
        Some(Trust::new(self, app_id, keys.get(key)?, &keys, now))
    }
}

impl Trust {
    fn new(identity: Identity, app_id: AppId, key: &KeyCredential, all: &[KeyCredential], now: OffsetDateTime) -> Self {
        let is_active = key.is_active(now);
        let is_for_sign_in = is_active && key.is_for_sign_in() && !is_saml(key, all);
        Self { identity, app_id, key_id: key.key_id, end: key.end, is_active, is_for_sign_in }
    }

    /// Whether the credential is valid now.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Whether it lets somebody sign in now: no part of SAML, and no key for encryption.
    pub fn is_for_sign_in(&self) -> bool {
        self.is_for_sign_in
    }

    /// When the credential ends; `None` when it never does.
    pub fn end(&self) -> Option<OffsetDateTime> {
        self.end
    }

    /// Whether the credential is on an application, and not on a service principal.
    pub fn is_of_application(&self) -> bool {
        matches!(self.identity, Identity::Application(_))
    }

    /// The service principal that whoever signs in with the key becomes.
    pub fn principal<'a>(&self, facts: &Facts<'a>) -> Option<&'a ServicePrincipal> {
        match self.identity {
            Identity::Application(_) => facts.principal(self.app_id),
            Identity::Principal(number) => facts.principal_at(number),
        }
    }

    /// All keys of whoever trusts.
    pub fn keys<'a>(&self, facts: &Facts<'a>) -> &'a [KeyCredential] {
        match self.identity {
            Identity::Application(number) => facts.application_at(number).map(|app| &*app.keys),
            Identity::Principal(number) => facts.principal_at(number).map(|principal| &*principal.keys),
        }
        .unwrap_or_default()
    }

    /// How much of the tenant whoever signs in with the key can take.
    pub fn tier(&self, facts: &Facts<'_>) -> Tier {
        Tier::of(self.principal(facts), facts)
    }

    /// The keyId.
    pub fn key_id(&self) -> CredentialId {
        self.key_id
    }

    /// Client id of whoever trusts.
    pub fn app_id(&self) -> AppId {
        self.app_id
    }
}
