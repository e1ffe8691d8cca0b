//! Getting to Graph.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Error, failed};
use crate::http::{self as transport, Auth, Method, Operation, Pages, Request, Response, TokenSource};

/// The directory of one tenant, as one identity sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: transport::Client,
    auth: Auth,
}

impl Client {
    /// A client with tokens from `tokens`.
    pub fn new(http: &transport::Client, tokens: &Arc<dyn TokenSource>) -> Self {
        let resource = http.cloud().graph().as_str().trim_end_matches('/').to_owned();
        Self { http: http.clone(), auth: Auth::bearer(tokens, resource) }
    }

    /// The same directory seen by another identity: an application rolls its own keys as itself.
    #[must_use]
    pub fn with_tokens(&self, tokens: &Arc<dyn TokenSource>) -> Self {
        Self::new(&self.http, tokens)
    }

    /// The transport below, for its clock and its ids.
    pub fn http(&self) -> &transport::Client {
        &self.http
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// `path` below beta.
    pub(super) fn beta(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.url("", query);
        url.set_path(&format!("beta/{path}"));
        url
    }

    /// `path` below v1.0. Values of `query` are encoded, names are ours and stay as they are.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.http.cloud().graph().clone();
        url.set_path(&format!("v1.0/{path}"));
        if !query.is_empty() {
            let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
            url.set_query(Some(&pairs.join("&")));
        }
        url
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, operation: &Operation, url: Url) -> Result<T, Error> {
        let response = self.send(operation, Request::get(url)).await?;
        response.json().map_err(|source| failed(operation, source))
    }

    pub(super) async fn send(&self, operation: &Operation, request: Request) -> Result<Response, Error> {
        self.http.send(operation, &request, &self.auth).await.map_err(|source| failed(operation, source))
    }

    pub(super) async fn write(
        &self,
        operation: &Operation,
        method: Method,
        url: Url,
        body: &impl Serialize,
    ) -> Result<Response, Error> {
        self.send(operation, Request::new(method, url).json(body)).await
    }

    pub(super) fn pages(&self, operation: &Operation, first: Url) -> Pages<'_> {
        Pages::new(&self.http, operation, Request::get(first), &self.auth)
    }

    pub(super) async fn all<T: DeserializeOwned>(&self, operation: &Operation, first: Url) -> Result<Vec<T>, Error> {
        self.pages(operation, first).all().await.map_err(|source| failed(operation, source))
    }
}

/// Percent-encoding for a value in a query, where a blank is `%20`: the service's query language does not know `+`.
fn encode(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Text in a `$filter`: quotes are doubled, and the whole is quoted.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("O'Brien' or 1 eq 1"), "'O''Brien'' or 1 eq 1'");
        assert_eq!(encode("displayName eq 'a+b & c'"), "displayName%20eq%20%27a%2Bb%20%26%20c%27");
    }
}
