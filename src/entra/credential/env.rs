//! An application described by variables: secret, certificate file or federated token.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::claims::with_capability;
use super::federated::{Federated, TokenFile};
use super::{Credential, Setup, SourceInfo, read_file};
use crate::domain::{AppId, Secret, TenantId};
use crate::entra::error::Error;
use crate::entra::mint::{MintOptions, mint};
use crate::entra::token::{self, ClientCredentials, ClientProof, Token};
use crate::http;
use crate::http::TokenRequest;
use crate::pki::LocalKey;

pub(super) const SOURCE: SourceInfo = SourceInfo {
    name: "env",
    summary: "an application from AZURE_CLIENT_ID with a secret, a certificate or a federated token",
    variables: &[
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_FEDERATED_TOKEN_FILE",
    ],
};

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let variable = |name: &str| setup.environment.get(name).map(str::to_owned);
    let proof = match (variable("AZURE_CLIENT_SECRET"), variable("AZURE_CLIENT_CERTIFICATE_PATH")) {
        (Some(secret), _) => Proof::Secret(Secret::new(secret)),
        (None, Some(path)) => Proof::Certificate {
            path: path.into(),
            password: variable("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Secret::new),
        },
        (None, None) => return federated(setup),
    };
    let (tenant, client) = application(setup, proof.variable())?;
    Ok(Arc::new(Application { http: setup.http.clone(), tenant, client, proof }))
}

fn federated(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let Some(path) = setup.environment.get("AZURE_FEDERATED_TOKEN_FILE") else {
        return Err(Error::NotConfigured {
            credential: SOURCE.name,
            missing: "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH nor AZURE_FEDERATED_TOKEN_FILE is set"
                .to_owned(),
        });
    };
    let (tenant, client) = application(setup, "AZURE_FEDERATED_TOKEN_FILE")?;
    Ok(Arc::new(Federated {
        name: SOURCE.name,
        description: "a federated token file",
        http: setup.http.clone(),
        tenant,
        client,
        issuer: TokenFile { credential: SOURCE.name, path: path.into() },
    }))
}

/// Whose proof it is. Somebody who set a proof meant this source: with half of it missing, the
/// automatic choice must not go on to another identity.
fn application(setup: &Setup, proof: &str) -> Result<(TenantId, AppId), Error> {
    let half = |error| match error {
        Error::NotConfigured { credential, missing } => {
            Error::Setting { credential, problem: format!("{missing}, although {proof} is") }
        }
        other => other,
    };
    let tenant = setup.tenant_or(SOURCE.name, "AZURE_TENANT_ID").map_err(half)?;
    let client = setup.required_app(SOURCE.name, "AZURE_CLIENT_ID").map_err(half)?;
    Ok((tenant, client))
}

#[derive(Debug)]
struct Application {
    http: http::Client,
    tenant: TenantId,
    client: AppId,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    Secret(Secret<String>),
    Certificate { path: PathBuf, password: Option<Secret<String>> },
}

impl Proof {
    fn variable(&self) -> &'static str {
        match self {
            Self::Secret(_) => "AZURE_CLIENT_SECRET",
            Self::Certificate { .. } => "AZURE_CLIENT_CERTIFICATE_PATH",
        }
    }
}

#[async_trait]
impl Credential for Application {
    fn name(&self) -> &'static str {
        SOURCE.name
    }

    fn description(&self) -> String {
        format!("{} as application {}", self.proof.variable(), self.client)
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let claims = with_capability(request.claims.as_deref());
        match &self.proof {
            Proof::Secret(secret) => {
                let credentials = ClientCredentials {
                    tenant: &self.tenant,
                    client: self.client,
                    scope: &request.scope(),
                    proof: ClientProof::Secret(secret),
                    claims: Some(&claims),
                };
                token::request(&self.http, &credentials).await
            }
            Proof::Certificate { path, password } => {
                let bytes = read_file(SOURCE.name, path).await?;
                let key = LocalKey::from_file(&bytes, password.as_ref()).map_err(|source| Error::KeyFile {
                    credential: SOURCE.name,
                    path: path.clone(),
                    source,
                })?;
                let options = MintOptions { claims: Some(claims), ..MintOptions::default() };
                let minted = mint(&self.http, &self.tenant, self.client, &request.scope(), &key, &options).await?;
                Ok(minted.token)
            }
        }
    }
}
