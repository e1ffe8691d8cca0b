//! The managed identity of the machine: App Service, Azure Arc, Cloud Shell, virtual machines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::HeaderName;
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use super::{Credential, Setup, SourceInfo, UserAssigned, arc};
use crate::domain::Secret;
use crate::entra::error::Error;
use crate::entra::token::{Token, secret, seconds};
use crate::http::{Auth, Client, Operation, Request, Response, Service, StatusCode};

pub(super) const SOURCE: SourceInfo = SourceInfo {
    name: "mi",
    summary: "the managed identity of this machine",
    variables: &[
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "IDENTITY_SERVER_THUMBPRINT",
        "IMDS_ENDPOINT",
        "MSI_ENDPOINT",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "AZURE_CLIENT_ID",
    ],
};

const REQUEST: Operation =
    Operation::safe(Service::Identity, "asking for a token of the managed identity", "an assigned identity");
const PROBE: Operation =
    Operation::never_repeated(Service::Identity, "looking for an identity endpoint", "nothing");

const IMDS_HOST: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
const METADATA: HeaderName = HeaderName::from_static("metadata");

/// Off Azure nobody answers, and on some networks not even with a refusal.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// An identity endpoint that has just started answers 404 or 410 for up to 70 s.
const STARTING_UP: [u64; 6] = [1, 2, 4, 8, 16, 32];

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let environment = &setup.environment;
    let endpoint = |name: &'static str| environment.get(name).map(|text| parse(name, text)).transpose();
    if environment.get("IDENTITY_SERVER_THUMBPRINT").is_some() {
        let reason = "Service Fabric pins the certificate of its endpoint, which kvops does not support".to_owned();
        return Err(Error::NotAvailable { credential: SOURCE.name, reason });
    }
    let (kind, url) = match (endpoint("IDENTITY_ENDPOINT")?, environment.get("IDENTITY_HEADER")) {
        (Some(url), Some(header)) => (Kind::AppService(Secret::new(header.to_owned())), url),
        (Some(url), None) if environment.get("IMDS_ENDPOINT").is_some() => (Kind::Arc, url),
        _ => match endpoint("MSI_ENDPOINT")? {
            Some(url) => (Kind::CloudShell, url),
            None => {
                let host = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(IMDS_HOST);
                let mut url = parse("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)?;
                // Whoever stands in for a virtual machine may do so below a path.
                let below = url.path().trim_end_matches('/').to_owned();
                url.set_path(&format!("{below}{IMDS_PATH}"));
                (Kind::Imds, url)
            }
        },
    };
    let assigned = match &setup.managed_identity {
        Some(assigned) => Some(assigned.clone()),
        None if environment.get("AZURE_CLIENT_ID").is_some() => {
            Some(UserAssigned::Client(setup.required_app(SOURCE.name, "AZURE_CLIENT_ID")?))
        }
        None => None,
    };
    Ok(Arc::new(ManagedIdentity { http: setup.http.endpoint(&url), kind, url, assigned }))
}

fn parse(variable: &str, text: &str) -> Result<Url, Error> {
    Url::parse(text)
        .map_err(|_| Error::Setting { credential: SOURCE.name, problem: format!("{variable} is not a URL") })
}

#[derive(Debug)]
struct ManagedIdentity {
    http: Client,
    kind: Kind,
    url: Url,
    assigned: Option<UserAssigned>,
}

#[derive(Debug)]
enum Kind {
    Imds,
    AppService(Secret<String>),
    Arc,
    CloudShell,
}

/// All values are text at most endpoints, numbers at some.
#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "secret")]
    access_token: Secret<String>,
    #[serde(deserialize_with = "seconds")]
    expires_on: i64,
}

