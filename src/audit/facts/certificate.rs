//! Facts about vaults and what is in them.

use super::Facts;
use super::custody::{Export, Grade, Origin, custody_of_version, origin_of_version};
use super::index::Trust;
use crate::audit::finding::{ObjectKind, Subject};
use crate::audit::verdict::Step;
use crate::domain::TAG_APP;
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
    pub trusted_by: &'a [Trust<'a>],
}

impl<'a> VaultFacts<'a> {
    /// Derives the facts of one vault.
    pub fn new(vault: &'a Vault, facts: &'a Facts<'a>) -> Self {
        let certificates = vault.certificates.read().into_iter().flatten();
        Self { vault, certificates: certificates.map(|found| CertificateFacts::new(vault, found, facts)).collect() }
    }

    /// Which vault, for findings.
    pub fn subject(&self) -> Subject {
        Subject::new(ObjectKind::Vault, self.vault.name.as_str(), self.vault.name.as_str())
    }
}

impl<'a> CertificateFacts<'a> {
    /// Derives the facts of one certificate.
    pub fn new(vault: &'a Vault, certificate: &'a Certificate, facts: &'a Facts<'a>) -> Self {
        let records = certificate.versions.read().map(Vec::as_slice).unwrap_or_default();
        let versions: Vec<_> =
            records.iter().map(|version| VersionFacts::new(vault, certificate, version, facts)).collect();
        let is_trusted = versions.iter().any(VersionFacts::is_trusted);
        let is_tagged = certificate.tags.contains_key(TAG_APP);
        Self { vault, certificate, versions, is_app_credential: is_trusted || is_tagged, steps: Vec::new() }
    }

    /// Which certificate, for findings: add the version as its part where it is about one.
    pub fn subject(&self) -> Subject {
        let id = format!("{}/{}", self.vault.name, self.certificate.name);
        Subject::new(ObjectKind::Certificate, id.clone(), id)
    }

    /// Whether an application trusts one of its versions now.
    pub fn is_trusted(&self) -> bool {
        self.versions.iter().any(VersionFacts::is_trusted)
    }
}

impl<'a> VersionFacts<'a> {
    fn new(vault: &'a Vault, certificate: &'a Certificate, version: &'a VersionRecord, facts: &'a Facts<'a>) -> Self {
        let name = vault.name.as_str();
        let (export, grade, export_why) = custody_of_version(name, certificate, version, facts.history);
        let (origin, origin_why) = origin_of_version(name, certificate, version, facts.history);
        let trusted_by = facts.trust(version);
        Self { version, export, grade, export_why, origin, origin_why, trusted_by }
    }

    /// Whether something trusts it now.
    pub fn is_trusted(&self) -> bool {
        self.trusted_by.iter().any(|trust| trust.is_active && trust.key.is_for_sign_in())
    }
}
