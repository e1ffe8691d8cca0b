//! Removing one certificate of an application without losing anybody's other one.
//!
//! `removeKey` takes one entry and needs no permission, but a proof by a key that is attached; `PATCH`
//! replaces the list. When the entry comes back after it was gone, or the one that is to remain
//! vanishes, a writer has replaced the list without knowing of the removal, and what the same writer
//! dropped comes back too.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::error::Error;
use super::refusal::Refusal;
use crate::domain::{CredentialId, KeyCredential};
use crate::graph::{self, Holder, NewKey};
use crate::http::StatusCode;
use crate::ledger::{self, Object, Record};
use crate::pki::{PossessionProof, ProofRequest, Signer};
use crate::provision::key_list::{
    self, BETWEEN_READINGS, EQUAL_READINGS, KeyList, LATE_READINGS, MOST_REPAIRS, READING_DEADLINE, missing, restorable,
};
use crate::provision::watch;
use crate::provision::{self, Journal, Watcher};

/// What is to go, from whom, and how.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// The directory, as somebody who may read the list, and write it where the way is `PATCH`.
    pub graph: &'a graph::Client,
    /// The application or service principal.
    pub holder: Holder,
    /// Its keys as they were seen before: a reading that lacks one of them may be late.
    pub known: &'a [KeyCredential],
    /// The entry that is to go.
    pub key_id: CredentialId,
    /// What lets the application sign in afterwards.
    pub remaining: Remaining,
    /// How to remove it.
    pub way: Way<'a>,
}

/// What has been proven to work without the credential that is to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remaining {
    /// Another entry of the same list.
    Entry(CredentialId),
    /// A certificate in another list: that of the application when a service principal's is written.
    Elsewhere,
    /// Nothing, so only what has expired may go.
    Nothing,
}

/// How to remove.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// `removeKey` in the name of the application, with a proof by a key that remains.
    RemoveKey {
        /// A client whose tokens are the application's own.
        as_application: &'a graph::Client,
        /// Signs the proof.
        signer: &'a dyn Signer,
    },
    /// `PATCH` with the operator's rights.
    Patch,
}

impl Way<'_> {
    /// As reports and the ledger have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RemoveKey { .. } => "removeKey",
            Self::Patch => "PATCH",
        }
    }
}

/// What became of a removal.
#[derive(Clone, Debug, Serialize)]
pub struct Detachment {
    /// The entry that is gone.
    pub key_id: CredentialId,
    /// `removeKey`, `PATCH`, or `already gone`.
    pub method: &'static str,
    /// Seconds until the readings agreed.
    pub seconds_until_gone: u64,
    /// How often the list had to be written again.
    pub repairs: u32,
    /// Entries that another writer had dropped and that were put back.
    pub restored: Vec<CredentialId>,
    /// Other entries that somebody removed meanwhile: they stay removed.
    pub removed_meanwhile: Vec<CredentialId>,
}

/// Removes the entry, with a line in the ledger before and one after, whose hash comes back. `object`
/// says what else is known of the entry.
pub async fn remove(
    removal: Removal<'_>,
    object: Object,
    journal: Journal<'_>,
    watcher: &dyn Watcher,
) -> Result<(Detachment, ledger::Hash), Error> {
    remove_and_record(removal, Record::of(object), journal, watcher).await
}

/// The same, with facts that belong into the ledger.
pub async fn remove_and_record(
    removal: Removal<'_>,
    record: Record,
    journal: Journal<'_>,
    watcher: &dyn Watcher,
) -> Result<(Detachment, ledger::Hash), Error> {
    let object = Object { key_id: Some(removal.key_id), ..record.object.clone() };
    let record = Record { object, ..record }.fact("method", removal.way.name());
    let told = |gone: &Detachment| {
        let record = Record::default().fact("method", gone.method);
        if gone.restored.is_empty() { record } else { record.fact("restored", ids(&gone.restored)) }
    };
    let list = KeyList::read(removal.graph, removal.holder, removal.known).await?;
    permit(&removal, &list.last, removal.graph.http().service_now())?;
    let work = Removing { list, removal, was_gone: false, refusal: None, restored: BTreeSet::new() };
    journal.step(ledger::Step::Detach, record, work.run(watcher), told).await
}

