//! One line of the ledger.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::line::Hash;
use crate::domain::{AppId, CertificateName, CredentialId, ObjectId, VaultName, Version};

/// One line: a step that is about to be done, or how it ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Version of the line's form.
    pub v: u32,
    /// Number of the line, from 1, without a gap.
    pub seq: u64,
    /// When, by the services' clock as far as it is known.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Which run of the program; all lines of one run share it.
    pub run: Uuid,
    /// What is done.
    pub step: Step,
    /// Before or after.
    pub phase: Phase,
    /// In whose name.
    pub actor: Actor,
    /// On what.
    pub object: Object,
    /// SHA-256 of the plan that this is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// SHA-256 of the policy that the plan was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The requests that were made, as the services name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestRecord>,
    /// Facts of the step: the policy at birth, `uti` of a token, the code of a refusal. Never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Hash of the line before.
    pub prev: Hash,
}

/// What kvops does to the world.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A rotation, from its beginning to its end: between the two it may be resumed.
    Rotate,
    /// Has the vault make a version of a certificate.
    Create,
    /// Completes a request with a certificate that an own CA signed.
    Merge,
    /// Brings a deleted certificate back.
    Recover,
    /// Purges a deleted certificate.
    Purge,
    /// Changes the policy that makes the next version.
    Harden,
    /// Adds a certificate to an application.
    Attach,
    /// Signs in with it.
    Prove,
    /// Waits while both keys are trusted.
    Soak,
    /// Removes a credential from an application.
    Detach,
    /// Sees that a removed credential is refused.
    ProveRefusal,
    /// Switches a version off.
    Disable,
    /// Writes tags on a version.
    Tag,
    /// Changes a registration: redirect URIs, permissions, implicit grant, lock.
    Register,
    /// Puts back what another writer overwrote.
    Repair,
    /// Mints a token for somebody else.
    Mint,
    /// A signature over the ledger up to here.
    Checkpoint,
    /// A line before this one was torn by a crash.
    Torn,
}

/// Before a step, or after it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is about to be done.
    Intended,
    /// It was done, and seen to be.
    Done,
    /// It failed, and changed nothing as far as that is known.
    Failed,
}

/// In whose name a step is done.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Actor {
    /// Who: name or ids of the principal, as its token says.
    #[serde(default)]
    pub principal: String,
    /// Where its credential came from: `env`, `cli`, `mi` …
    #[serde(default)]
    pub source: String,
}

/// What a step is about, as far as it is known at that moment.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Object {
    /// Object id of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ObjectId>,
    /// Its client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
    /// The vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultName>,
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateName>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The credential on the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<CredentialId>,
    /// SHA-1 of the certificate, upper-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
}

/// A request as the services name it, to be found again in their logs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RequestRecord {
    /// `keyvault`, `graph`, `entra`.
    pub service: String,
    /// What it was for.
    pub operation: String,
    /// Status of the answer; none when none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The service's id of it, or the one that we gave it when no answer came.
    pub id: String,
}

impl RequestRecord {
    /// A request for `operation` to `service`; see the members.
    pub fn new(service: impl fmt::Display, operation: &str, status: Option<u16>, id: String) -> Self {
        Self { service: service.to_string(), operation: operation.to_owned(), status, id }
    }
}

impl Object {
    /// The same object, with what `other` knows besides.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            application: other.application.or(self.application),
            app_id: other.app_id.or(self.app_id),
            vault: other.vault.or(self.vault),
            certificate: other.certificate.or(self.certificate),
            version: other.version.or(self.version),
            key_id: other.key_id.or(self.key_id),
            thumbprint: other.thumbprint.or(self.thumbprint),
        }
    }
}

impl Step {
    /// As in the file.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}
