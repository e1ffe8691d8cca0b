//! Adding a certificate to an application without losing anybody's entry.
//!
//! Graph has no optimistic lock on applications, and `PATCH` replaces the whole list. So a list is
//! written only right after it was read, it contains every entry that was read, it is read back
//! until several readings agree, and what a parallel writer dropped is put back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::error::Error;
use super::watch::{self, Watcher};
use crate::domain::{CredentialId, KeyCredential, ObjectId};
use crate::graph::{self, NewKey};
use crate::http;
use crate::pki::{Certificate, PossessionProof, ProofRequest, Signer};

/// So many equal readings in a row count as settled, as Terraform's provider for Entra has it.
const EQUAL_READINGS: u32 = 5;
const BETWEEN_READINGS: Duration = Duration::from_secs(1);
const READING_DEADLINE: Duration = Duration::from_secs(300);
/// So often a write may collide with somebody else's.
const MOST_COLLISIONS: u32 = 5;
/// So often a list is repaired before other writers win.
const MOST_REPAIRS: u32 = 5;

/// What became of the upload.
#[derive(Clone, Debug, Serialize)]
pub struct Attachment {
    /// The entry on the application.
    pub key_id: CredentialId,
    /// `addKey`, `PATCH`, or `already attached`.
    pub method: &'static str,
    /// Why that way.
    pub reason: String,
    /// Seconds until the readings agreed.
    pub seconds_until_readable: u64,
    /// How often the list had to be repaired, because a parallel writer had overwritten it.
    pub repairs: u32,
    /// Entries that somebody removed meanwhile, knowing of ours: they stay removed.
    pub removed_meanwhile: Vec<CredentialId>,
}

/// How to attach.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// `addKey` in the name of the application, with a proof by a key that it trusts.
    AddKey {
        /// A client whose tokens are the application's own.
        as_application: &'a graph::Client,
        /// Signs the proof.
        signer: &'a dyn Signer,
    },
    /// `PATCH` with the operator's rights.
    Patch,
}

/// Adds `certificate` to `application` unless it is there, and waits until it can be read.
pub async fn attach(
    graph: &graph::Client,
    application: ObjectId,
    certificate: &Certificate,
    way: Way<'_>,
    reason: &str,
    watcher: &dyn Watcher,
) -> Result<Attachment, Error> {
    // Captured with their bytes, so that an entry that somebody drops can be put back.
    let mut known = Entries::default();
    let before = graph.key_credentials(application).await?;
    known.remember(&before);
    let method = match (find(&before, certificate), way) {
        (Some(_), _) => "already attached",
        (None, Way::AddKey { as_application, signer }) => {
            let proof = prove_possession(graph, application, signer).await?;
            as_application.add_key(application, certificate.der(), &proof).await?;
            "addKey"
        }
        (None, Way::Patch) => {
            write_superset(graph, application, &mut known, certificate).await?;
            "PATCH"
        }
    };
    let settled = settle(graph, application, &mut known, certificate, watcher).await?;
    Ok(Attachment {
        key_id: settled.key_id,
        method,
        reason: reason.to_owned(),
        seconds_until_readable: settled.waited.as_secs(),
        repairs: settled.repairs,
        removed_meanwhile: settled.removed_meanwhile,
    })
}

async fn prove_possession(
    graph: &graph::Client,
    object: ObjectId,
    signer: &dyn Signer,
) -> Result<PossessionProof, Error> {
    let request = ProofRequest { object, now: graph.http().service_now(), backdate: time::Duration::seconds(30) };
    Ok(PossessionProof::sign(request, signer).await?)
}

/// Every entry that any reading has shown, by keyId.
#[derive(Debug, Default)]
struct Entries(BTreeMap<CredentialId, KeyCredential>);

impl Entries {
    fn remember(&mut self, read: &[KeyCredential]) {
        for entry in read {
            let known = self.0.entry(entry.key_id).or_insert_with(|| entry.clone());
            if known.key.is_none() {
                known.key.clone_from(&entry.key);
            }
        }
    }

    /// Entries that a parallel writer dropped, made ready to be put back. Bytes of other kinds, such
    /// as SAML signing keys, are never readable and so cannot be restored by anybody.
    fn restorable(&self, read: &[KeyCredential]) -> Vec<NewKey> {
        let mut lost = Vec::new();
        for key_id in self.missing_from(read) {
            let Some(entry) = self.0.get(&key_id).filter(|entry| entry.is_for_sign_in()) else { continue };
            let Some(der) = entry.key.as_deref().and_then(|key| STANDARD.decode(key).ok()) else { continue };
            lost.push(NewKey {
                der,
                key_id: Some(key_id),
                display_name: entry.display_name.clone(),
                start: entry.start_date_time,
                end: entry.end_date_time,
            });
        }
        lost
    }

