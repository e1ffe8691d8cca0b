//! Whoever is signed in to the Azure Developer CLI.

use std::sync::Arc;

use async_trait::async_trait;
use azure_identity::{AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions, Executor};

use super::{Credential, Setup, SourceInfo, process};
use crate::domain::TenantId;
use crate::entra::error::Error;
use crate::entra::token::Token;
use crate::http::TokenRequest;

pub(super) const SOURCE: SourceInfo =
    SourceInfo { name: "azd", summary: "whoever is signed in to the Azure Developer CLI", variables: &[] };

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    Ok(Arc::new(Azd { tenant: setup.tenant.clone(), executor: Arc::clone(&setup.executor) }))
}

#[derive(Debug)]
struct Azd {
    tenant: Option<TenantId>,
    executor: Arc<dyn Executor>,
}

#[async_trait]
impl Credential for Azd {
    fn name(&self) -> &'static str {
        SOURCE.name
    }

    fn description(&self) -> String {
        "the Azure Developer CLI".to_owned()
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let tenant = self.tenant.as_ref().or(request.tenant.as_ref());
        let options = AzureDeveloperCliCredentialOptions {
            tenant_id: tenant.map(ToString::to_string),
            executor: Some(Arc::clone(&self.executor)),
        };
        let tool = AzureDeveloperCliCredential::new(Some(options))
            .map_err(|error| Error::Setting { credential: SOURCE.name, problem: error.to_string() })?;
        process::token(SOURCE.name, tool.as_ref(), request).await
    }
}
