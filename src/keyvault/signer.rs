//! A signer whose key stays in the vault.

use async_trait::async_trait;

use super::client::Client;
use crate::domain::KeyUrl;
use crate::pki::{Error, Signer, SignerIdentity, SigningInput};

/// Signs with one version of a vault's key. The version never changes: a renewal in the vault makes
/// a new one, which the directory does not know yet.
#[derive(Clone, Debug)]
pub struct VaultSigner {
    client: Client,
    key: KeyUrl,
    identity: SignerIdentity,
}

impl VaultSigner {
    /// A signer for `key`, whose certificate, or its thumbprint, is `identity`.
    pub fn new(client: &Client, key: KeyUrl, identity: SignerIdentity) -> Self {
        Self { client: client.at(key.vault().clone()), key, identity }
    }

    /// The key that signs.
    pub fn key(&self) -> &KeyUrl {
        &self.key
    }
}

#[async_trait]
impl Signer for VaultSigner {
    fn identity(&self) -> &SignerIdentity {
        &self.identity
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error> {
        self.client.sign(&self.key, input).await.map_err(|error| Error::Signer(Box::new(error)))
    }
}
