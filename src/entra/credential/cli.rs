//! Whoever is signed in to the Azure CLI.

use std::sync::Arc;

use async_trait::async_trait;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions, Executor};

use super::{Credential, Setup, SourceInfo, process};
use crate::domain::TenantId;
use crate::entra::error::Error;
use crate::entra::token::Token;
use crate::http::TokenRequest;

pub(super) const SOURCE: SourceInfo =
    SourceInfo { name: "cli", summary: "whoever is signed in to the Azure CLI", variables: &[] };

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    Ok(Arc::new(Cli { tenant: setup.tenant.clone(), executor: Arc::clone(&setup.executor) }))
}

#[derive(Debug)]
struct Cli {
    tenant: Option<TenantId>,
    executor: Arc<dyn Executor>,
}

#[async_trait]
impl Credential for Cli {
    fn name(&self) -> &'static str {
        SOURCE.name
    }

    fn description(&self) -> String {
        "the Azure CLI".to_owned()
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let tenant = self.tenant.as_ref().or(request.tenant.as_ref());
        let options = AzureCliCredentialOptions {
            tenant_id: tenant.map(ToString::to_string),
            executor: Some(Arc::clone(&self.executor)),
            ..Default::default()
        };
        let tool = AzureCliCredential::new(Some(options))
            .map_err(|error| Error::Setting { credential: SOURCE.name, problem: error.to_string() })?;
        process::token(SOURCE.name, tool.as_ref(), request).await
    }
}
