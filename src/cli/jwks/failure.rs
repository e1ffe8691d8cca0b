//! From an issuer's errors to exit codes and advice.

use crate::cli::convert::of_vault;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::jwks::{Error, ReadError};
use crate::pki;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(vault) = error.vault() {
            return of_vault(&error, vault);
        }
        let failed = |exit| Self::from_error(exit, &error);
        match &error {
            Error::Read(reason) => match reason.as_ref() {
                ReadError::NoKey { .. } => failed(Exit::Refused)
                    .hint("make a new version of the certificate, or enable one: no other key ever stands in"),
                ReadError::OfApplication { .. } => {
                    failed(Exit::Refused).hint("make a certificate for the issuer alone, and name that")
                }
                _ => failed(Exit::Upstream),
            },
            Error::Expired { .. } => {
                failed(Exit::Refused).hint("make a new version of the certificate; see `kvops jwks status`")
            }
            Error::NotYetValid { .. } => failed(Exit::Refused),
            Error::Token(reason) => failed(exit_of(reason)),
            _ => failed(Exit::Upstream),
        }
    }
}

/// What the caller asked for is told apart from what must not be done.
pub(super) fn exit_of(error: &pki::Error) -> Exit {
    match error {
        pki::Error::Audience { .. } => Exit::Refused,
        pki::Error::Claims(_) | pki::Error::TokenLifetime { .. } | pki::Error::Issuer { .. } => Exit::Usage,
        _ => Exit::Upstream,
    }
}
