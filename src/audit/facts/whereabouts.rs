//! One key: where it is, who trusts it, when it was last used, when it dies, and what breaks then.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;

use super::Facts;
use super::access::Missing;
use super::application::{ApplicationFacts, PrincipalFacts};
use super::credential::{is_saml, judge};
use super::custody::Custody;
use super::index::{Level, Match, Place, certificate_at, sha1_of};
use crate::audit::finding::ObjectKind;
use crate::domain::{AppId, CertificateName, CredentialId, ObjectId, VaultName, Version};
use crate::inventory::{
    Certificate, Evidence, KeyCredential, Moment, PasswordCredential, Reason, Seen, Sought, Vault, X509,
};

/// What is known of a key, and what is not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whereabouts<'a> {
    /// What was looked for.
    pub sought: Sought,
    /// Its certificate, if somebody showed the bytes.
    pub certificate: Option<&'a X509>,
    /// Where in the vaults it is, most certain first.
    pub places: Vec<KeptAt<'a>>,
    /// Who trusts it, or says so.
    pub trusted_by: Vec<TrustedBy<'a>>,
    /// When the last of those who trust it stops to, or its certificate ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub dies_at: Option<OffsetDateTime>,
    /// What was not read, so that there may be more to tell.
    pub missing: Vec<Missing>,
}

/// A place in a vault where a key is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptAt<'a> {
    /// The vault.
    pub vault: &'a VaultName,
    /// The certificate, whether it is there or deleted.
    pub name: &'a CertificateName,
    /// The version; of a deleted certificate the vault tells none.
    pub version: Option<&'a Version>,
    /// Whether it is the same certificate, and not the same key in another one.
    pub is_same_certificate: bool,
    /// Whether it is the version that the vault gives to whoever names none.
    pub is_current: bool,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// In whose hands the key is.
    pub custody: Custody,
    /// Why it is thought so.
    pub custody_why: String,
    /// Whether the certificate is deleted.
    pub is_deleted: bool,
    /// Until when a deleted one can be recovered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub purge_at: Option<OffsetDateTime>,
}

/// Somebody who trusts a key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedBy<'a> {
    /// An application or a service principal.
    pub kind: ObjectKind,
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text.
    pub name: &'a str,
    /// The credential.
    pub key_id: CredentialId,
    /// What it is good for.
    pub purpose: Purpose,
    /// How sure it is that this is the key.
    pub claim: Claim,
    /// Whether it is valid now.
    pub is_active: bool,
    /// When this trust ends, by the entry or by the certificate, whichever is first.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ends_at: Option<OffsetDateTime>,
    /// When it was last used; read and empty when the report has no use of it.
    pub last_used: &'a Seen<Option<Moment>>,
    /// Other credentials that let the same application sign in after that.
    pub others: Others,
}

/// What a credential is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To sign in with a key.
    SignIn,
    /// To sign in with a shared secret, which is in no vault as a certificate.
    Secret,
    /// SAML tokens.
    Saml,
    /// Encrypted tokens.
    Encryption,
}

/// How sure it is that a credential is the key in question.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// It is the same certificate.
    SameCertificate,
    /// It is the same key in another certificate.
    SameKey,
    /// Its label says so, and its bytes were not read.
    Labelled,
    /// Its label says so, and its bytes are others.
    Mislabelled,
}

/// Ways to sign in that are left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Others {
    /// Certificates.
    pub certificates: usize,
    /// Shared secrets.
    pub secrets: usize,
    /// Federated credentials; `None` when they were not read.
    pub federated: Option<usize>,
}

/// What is known of a key.
pub fn whereabouts<'a>(facts: &Facts<'a>, sought: Sought) -> Whereabouts<'a> {
    let mut search = Search { facts, sought, sha1: BTreeSet::new(), spki: BTreeSet::new(), certificate: None };
    search.identify();
    let places = search.places();
    let mut trusted_by = search.credentials();
    let keys: BTreeSet<CredentialId> = trusted_by.iter().map(|trust| trust.key_id).collect();
    for trust in &mut trusted_by {
        trust.others = others(trust, &keys, facts);
    }
    let by_trust =
        trusted_by.iter().filter(|trust| trust.claim != Claim::Mislabelled).filter_map(|trust| trust.ends_at);
    let dies_at = by_trust.max().or_else(|| search.certificate.map(|x| x.not_after));
    let missing = search.missing(&places, &trusted_by);
    Whereabouts { sought, certificate: search.certificate, places, trusted_by, dies_at, missing }
}

