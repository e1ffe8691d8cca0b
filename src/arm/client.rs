//! Getting to the management plane.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Error, failed};
use crate::http::{self as transport, Auth, Operation, Request, Response, Service, TokenSource};

pub(super) const fn safe(name: &'static str, permission: &'static str) -> Operation {
    Operation::safe(Service::ResourceManager, name, permission)
}

/// The management plane of a cloud, as one identity sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: transport::Client,
    auth: Auth,
}

impl Client {
    /// A client with tokens from `tokens`.
    pub fn new(http: &transport::Client, tokens: &Arc<dyn TokenSource>) -> Self {
        let resource = http.cloud().arm().as_str().trim_end_matches('/').to_owned();
        Self { http: http.clone(), auth: Auth::bearer(tokens, resource) }
    }

    /// `path` below the root, whose segments are ours or have been checked.
    pub(super) fn url(&self, path: &str, version: &str) -> Url {
        let mut url = self.http.cloud().arm().clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("api-version", version);
        url
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, operation: &Operation, url: Url) -> Result<T, Error> {
        let response = self.send(operation, Request::get(url)).await?;
        response.json().map_err(|source| failed(operation, source))
    }

    pub(super) async fn send(&self, operation: &Operation, request: Request) -> Result<Response, Error> {
        self.http.send(operation, &request, &self.auth).await.map_err(|source| failed(operation, source))
    }
}
