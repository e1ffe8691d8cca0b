//! How much of what there is was read.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::seen::Reason;

/// Kinds of evidence; rules name those that they need.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Application registrations, with their credentials (G1).
    Applications,
    /// The bytes of the certificates on applications and service principals (G1b, G1k).
    KeyBytes,
    /// Service principals, with their credentials (G2).
    ServicePrincipals,
    /// Application permissions that were granted (G3).
    AppRoles,
    /// Delegated permissions that were granted (G4).
    DelegatedGrants,
    /// Owners of applications and service principals (G5).
    Owners,
    /// Federated identity credentials (G6).
    FederatedCredentials,
    /// App management policies (G7).
    AppManagementPolicies,
    /// The authorization policy (G7).
    AuthorizationPolicy,
    /// When credentials were last used (G8).
    CredentialActivity,
    /// When service principals last signed in (G8).
    SignInActivity,
    /// Roles in the directory (G9).
    DirectoryRoles,
    /// Deleted applications (G12).
    DeletedApplications,
    /// Which vaults there are (R1).
    Vaults,
    /// Network, protection and access policies of vaults (R1).
    VaultProperties,
    /// Azure role assignments that reach vaults (R2).
    RoleAssignments,
    /// Where vaults write their audit log (R3).
    DiagnosticSettings,
    /// Defender plans (R3).
    SecurityPricings,
    /// Certificates of vaults, with their current thumbprints (K1).
    Certificates,
    /// Versions of certificates (K3).
    CertificateVersions,
    /// Certificate, policy and key of a version (K2, K4).
    CertificateDetails,
    /// Deleted certificates (K5).
    DeletedCertificates,
    /// Contacts of vaults (K5).
    Contacts,
    /// What kvops recorded earlier: baseline or ledger (M).
    History,
}

/// Coverage by kind of evidence, and everything that could not be read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coverage {
    /// How many objects of each kind.
    #[serde(default)]
    pub counts: BTreeMap<Evidence, Count>,
    /// What could not be read.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// How many objects of one kind were there, and how it went.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Count {
    /// Objects that there are, as far as that is known.
    pub expected: u64,
    /// Objects that were read.
    pub read: u64,
    /// Refused: rights, firewall, licence.
    #[serde(default)]
    pub denied: u64,
    /// Turned away until we gave up.
    #[serde(default)]
    pub throttled: u64,
    /// Failed, or not understood.
    #[serde(default)]
    pub failed: u64,
}

/// Something that could not be read.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Gap {
    /// What kind of thing.
    pub evidence: Evidence,
    /// Which one: an id, a vault's name; empty when it is all of the kind.
    #[serde(default)]
    pub object: String,
    /// Why not.
    pub reason: Reason,
    /// What the service said. Hostile text.
    #[serde(default)]
    pub detail: String,
    /// The permission or role that would let it be read; empty when no right would help.
    #[serde(default)]
    pub grant: String,
}

impl Coverage {
    /// Notes that one object was there and was read.
    pub fn read(&mut self, evidence: Evidence, objects: u64) {
        let count = self.counts.entry(evidence).or_default();
        count.expected += objects;
        count.read += objects;
    }

    /// Notes that one object was there and could not be read.
    pub fn gap(&mut self, gap: Gap) {
        let count = self.counts.entry(gap.evidence).or_default();
        count.expected += 1;
        match gap.reason {
            Reason::Throttled => count.throttled += 1,
            Reason::Parse | Reason::Failed => count.failed += 1,
            // What nobody asked for, and what the cloud does not have, is no hole in what was asked.
            Reason::NotAsked | Reason::NotInCloud => count.expected -= 1,
            Reason::Rbac | Reason::AccessPolicy | Reason::Firewall | Reason::NotLicensed => count.denied += 1,
        }
        self.gaps.push(gap);
    }

    /// Whether everything of a kind that was asked for was read.
    pub fn is_complete(&self, evidence: Evidence) -> bool {
        self.counts.get(&evidence).is_none_or(|count| count.read >= count.expected)
            && self.gaps.iter().all(|gap| gap.evidence != evidence)
    }

    /// The share that was read, in percent from 0 to 100; 100 only when nothing is missing.
    pub fn percent(&self) -> f64 {
        let (mut expected, mut read) = (0_u64, 0_u64);
        for count in self.counts.values() {
            expected += count.expected;
            read += count.read;
        }
        if expected == 0 { 100.0 } else { read as f64 * 100.0 / expected as f64 }
    }
}

impl Evidence {
    /// Every kind.
    pub const ALL: [Self; 24] = [
        Self::Applications,
        Self::KeyBytes,
        Self::ServicePrincipals,
        Self::AppRoles,
        Self::DelegatedGrants,
        Self::Owners,
        Self::FederatedCredentials,
        Self::AppManagementPolicies,
        Self::AuthorizationPolicy,
        Self::CredentialActivity,
        Self::SignInActivity,
        Self::DirectoryRoles,
        Self::DeletedApplications,
        Self::Vaults,
        Self::VaultProperties,
        Self::RoleAssignments,
        Self::DiagnosticSettings,
        Self::SecurityPricings,
        Self::Certificates,
        Self::CertificateVersions,
        Self::CertificateDetails,
        Self::DeletedCertificates,
        Self::Contacts,
        Self::History,
    ];

    /// As in files and reports.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
