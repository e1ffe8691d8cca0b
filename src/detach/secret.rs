//! Removing a shared secret.

use std::time::Duration;

use super::error::Error;
use super::key::Detachment;
use crate::domain::CredentialId;
use crate::graph::{self, Holder};
use crate::http::{self, StatusCode};
use crate::ledger::{self, Object, Record};
use crate::provision::key_list::{BETWEEN_READINGS, EQUAL_READINGS, LATE_READINGS, MOST_REPAIRS};
use crate::provision::watch;
use crate::provision::{Journal, Watcher};

/// Removes one secret and reads until it stays away, with a line in the ledger before and one after,
/// whose hash comes back. `record` says what else belongs into it. The caller has proven that the
/// application signs in without the secret.
pub async fn remove(
    graph: &graph::Client,
    holder: impl Into<Holder>,
    key_id: CredentialId,
    record: Record,
    journal: Journal<'_>,
    watcher: &dyn Watcher,
) -> Result<(Detachment, ledger::Hash), Error> {
    let holder = holder.into();
    let object = Object { key_id: Some(key_id), ..record.object.clone() };
    let record = Record { object, ..record }.fact("method", "removePassword");
    let told = |gone: &Detachment| Record::default().fact("method", gone.method);
    journal.step(ledger::Step::Detach, record, take_away(graph, holder, key_id, watcher), told).await
}

async fn take_away(
    graph: &graph::Client,
    holder: Holder,
    key_id: CredentialId,
    watcher: &dyn Watcher,
) -> Result<Detachment, Error> {
    let clock = graph.http().clock();
    let started = clock.now();
    let (mut absent, mut present, mut times) = (0, LATE_READINGS, 0);
    let mut refusal = None;
    loop {
        watch::check(watcher, "while the removal spreads")?;
        let is_there = graph.password_credentials(holder).await?.iter().any(|secret| secret.key_id == key_id);
        (absent, present) = if is_there { (0, present + 1) } else { (absent + 1, 0) };
        if absent >= EQUAL_READINGS {
            let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
            watcher.done(&format!("secret {key_id} is gone"));
            return Ok(Detachment {
                key_id,
                method: if times == 0 { "already gone" } else { "removePassword" },
                seconds_until_gone: waited.as_secs(),
                repairs: u32::saturating_sub(times, 1),
                restored: Vec::new(),
                removed_meanwhile: Vec::new(),
            });
        }
        if present > LATE_READINGS {
            if times > MOST_REPAIRS {
                return Err(refusal.map_or(Error::StillThere { key_id, holder: holder.id, times }, Error::from));
            }
            watcher.doing(&format!("removing secret {key_id}"));
            refusal = ask(graph, holder, key_id).await?;
            (times, present) = (times + 1, 0);
        }
        clock.sleep(BETWEEN_READINGS).await;
    }
}

/// Asks once. What the service says of an answer that was lost, or of a secret that is not there, is
/// given back: the readings that follow decide.
async fn ask(graph: &graph::Client, holder: Holder, key_id: CredentialId) -> Result<Option<graph::Error>, Error> {
    let Err(error) = graph.remove_password(holder, key_id).await else { return Ok(None) };
    let has_no_such = error.http().and_then(http::Error::status) == Some(StatusCode::BAD_REQUEST);
    let may_pass = error.is_transient() || error.http().is_some_and(http::Error::may_have_acted);
    if !has_no_such && !may_pass {
        return Err(error.into());
    }
    let asked = error.http().and_then(http::Error::retry_after).unwrap_or_default();
    graph.http().clock().sleep(asked.min(Duration::from_secs(60))).await;
    Ok(Some(error))
}
