//! Why a certificate could not be provisioned, attached or proven.

use std::time::Duration;

use super::refusal::Refusal;
use crate::domain::{CertificateName, CredentialId, KeyUrl, ObjectId, Version};
use crate::entra;
use crate::graph;
use crate::keyvault;
use crate::ledger;
use crate::pki;
use crate::sign_in;

/// A step that did not succeed. Running the command again goes on from what the services show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vault refused or failed.
    #[error(transparent)]
    Vault(#[from] keyvault::Error),
    /// Graph refused or failed.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// What is done could not be written down, so it is not done.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The application could not sign in.
    #[error(transparent)]
    SignIn(#[from] sign_in::Error),
    /// A certificate or a signature is not what it should be.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// A safety rule says no.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The vault's operation ended without a certificate.
    #[error("the vault did not issue certificate {name}: {reason}")]
    NotIssued {
        /// Its name.
        name: CertificateName,
        /// The service's code and message, or who cancelled it.
        reason: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s", waited.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// Other writers keep replacing the application's list of keys.
    #[error("other writers keep changing the keys of application {application}: the new entry was lost {times} times")]
    LostUpdates {
        /// Object id.
        application: ObjectId,
        /// How often the list had to be repaired.
        times: u32,
    },
    /// Entra does not accept the new key, although Graph shows it.
    #[error("Entra still refuses key {key}{} after {} s", entry(" as ", *key_id), waited.as_secs())]
    NotAccepted {
        /// Version of the key.
        key: Box<KeyUrl>,
        /// Its entry on the application, if its id is known.
        key_id: Option<CredentialId>,
        /// How long it was tried.
        waited: Duration,
        /// The last refusal.
        #[source]
        source: Box<entra::Error>,
    },
    /// Entra goes on accepting a key that Graph no longer shows.
    #[error("Entra still accepts key {key}{}, {} s after its removal", entry(", which was ", *key_id), waited.as_secs())]
    StillAccepted {
        /// Version of the key.
        key: Box<KeyUrl>,
        /// Its former entry, if its id is known.
        key_id: Option<CredentialId>,
        /// How long it was tried.
        waited: Duration,
    },
    /// A token came, but not for a certificate.
    #[error("the token does not say that a certificate was used (azpacr is {found}, not 2)")]
    WrongProof {
        /// What the token says.
        found: String,
    },
    /// A newer version than ours is the current one.
    #[error("somebody else made version {version} of {name} at the same time, so it is not ours")]
    Overtaken {
        /// The certificate.
        name: CertificateName,
        /// The version that is current now.
        version: Version,
    },
    /// The operation that was waited for is gone, and another one is in its place.
    #[error("somebody else has started to make a version of {name}, in place of ours")]
    Replaced {
        /// The certificate.
        name: CertificateName,
    },
    /// A step needs the directory, and only the vault's half was asked for.
    #[error("this needs an application, and none was named")]
    NoDirectory,
    /// The world is no longer the one that the plan was made in.
    #[error("vault or directory are no longer as they were when the plan was made")]
    Stale,
    /// Somebody pressed Ctrl-C.
    #[error("interrupted {before}")]
    Interrupted {
        /// Before or during which step.
        before: String,
    },
}

/// The id of an entry with the words before it; nothing where it is not known.
fn entry(words: &str, key_id: Option<CredentialId>) -> String {
    key_id.map(|key_id| format!("{words}{key_id}")).unwrap_or_default()
}
