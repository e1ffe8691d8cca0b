//! Having the vault make a version, and waiting until it has.

use std::time::Duration;

use super::error::Error;
use super::watch::{self, Watcher};
use crate::domain::{CertificateName, CertificateOperation, OperationStatus, printable};
use crate::http;
use crate::keyvault::{self, NewCertificate};

const DEADLINE: Duration = Duration::from_secs(300);

/// Asks for a new version. `last_request` is the id of the operation that was there before: one with
/// another id is ours, should the answer be lost.
pub async fn create(
    vault: &keyvault::Client,
    name: &CertificateName,
    new: &NewCertificate,
    last_request: Option<&String>,
    watcher: &dyn Watcher,
) -> Result<CertificateOperation, Error> {
    watcher.doing(&format!("creating certificate {name}"));
    match vault.create(name, new).await {
        Ok(operation) => Ok(operation),
        // The answer was lost, not necessarily the request.
        Err(error) if error.http().is_some_and(http::Error::may_have_acted) => {
            watcher.doing("the answer was lost; looking whether the vault has begun");
            match vault.operation(name).await {
                Ok(operation) if operation.request_id.as_ref() != last_request => Ok(operation),
                Ok(_) => Err(error.into()),
                Err(missing) if missing.is_not_found() => Err(error.into()),
                Err(other) => Err(other.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for the operation with the id `ours`; another one is somebody else's.
pub async fn await_issue(
    vault: &keyvault::Client,
    name: &CertificateName,
    ours: Option<&String>,
    watcher: &dyn Watcher,
) -> Result<CertificateOperation, Error> {
    let clock = vault.http().clock();
    let started = clock.now();
    let mut pause = Duration::from_secs(1);
    loop {
        let operation = vault.operation(name).await?;
        if operation.request_id.as_ref() != ours {
            return Err(Error::Replaced { name: name.clone() });
        }
        let not_issued = |reason: String| Err(Error::NotIssued { name: name.clone(), reason });
        match (&operation.status, &operation.error) {
            (OperationStatus::Completed, _) => return Ok(operation),
            (_, Some((code, message))) => return not_issued(printable(&format!("{code}: {message}"))),
            (OperationStatus::Cancelled, _) => return not_issued("somebody cancelled it".to_owned()),
            (OperationStatus::Failed, _) => {
                return not_issued("it failed, and the vault does not say why".to_owned());
            }
            _ => {}
        }
        let waited = (clock.now() - started).max(time::Duration::ZERO).unsigned_abs();
        if waited + pause > DEADLINE {
            return Err(Error::Deadline { what: format!("the issue of certificate {name}"), waited });
        }
        let details = operation.status_details.as_deref().unwrap_or("the vault to issue the certificate");
        watcher.doing(&watch::waiting(&printable(details), waited, DEADLINE));
        watch::check(watcher, "while the vault issues the certificate")?;
        clock.sleep(pause).await;
        watch::check(watcher, "while the vault issues the certificate")?;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}
