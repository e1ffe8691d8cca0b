//! A managed identity in place of a certificate: the application trusts its tokens.
//!
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity>

use std::sync::Arc;

use async_trait::async_trait;

use super::application::{Key, SignInRequest, SignedIn};
use super::error::Error;
use crate::entra::{self, Credential};
use crate::http;

/// The token of another identity, for the audience that each cloud has for this, is the assertion.
#[derive(Clone, Debug)]
pub struct ManagedIdentityFederated {
    identity: Arc<dyn Credential>,
}

impl ManagedIdentityFederated {
    /// Proves an application by `identity`, which the application trusts by a federated credential.
    pub fn new(identity: Arc<dyn Credential>) -> Self {
        Self { identity }
    }
}

#[async_trait]
impl Key for ManagedIdentityFederated {
    async fn sign_in(&self, http: &http::Client, request: SignInRequest<'_>) -> Result<SignedIn, Error> {
        let SignInRequest { tenant, app, scope, .. } = request;
        let token = entra::exchange(http, tenant, app, scope, self.identity.as_ref()).await?;
        Ok(SignedIn { token, assertion: None, key: None })
    }
}
