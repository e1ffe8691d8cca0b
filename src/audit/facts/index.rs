//! The join of what the directory trusts with what the vaults hold.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::Facts;
use super::Tier;
use super::credential::is_saml;
use super::multimap::{Multimap, repeated};
use crate::domain::CredentialId;
use crate::inventory::{
    Application, Certificate, DeletedCertificate, Inventory, KeyCredential, Reason, ServicePrincipal, Vault,
    VersionRecord,
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
pub struct Trust<'a> {
    /// The application, if the credential is on one.
    pub application: Option<&'a Application>,
    /// The service principal, if the credential is on one.
    pub principal: Option<&'a ServicePrincipal>,
    /// The credential.
    pub key: &'a KeyCredential,
    /// Whether the credential is valid now.
    pub is_active: bool,
}

/// Look-up tables over an inventory.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    by_sha1: Multimap<&'a str, Match<'a>>,
    by_spki: Multimap<&'a str, Match<'a>>,
    /// By where the record of the version is in memory: the inventory outlives the index.
    trust: Multimap<usize, Trust<'a>>,
    /// The same for certificates whose current version is known from the list only.
    listed: Multimap<usize, Trust<'a>>,
    /// Of keys that several hold.
    holders: Multimap<&'a str, Trust<'a>>,
    /// Of labels that several keys carry.
    labels: Multimap<String, &'a str>,
    unread_labels: HashMap<String, Reason>,
}

/// Places by thumbprint and by key, while they are gathered.
#[derive(Debug, Default)]
struct Places<'a> {
    by_sha1: Vec<(&'a str, Match<'a>)>,
    by_spki: Vec<(&'a str, Match<'a>)>,
}

/// Who trusts what, while it is gathered.
#[derive(Debug, Default)]
struct Trusts<'a> {
    trust: Vec<(usize, Trust<'a>)>,
    listed: Vec<(usize, Trust<'a>)>,
    holders: Vec<(&'a str, Trust<'a>)>,
    labels: Vec<(String, &'a str)>,
    unread_labels: HashMap<String, Reason>,
}

impl<'a> Index<'a> {
    pub(super) fn new(inventory: &'a Inventory, now: OffsetDateTime) -> Self {
        let mut places = Places::default();
        inventory.vaults.iter().for_each(|vault| places.add_vault(vault));
        let Places { by_sha1, by_spki } = places;
        let mut index =
            Self { by_sha1: by_sha1.into_iter().collect(), by_spki: by_spki.into_iter().collect(), ..Self::default() };
        let mut trusts = Trusts::default();
        for application in &inventory.applications {
            for key in &application.keys {
                let is_active = key.is_active(now);
                trusts.add(&index, Trust { application: Some(application), principal: None, key, is_active });
            }
        }
        for principal in &inventory.service_principals {
            for key in &principal.keys {
                let is_active = key.is_active(now);
                trusts.add(&index, Trust { application: None, principal: Some(principal), key, is_active });
            }
        }
        // Most keys have one holder, and most labels one key: those that have several are asked for.
        let Trusts { trust, listed, holders, mut labels, unread_labels } = trusts;
        index.trust = trust.into_iter().collect();
        index.listed = listed.into_iter().collect();
        index.holders = repeated(holders).into_iter().collect();
        labels.sort_unstable();
        labels.dedup();
        index.labels = repeated(labels).into_iter().collect();
        index.unread_labels = unread_labels;
        index
    }

    /// Where a credential's key is: by its bytes if they were read, else by its label.
    pub(super) fn matches(&self, key: &KeyCredential) -> Vec<Match<'a>> {
        let mut found: Vec<Match<'a>> = Vec::new();
        let Some(x) = key.x.read() else {
            let label = key.thumbprint().map(|label| label.hex());
            return label.map(|label| self.by_sha1.get(label.as_str()).to_vec()).unwrap_or_default();
        };
        let same = self.by_sha1.get(&*x.sha1.0).iter();
        // A place whose bytes were not read is known by what the vault states of itself, and a vault does not lie.
        found.extend(same.map(|place| Match { level: Level::Der, ..*place }));
        for place in self.by_spki.get(&*x.spki.0) {
            if !found.iter().any(|known| known.is_at(place)) {
                found.push(Match { level: Level::Spki, ..*place });
            }
        }
        if let Some(label) = key.thumbprint().filter(|label| !x.has(label)) {
            let hex = label.hex();
            found.extend(self.by_sha1.get(hex.as_str()).iter().map(|place| Match { level: Level::Label, ..*place }));
        }
        found
    }

    pub(super) fn trust(&self, version: &VersionRecord) -> &[Trust<'a>] {
        self.trust.get(&address(version))
    }

    pub(super) fn trust_of_listed(&self, certificate: &Certificate) -> &[Trust<'a>] {
        self.listed.get(&address(certificate))
    }

    pub(super) fn holders(&self, spki: &str) -> &[Trust<'a>] {
        self.holders.get(spki)
    }

    pub(super) fn unread_label(&self, thumbprint: &str) -> Option<Reason> {
        self.unread_labels.get(thumbprint).copied()
    }

    pub(super) fn keys_labelled(&self, label: &str) -> Vec<&'a str> {
        self.labels.get(label).to_vec()
    }
}

