//! Tokens with a line in the ledger before each signature, and one after it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::error::Error;
use super::observe::VersionKey;
use super::set::{Issued, Order, SigningKeySet};
use crate::http::{Act, witness};
use crate::ledger::{self, Object, Record, RequestRecord, Run, Started, Step};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Unissued {
    /// It could not be made.
    #[error(transparent)]
    Set(#[from] Error),
    /// It could not be recorded. One that is not in the ledger is not handed out.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// Has a token signed. What is about to be signed is on disk before the vault is asked, and what came of it
/// before the token is handed out.
pub async fn issue(set: &SigningKeySet, order: Order<'_>, ledger: &Run) -> Result<Issued, Unissued> {
    let keys = set.current().await?;
    let now = set.now();
    let (id, expires_at) = (set.vault().http().new_guid(), now.saturating_add(order.lifetime));
    let intended = Record::of(object(keys.active(now)?))
        .fact("iss", set.issuer())
        .fact("aud", order.audience)
        .fact("jti", id)
        .fact("exp", expires_at.unix_timestamp());
    let run = ledger.clone();
    let started = on_disk(move || run.begin(Step::Mint, intended)).await?;
    let (signed, acts) = witness(set.sign_as(id, order)).await;
    let issued = end(started, signed, acts, id, expires_at).await?;
    Ok(issued)
}

async fn end(
    started: Started,
    signed: Result<Issued, Error>,
    acts: Vec<Act>,
    id: Uuid,
    expected: OffsetDateTime,
) -> Result<Issued, Unissued> {
    let requests: Vec<RequestRecord> = acts.into_iter().map(request).collect();
    match signed {
        Ok(issued) => {
            // The vault may have withdrawn the key meanwhile: this is the one that signed.
            let mut done = Record::of(object(&issued.key)).requests(requests).fact("jti", id);
            if issued.expires_at.unix_timestamp() != expected.unix_timestamp() {
                done = done.fact("exp", issued.expires_at.unix_timestamp());
            }
            on_disk(move || started.done(done)).await?;
            Ok(issued)
        }
        Err(error) => {
            let failed = Record::default().requests(requests).fact("jti", id);
            on_disk(move || started.failed(failed)).await?;
            Err(error.into())
        }
    }
}

/// Writing waits for the disk, and other requests do not wait with it.
async fn on_disk<T: Send + 'static>(
    write: impl FnOnce() -> Result<T, ledger::Error> + Send + 'static,
) -> Result<T, ledger::Error> {
    match tokio::task::spawn_blocking(write).await {
        Ok(written) => written,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn object(key: &VersionKey) -> Object {
    Object {
        vault: Some(key.key.vault().name().clone()),
        certificate: Some(key.key.name().clone()),
        version: Some(key.key.version().clone()),
        ..Object::default()
    }
}

fn request(act: Act) -> RequestRecord {
    RequestRecord::new(act.service, act.operation, act.status, act.id)
}
