//! Adding a certificate to an application without losing anybody's entry.
//!
//! Only when ours vanishes after it was written has a writer replaced the list without knowing of it,
//! and then what the same writer dropped comes back too.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::key_list::{
    self, BETWEEN_READINGS, EQUAL_READINGS, KeyList, MOST_REPAIRS, READING_DEADLINE, missing, restorable,
};
use super::watch::{self, Watcher};
use crate::domain::{Application, CredentialId, KeyCredential};
use crate::graph::{self, NewKey};
use crate::pki::{Certificate, PossessionProof, ProofRequest, Signer};

pub use super::key_list::find;

/// So many readings without an entry that `addKey` may have added count as its loss.
const PATIENCE_AFTER_ADDING: u32 = 45;

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
    let list = KeyList::read(graph, application.id, &application.key_credentials).await?;
    let method = match (find(&list.last, certificate, graph.http().service_now()), way) {
        (Some(_), _) => "already attached",
        (None, Way::AddKey { .. }) => "addKey",
        (None, Way::Patch) => "PATCH",
    };
    let mut adding = Adding { list, certificate, way };
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

/// The entry of a certificate that a run which died may have added: any single reading may be late,
/// and a second `addKey` would add it twice.
pub async fn late_entry(
    graph: &graph::Client,
    application: &Application,
    certificate: &Certificate,
) -> Result<Option<KeyCredential>, Error> {
    for _ in 0..PATIENCE_AFTER_ADDING {
        let read = graph.key_credentials(application.id).await?;
        if let Some(key_id) = find(&read, certificate, graph.http().service_now()) {
            return Ok(read.into_iter().find(|entry| entry.key_id == key_id));
        }
        graph.http().clock().sleep(BETWEEN_READINGS).await;
    }
    Ok(None)
}

/// A certificate on its way to an application.
struct Adding<'a> {
    list: KeyList<'a>,
    certificate: &'a Certificate,
    way: Way<'a>,
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
        key_list::unless_it_may_have_acted(ended)
    }

    async fn add_by_proof(&self, as_application: &graph::Client, signer: &dyn Signer) -> Result<(), Error> {
        for attempt in 1.. {
            let object = self.list.holder.id;
            let now = self.list.graph.http().service_now();
            let request = ProofRequest { object, now, backdate: time::Duration::seconds(30) };
            let proof = PossessionProof::sign(request, signer).await?;
            match as_application.add_key(object, self.certificate.der(), &proof).await {
                Ok(_) => return Ok(()),
                Err(error) => self.list.wait_after(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Writes what a fresh reading shows, what was dropped, and the new certificate. A collision is
    /// no reason to send the same list again: it is read and built anew.
    async fn write_superset(&mut self, dropped: &[NewKey]) -> Result<(), Error> {
        for attempt in 1.. {
            let fresh = self.list.read_all(None).await?;
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
            self.list.last.clone_from(&fresh);
            match self.list.graph.replace_key_credentials(self.list.holder, &fresh, &add).await {
                Ok(()) => return Ok(()),
                Err(error) => self.list.wait_after_list(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Reads until several readings in a row show the certificate and the same list.
    async fn settle(&mut self, watcher: &dyn Watcher) -> Result<Settled, Error> {
        let clock = self.list.graph.http().clock().clone();
        let started = clock.now();
        let (mut equal, mut bad, mut repairs) = (0, 0, 0);
        let mut before = BTreeSet::new();
        loop {
            watch::check(watcher, "while the new entry spreads")?;
            let read = self.list.glance().await?;
            let ids: BTreeSet<_> = read.iter().map(|entry| entry.key_id).collect();
            let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
            match self.entry_in(&read) {
                Some(key_id) => {
                    (equal, bad) = (if ids == before { equal + 1 } else { 1 }, 0);
                    if equal >= EQUAL_READINGS {
                        let removed_meanwhile = self.list.seen.difference(&ids).copied().collect();
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
                    return Err(Error::LostUpdates { application: self.list.holder.id, times: repairs });
                }
                watcher.doing("the new entry was lost or overwritten; adding it again");
                let dropped: Vec<NewKey> = missing(&self.list.last, &read).filter_map(restorable).collect();
                self.list.last = read;
                self.add(&dropped).await?;
                (repairs, bad) = (repairs + 1, 0);
            }
            watcher.doing(&watch::waiting("Graph to show the key", waited, READING_DEADLINE));
            clock.sleep(BETWEEN_READINGS).await;
        }
    }

    fn entry_in(&self, list: &[KeyCredential]) -> Option<CredentialId> {
        find(list, self.certificate, self.list.graph.http().service_now())
    }
}

impl Way<'_> {
    /// So many readings without the new entry count as its loss; replicas lag for seconds. A list is
    /// replaced, so writing it once too often changes nothing, but a second `addKey` may add twice.
    fn patience(self) -> u32 {
        match self {
            Self::AddKey { .. } => PATIENCE_AFTER_ADDING,
            Self::Patch => 12,
        }
    }
}
