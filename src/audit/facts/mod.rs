//! What rules read: the inventory, joined. Everything that needs work is derived here, once and
//! purely: activity, lifetimes, which vault version is behind a credential, and in whose custody its key is.

mod access;
mod active;
mod address;
mod application;
mod becoming;
mod carried;
mod certificate;
mod credential;
mod custody;
mod desk;
mod duration;
mod federation;
mod index;
mod multimap;
mod rbac;
mod restriction;
mod tier;
mod usage;
mod whereabouts;

use std::collections::HashMap;

use time::OffsetDateTime;
use uuid::Uuid;

pub use access::{Access, By, Holder, Holders, Missing, PrincipalKind};
pub use active::{ActiveCredential, CredentialKind};
pub use address::{AddressFault, InvalidAddress};
pub use application::{ApplicationFacts, Daemon, InForce, PrincipalFacts};
pub use becoming::{Adder, AdderBy, Becoming, KeyPlace, KeyWay, who_can_become};
pub use carried::Carried;
pub use certificate::{CertificateFacts, VaultFacts, VersionFacts};
pub(super) use credential::is_saml;
pub use credential::{KeyFacts, PasswordFacts};
pub use custody::{Custody, Export, Grade, Origin, custody_of_version, origin_of_version};
pub use desk::Desk;
pub use duration::{DayRange, InvalidDuration};
pub use federation::{Expression, Issuer, Scope};
pub use index::{Level, Match, Place, Trust};
pub use rbac::{Act, Doubt};
pub use restriction::{Cap, cap, in_force, scopes};
pub use tier::Tier;
pub use usage::{beyond_signature, beyond_signing, goes_beyond_everywhere};
pub use whereabouts::{Claim, KeptAt, Others, Purpose, TrustedBy, Whereabouts, whereabouts};

use self::index::{Identity, Index, certificate_at, path};
use self::multimap::Multimap;
use self::rbac::Rbac;
use super::data::Data;
use super::history::History;
use super::manifest::Manifest;
use crate::domain::{AppId, ObjectId};
use crate::inventory::{
    Application, Certificate, Evidence, Inventory, Reason, Records, Seen, ServicePrincipal, Vault, VersionRecord,
};

/// A tenant, joined: what holds for all of its objects.
#[derive(Debug)]
pub struct Joined<'a> {
    inventory: &'a Inventory,
    manifest: &'a Manifest,
    history: &'a Seen<History>,
    data: &'a Data,
    applications: Positions,
    principals: Positions,
    roles: HashMap<ObjectId, Vec<Uuid>>,
    /// The first gap of each kind.
    gaps: HashMap<Evidence, Reason>,
    unread_vaults: Vec<&'a str>,
    every_vault: Result<(), (Evidence, Reason)>,
    index: Index,
    rbac: Rbac<'a>,
}

/// Where objects stand in the inventory, by client id.
type Positions = Multimap<AppId, u32>;

/// A tenant, joined, with a desk to look at some of its objects.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The evidence.
    pub inventory: &'a Inventory,
    /// The moment of all judgement: when the inventory was collected.
    pub now: OffsetDateTime,
    /// What people wrote down.
    pub manifest: &'a Manifest,
    /// What was known earlier.
    pub history: &'a Seen<History>,
    /// Facts about the world.
    pub data: &'a Data,
    joined: &'a Joined<'a>,
    desk: &'a Desk,
}

impl<'a> Joined<'a> {
    /// Joins an inventory.
    pub fn new(inventory: &'a Inventory, manifest: &'a Manifest, history: &'a Seen<History>, data: &'a Data) -> Self {
        let (mut applications, mut principals) = (Vec::new(), Vec::new());
        let see = |identity, app_id| match identity {
            Identity::Application(number) => applications.push((app_id, number)),
            Identity::Principal(number) => principals.push((app_id, number)),
        };
        let index = Index::of_vaults(inventory).join(inventory, inventory.header.collected_at, see);
        Self {
            inventory,
            manifest,
            history,
            data,
            applications: applications.into_iter().collect(),
            principals: principals.into_iter().collect(),
            roles: roles(inventory),
            gaps: inventory.coverage.gaps.iter().rev().map(|gap| (gap.evidence, gap.reason)).collect(),
            unread_vaults: unread_vaults(inventory),
            every_vault: every_vault(inventory),
            index,
            rbac: Rbac::new(inventory),
        }
    }

    /// What was joined.
    pub fn inventory(&self) -> &'a Inventory {
        self.inventory
    }

    /// The facts, with what is looked at on a desk.
    pub fn facts<'f>(&'f self, desk: &'f Desk) -> Facts<'f> {
        Facts {
            inventory: self.inventory,
            now: self.inventory.header.collected_at,
            manifest: self.manifest,
            history: self.history,
            data: self.data,
            joined: self,
            desk,
        }
    }
}

