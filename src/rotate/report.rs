//! What came of a rotation.

use serde::Serialize;
use time::OffsetDateTime;

use super::step::{Because, Stage};
use crate::detach::Detachment;
use crate::domain::{AppId, CertificateName, CredentialId, Vault, Version};
use crate::provision::attach::Attachment;
use crate::provision::prove::{Proof, Refused};
use crate::provision::{ApplicationFacts, CertificateFacts};

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The old key is gone, and refused.
    Rotated,
    /// Both keys are trusted for a while; the same command goes on afterwards.
    Soaking,
    /// As far as was asked.
    Stopped,
    /// The new key is gone, the old one stays.
    Aborted,
    /// Nothing was begun that could be finished or aborted.
    Nothing,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The last part, where it was asked to stop there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The vault.
    pub vault: Vault,
    /// The certificate.
    pub name: CertificateName,
    /// The version that signs from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFacts>,
    /// Whether this run had the vault make it.
    pub has_created: bool,
    /// What happened on each application.
    pub applications: Vec<ApplicationReport>,
    /// Why the old key stays for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<Soak>,
    /// Versions that were disabled.
    pub disabled: Vec<Version>,
    /// What else lets somebody sign in as these applications.
    pub foreign: Vec<Foreign>,
    /// What the user ought to know.
    pub warnings: Vec<String>,
}

/// What happened on one application.
#[derive(Clone, Debug, Serialize)]
pub struct ApplicationReport {
    /// Which.
    #[serde(flatten)]
    pub application: ApplicationFacts,
    /// Whether its credentials may not be read, so that nobody knows what else lets somebody sign in.
    pub unseen: bool,
    /// How the new version was attached, if that was done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// How it was proven, if that was done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What was removed.
    pub removed: Vec<Detachment>,
    /// How the removed key was refused.
    pub refused: Vec<Refused>,
}

/// Both keys are trusted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Soak {
    /// Until then.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// Why.
    pub because: Because,
}

/// A credential that is none of this certificate's versions.
#[derive(Clone, Debug, Serialize)]
pub struct Foreign {
    /// On which application, by client id.
    pub app_id: AppId,
    /// Its id.
    pub key_id: CredentialId,
    /// `certificate` or `secret`.
    pub kind: &'static str,
    /// Hostile text.
    pub display_name: Option<String>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub end: Option<OffsetDateTime>,
}