fn ids(list: &[CredentialId]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The safety rules, by a list as it was read.
pub fn permit(removal: &Removal<'_>, list: &[KeyCredential], now: OffsetDateTime) -> Result<(), Box<Refusal>> {
    let key_id = removal.key_id;
    // What is not there can be removed by nobody; that it is gone is confirmed by readings.
    let Some(entry) = list.iter().find(|entry| entry.key_id == key_id) else { return Ok(()) };
    if let Some(what) = not_for_sign_in(entry, list) {
        return Err(Refusal::NotForSignIn { key_id, what }.into());
    }
    let is_spent = entry.end_date_time.is_some_and(|end| end <= now);
    match removal.remaining {
        Remaining::Entry(remaining) if remaining == key_id => Err(Refusal::Itself { key_id }.into()),
        Remaining::Entry(remaining) if list.iter().all(|entry| entry.key_id != remaining) => {
            Err(Refusal::RemainingIsGone { key_id, remaining, holder: removal.holder.id }.into())
        }
        Remaining::Nothing if !is_spent => Err(Refusal::NothingProven { key_id }.into()),
        _ => Ok(()),
    }
}

/// What an entry is, if it is not for signing in. The public half of a SAML signing key looks like a
/// certificate for sign-in; that it goes with a private half shows in the label that both have.
pub fn not_for_sign_in(entry: &KeyCredential, list: &[KeyCredential]) -> Option<&'static str> {
    let is_used_to = |entry: &KeyCredential, usage: &str| {
        entry.usage.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(usage))
    };
    if is_used_to(entry, "Encrypt") {
        return Some("a token encryption key");
    }
    let label = entry.custom_key_identifier.as_deref();
    let has_private_half = label.is_some()
        && list.iter().any(|other| {
            other.key_id != entry.key_id && is_used_to(other, "Sign") && other.custom_key_identifier.as_deref() == label
        });
    match is_used_to(entry, "Verify") && !has_private_half {
        true => None,
        false => Some("a SAML signing key"),
    }
}

/// An entry on its way out.
struct Removing<'a> {
    list: KeyList<'a>,
    removal: Removal<'a>,
    /// Whether any reading since the removal was without the entry.
    was_gone: bool,
    /// The service's word that there is no such entry, or that the request is wrong.
    refusal: Option<graph::Error>,
    restored: BTreeSet<CredentialId>,
}

