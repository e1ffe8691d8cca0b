//! The list of an object's keys, of which any reading may be late.
//!
//! Graph has no optimistic lock on applications, and `PATCH` replaces the whole list. So a list is
//! written only right after it was read, and contains every entry of that reading; a reading that
//! lacks what an earlier one had is not believed before it has been repeated. What somebody else
//! removes stays removed.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

use super::error::Error;
use crate::domain::{CredentialId, KeyCredential};
use crate::graph::{self, Holder, NewKey};
use crate::http;
use crate::pki::Certificate;

/// So many equal readings in a row count as settled, as Terraform's provider for Entra has it.
pub const EQUAL_READINGS: u32 = 5;
/// The pause between two readings.
pub const BETWEEN_READINGS: Duration = Duration::from_secs(1);
/// How long readings may disagree.
pub const READING_DEADLINE: Duration = Duration::from_secs(300);
/// So many readings in a row that lack an entry count as its removal; replicas lag for seconds.
pub const LATE_READINGS: u32 = 12;
/// So often a list is repaired before other writers win.
pub const MOST_REPAIRS: u32 = 5;
/// The code of a list with an entry that is none.
const BAD_ENTRY: &str = "Request_BadRequest";
/// So often a write may collide with somebody else's.
const MOST_COLLISIONS: u32 = 5;
/// A service that asks for more than this is not waited for: whoever waits may as well be told.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is known of the list.
#[derive(Debug)]
pub struct KeyList<'a> {
    /// The directory.
    pub graph: &'a graph::Client,
    /// Whose list.
    pub holder: Holder,
    /// The last reading that was believed, with bytes.
    pub last: Vec<KeyCredential>,
    /// The keyId of every entry that any reading has shown.
    pub seen: BTreeSet<CredentialId>,
}

impl<'a> KeyList<'a> {
    /// Reads the list. `known` was read before: this reading may be later than that one and yet
    /// older. What only that one had has no bytes, so it is waited for and never put back.
    pub async fn read(
        graph: &'a graph::Client,
        holder: impl Into<Holder>,
        known: &[KeyCredential],
    ) -> Result<Self, Error> {
        let holder = holder.into();
        let mut last = graph.key_credentials(holder).await?;
        let late: Vec<_> = missing(known, &last).cloned().collect();
        last.extend(late.into_iter().map(|entry| KeyCredential { key: None, ..entry }));
        let seen = last.iter().map(|entry| entry.key_id).collect();
        Ok(Self { graph, holder, last, seen })
    }

    /// One reading, which may be late.
    pub async fn glance(&mut self) -> Result<Vec<KeyCredential>, Error> {
        let read = self.graph.key_credentials(self.holder).await?;
        self.seen.extend(read.iter().map(|entry| entry.key_id));
        Ok(read)
    }

    /// A reading that has all that the last one had, but for `gone`. One that lacks something is
    /// late, or somebody has removed it: it is repeated, and believed when it stays as it is.
    pub async fn read_all(&mut self, gone: Option<CredentialId>) -> Result<Vec<KeyCredential>, Error> {
        let mut readings = 0;
        loop {
            let read = self.glance().await?;
            readings += 1;
            let lacks_something = missing(&self.last, &read).any(|entry| Some(entry.key_id) != gone);
            if !lacks_something || readings >= LATE_READINGS {
                return Ok(read);
            }
            self.graph.http().clock().sleep(BETWEEN_READINGS).await;
        }
    }

    /// Waits before the next attempt at a write that was turned away, or gives the error back.
    pub async fn wait_after(&self, error: graph::Error, attempt: u32) -> Result<(), Error> {
        let asked = error.http().and_then(http::Error::retry_after).unwrap_or_default();
        let was_turned_away = error.is_transient() && !error.http().is_some_and(http::Error::may_have_acted);
        if !was_turned_away || attempt >= MOST_COLLISIONS || asked > LONGEST_WAIT {
            return Err(error.into());
        }
        self.graph.http().clock().sleep(asked.max(BETWEEN_READINGS * attempt)).await;
        Ok(())
    }

    /// The same for a list that was made of the last reading. What somebody has removed since then is
    /// sent without bytes, which the directory takes for a new entry that lacks them.
    pub async fn wait_after_list(&mut self, error: graph::Error, attempt: u32) -> Result<(), Error> {
        let is_malformed = error.http().and_then(http::Error::code) == Some(BAD_ENTRY);
        if is_malformed && attempt < MOST_COLLISIONS && self.lacks_something().await? {
            return Ok(());
        }
        self.wait_after(error, attempt).await
    }

    /// Whether an entry of the last reading is gone, as far as several readings tell.
    async fn lacks_something(&mut self) -> Result<bool, Error> {
        for _ in 0..LATE_READINGS {
            let read = self.glance().await?;
            if missing(&self.last, &read).next().is_some() {
                return Ok(true);
            }
            self.graph.http().clock().sleep(BETWEEN_READINGS).await;
        }
        Ok(false)
    }
}

/// A write whose answer was lost: whether it was carried out shows in the readings that follow.
pub fn unless_it_may_have_acted(ended: Result<(), Error>) -> Result<(), Error> {
    match ended {
        Err(Error::Graph(error)) if error.http().is_some_and(http::Error::may_have_acted) => Ok(()),
        ended => ended,
    }
}

/// Entries of `earlier` that are not in `later`.
pub fn missing<'a>(
    earlier: &'a [KeyCredential],
    later: &'a [KeyCredential],
) -> impl Iterator<Item = &'a KeyCredential> {
    earlier.iter().filter(|entry| later.iter().all(|other| other.key_id != entry.key_id))
}

/// An entry made ready to be put back. Bytes of other kinds, such as SAML signing keys, are never
/// readable and so cannot be restored by anybody.
pub fn restorable(entry: &KeyCredential) -> Option<NewKey> {
    Some(NewKey {
        der: der_of(entry.key.as_deref().filter(|_| entry.is_for_sign_in())?)?,
        key_id: Some(entry.key_id),
        display_name: entry.display_name.clone(),
        start: entry.start_date_time,
        end: entry.end_date_time,
    })
}

/// The entry of a list that lets `certificate` sign in at `now`: by bytes where they were read, else
/// by thumbprint.
pub fn find(list: &[KeyCredential], certificate: &Certificate, now: OffsetDateTime) -> Option<CredentialId> {
    list.iter().filter(|entry| entry.is_valid_at(now)).find(|entry| is_of(entry, certificate)).map(|entry| entry.key_id)
}

/// Whether a sign-in entry, valid or not, is `certificate`.
pub fn is_of(entry: &KeyCredential, certificate: &Certificate) -> bool {
    entry.is_for_sign_in()
        && match entry.key.as_deref().and_then(der_of) {
            Some(der) => der == certificate.der(),
            None => entry.thumbprint().is_some_and(|known| certificate.has_thumbprint(&known)),
        }
}

/// The certificate behind `key`. Some clients upload the base64 of PEM, or with line breaks.
pub fn der_of(key: &str) -> Option<Vec<u8>> {
    let compact: String = key.split_whitespace().collect();
    let bytes = STANDARD.decode(compact).ok()?;
    Certificate::from_file(&bytes).ok().map(|certificate| certificate.der().to_vec())
}
