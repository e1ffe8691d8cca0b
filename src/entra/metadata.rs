//! What Entra publishes about a tenant, and the check of a token against it.

use serde::Deserialize;
use url::Url;

use super::error::Error;
use super::token::below_authority;
use crate::domain::{Secret, TenantId};
use crate::http;
use crate::http::{Auth, Operation, Request, Service};
use crate::pki::{DecodedToken, JwkSet};

const READ_CONFIGURATION: Operation = Operation::safe(Service::Entra, "reading the tenant's metadata", "nothing");
const READ_KEYS: Operation = Operation::safe(Service::Entra, "reading the tenant's signing keys", "nothing");

/// OpenID Connect Discovery 1.0, the part of it that kvops uses.
#[derive(Clone, Debug, Deserialize)]
pub struct OpenIdConfiguration {
    /// `iss` of the tenant's v2 tokens.
    pub issuer: String,
    /// Where tokens come from.
    pub token_endpoint: Url,
    /// Where the signing keys are.
    pub jwks_uri: Url,
}

/// Reads the metadata of a tenant; its issuer tells the tenant's GUID.
pub async fn openid_configuration(http: &http::Client, tenant: &TenantId) -> Result<OpenIdConfiguration, Error> {
    let url = below_authority(http.cloud(), &format!("{tenant}/v2.0/.well-known/openid-configuration"));
    let failed = |source| Error::Call { operation: READ_CONFIGURATION.name, source };
    let response = http.send(&READ_CONFIGURATION, &Request::get(url), &Auth::None).await.map_err(failed)?;
    response.json().map_err(failed)
}

/// Reads signing keys. The transport refuses an address outside the cloud.
pub async fn keys(http: &http::Client, jwks_uri: &Url) -> Result<JwkSet, Error> {
    let failed = |source| Error::Call { operation: READ_KEYS.name, source };
    let response = http.send(&READ_KEYS, &Request::get(jwks_uri.clone()), &Auth::None).await.map_err(failed)?;
    response.json().map_err(failed)
}

/// Checks the signature of a token that was issued for us, and decodes it. Tokens for Graph are
/// opaque and must not be checked: their header holds a nonce that breaks the signature.
pub async fn verify(http: &http::Client, tenant: &TenantId, token: &Secret<String>) -> Result<DecodedToken, Error> {
    let configuration = openid_configuration(http, tenant).await?;
    let keys = keys(http, &configuration.jwks_uri).await?;
    keys.verify(token).map_err(Error::Verification)
}
