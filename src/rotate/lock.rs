//! One rotation of a certificate at a time on one machine. The lock goes with the process: after a
//! crash nobody has to remove anything.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::domain::{CertificateName, VaultName};

/// Holds until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock goes with the open file")] File);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("another kvops on this machine is rotating {name} of vault {vault}")]
    Taken {
        /// The vault.
        vault: VaultName,
        /// The certificate.
        name: CertificateName,
    },
    /// The file cannot be used.
    #[error("the lock file {path} cannot be used")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Takes the lock of a certificate, which lies beside the ledger.
pub fn take(ledger: &Path, vault: &VaultName, name: &CertificateName) -> Result<Lock, Error> {
    let folder = ledger.parent().unwrap_or(Path::new("")).join("locks");
    let path = folder.join(format!("{vault}.{}.lock", name.as_str().to_ascii_lowercase()));
    let failed = |source| Error::File { path: path.display().to_string(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Taken { vault: vault.clone(), name: name.clone() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_turned_away_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.jsonl");
        let names: (VaultName, CertificateName) = ("contoso-kv".parse().unwrap(), "billing".parse().unwrap());
        let first = take(&ledger, &names.0, &names.1).unwrap();
        assert!(matches!(take(&ledger, &names.0, &names.1), Err(Error::Taken { .. })));
        take(&ledger, &names.0, &"other".parse().unwrap()).unwrap();
        drop(first);
        take(&ledger, &names.0, &names.1).unwrap();
    }
}
