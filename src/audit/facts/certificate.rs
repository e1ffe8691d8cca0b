//! Facts about vaults and what is in them.

use super::Facts;
use super::custody::{Export, Grade, Origin, custody_of_version, origin_of_version};
use super::index::Trust;
use crate::audit::finding::{ObjectKind, Subject};
use crate::audit::verdict::Step;
use crate::domain::{AppId, CredentialId, TAG_APP};
use crate::inventory::{Certificate, Vault, VersionRecord};

/// A vault, with what was derived.
#[derive(Debug)]
pub struct VaultFacts<'a> {
    /// The evidence.
    pub vault: &'a Vault,
    /// Its certificates that were read.
    pub certificates: Vec<CertificateFacts<'a>>,
}

/// A certificate, with what was derived.
#[derive(Debug)]
pub struct CertificateFacts<'a> {
    /// Its vault.
    pub vault: &'a Vault,
    /// The evidence.
    pub certificate: &'a Certificate,
    /// Its versions that were read, newest first.
    pub versions: Vec<VersionFacts<'a>>,
    /// Whether an application trusts one of them now, or a tag says that it is for one.
    pub is_app_credential: bool,
    /// Who trusts one of them now, each application once.
    pub trusting: Vec<&'a Trust>,
    pub(in crate::audit) steps: Vec<Step>,
}

/// A version, with what was derived.
#[derive(Debug)]
pub struct VersionFacts<'a> {
    /// The evidence.
    pub version: &'a VersionRecord,
    /// Whether its key can leave the vault.
    pub export: Export,
    /// How well that is known.
    pub grade: Option<Grade>,
    /// Why it is thought so.
    pub export_why: String,
    /// Whether a copy existed outside.
    pub origin: Origin,
    /// Why it is thought so.
    pub origin_why: String,
    /// Who trusts it.
    pub trusted_by: &'a [Trust],
}

impl<'a> VaultFacts<'a> {
    /// Derives the facts of one vault.
    pub fn new(vault: &'a Vault, facts: &Facts<'a>) -> Self {
        let certificates = facts.certificates(vault).into_iter();
        Self { vault, certificates: certificates.map(|found| CertificateFacts::new(vault, found, facts)).collect() }
    }

    /// Which vault, for findings.
    pub fn subject(&self) -> Subject {
        Subject::new(ObjectKind::Vault, self.vault.name.as_str(), self.vault.name.as_str())
    }
}

impl<'a> CertificateFacts<'a> {
    /// Derives the facts of one certificate.
    pub fn new(vault: &'a Vault, certificate: &'a Certificate, facts: &Facts<'a>) -> Self {
        let records = certificate.versions.read().map(Vec::as_slice).unwrap_or_default();
        let versions: Vec<_> =
            records.iter().map(|version| VersionFacts::new(vault, certificate, version, facts)).collect();
        let listed = facts.trust_of_listed(vault, certificate);
        let mut trusting: Vec<&'a Trust> = Vec::new();
        for trust in versions.iter().flat_map(|version| version.trusted_by).chain(listed) {
            if trust.is_for_sign_in() && !trusting.iter().any(|known| known.app_id() == trust.app_id()) {
                trusting.push(trust);
            }
        }
        let is_app_credential = !trusting.is_empty() || certificate.tags.contains_key(TAG_APP);
        let steps = steps(&trusting, facts);
        Self { vault, certificate, versions, is_app_credential, trusting, steps }
    }

    /// Which certificate, for findings: add the version as its part where it is about one.
    pub fn subject(&self) -> Subject {
        let id = format!("{}/{}", self.vault.name, self.certificate.name);
        Subject::new(ObjectKind::Certificate, id.clone(), id)
    }

    /// The versions that matter: those that an application trusts now, and the newest, which clients
    /// of "the latest" sign with and which is the next to be trusted.
    pub fn versions_in_use(&self) -> impl Iterator<Item = &VersionFacts<'a>> {
        let with_index = self.versions.iter().enumerate();
        with_index.filter(|(index, version)| *index == 0 || version.is_trusted()).map(|(_, version)| version)
    }

    /// The application that trusts a version, and by which credential, if it is the only one; where no version is
    /// named, the same of all versions.
    pub fn only_trust(&self, version: Option<&str>) -> Option<(AppId, CredentialId)> {
        let named = self.versions.iter().find(|known| version == Some(known.version.version.as_str()));
        let trusting: Vec<&Trust> = match named {
            Some(version) => version.trusted_by.iter().filter(|trust| trust.is_for_sign_in()).collect(),
            None => self.trusting.clone(),
        };
        match trusting.as_slice() {
            [only] if only.is_of_application() => Some((only.app_id(), only.key_id())),
            _ => None,
        }
    }

    /// Whether an application trusts one of its versions now.
    pub fn is_trusted(&self) -> bool {
        !self.trusting.is_empty()
    }
}

impl<'a> VersionFacts<'a> {
    fn new(vault: &'a Vault, certificate: &'a Certificate, version: &'a VersionRecord, facts: &Facts<'a>) -> Self {
        let name = vault.name.as_str();
        let (export, grade, export_why) = custody_of_version(name, certificate, version, facts.history);
        let (origin, origin_why) = origin_of_version(name, certificate, version, facts.history);
        let trusted_by = facts.trust(vault, certificate, version);
        Self { version, export, grade, export_why, origin, origin_why, trusted_by }
    }

    /// Whether something trusts it now.
    pub fn is_trusted(&self) -> bool {
        self.trusted_by.iter().any(Trust::is_for_sign_in)
    }
}

/// A key is as good as what it opens.
fn steps(trusting: &[&Trust], facts: &Facts<'_>) -> Vec<Step> {
    let is_disabled =
        |trust: &&Trust| trust.principal(facts).is_some_and(|principal| principal.account_enabled == Some(false));
    let mut steps = Vec::new();
    if trusting.iter().any(|trust| trust.tier(facts).is_zero()) {
        steps.push(Step::Raise("an application that can take the whole tenant trusts it"));
    }
    if !trusting.is_empty() && trusting.iter().all(is_disabled) {
        steps.push(Step::Lower("nobody can sign in as the service principals that trust it"));
    }
    steps
}
