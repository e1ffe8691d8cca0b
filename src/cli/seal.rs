//! The key of a vault that signs what kvops keeps: checkpoints of a ledger, baselines of an audit.

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::domain::{CertificateName, CertificateVersion, TAG_APP, UNASSIGNED, Version};
use crate::keyvault::{self, VaultSigner};
use crate::ledger::{Entry, Step};
use crate::pki::{Certificate, SignerIdentity};

/// Which key.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// Vault of the certificate whose key signs: name or URL
    #[arg(long, value_name = "VAULT")]
    vault: String,
    /// Name of the certificate: one that no application trusts
    #[arg(long, value_name = "NAME")]
    pub(super) name: CertificateName,
    /// One version, in place of the current one
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
}

/// A key that was found, and lets no application sign in.
#[derive(Debug)]
pub(super) struct Seal {
    pub(super) vault: keyvault::Client,
    pub(super) version: CertificateVersion,
    pub(super) certificate: Certificate,
}

impl Key {
    /// Looks the key up, and refuses one of an application, as far as tags and ledger know.
    pub(super) async fn find(&self, entries: &[Entry], context: &Context) -> Result<Seal, Failure> {
        let vault = context.vault_client(&context.vault(&self.vault)?);
        let version = context.reading(vault.certificate(&self.name, self.version.as_ref())).await?;
        let certificate = Certificate::from_der(version.der.as_deref().unwrap_or_default())?;
        self.check(&version, &certificate, entries)?;
        Ok(Seal { vault, version, certificate })
    }

    /// A key that lets an application sign in is for that alone.
    fn check(&self, version: &CertificateVersion, certificate: &Certificate, entries: &[Entry]) -> Result<(), Failure> {
        let owner = version.tags.get(TAG_APP).filter(|owner| *owner != UNASSIGNED);
        let thumbprint = certificate.sha1().hex();
        let is_attached = |entry: &Entry| {
            entry.step == Step::Attach && entry.object.thumbprint.as_deref() == Some(thumbprint.as_str())
        };
        if owner.is_none() && !entries.iter().any(is_attached) {
            return Ok(());
        }
        let (vault, name) = (&self.vault, &self.name);
        let problem = format!("{name} is the certificate of an application, and signs for nothing else");
        Err(Failure::new(Exit::Refused, problem)
            .hint(format!("make one for this with `kvops provision --vault-only --vault {vault} --name {name}-seal`")))
    }
}

impl Seal {
    /// What signs with it.
    pub(super) fn signer(&self) -> VaultSigner {
        let identity = SignerIdentity::Certificate(Box::new(self.certificate.clone()));
        VaultSigner::new(&self.vault, self.version.key.clone(), identity)
    }
}
