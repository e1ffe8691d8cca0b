//! Writing on versions: tags and their withdrawal, each with its lines in the ledger.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::Version;
use crate::jwks::{KeySet, SigningKeySet};
use crate::keyvault;
use crate::ledger::{self, Object, Record, RequestRecord, Run, Step};

/// Sets tags of a version, or with `None` takes them away. The others stay.
pub(super) async fn tag(
    issuer: &SigningKeySet,
    set: &KeySet,
    version: &Version,
    changes: &[(&str, Option<OffsetDateTime>)],
    ledger: &Run,
) -> Result<(), Failure> {
    let mut tags: BTreeMap<String, String> = set.observed().tags.get(version).cloned().unwrap_or_default();
    let mut record = record(issuer, version);
    for (name, moment) in changes {
        match moment {
            Some(moment) => {
                let text = written(*moment);
                record = record.fact(name, &text);
                tags.insert((*name).to_owned(), text);
            }
            None => {
                record = record.fact(name, "removed");
                tags.remove(*name);
            }
        }
    }
    let vault = issuer.vault();
    let started = ledger.begin(Step::Tag, record).map_err(unwritten)?;
    end(issuer, started, vault.update_properties(issuer.name(), version, None, Some(&tags)).await.map(drop))
}

/// Disables a version: from then on the vault signs nothing with it.
pub(super) async fn disable(issuer: &SigningKeySet, version: &Version, ledger: &Run) -> Result<(), Failure> {
    let vault = issuer.vault();
    let started = ledger.begin(Step::Disable, record(issuer, version)).map_err(unwritten)?;
    end(issuer, started, vault.update_properties(issuer.name(), version, Some(false), None).await.map(drop))
}

fn end(issuer: &SigningKeySet, started: ledger::Started, ended: Result<(), keyvault::Error>) -> Result<(), Failure> {
    let acts = issuer.vault().http().take_acts().into_iter();
    let requests = acts.map(|act| RequestRecord::new(act.service, act.operation, act.status, act.id));
    let record = Record::default().requests(requests.collect());
    match ended {
        Ok(()) => started.done(record).map(drop).map_err(unwritten),
        Err(error) => {
            started.failed(record).map_err(unwritten)?;
            Err(error.into())
        }
    }
}

fn record(issuer: &SigningKeySet, version: &Version) -> Record {
    Record::of(Object {
        vault: Some(issuer.vault().vault().name().clone()),
        certificate: Some(issuer.name().clone()),
        version: Some(version.clone()),
        ..Object::default()
    })
}

/// What the ledger could not take.
pub(super) fn unwritten(error: ledger::Error) -> Failure {
    Failure::from_error(Exit::Usage, &error)
}

/// A moment as tags have it, to the second.
fn written(moment: OffsetDateTime) -> String {
    let seconds = moment.replace_nanosecond(0).unwrap_or(moment);
    seconds.format(&Rfc3339).unwrap_or_default()
}