impl<'a> Facts<'a> {
    /// Template ids of the roles that a principal has over the whole directory, as far as roles were read.
    pub fn roles_of(&self, principal: ObjectId) -> &'a [Uuid] {
        self.joined.roles.get(&principal).map(Vec::as_slice).unwrap_or_default()
    }

    /// Why a service principal that is not in the inventory may be there all the same.
    pub fn principals_unread(&self) -> Option<Reason> {
        self.gap(Evidence::ServicePrincipals)
    }

    /// The application with a client id, if it is registered in this tenant.
    pub fn application(&self, app_id: AppId) -> Option<&'a Application> {
        self.application_at(*self.joined.applications.get(&app_id).last()?)
    }

    /// The service principal of a client id in this tenant.
    pub fn principal(&self, app_id: AppId) -> Option<&'a ServicePrincipal> {
        self.principal_at(*self.joined.principals.get(&app_id).last()?)
    }

    fn application_at(&self, number: u32) -> Option<&'a Application> {
        let number = number as usize;
        self.desk.applications.record((0, number), || self.inventory.applications.get(number))
    }

    fn principal_at(&self, number: u32) -> Option<&'a ServicePrincipal> {
        let number = number as usize;
        self.desk.principals.record((0, number), || self.inventory.service_principals.get(number))
    }

    /// The certificates of a vault.
    pub fn certificates(&self, vault: &Vault) -> Vec<&'a Certificate> {
        let number = self.inventory.vaults.iter().position(|known| std::ptr::eq(known, vault));
        let all = vault.certificates.read().map_or(0, Records::len);
        let found = number.into_iter().flat_map(|number| (0..all).map(move |position| (number, position)));
        found.filter_map(|from| certificate_at(self.inventory, from, self.desk)).collect()
    }

    /// Whether everything of a kind was read.
    pub fn has_all(&self, evidence: Evidence) -> bool {
        self.inventory.coverage.is_complete(evidence)
    }

    /// Why not everything of a kind was read; `None` when all of it was.
    pub fn gap(&self, evidence: Evidence) -> Option<Reason> {
        self.joined.gaps.get(&evidence).copied()
    }

    /// How much of the tenant an application can take.
    pub fn tier(&self, app_id: AppId) -> Tier {
        Tier::of(self.principal(app_id), self)
    }

    /// The environment that people wrote down for an application, in lower case.
    pub fn environment(&self, app_id: AppId) -> Option<String> {
        let entry = self.manifest.entries.get(&app_id)?;
        entry.environment.as_deref().map(|name| name.trim().to_lowercase())
    }

    /// Whether a key that is in none of the vaults is in no vault at all: every vault is known, and
    /// the versions and deleted certificates of each were read.
    pub fn knows_every_vault(&self) -> Result<(), (Evidence, Reason)> {
        self.joined.every_vault
    }

    /// Names of the vaults of which something could not be read.
    pub fn unread_vaults(&self) -> &'a [&'a str] {
        &self.joined.unread_vaults
    }

    /// Who may do what in a vault.
    pub fn access<'f>(&'f self, vault: &'f Vault) -> Access<'f> {
        Access::new(vault, &self.joined.rbac, self)
    }

    /// What trusts the key or the certificate of a vault's version.
    pub fn trust(&self, vault: &Vault, certificate: &Certificate, version: &VersionRecord) -> &'a [Trust] {
        self.joined.index.trust(&path(vault, certificate.name.as_str(), Some(version)))
    }

    /// What trusts the current version of a certificate of which only the list was read.
    pub(in crate::audit) fn trust_of_listed(&self, vault: &Vault, certificate: &Certificate) -> &'a [Trust] {
        self.joined.index.trust(&path(vault, certificate.name.as_str(), None))
    }

    /// The applications and service principals that hold a key which others hold too, by SHA-256 of its
    /// `SubjectPublicKeyInfo`.
    pub fn holders(&self, spki: &str) -> &'a [Trust] {
        self.joined.index.holders(spki)
    }

    /// How many keys beside one carry the same SHA-1 label. The key is named by SHA-256 of its
    /// `SubjectPublicKeyInfo`.
    pub fn others_labelled(&self, label: &str, spki: &str) -> usize {
        self.joined.index.others_labelled(label, spki)
    }

    /// Why the bytes of a credential that is labelled with a SHA-1 thumbprint were not read; `None` when
    /// there is no such credential.
    pub fn unread_label(&self, thumbprint: &str) -> Option<Reason> {
        self.joined.index.unread_label(thumbprint)
    }

    /// Where in the vaults a credential's key is.
    pub(super) fn matches(&self, key: &crate::inventory::KeyCredential) -> Vec<Match<'a>> {
        self.joined.index.matches(key, self.inventory, self.desk)
    }
}

fn unread_vaults(inventory: &Inventory) -> Vec<&str> {
    let kinds = [Evidence::Certificates, Evidence::CertificateVersions, Evidence::DeletedCertificates];
    let gaps = inventory.coverage.gaps.iter().filter(|gap| kinds.contains(&gap.evidence) && !gap.object.is_empty());
    let mut names: Vec<&str> = gaps.map(|gap| gap.object.split('/').next().unwrap_or_default()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn roles(inventory: &Inventory) -> HashMap<ObjectId, Vec<Uuid>> {
    let mut roles: HashMap<ObjectId, Vec<Uuid>> = HashMap::new();
    let everywhere = inventory.directory_roles.read().into_iter().flatten();
    for role in everywhere.filter(|role| matches!(&*role.scope, "" | "/")) {
        roles.entry(role.principal).or_default().push(role.role);
    }
    roles
}

fn every_vault(inventory: &Inventory) -> Result<(), (Evidence, Reason)> {
    if inventory.header.is_narrowed_to_vaults {
        return Err((Evidence::Vaults, Reason::NotAsked));
    }
    let kinds =
        [Evidence::Vaults, Evidence::Certificates, Evidence::CertificateVersions, Evidence::DeletedCertificates];
    if let Some(gap) = inventory.coverage.gaps.iter().find(|gap| kinds.contains(&gap.evidence)) {
        return Err((gap.evidence, gap.reason));
    }
    let was_asked = inventory.coverage.counts.contains_key(&Evidence::Vaults);
    if was_asked { Ok(()) } else { Err((Evidence::Vaults, Reason::NotAsked)) }
}
