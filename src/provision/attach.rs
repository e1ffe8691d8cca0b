//! Adding a certificate to an application without losing anybody's entry.
//!
//! Graph has no optimistic lock on applications, and `PATCH` replaces the whole list. So a list is
//! written only right after it was read, and contains every entry of that reading; a reading that
//! lacks what an earlier one had is not believed before it has been repeated. What somebody else
//! removes stays removed. Only when ours vanishes after it was written has a writer replaced the
//! list without knowing of it, and then what the same writer dropped comes back too.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use time::OffsetDateTime;

use super::error::Error;
use super::watch::{self, Watcher};
use crate::domain::{Application, CredentialId, KeyCredential, ObjectId};
use crate::graph::{self, NewKey};
use crate::http;
use crate::pki::{Certificate, PossessionProof, ProofRequest, Signer};

/// So many equal readings in a row count as settled, as Terraform's provider for Entra has it.
const EQUAL_READINGS: u32 = 5;
const BETWEEN_READINGS: Duration = Duration::from_secs(1);
const READING_DEADLINE: Duration = Duration::from_secs(300);
/// So many readings in a row that lack an entry count as its removal; replicas lag for seconds.
const LATE_READINGS: u32 = 12;
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
    application: &Application,
    certificate: &Certificate,
    way: Way<'_>,
    reason: &str,
    watcher: &dyn Watcher,
) -> Result<Attachment, Error> {
    let mut last = graph.key_credentials(application.id).await?;
    let method = match (find(&last, certificate, graph.http().service_now()), way) {
        (Some(_), _) => "already attached",
        (None, Way::AddKey { .. }) => "addKey",
        (None, Way::Patch) => "PATCH",
    };
    // This reading may be later than the plan's and yet older. Without bytes an entry is waited for
    // and never put back.
    let late: Vec<_> = missing(&application.key_credentials, &last).cloned().collect();
    last.extend(late.into_iter().map(|entry| KeyCredential { key: None, ..entry }));
    let seen = last.iter().map(|entry| entry.key_id).collect();
    let mut adding = Adding { graph, application: application.id, certificate, way, last, seen };
    if method != "already attached" {
        adding.add(&[]).await?;
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

/// A certificate on its way to an application.
struct Adding<'a> {
    graph: &'a graph::Client,
    application: ObjectId,
    certificate: &'a Certificate,
    way: Way<'a>,
    /// The last reading that was believed, with bytes.
    last: Vec<KeyCredential>,
    /// The keyId of every entry that any reading has shown.
    seen: BTreeSet<CredentialId>,
}

struct Settled {
    key_id: CredentialId,
    waited: Duration,
    repairs: u32,
    removed_meanwhile: Vec<CredentialId>,
}

impl Adding<'_> {
    /// Adds the certificate, and what a parallel writer dropped. The latter can only be done by
    /// writing the list.
    async fn add(&mut self, dropped: &[NewKey]) -> Result<(), Error> {
        let ended = match self.way {
            Way::AddKey { as_application, signer } if dropped.is_empty() => {
                self.add_by_proof(as_application, signer).await
            }
            _ => self.write_superset(dropped).await,
        };
        match ended {
            // Whether it was carried out shows in the readings that follow.
            Err(Error::Graph(error)) if error.http().is_some_and(http::Error::may_have_acted) => Ok(()),
            ended => ended,
        }
    }

    async fn add_by_proof(&self, as_application: &graph::Client, signer: &dyn Signer) -> Result<(), Error> {
        for attempt in 1.. {
            let now = self.graph.http().service_now();
            let request = ProofRequest { object: self.application, now, backdate: time::Duration::seconds(30) };
            let proof = PossessionProof::sign(request, signer).await?;
            match as_application.add_key(self.application, self.certificate.der(), &proof).await {
                Ok(_) => return Ok(()),
                Err(error) => self.wait_after(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Writes what a fresh reading shows, what was dropped, and the new certificate. A collision is
    /// no reason to send the same list again: it is read and built anew.
    async fn write_superset(&mut self, dropped: &[NewKey]) -> Result<(), Error> {
        for attempt in 1.. {
            let fresh = self.read_all().await?;
            let is_there = |key: &&NewKey| fresh.iter().any(|entry| Some(entry.key_id) == key.key_id);
            let mut add: Vec<NewKey> = dropped.iter().filter(|key| !is_there(key)).cloned().collect();
            if self.entry_in(&fresh).is_none() {
                add.push(NewKey {
                    der: self.certificate.der().to_vec(),
                    key_id: None,
                    display_name: None,
                    start: Some(self.certificate.not_before()),
                    end: Some(self.certificate.not_after()),
                });
            }
            self.last.clone_from(&fresh);
            match self.graph.replace_key_credentials(self.application, &fresh, &add).await {
                Ok(()) => return Ok(()),
                Err(error) => self.wait_after(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Waits before the next attempt at a write that was turned away, or gives the error back.
    async fn wait_after(&self, error: graph::Error, attempt: u32) -> Result<(), Error> {
        let asked = error.http().and_then(http::Error::retry_after).unwrap_or_default();
        let was_turned_away = error.is_transient() && !error.http().is_some_and(http::Error::may_have_acted);
        if !was_turned_away || attempt >= MOST_COLLISIONS || asked > LONGEST_WAIT {
            return Err(error.into());
        }
        self.graph.http().clock().sleep(asked.max(BETWEEN_READINGS * attempt)).await;
        Ok(())
    }

    /// A reading that has all that the last one had. One that lacks something is late, or somebody
    /// has removed it: it is repeated, and believed when it stays as it is.
    async fn read_all(&mut self) -> Result<Vec<KeyCredential>, Error> {
        let mut readings = 0;
        loop {
            let read = self.graph.key_credentials(self.application).await?;
            self.seen.extend(read.iter().map(|entry| entry.key_id));
            readings += 1;
            if missing(&self.last, &read).next().is_none() || readings >= LATE_READINGS {
                return Ok(read);
            }
            self.graph.http().clock().sleep(BETWEEN_READINGS).await;
        }
    }

    /// Reads until several readings in a row show the certificate and the same list.
    async fn settle(&mut self, watcher: &dyn Watcher) -> Result<Settled, Error> {
        let clock = self.graph.http().clock().clone();
        let started = clock.now();
        let (mut equal, mut bad, mut repairs) = (0, 0, 0);
        let mut before = BTreeSet::new();
        loop {
            watch::check(watcher, "while the new entry spreads")?;
            let read = self.graph.key_credentials(self.application).await?;
            let ids: BTreeSet<_> = read.iter().map(|entry| entry.key_id).collect();
            self.seen.extend(&ids);
            let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
            match self.entry_in(&read) {
                Some(key_id) => {
                    (equal, bad) = (if ids == before { equal + 1 } else { 1 }, 0);
                    if equal >= EQUAL_READINGS {
                        let removed_meanwhile = self.seen.difference(&ids).copied().collect();
                        return Ok(Settled { key_id, waited, repairs, removed_meanwhile });
                    }
                }
                None => (equal, bad) = (0, bad + 1),
            }
            before = ids;
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
                let dropped: Vec<NewKey> = missing(&self.last, &read).filter_map(restorable).collect();
                self.last = read;
                self.add(&dropped).await?;
                (repairs, bad) = (repairs + 1, 0);
            }
            watcher.doing(&watch::waiting("Graph to show the key", waited, READING_DEADLINE));
            clock.sleep(BETWEEN_READINGS).await;
        }
    }

    fn entry_in(&self, list: &[KeyCredential]) -> Option<CredentialId> {
        find(list, self.certificate, self.graph.http().service_now())
    }
}

/// Entries of `earlier` that are not in `later`.
fn missing<'a>(earlier: &'a [KeyCredential], later: &'a [KeyCredential]) -> impl Iterator<Item = &'a KeyCredential> {
    earlier.iter().filter(|entry| later.iter().all(|other| other.key_id != entry.key_id))
}

/// An entry made ready to be put back. Bytes of other kinds, such as SAML signing keys, are never
/// readable and so cannot be restored by anybody.
fn restorable(entry: &KeyCredential) -> Option<NewKey> {
    Some(NewKey {
        der: der_of(entry.key.as_deref().filter(|_| entry.is_for_sign_in())?)?,
        key_id: Some(entry.key_id),
        display_name: entry.display_name.clone(),
        start: entry.start_date_time,
        end: entry.end_date_time,
    })
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

/// The entry of a list that lets `certificate` sign in at `now`: by bytes where they were read, else
/// by thumbprint.
pub fn find(list: &[KeyCredential], certificate: &Certificate, now: OffsetDateTime) -> Option<CredentialId> {
    list.iter()
        .filter(|entry| entry.is_for_sign_in() && entry.is_valid_at(now))
        .find(|entry| match entry.key.as_deref().and_then(der_of) {
            Some(der) => der == certificate.der(),
            None => entry.thumbprint().is_some_and(|known| certificate.has_thumbprint(&known)),
        })
        .map(|entry| entry.key_id)
}

/// The certificate behind `key`. Some clients upload the base64 of PEM, or with line breaks.
fn der_of(key: &str) -> Option<Vec<u8>> {
    let compact: String = key.split_whitespace().collect();
    let bytes = STANDARD.decode(compact).ok()?;
    Certificate::from_file(&bytes).ok().map(|certificate| certificate.der().to_vec())
}
