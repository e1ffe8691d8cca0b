//! The OIDC token of a GitHub Actions job.
//!
//! <https://docs.github.com/actions/reference/security/oidc>

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use super::federated::{Federated, Issuer};
use super::{Credential, Setup, SourceInfo};
use crate::domain::Secret;
use crate::entra::error::Error;
use crate::entra::token::secret;
use crate::http;
use crate::http::{Auth, Operation, Request, Service};

pub(super) const SOURCE: SourceInfo = SourceInfo {
    name: "github",
    summary: "the OIDC token of a GitHub Actions job",
    variables: &[
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
    ],
};

const REQUEST: Operation =
    Operation::safe(Service::Identity, "asking GitHub for an OIDC token", "`id-token: write` of the job");

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let text = setup.required(SOURCE.name, "ACTIONS_ID_TOKEN_REQUEST_URL")?;
    let mut url = Url::parse(text).map_err(|_| Error::Setting {
        credential: SOURCE.name,
        problem: "ACTIONS_ID_TOKEN_REQUEST_URL is not a URL".to_owned(),
    })?;
    url.query_pairs_mut().append_pair("audience", setup.http.cloud().exchange_audience());
    let token = setup.required(SOURCE.name, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
    Ok(Arc::new(Federated {
        name: SOURCE.name,
        description: "the job's GitHub OIDC token",
        http: setup.http.clone(),
        tenant: setup.tenant_or(SOURCE.name, "AZURE_TENANT_ID")?,
        client: setup.required_app(SOURCE.name, "AZURE_CLIENT_ID")?,
        issuer: GitHub {
            http: setup.http.endpoint(&url),
            url,
            authorization: Secret::new(format!("Bearer {token}")),
        },
    }))
}

#[derive(Debug)]
struct GitHub {
    http: http::Client,
    url: Url,
    authorization: Secret<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "secret")]
    value: Secret<String>,
}

#[async_trait]
impl Issuer for GitHub {
    async fn assertion(&self) -> Result<Secret<String>, Error> {
        let failed = |source| Error::Call { operation: REQUEST.name, source };
        let auth = Auth::Header(self.authorization.clone());
        let response = self.http.send(&REQUEST, &Request::get(self.url.clone()), &auth).await.map_err(failed)?;
        response.json::<Answer>().map(|answer| answer.value).map_err(failed)
    }
}