/// What identifies the key that is looked for, as it becomes known.
struct Search<'f, 'a> {
    facts: &'f Facts<'a>,
    sought: Sought,
    sha1: BTreeSet<String>,
    spki: BTreeSet<&'a str>,
    certificate: Option<&'a X509>,
}

/// Whose credentials: an application's or a service principal's.
#[derive(Clone, Copy)]
struct Holder<'a> {
    kind: ObjectKind,
    id: ObjectId,
    app_id: AppId,
    name: &'a str,
    keys: &'a [KeyCredential],
    passwords: &'a [PasswordCredential],
}

impl<'a> Search<'_, 'a> {
    /// From what somebody holds to the certificate and its key.
    fn identify(&mut self) {
        if let Sought::Thumbprint(thumbprint) = self.sought
            && thumbprint.bytes().len() == 20
        {
            self.sha1.insert(thumbprint.hex());
        }
        let sought = self.sought;
        let is_meant = |key: &KeyCredential| match sought {
            Sought::KeyId(key_id) => key.key_id == key_id,
            Sought::Thumbprint(thumbprint) => key.x.read().is_some_and(|x| x.has(&thumbprint)),
        };
        for holder in self.holders(|keys, _| keys.iter().any(is_meant)) {
            for key in holder.keys.iter().filter(|key| is_meant(key)) {
                let label = key.thumbprint().filter(|_| key.x.read().is_none());
                self.sha1.extend(label.map(|label| label.hex()));
                self.know(key.x.read().map(Box::as_ref));
            }
        }
        let found = self.everywhere(|found| {
            let is_meant = match self.sought {
                Sought::Thumbprint(thumbprint) => bytes(found).is_some_and(|x| x.has(&thumbprint)),
                Sought::KeyId(_) => false,
            };
            is_meant || self.has_sha1(found)
        });
        found.iter().for_each(|found| self.know(bytes(found)));
    }

    fn know(&mut self, x: Option<&'a X509>) {
        let Some(x) = x else { return };
        self.sha1.insert(x.sha1.as_str().to_string());
        self.spki.insert(x.spki.as_str());
        self.certificate.get_or_insert(x);
    }

    fn has_sha1(&self, found: &Match<'_>) -> bool {
        sha1_of(found.place, found.certificate).is_some_and(|sha1| self.sha1.contains(sha1))
    }

    /// Those whose keys and secrets are meant.
    fn holders(&self, is_meant: impl Fn(&[KeyCredential], &[PasswordCredential]) -> bool) -> Vec<Holder<'a>> {
        let inventory = self.facts.inventory;
        let applications = inventory.applications.iter().zip(0..);
        let applications = applications.filter(|(app, _)| is_meant(&app.keys, &app.passwords));
        let applications = applications.filter_map(|(_, number)| self.facts.application_at(number)).map(|app| Holder {
            kind: ObjectKind::Application,
            id: app.id,
            app_id: app.app_id,
            name: &app.display_name,
            keys: &app.keys,
            passwords: &app.passwords,
        });
        let principals = inventory.service_principals.iter().zip(0..);
        let principals = principals.filter(|(principal, _)| is_meant(&principal.keys, &principal.passwords));
        let principals = principals.filter_map(|(_, number)| self.facts.principal_at(number)).map(|principal| Holder {
            kind: ObjectKind::ServicePrincipal,
            id: principal.id,
            app_id: principal.app_id,
            name: &principal.display_name,
            keys: &principal.keys,
            passwords: &principal.passwords,
        });
        applications.chain(principals).collect()
    }

    /// The versions and deleted certificates that are meant, of all that were seen.
    fn everywhere(&self, is_meant: impl Fn(&Match<'_>) -> bool) -> Vec<Match<'a>> {
        let mut all = Vec::new();
        for (number, vault) in self.facts.inventory.vaults.iter().enumerate() {
            for (position, certificate) in vault.certificates.read().into_iter().flatten().enumerate() {
                if !versions_of(vault, &certificate).iter().any(&is_meant) {
                    continue;
                }
                let certificate = certificate_at(self.facts.inventory, (number, position), self.facts.desk);
                let found = certificate.into_iter().flat_map(|certificate| versions_of(vault, certificate));
                all.extend(found.filter(&is_meant));
            }
            let deleted = vault.deleted.read().into_iter().flatten();
            let at = |place| Match { level: Level::Label, vault, certificate: None, place };
            all.extend(deleted.map(|deleted| at(Place::Deleted(deleted))).filter(&is_meant));
        }
        all
    }

    fn places(&self) -> Vec<KeptAt<'a>> {
        let is_meant = |found: &Match<'_>| self.has_sha1(found) || self.has_key(found);
        let mut places: Vec<_> =
            self.everywhere(is_meant).into_iter().filter_map(|found| self.kept_at(found)).collect();
        places.sort_by_key(|place| (!place.is_same_certificate, place.is_deleted));
        places
    }

    fn has_key(&self, found: &Match<'_>) -> bool {
        bytes(found).is_some_and(|x| self.spki.contains(x.spki.as_str()))
    }

    fn kept_at(&self, found: Match<'a>) -> Option<KeptAt<'a>> {
        let is_same_certificate = self.has_sha1(&found);
        let (custody, custody_why, ..) = judge(&found, self.facts);
        let current = found.certificate.and_then(|certificate| certificate.x5t.as_ref());
        let (name, enabled, purge_at) = match (found.place, found.certificate) {
            (Place::Deleted(deleted), _) => (&deleted.name, None, deleted.purge_at),
            (Place::Version(version), Some(certificate)) => (&certificate.name, version.enabled, None),
            (_, certificate) => {
                let certificate = certificate?;
                (&certificate.name, certificate.enabled, None)
            }
        };
        Some(KeptAt {
            vault: &found.vault.name,
            name,
            version: found.version().map(|version| &version.version),
            is_same_certificate,
            is_current: current
                .is_some_and(|current| sha1_of(found.place, found.certificate) == Some(current.as_str())),
            enabled,
            custody,
            custody_why,
            is_deleted: found.is_deleted(),
            purge_at,
        })
    }

    fn credentials(&self) -> Vec<TrustedBy<'a>> {
        let mut found = Vec::new();
        let is_meant = |keys: &[KeyCredential], secrets: &[PasswordCredential]| {
            keys.iter().any(|key| self.claim(key).is_some())
                || secrets.iter().any(|secret| self.sought == Sought::KeyId(secret.key_id))
        };
        for holder in self.holders(is_meant) {
            let keys = holder.keys.iter().filter_map(|key| Some((key, self.claim(key)?)));
            found.extend(keys.map(|(key, claim)| holder.trusts(key, claim, self.facts.now)));
            let secrets = holder.passwords.iter().filter(|secret| self.sought == Sought::KeyId(secret.key_id));
            found.extend(secrets.map(|secret| holder.trusts_secret(secret, self.facts.now)));
        }
        found.sort_by(|one, other| (one.claim, one.name, one.key_id).cmp(&(other.claim, other.name, other.key_id)));
        found
    }

    fn claim(&self, key: &KeyCredential) -> Option<Claim> {
        let is_labelled = key.thumbprint().is_some_and(|label| self.sha1.contains(&label.hex()));
        let is_asked = self.sought == Sought::KeyId(key.key_id);
        match key.x.read() {
            Some(x) if self.sha1.contains(x.sha1.as_str()) => Some(Claim::SameCertificate),
            Some(x) if self.spki.contains(x.spki.as_str()) => Some(Claim::SameKey),
            Some(_) if is_labelled => Some(Claim::Mislabelled),
            None if is_labelled || is_asked => Some(Claim::Labelled),
            _ => None,
        }
    }

    fn missing(&self, places: &[KeptAt<'a>], trusted_by: &[TrustedBy<'a>]) -> Vec<Missing> {
        let facts = self.facts;
        let mut missing = BTreeSet::new();
        let is_secret = trusted_by.iter().any(|trust| trust.purpose == Purpose::Secret);
        let is_narrowed = facts.inventory.header.is_narrowed_to_vaults;
        if let Err((evidence, reason)) = facts.knows_every_vault()
            && !is_secret
            // Whoever names the vaults wants to know of those.
            && !(is_narrowed && reason == Reason::NotAsked && !places.is_empty())
        {
            missing.insert(Missing { evidence, reason, what: "vaults that may hold the key" });
        }
        let directory = [
            (Evidence::Applications, "applications that may trust it"),
            (Evidence::ServicePrincipals, "service principals that may trust it"),
            (Evidence::KeyBytes, "certificates whose label does not tell what they are"),
        ];
        for (evidence, what) in directory {
            if let Some(reason) = facts.gap(evidence) {
                missing.insert(Missing { evidence, reason, what });
            }
        }
        for trust in trusted_by.iter().filter(|trust| trust.claim != Claim::Mislabelled) {
            // No right would show what the tenant has not bought, or the cloud does not have.
            let unread = trust.last_used.reason();
            if let Some(reason) = unread.filter(|reason| !matches!(reason, Reason::NotLicensed | Reason::NotInCloud)) {
                missing.insert(Missing {
                    evidence: Evidence::CredentialActivity,
                    reason,
                    what: "when it was last used",
                });
            }
            let app = facts.application(trust.app_id).filter(|_| trust.others.federated.is_none());
            if let Some(reason) = app.and_then(|app| app.federated.reason()) {
                let what = "federated credentials that may stand in for it";
                missing.insert(Missing { evidence: Evidence::FederatedCredentials, reason, what });
            }
        }
        missing.into_iter().collect()
    }
}

