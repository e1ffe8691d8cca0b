//! Signing in as an application whose key stays in a vault.

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{AppId, Clock, Secret, TenantId};
use crate::entra::{self, MintOptions, Token};
use crate::http::{self, TokenRequest, TokenSource};
use crate::keyvault::VaultSigner;
use crate::pki::{Algorithm, Signer};

/// Where and how applications sign in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The transport.
    pub http: http::Client,
    /// The tenant whose token endpoint is asked.
    pub tenant: TenantId,
    /// The algorithm of assertions; without one that which fits the certificate.
    pub algorithm: Option<Algorithm>,
}

impl SignIn {
    /// The clock of the transport.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.http.clock()
    }

    /// A new token of `app` for Graph. Never a kept one: it is to prove something about now.
    pub(super) async fn graph_token(&self, app: AppId, signer: &dyn Signer) -> Result<Token, entra::Error> {
        self.token(app, &format!("{}.default", self.http.cloud().graph()), signer).await
    }

    /// Tokens of `app` for a client that makes requests in its name.
    pub(super) fn tokens(&self, app: AppId, signer: &VaultSigner) -> Arc<dyn TokenSource> {
        Arc::new(ApplicationTokens { sign_in: self.clone(), app, signer: signer.clone() })
    }

    async fn token(&self, app: AppId, scope: &str, signer: &dyn Signer) -> Result<Token, entra::Error> {
        let options = MintOptions { algorithm: self.algorithm, ..MintOptions::default() };
        let minted = entra::mint(&self.http, &self.tenant, app, scope, signer, &options).await?;
        Ok(minted.token)
    }
}

/// One application's tokens, for the one or two requests that attach a key.
#[derive(Debug)]
struct ApplicationTokens {
    sign_in: SignIn,
    app: AppId,
    signer: VaultSigner,
}

#[async_trait]
impl TokenSource for ApplicationTokens {
    async fn token(&self, request: &TokenRequest) -> Result<Secret<String>, Box<dyn StdError + Send + Sync>> {
        Ok(self.sign_in.token(self.app, &request.scope(), &self.signer).await?.access_token)
    }
}