impl<'a> Places<'a> {
    fn add_vault(&mut self, vault: &'a Vault) {
        for certificate in vault.certificates.read().into_iter().flatten() {
            let base = Match { level: Level::Label, vault, certificate: Some(certificate), place: Place::Listed };
            let versions = certificate.versions.read().map(Vec::as_slice).unwrap_or_default();
            if let Some(x5t) = &certificate.x5t
                && !versions.iter().any(|version| version.x5t.as_ref() == Some(x5t))
            {
                self.by_sha1.push((&x5t.0, base));
            }
            for version in versions {
                let found = Match { place: Place::Version(version), ..base };
                if let Some(x) = version.x.read() {
                    self.by_spki.push((&x.spki.0, found));
                }
                let sha1 = version.x.read().map(|x| &x.sha1).or(version.x5t.as_ref());
                if let Some(sha1) = sha1 {
                    self.by_sha1.push((&sha1.0, found));
                }
            }
        }
        for deleted in vault.deleted.read().into_iter().flatten() {
            let found = Match { level: Level::Label, vault, certificate: None, place: Place::Deleted(deleted) };
            if let Some(x) = deleted.x.read() {
                self.by_spki.push((&x.spki.0, found));
            }
            if let Some(sha1) = deleted.x.read().map(|x| &x.sha1).or(deleted.x5t.as_ref()) {
                self.by_sha1.push((&sha1.0, found));
            }
        }
    }
}

impl<'a> Trusts<'a> {
    fn add(&mut self, index: &Index<'a>, trust: Trust<'a>) {
        for found in index.matches(trust.key) {
            if found.level == Level::Label {
                continue;
            }
            match (found.place, found.certificate) {
                (Place::Version(version), _) => self.trust.push((address(version), trust)),
                (Place::Listed, Some(certificate)) => {
                    self.listed.push((address(certificate), trust));
                }
                (Place::Listed | Place::Deleted(_), _) => {}
            }
        }
        let x = match trust.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                let label = trust.key.thumbprint().map(|label| label.hex());
                self.unread_labels.extend(label.map(|label| (label, reason)));
                return;
            }
        };
        self.holders.push((&x.spki.0, trust));
        if let Some(label) = trust.key.thumbprint() {
            self.labels.push((label.hex(), &x.spki.0));
        }
    }
}

fn address<T>(record: &T) -> usize {
    std::ptr::from_ref(record).addr()
}

impl<'a> Match<'a> {
    fn is_at(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Place::Version(one), Place::Version(two)) => std::ptr::eq(one, two),
            (Place::Deleted(one), Place::Deleted(two)) => std::ptr::eq(one, two),
            (Place::Listed, Place::Listed) => {
                matches!((self.certificate, other.certificate), (Some(one), Some(two)) if std::ptr::eq(one, two))
            }
            _ => false,
        }
    }

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
                format!("{}/{name}/{}", self.vault.name, version.version)
            }
            Place::Listed => {
                format!("{}/{}", self.vault.name, self.certificate.map_or("", |certificate| certificate.name.as_str()))
            }
            Place::Deleted(deleted) => format!("{}/{}", self.vault.name, deleted.name),
        }
    }
}

impl<'a> Trust<'a> {
    /// Whether it lets somebody sign in now: no part of SAML, and no key for encryption.
    pub fn is_for_sign_in(&self) -> bool {
        let keys = self.application.map(|app| &app.keys).or_else(|| self.principal.map(|principal| &principal.keys));
        self.is_active && self.key.is_for_sign_in() && !keys.is_some_and(|keys| is_saml(self.key, keys))
    }

    /// The service principal that whoever signs in with the key becomes.
    pub fn principal(&self, facts: &Facts<'a>) -> Option<&'a ServicePrincipal> {
        self.principal.or_else(|| self.application.and_then(|app| facts.principal(app.app_id)))
    }

    /// How much of the tenant whoever signs in with the key can take.
    pub fn tier(&self, facts: &Facts<'a>) -> Tier {
        Tier::of(self.principal(facts), facts)
    }

    /// The keyId.
    pub fn key_id(&self) -> CredentialId {
        self.key.key_id
    }

    /// Client id of whoever trusts.
    pub fn app_id(&self) -> Option<crate::domain::AppId> {
        self.application.map(|app| app.app_id).or_else(|| self.principal.map(|principal| principal.app_id))
    }
}
