//! Why an application could not sign in.

use crate::domain::{CertificateName, Vault};
use crate::entra;
use crate::keyvault;
use crate::pki;

/// No token for the application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vault did not show the certificate.
    #[error(transparent)]
    Vault(#[from] keyvault::Error),
    /// Entra gave no token, or the vault did not sign.
    #[error(transparent)]
    Entra(#[from] entra::Error),
    /// The certificate cannot be used.
    #[error("certificate {name} in {vault}")]
    Certificate {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// What is wrong with it.
        #[source]
        source: pki::Error,
    },
    /// There is a certificate, and nothing that could sign.
    #[error("certificate {name} in {vault} has no version that could sign: {reason}")]
    NoUsableVersion {
        /// Its name.
        name: CertificateName,
        /// Where.
        vault: Box<Vault>,
        /// What is wrong with the newest.
        reason: &'static str,
    },
}

impl Error {
    /// The refusal of the token endpoint, if it is one.
    pub fn refusal(&self) -> Option<&entra::Error> {
        match self {
            Self::Entra(error) if error.aadsts().is_some() => Some(error),
            _ => None,
        }
    }

    /// Whether Entra does not know the key, so that another version may be the right one.
    pub fn is_unknown_key(&self) -> bool {
        // AADSTS700027: the certificate is not registered on the application.
        self.refusal().and_then(entra::Error::aadsts) == Some(700_027)
    }
}
