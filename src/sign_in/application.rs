//! An application, and what it proves itself with.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::error::Error;
use crate::domain::{AppId, KeyUrl, TenantId};
use crate::entra::{self, MintOptions, Token};
use crate::http::{self, TokenRequest};
use crate::pki::ClientAssertion;

/// One sign-in.
#[derive(Clone, Copy, Debug)]
pub struct SignInRequest<'a> {
    /// Whose token endpoint, and so the audience of the assertion.
    pub tenant: &'a TenantId,
    /// Which application.
    pub app: AppId,
    /// `RESOURCE/.default`.
    pub scope: &'a str,
    /// Algorithm and times of the assertion.
    pub options: &'a MintOptions,
}

/// A token, and what brought it.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The token.
    pub token: Token,
    /// The assertion; none where another identity's token stood in for one.
    pub assertion: Option<ClientAssertion>,
    /// The key that signed.
    pub key: Option<KeyUrl>,
}

/// What an application proves itself with.
#[async_trait]
pub trait Key: Debug + Send + Sync {
    /// Signs in. Nothing is remembered but where the key is.
    async fn sign_in(&self, http: &http::Client, request: SignInRequest<'_>) -> Result<SignedIn, Error>;
}

/// An application in a tenant.
#[derive(Clone, Debug)]
pub struct Application {
    http: http::Client,
    key: Arc<dyn Key>,
    tenant: TenantId,
    app: AppId,
    options: MintOptions,
}

impl Application {
    /// `app` in `tenant`, which proves itself with `key`.
    pub fn new(http: &http::Client, key: Arc<dyn Key>, tenant: TenantId, app: AppId, options: MintOptions) -> Self {
        Self { http: http.clone(), key, tenant, app, options }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// A new token for `scope`.
    pub async fn sign_in(&self, scope: &str) -> Result<SignedIn, Error> {
        let request = SignInRequest { tenant: &self.tenant, app: self.app, scope, options: &self.options };
        self.key.sign_in(&self.http, request).await
    }
}

#[async_trait]
impl entra::Credential for Application {
    fn name(&self) -> &'static str {
        "application"
    }

    fn description(&self) -> String {
        format!("application {} in tenant {}", self.app, self.tenant)
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, entra::Error> {
        let mut options = self.options.clone();
        options.claims.clone_from(&request.claims);
        let scope = request.scope();
        let request = SignInRequest { tenant: &self.tenant, app: self.app, scope: &scope, options: &options };
        match self.key.sign_in(&self.http, request).await {
            Ok(signed_in) => Ok(signed_in.token),
            Err(Error::Entra(error)) => Err(error),
            Err(other) => Err(entra::Error::NotAvailable {
                credential: "application",
                reason: crate::domain::Chain(&other).to_string(),
            }),
        }
    }
}
