//! One version of a vault's key, whose thumbprint the caller knows.

use async_trait::async_trait;

use super::application::{Key, SignInRequest, SignedIn};
use super::error::Error;
use crate::domain::{KeyUrl, Thumbprint};
use crate::entra;
use crate::http;
use crate::keyvault::{self, VaultSigner};
use crate::pki::SignerIdentity;

/// Signs with one version and reads nothing: `keys/sign` on that key is the only right it needs.
#[derive(Clone, Debug)]
pub struct VaultKey {
    signer: VaultSigner,
}

impl VaultKey {
    /// The key at `key`, whose certificate has `thumbprint`: SHA-256 for PS256, SHA-1 for RS256.
    pub fn new(vault: &keyvault::Client, key: KeyUrl, thumbprint: Thumbprint) -> Self {
        Self::with_signer(VaultSigner::new(vault, key, SignerIdentity::Thumbprint(thumbprint)))
    }

    /// A key whose certificate is known already.
    pub fn with_signer(signer: VaultSigner) -> Self {
        Self { signer }
    }
}

#[async_trait]
impl Key for VaultKey {
    async fn sign_in(&self, http: &http::Client, request: SignInRequest<'_>) -> Result<SignedIn, Error> {
        sign_in_with(&self.signer, http, request).await
    }
}

/// Assertion, exchange, token.
pub(super) async fn sign_in_with(
    signer: &VaultSigner,
    http: &http::Client,
    request: SignInRequest<'_>,
) -> Result<SignedIn, Error> {
    let SignInRequest { tenant, app, scope, options } = request;
    let minted = entra::mint(http, tenant, app, scope, signer, options).await?;
    Ok(SignedIn { token: minted.token, assertion: Some(minted.assertion), key: Some(signer.key().clone()) })
}