#[async_trait]
impl Credential for ManagedIdentity {
    fn name(&self) -> &'static str {
        SOURCE.name
    }

    fn description(&self) -> String {
        let place = match self.kind {
            Kind::Imds => "this virtual machine",
            Kind::AppService(_) => "this App Service",
            Kind::Arc => "this Azure Arc machine",
            Kind::CloudShell => "this Cloud Shell",
        };
        match &self.assigned {
            None => format!("the system-assigned identity of {place}"),
            Some(UserAssigned::Client(id)) => format!("the user-assigned identity {id} of {place}"),
            Some(UserAssigned::Object(id)) => format!("the user-assigned identity with object id {id} of {place}"),
            Some(UserAssigned::Resource(id)) => format!("the user-assigned identity {id} of {place}"),
        }
    }

    async fn token(&self, request: &crate::http::TokenRequest) -> Result<Token, Error> {
        if request.claims.is_some() {
            // The endpoint keeps its own cache and takes no claims.
            return Err(Error::ClaimsUnsupported { credential: SOURCE.name });
        }
        if matches!(self.kind, Kind::Imds) {
            self.probe().await?;
        }
        let prepared = self.prepare(&request.resource);
        let response = match self.kind {
            Kind::Arc => arc::ask(&self.http, &REQUEST, &prepared).await?,
            Kind::AppService(_) | Kind::CloudShell => {
                self.http.send(&REQUEST, &prepared, &Auth::None).await.map_err(refused)?
            }
            Kind::Imds => self.ask_patiently(&prepared).await?,
        };
        let answer: Answer =
            response.json().map_err(|source| Error::Call { operation: REQUEST.name, source })?;
        let expires_at = OffsetDateTime::from_unix_timestamp(answer.expires_on).map_err(|_| {
            let source = response.unreadable("has an expiry that is no date");
            Error::Call { operation: REQUEST.name, source }
        })?;
        Ok(Token {
            access_token: answer.access_token,
            expires_at,
            correlation_id: None,
            request_id: response.request_id().map(str::to_owned),
        })
    }
}

impl ManagedIdentity {
    fn prepare(&self, resource: &str) -> Request {
        if matches!(self.kind, Kind::CloudShell) {
            return Request::post(self.url.clone()).form([("resource", resource)]).header(METADATA, "true");
        }
        let mut url = self.url.clone();
        let version = match self.kind {
            Kind::AppService(_) => "2019-08-01",
            Kind::Arc => "2020-06-01",
            Kind::Imds | Kind::CloudShell => "2018-02-01",
        };
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some((name, value)) = self.assigned.as_ref().map(|assigned| self.parameter(assigned)) {
            url.query_pairs_mut().append_pair(name, &value);
        }
        match &self.kind {
            Kind::AppService(header) => Request::get(url).header(IDENTITY_HEADER, header.expose()),
            _ => Request::get(url).header(METADATA, "true"),
        }
    }

    /// App Service calls an object id a principal id.
    fn parameter(&self, assigned: &UserAssigned) -> (&'static str, String) {
        match (assigned, &self.kind) {
            (UserAssigned::Client(id), _) => ("client_id", id.to_string()),
            (UserAssigned::Object(id), Kind::AppService(_)) => ("principal_id", id.to_string()),
            (UserAssigned::Object(id), _) => ("object_id", id.to_string()),
            (UserAssigned::Resource(id), _) => ("mi_res_id", id.clone()),
        }
    }

    /// Any answer shows that somebody is there. The header is left out, so that it is a refusal.
    async fn probe(&self) -> Result<(), Error> {
        let question = Request::get(self.url.clone());
        let asked = tokio::time::timeout(PROBE_TIME, self.http.send(&PROBE, &question, &Auth::None)).await;
        match asked {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.status().is_some() => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::NotAvailable {
                credential: SOURCE.name,
                reason: format!("nobody answers at {}", crate::domain::printable(self.url.as_str())),
            }),
        }
    }

    async fn ask_patiently(&self, request: &Request) -> Result<Response, Error> {
        for wait in STARTING_UP {
            match self.http.send(&REQUEST, request, &Auth::None).await {
                Err(error) if matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE)) => {
                    self.http.clock().sleep(Duration::from_secs(wait)).await;
                }
                ended => return ended.map_err(refused),
            }
        }
        self.http.send(&REQUEST, request, &Auth::None).await.map_err(refused)
    }
}

/// A 400 says that this machine has no such identity.
fn refused(source: crate::http::Error) -> Error {
    if source.status() == Some(StatusCode::BAD_REQUEST) {
        let reason = source.message().unwrap_or("the endpoint knows no such identity");
        return Error::NotAvailable { credential: SOURCE.name, reason: crate::domain::printable(reason) };
    }
    Error::Call { operation: REQUEST.name, source }
}
