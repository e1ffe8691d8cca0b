//! Applications that sign in with a token of somebody whom they trust.

use std::fmt::Debug;
use std::path::PathBuf;

use async_trait::async_trait;

use super::claims::with_capability;
use super::{Credential, read_file};
use crate::domain::{AppId, Secret, TenantId};
use crate::entra::error::Error;
use crate::entra::token::{self, ClientCredentials, ClientProof, Token};
use crate::http;
use crate::http::TokenRequest;

/// Where the trusted token comes from. It is fetched for each use: it lives for minutes.
#[async_trait]
pub(super) trait Issuer: Debug + Send + Sync {
    async fn assertion(&self) -> Result<Secret<String>, Error>;
}

/// An application and the issuer that it trusts.
#[derive(Debug)]
pub(super) struct Federated<I> {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) http: http::Client,
    pub(super) tenant: TenantId,
    pub(super) client: AppId,
    pub(super) issuer: I,
}

#[async_trait]
impl<I: Issuer> Credential for Federated<I> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> String {
        format!("{} as application {}", self.description, self.client)
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let assertion = self.issuer.assertion().await?;
        let claims = with_capability(request.claims.as_deref());
        let credentials = ClientCredentials {
            tenant: &self.tenant,
            client: self.client,
            scope: &request.scope(),
            proof: ClientProof::Assertion(&assertion),
            claims: Some(&claims),
        };
        token::request(&self.http, &credentials).await
    }
}

/// A token in a file that somebody else renews: read at each use.
#[derive(Debug)]
pub(super) struct TokenFile {
    pub(super) credential: &'static str,
    pub(super) path: PathBuf,
}

#[async_trait]
impl Issuer for TokenFile {
    async fn assertion(&self) -> Result<Secret<String>, Error> {
        let bytes = read_file(self.credential, &self.path).await?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        if text.is_empty() {
            let problem = format!("{} is empty", self.path.display());
            return Err(Error::Setting { credential: self.credential, problem });
        }
        Ok(Secret::new(text))
    }
}
