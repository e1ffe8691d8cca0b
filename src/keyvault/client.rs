//! One vault, and how a call gets there.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use azure_core::error::ErrorKind;
use azure_security_keyvault_certificates::{CertificateClient, CertificateClientOptions};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use url::Url;

use super::error::{About, Error};
use crate::domain::{CertificateName, CertificatePolicy, Vault, Version};
use crate::http;
use crate::http::azure::{self, Exchange};
use crate::http::{Auth, Operation, Pace, Pages, Request, Response, RetryPolicy, TokenSource};

/// The version of the service's interface, for the calls that do not go through the SDK.
const API_VERSION: &str = "2025-07-01";

/// The SDK's clients, for any vault.
static CERTIFICATES: LazyLock<azure_core::Result<CertificateClient>> = LazyLock::new(|| {
    let options = CertificateClientOptions { client_options: azure::client_options(), ..Default::default() };
    CertificateClient::new(azure::ENDPOINT, azure::placeholder(), Some(options))
});
static KEYS: LazyLock<azure_core::Result<KeyClient>> = LazyLock::new(|| {
    let options = KeyClientOptions { client_options: azure::client_options(), ..Default::default() };
    KeyClient::new(azure::ENDPOINT, azure::placeholder(), Some(options))
});

fn usable<C>(client: &'static LazyLock<azure_core::Result<C>>) -> azure_core::Result<&'static C> {
    LazyLock::force(client)
        .as_ref()
        .map_err(|error| azure_core::Error::with_message(ErrorKind::Other, error.to_string()))
}

/// Certificates and keys of one vault. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: http::Client,
    pub(super) auth: Auth,
    pub(super) vault: Vault,
}

/// What a new version is to be.
#[derive(Clone, Debug, Default)]
pub struct NewCertificate {
    /// Replaces the stored policy; without it the stored one is used.
    pub policy: Option<CertificatePolicy>,
    /// Tags of the new version.
    pub tags: BTreeMap<String, String>,
    /// Whether the new version may be used at once; the service's default is yes.
    pub enabled: Option<bool>,
}

impl Client {
    /// A client for `vault`, with tokens from `tokens`.
    pub fn new(http: &http::Client, tokens: &Arc<dyn TokenSource>, vault: Vault) -> Self {
        let auth = Auth::bearer(tokens, http.cloud().vault_resource());
        Self { http: http.clone(), auth, vault }
    }

    /// The same identity at another vault.
    #[must_use]
    pub fn at(&self, vault: Vault) -> Self {
        Self { vault, ..self.clone() }
    }

    /// The same client at the pace that `pace` allows.
    #[must_use]
    pub fn paced(&self, pace: &Arc<dyn Pace>) -> Self {
        Self { http: self.http.paced(pace, RetryPolicy::default()), ..self.clone() }
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The transport below, for its clock and its ids.
    pub fn http(&self) -> &http::Client {
        &self.http
    }

    /// Has the SDK's certificate client make one request, and returns the answer as it came.
    pub(super) async fn certificates<T, F>(
        &self,
        operation: &Operation,
        call: impl FnOnce(&'static CertificateClient) -> F + Send,
    ) -> Result<Response, http::Error>
    where
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        let call = Box::pin(async move { call(usable(&CERTIFICATES)?).await });
        Exchange::carry(&self.http, operation, &self.auth, self.vault.url(), call).await
    }

    /// The same with the SDK's key client.
    pub(super) async fn keys<T, F>(
        &self,
        operation: &Operation,
        call: impl FnOnce(&'static KeyClient) -> F + Send,
    ) -> Result<Response, http::Error>
    where
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        let call = Box::pin(async move { call(usable(&KEYS)?).await });
        Exchange::carry(&self.http, operation, &self.auth, self.vault.url(), call).await
    }

    /// A list that begins at `path` below the vault.
    pub(super) fn pages(&self, operation: &Operation, path: &str, query: &[(&str, &str)]) -> Pages<'_> {
        Pages::new(&self.http, operation, Request::get(self.url(path, query)), &self.auth)
    }

    /// An address that the SDK does not have. `path` is made of checked names only.
    fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.vault.url().clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("api-version", API_VERSION).extend_pairs(query);
        url
    }

    /// What a call on a certificate was about, made into its error.
    pub(super) fn certificate_failed(
        &self,
        operation: &Operation,
        name: &CertificateName,
        version: Option<&Version>,
        source: http::Error,
    ) -> Error {
        self.failed_on("certificate", operation, name, version, source)
    }

    /// The same for any `kind` of object.
    pub(super) fn failed_on(
        &self,
        kind: &str,
        operation: &Operation,
        name: &CertificateName,
        version: Option<&Version>,
        source: http::Error,
    ) -> Error {
        let object = match version {
            Some(version) => format!("version {version} of {kind} {name}"),
            None => format!("{kind} {name}"),
        };
        About { operation, vault: &self.vault, name: Some(name), object: &object }.failed(source)
    }

    /// The same for calls that are about the vault as a whole.
    pub(super) fn vault_failed(&self, operation: &Operation, object: &str, source: http::Error) -> Error {
        About { operation, vault: &self.vault, name: None, object }.failed(source)
    }
}