impl<'a> Holder<'a> {
    fn trusts(self, key: &'a KeyCredential, claim: Claim, now: OffsetDateTime) -> TrustedBy<'a> {
        let purpose = if is_saml(key, self.keys) {
            Purpose::Saml
        } else if key.is_symmetric() {
            Purpose::Secret
        } else if key.is_for_sign_in() {
            Purpose::SignIn
        } else {
            Purpose::Encryption
        };
        let certificate = key.x.read().map(|x| x.not_after);
        let ends_at = key.end.into_iter().chain(certificate).min();
        TrustedBy {
            kind: self.kind,
            id: self.id,
            app_id: self.app_id,
            name: self.name,
            key_id: key.key_id,
            purpose,
            claim,
            is_active: key.is_active(now) && ends_at.is_none_or(|end| now < end),
            ends_at,
            last_used: &key.last_used,
            others: Others::default(),
        }
    }

    fn trusts_secret(self, secret: &'a PasswordCredential, now: OffsetDateTime) -> TrustedBy<'a> {
        TrustedBy {
            kind: self.kind,
            id: self.id,
            app_id: self.app_id,
            name: self.name,
            key_id: secret.key_id,
            purpose: Purpose::Secret,
            claim: Claim::SameCertificate,
            is_active: secret.is_active(now),
            ends_at: secret.end,
            last_used: &secret.last_used,
            others: Others::default(),
        }
    }
}

/// The credentials beside `sought` with which somebody can still sign in as the same application once
/// this trust has ended; its registration and its service principal count alike.
fn others(trust: &TrustedBy<'_>, sought: &BTreeSet<CredentialId>, facts: &Facts<'_>) -> Others {
    let outlives = |end: Option<OffsetDateTime>| end.is_none_or(|end| trust.ends_at.is_some_and(|died| died < end));
    let app = facts.application(trust.app_id).map(|app| ApplicationFacts::new(app, facts));
    let principal = facts.principal(trust.app_id).map(|principal| PrincipalFacts::new(principal, facts));
    let keys = app.iter().flat_map(|app| &app.keys).chain(principal.iter().flat_map(|principal| &principal.keys));
    let passwords =
        app.iter().flat_map(|app| &app.passwords).chain(principal.iter().flat_map(|principal| &principal.passwords));
    let is_other = |key_id: CredentialId, end| !sought.contains(&key_id) && outlives(end);
    Others {
        certificates: keys.filter(|key| key.is_sign_in() && is_other(key.key.key_id, key.key.end)).count(),
        secrets: passwords
            .filter(|secret| secret.is_active && !secret.is_saml)
            .filter(|secret| is_other(secret.password.key_id, secret.password.end))
            .count(),
        federated: match &app {
            Some(app) => app.app.federated.read().map(Vec::len),
            // Registered elsewhere: what stands there cannot be seen from here.
            None => None,
        },
    }
}

impl Others {
    /// Whether nothing is left to sign in with; `None` when that is not known.
    pub fn is_none(self) -> Option<bool> {
        match (self.certificates + self.secrets, self.federated) {
            (0, None) => None,
            (0, Some(federated)) => Some(federated == 0),
            _ => Some(false),
        }
    }
}

fn bytes<'a>(found: &Match<'a>) -> Option<&'a X509> {
    match found.place {
        Place::Version(version) => version.x.read().map(Box::as_ref),
        Place::Deleted(deleted) => deleted.x.read().map(Box::as_ref),
        Place::Listed => None,
    }
}

/// Every version of a certificate that was seen, and the current one where only the list names it.
fn versions_of<'c>(vault: &'c Vault, certificate: &'c Certificate) -> Vec<Match<'c>> {
    let at = |place| Match { level: Level::Label, vault, certificate: Some(certificate), place };
    let versions = certificate.versions.read().map(Vec::as_slice).unwrap_or_default();
    let is_listed_only = !versions.iter().any(|version| version.x5t == certificate.x5t);
    let all = versions.iter().map(|version| at(Place::Version(version)));
    all.chain(is_listed_only.then(|| at(Place::Listed))).collect()
}
