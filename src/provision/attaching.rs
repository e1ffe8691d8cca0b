//! Attaching by the way that was decided on: the signer is found in the vault, and speaks for the application.

use super::attach::{self, Attachment, Way};
use super::error::Error;
use super::plan::{AttachMethod, AttachedSigner};
use super::prove::SignIn;
use super::watch::Watcher;
use crate::domain::{Application, KeyUrl};
use crate::graph;
use crate::keyvault::{self, VaultSigner};
use crate::pki::{Certificate, SignerIdentity};

/// What attaching works with.
#[derive(Clone, Copy, Debug)]
pub struct Attaching<'a> {
    /// Holds the key that signs the proof.
    pub vault: &'a keyvault::Client,
    /// The directory, as the operator sees it.
    pub graph: &'a graph::Client,
    /// Makes tokens in the application's name.
    pub sign_in: &'a SignIn,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
}

impl Attaching<'_> {
    /// Adds `certificate` to `application` unless it is there, and waits until it can be read.
    pub async fn attach(
        &self,
        application: &Application,
        certificate: &Certificate,
        method: &AttachMethod,
    ) -> Result<Attachment, Error> {
        self.watcher.doing("adding the certificate to the application");
        let attached = match method {
            AttachMethod::AddKey { signer } => {
                let signer = self.signer(signer).await?;
                let as_application = self.graph.with_tokens(&self.sign_in.tokens(application.app_id, &signer));
                let way = Way::AddKey { as_application: &as_application, signer: &signer };
                let reason = "an attached certificate of this vault proves possession; no permission is needed";
                attach::attach(self.graph, application, certificate, way, reason, self.watcher).await?
            }
            AttachMethod::Patch { reason } => {
                attach::attach(self.graph, application, certificate, Way::Patch, reason, self.watcher).await?
            }
        };
        self.watcher.done(&format!("attached as keyId {} by {}", attached.key_id, attached.method));
        Ok(attached)
    }

    async fn signer(&self, attached: &AttachedSigner) -> Result<VaultSigner, Error> {
        signer(self.vault, &attached.key).await
    }
}

/// Signs with one version of a certificate of `vault`.
pub async fn signer(vault: &keyvault::Client, key: &KeyUrl) -> Result<VaultSigner, Error> {
    let der = vault.certificate(key.name(), Some(key.version())).await?.der;
    let certificate = Certificate::from_der(&der.unwrap_or_default())?;
    Ok(VaultSigner::new(vault, key.clone(), SignerIdentity::Certificate(Box::new(certificate))))
}