impl Removing<'_> {
    async fn run(mut self, watcher: &dyn Watcher) -> Result<Detachment, Error> {
        let is_there = self.has(&self.list.last, self.removal.key_id);
        let method = if is_there { self.removal.way.name() } else { "already gone" };
        if is_there {
            watcher.doing(&format!("removing key {}", self.removal.key_id));
            self.remove(&[]).await?;
        }
        let (waited, repairs, left) = self.settle(watcher).await?;
        let key_id = self.removal.key_id;
        let removed_meanwhile = self.list.seen.difference(&left).copied().filter(|id| *id != key_id).collect();
        watcher.done(&format!("key {key_id} is gone"));
        Ok(Detachment {
            key_id,
            method,
            seconds_until_gone: waited.as_secs(),
            repairs,
            restored: self.restored.into_iter().collect(),
            removed_meanwhile,
        })
    }

    fn has(&self, list: &[KeyCredential], key_id: CredentialId) -> bool {
        list.iter().any(|entry| entry.key_id == key_id)
    }

    /// Removes the entry, and puts back what a parallel writer dropped. The latter can only be done by
    /// writing the list.
    async fn remove(&mut self, dropped: &[NewKey]) -> Result<(), Error> {
        self.restored.extend(dropped.iter().filter_map(|key| key.key_id));
        let ended = match self.removal.way {
            Way::RemoveKey { as_application, signer } if dropped.is_empty() => {
                self.remove_by_proof(as_application, signer).await
            }
            _ => self.write_without(dropped).await,
        };
        match ended {
            Err(Error::Provision(error)) => Ok(key_list::unless_it_may_have_acted(Err(error))?),
            ended => ended,
        }
    }

    async fn remove_by_proof(&mut self, as_application: &graph::Client, signer: &dyn Signer) -> Result<(), Error> {
        for attempt in 1.. {
            let fresh = self.list.read_all(Some(self.removal.key_id)).await?;
            permit(&self.removal, &fresh, self.list.graph.http().service_now())?;
            let object = self.removal.holder.id;
            let now = self.list.graph.http().service_now();
            let request = ProofRequest { object, now, backdate: time::Duration::seconds(30) };
            let proof = PossessionProof::sign(request, signer).await?;
            match as_application.remove_key(object, self.removal.key_id, &proof).await {
                Ok(()) => return Ok(()),
                // "No credentials found": a removal whose answer was lost is asked for twice.
                Err(error) if error.http().and_then(|http| http.status()) == Some(StatusCode::BAD_REQUEST) => {
                    self.refusal = Some(error);
                    return Ok(());
                }
                Err(error) => self.list.wait_after(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Writes what a fresh reading shows without the entry, and what was dropped. A collision is no
    /// reason to send the same list again: it is read and built anew.
    async fn write_without(&mut self, dropped: &[NewKey]) -> Result<(), Error> {
        for attempt in 1.. {
            let mut fresh = self.list.read_all(Some(self.removal.key_id)).await?;
            if dropped.is_empty() {
                permit(&self.removal, &fresh, self.list.graph.http().service_now())?;
            }
            let is_there = |key: &&NewKey| fresh.iter().any(|entry| Some(entry.key_id) == key.key_id);
            let add: Vec<NewKey> = dropped.iter().filter(|key| !is_there(key)).cloned().collect();
            self.list.last.clone_from(&fresh);
            fresh.retain(|entry| entry.key_id != self.removal.key_id);
            match self.list.graph.replace_key_credentials(self.list.holder, &fresh, &add).await {
                Ok(()) => return Ok(()),
                Err(error) => self.list.wait_after_list(error, attempt).await?,
            }
        }
        unreachable!("the last attempt returns: `wait_after` gives the error back there")
    }

    /// Reads until several readings in a row show the same list, without the entry and with the one
    /// that remains.
    async fn settle(&mut self, watcher: &dyn Watcher) -> Result<(Duration, u32, BTreeSet<CredentialId>), Error> {
        let clock = self.list.graph.http().clock().clone();
        let started = clock.now();
        let (mut equal, mut bad, mut repairs) = (0, 0, 0);
        let mut before = BTreeSet::new();
        loop {
            watch::check(watcher, "while the removal spreads")?;
            let read = self.list.glance().await?;
            let ids: BTreeSet<_> = read.iter().map(|entry| entry.key_id).collect();
            let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
            let is_gone = !ids.contains(&self.removal.key_id);
            let has_remaining = match self.removal.remaining {
                Remaining::Entry(remaining) => ids.contains(&remaining),
                Remaining::Elsewhere | Remaining::Nothing => true,
            };
            self.was_gone |= is_gone;
            if is_gone && has_remaining {
                (equal, bad) = (if ids == before { equal + 1 } else { 1 }, 0);
                if equal >= EQUAL_READINGS {
                    return Ok((waited, repairs, ids));
                }
            } else {
                (equal, bad) = (0, bad + 1);
            }
            before = ids;
            if bad >= LATE_READINGS {
                if repairs == MOST_REPAIRS {
                    return Err(self.given_up(repairs));
                }
                watcher.doing("the entry is still there, or back; removing it again");
                // Of a list that never lacked the entry nobody has dropped anything by mistake.
                let is_overwritten = self.was_gone || !has_remaining;
                let dropped: Vec<NewKey> = missing(&self.list.last, &read)
                    .filter(|entry| is_overwritten && entry.key_id != self.removal.key_id)
                    .filter_map(restorable)
                    .collect();
                self.list.last = read;
                self.remove(&dropped).await?;
                (repairs, bad) = (repairs + 1, 0);
            }
            if waited > READING_DEADLINE {
                let what = "agreement of Graph's readings on the removal".to_owned();
                return Err(provision::Error::Deadline { what, waited }.into());
            }
            watcher.doing(&watch::waiting("Graph to show that the key is gone", waited, READING_DEADLINE));
            clock.sleep(BETWEEN_READINGS).await;
        }
    }

    fn given_up(&mut self, repairs: u32) -> Error {
        let (key_id, holder) = (self.removal.key_id, self.removal.holder.id);
        match self.refusal.take() {
            Some(refusal) => refusal.into(),
            None if self.was_gone => provision::Error::LostUpdates { application: holder, times: repairs }.into(),
            None => Error::StillThere { key_id, holder, times: repairs + 1 },
        }
    }
}
