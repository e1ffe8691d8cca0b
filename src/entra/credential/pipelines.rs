//! The service connection of an Azure Pipelines job.
//!
//! <https://learn.microsoft.com/azure/devops/pipelines/release/troubleshoot-workload-identity>

use std::sync::Arc;

use async_trait::async_trait;
use http::header::HeaderName;
use serde::Deserialize;
use url::Url;

use super::federated::{Federated, Issuer};
use super::{Credential, Setup, SourceInfo};
use crate::domain::Secret;
use crate::entra::error::Error;
use crate::entra::token::secret;
use crate::http::{Auth, Client, Operation, Request, Service};

pub(super) const SOURCE: SourceInfo = SourceInfo {
    name: "pipelines",
    summary: "the service connection of an Azure Pipelines job",
    variables: &[
        "SYSTEM_OIDCREQUESTURI",
        "SYSTEM_ACCESSTOKEN",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
        "AZURESUBSCRIPTION_CLIENT_ID",
        "AZURESUBSCRIPTION_TENANT_ID",
    ],
};

const REQUEST: Operation =
    Operation::safe(Service::Identity, "asking Azure Pipelines for an OIDC token", "use of the service connection");

/// Without it, a refusal is a redirect to a page for people.
const NO_REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let text = setup.required(SOURCE.name, "SYSTEM_OIDCREQUESTURI")?;
    let mut url = Url::parse(text).map_err(|_| Error::Setting {
        credential: SOURCE.name,
        problem: "SYSTEM_OIDCREQUESTURI is not a URL".to_owned(),
    })?;
    let connection = setup.required(SOURCE.name, "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")?;
    url.query_pairs_mut().append_pair("api-version", "7.1").append_pair("serviceConnectionId", connection);
    let token = setup.required(SOURCE.name, "SYSTEM_ACCESSTOKEN")?;
    Ok(Arc::new(Federated {
        name: SOURCE.name,
        description: "the job's service connection",
        http: setup.http.clone(),
        tenant: setup.tenant_or(SOURCE.name, "AZURESUBSCRIPTION_TENANT_ID")?,
        client: setup.required_app(SOURCE.name, "AZURESUBSCRIPTION_CLIENT_ID")?,
        issuer: Pipelines {
            http: setup.http.endpoint(&url),
            url,
            authorization: Secret::new(format!("Bearer {token}")),
        },
    }))
}

#[derive(Debug)]
struct Pipelines {
    http: Client,
    url: Url,
    authorization: Secret<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "oidcToken", deserialize_with = "secret")]
    token: Secret<String>,
}

#[async_trait]
impl Issuer for Pipelines {
    async fn assertion(&self) -> Result<Secret<String>, Error> {
        let failed = |source| Error::Call { operation: REQUEST.name, source };
        let request = Request::post(self.url.clone())
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(NO_REDIRECT, "Suppress");
        let auth = Auth::Header(self.authorization.clone());
        let response = self.http.send(&REQUEST, &request, &auth).await.map_err(failed)?;
        response.json::<Answer>().map(|answer| answer.token).map_err(failed)
    }
}
