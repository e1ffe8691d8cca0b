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
/// A service that asks for more than this is not waited for: whoever waits may as well be told.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
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
    /// How often the entry had to be written again: it was lost on the way, or a parallel writer had
    /// overwritten the list.
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
    let before = graph.key_credentials(application).await?;
    let mut known = Entries::default();
    known.remember(&before);
    let mut adding = Adding { graph, application, certificate, way, known };
    let method = match (find(&before, certificate), way) {
        (Some(_), _) => "already attached",
        (None, Way::AddKey { .. }) => "addKey",
        (None, Way::Patch) => "PATCH",
    };
    if find(&before, certificate).is_none() {
        adding.add(&before).await?;
    }
    let settled = adding.settle(watcher).await?;
    Ok(Attachment {
        key_id: settled.key_id,
        method,
        reason: reason.to_owned(),
        seconds_until_readable: settled.waited.as_secs(),
        repairs: settled.repairs,
        removed_meanwhile: settled.removed_meanwhile,
    })
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

/// A certificate on its way to an application.
struct Adding<'a> {
    graph: &'a graph::Client,
    application: ObjectId,
    certificate: &'a Certificate,
    way: Way<'a>,
    /// Captured with their bytes, so that an entry that somebody drops can be put back.
    known: Entries,
}

struct Settled {
    key_id: CredentialId,
    waited: Duration,
    repairs: u32,
    removed_meanwhile: Vec<CredentialId>,
}

impl Adding<'_> {
    /// Writes, given a reading in which the certificate is missing. Other entries that are missing
    /// too can only be put back by writing the list.
    async fn add(&mut self, read: &[KeyCredential]) -> Result<(), Error> {
        let ended = match self.way {
            Way::AddKey { as_application, signer } if self.known.restorable(read).is_empty() => {
                self.add_by_proof(as_application, signer).await
            }
            _ => self.write_superset().await,
        };
        match ended {
            // Whether it was carried out shows in the readings that follow.
            Err(Error::Graph(error)) if error.http().is_some_and(http::Error::may_have_acted) => Ok(()),
            ended => ended,
        }
    }

    async fn add_by_proof(&self, as_application: &graph::Client, signer: &dyn Signer) -> Result<(), Error> {
        let now = self.graph.http().service_now();
        let request = ProofRequest { object: self.application, now, backdate: time::Duration::seconds(30) };
        let proof = PossessionProof::sign(request, signer).await?;
        Ok(as_application.add_key(self.application, self.certificate.der(), &proof).await.map(|_| ())?)
    }

    /// Writes what a fresh reading shows, what earlier readings have shown, and the new certificate.
    /// A collision is no reason to send the same list again: it is read and built anew.
    async fn write_superset(&mut self) -> Result<(), Error> {
        for attempt in 1.. {
            let fresh = self.graph.key_credentials(self.application).await?;
            self.known.remember(&fresh);
            let mut add = self.known.restorable(&fresh);
            if find(&fresh, self.certificate).is_none() {
                add.push(NewKey {
                    der: self.certificate.der().to_vec(),
                    key_id: None,
                    display_name: None,
                    start: Some(self.certificate.not_before()),
                    end: Some(self.certificate.not_after()),
                });
            }
            let Err(error) = self.graph.replace_key_credentials(self.application, &fresh, &add).await else {
                return Ok(());
            };
            let asked = error.http().and_then(http::Error::retry_after).unwrap_or_default();
            let was_turned_away = error.is_transient() && !error.http().is_some_and(http::Error::may_have_acted);
            if !was_turned_away || attempt >= MOST_COLLISIONS || asked > LONGEST_WAIT {
                return Err(error.into());
            }
            self.graph.http().clock().sleep(asked.max(BETWEEN_READINGS * attempt)).await;
        }
        unreachable!("the last attempt returns: `attempt >= MOST_COLLISIONS` holds there")
    }

    /// Reads until several readings in a row show the certificate.
    ///
    /// Readings may show an old state for a while; only when ours stays away was it lost on the way,
    /// or has a writer replaced the list without knowing of it, and then everything that the same
    /// writer dropped comes back too. A list that has ours and lacks another was written by somebody
    /// who meant it.
    async fn settle(&mut self, watcher: &dyn Watcher) -> Result<Settled, Error> {
        let clock = self.graph.http().clock().clone();
        let started = clock.now();
        let mut equal = 0;
        let mut bad = 0;
        let mut repairs = 0;
        loop {
            watch::check(watcher, "while the new entry spreads")?;
            let read = self.graph.key_credentials(self.application).await?;
            self.known.remember(&read);
            let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
            match find(&read, self.certificate) {
                Some(key_id) => {
                    (equal, bad) = (equal + 1, 0);
                    if equal >= EQUAL_READINGS {
                        let removed_meanwhile = self.known.missing_from(&read);
                        return Ok(Settled { key_id, waited, repairs, removed_meanwhile });
                    }
                }
                None => (equal, bad) = (0, bad + 1),
            }
            if waited > READING_DEADLINE {
                return Err(Error::Deadline {
                    what: "agreement of Graph's readings on the new key".to_owned(),
                    waited,
                });
            }
            if bad >= self.way.patience() {
                if repairs == MOST_REPAIRS {
                    return Err(Error::LostUpdates { application: self.application, times: repairs });
                }
                watcher.doing("the new entry was lost or overwritten; adding it again");
                self.add(&read).await?;
                (repairs, bad) = (repairs + 1, 0);
            }
            watcher.doing(&watch::waiting("Graph to show the key", waited, READING_DEADLINE));
            clock.sleep(BETWEEN_READINGS).await;
        }
    }
}

impl Way<'_> {
    /// So many readings without the new entry count as its loss; replicas lag for seconds. A list is
    /// replaced, so writing it once too often changes nothing, but a second `addKey` may add twice.
    fn patience(self) -> u32 {
        match self {
            Self::AddKey { .. } => 45,
            Self::Patch => 12,
        }
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