    /// Entries that were there and are not in `read`.
    fn missing_from(&self, read: &[KeyCredential]) -> Vec<CredentialId> {
        self.0.keys().filter(|key_id| read.iter().all(|entry| entry.key_id != **key_id)).copied().collect()
    }
}

/// Writes what a fresh reading shows, what earlier readings have shown, and the new certificate.
/// A collision is no reason to send the same list again: it is read and built anew.
async fn write_superset(
    graph: &graph::Client,
    application: ObjectId,
    known: &mut Entries,
    certificate: &Certificate,
) -> Result<(), Error> {
    for attempt in 1.. {
        let fresh = graph.key_credentials(application).await?;
        known.remember(&fresh);
        let mut add = known.restorable(&fresh);
        if find(&fresh, certificate).is_none() {
            add.push(NewKey {
                der: certificate.der().to_vec(),
                key_id: None,
                display_name: None,
                start: Some(certificate.not_before()),
                end: Some(certificate.not_after()),
            });
        }
        match graph.replace_key_credentials(application, &fresh, &add).await {
            Err(graph::Error::Concurrency { .. }) if attempt < MOST_COLLISIONS => {
                graph.http().clock().sleep(BETWEEN_READINGS * attempt).await;
            }
            // Whether it was carried out shows in the readings that follow.
            Err(error) if error.http().is_some_and(http::Error::may_have_acted) => return Ok(()),
            ended => return Ok(ended?),
        }
    }
    unreachable!("the last attempt returns: `attempt < MOST_COLLISIONS` fails there")
}

struct Settled {
    key_id: CredentialId,
    waited: Duration,
    repairs: u32,
    removed_meanwhile: Vec<CredentialId>,
}

/// Reads until several readings in a row show the certificate.
///
/// Readings may show an old state for a while; only when ours stays away has a writer replaced the
/// list without knowing of it, and then everything that the same writer dropped comes back too. A
/// list that has ours and lacks another was written by somebody who meant it.
async fn settle(
    graph: &graph::Client,
    application: ObjectId,
    known: &mut Entries,
    certificate: &Certificate,
    watcher: &dyn Watcher,
) -> Result<Settled, Error> {
    let clock = graph.http().clock().clone();
    let started = clock.now();
    let mut equal = 0;
    let mut bad = 0;
    let mut repairs = 0;
    loop {
        watch::check(watcher, "while the new entry spreads")?;
        let read = graph.key_credentials(application).await?;
        known.remember(&read);
        let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
        match find(&read, certificate) {
            Some(key_id) => {
                (equal, bad) = (equal + 1, 0);
                if equal >= EQUAL_READINGS {
                    let removed_meanwhile = known.missing_from(&read);
                    return Ok(Settled { key_id, waited, repairs, removed_meanwhile });
                }
            }
            None => (equal, bad) = (0, bad + 1),
        }
        if waited > READING_DEADLINE {
            return Err(Error::Deadline { what: "agreement of Graph's readings on the new key".to_owned(), waited });
        }
        // Replicas lag for seconds; what is still missing after a dozen readings was dropped.
        if bad >= 12 {
            if repairs == MOST_REPAIRS {
                return Err(Error::LostUpdates { application, times: repairs });
            }
            watcher.doing("another writer has overwritten the list; repairing it");
            write_superset(graph, application, known, certificate).await?;
            (repairs, bad) = (repairs + 1, 0);
        }
        watcher.doing(&watch::waiting("Graph to show the key", waited, READING_DEADLINE));
        clock.sleep(BETWEEN_READINGS).await;
    }
}

/// The entry of a list that trusts `certificate`: by bytes where they were read, else by thumbprint.
pub fn find(list: &[KeyCredential], certificate: &Certificate) -> Option<CredentialId> {
    let encoded = STANDARD.encode(certificate.der());
    list.iter()
        .filter(|entry| entry.is_for_sign_in())
        .find(|entry| match &entry.key {
            Some(key) => *key == encoded,
            None => entry.thumbprint().is_some_and(|known| certificate.has_thumbprint(&known)),
        })
        .map(|entry| entry.key_id)
}
