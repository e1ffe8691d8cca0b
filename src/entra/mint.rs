//! Tokens for an application whose key signs elsewhere: assertion, exchange, token.

use time::Duration;

use super::credential::Credential;
use super::error::Error;
use super::token::{self, ClientCredentials, ClientProof, Token, token_endpoint};
use crate::domain::{AppId, TenantId};
use crate::http;
use crate::http::TokenRequest;
use crate::pki::{Algorithm, AssertionRequest, ClientAssertion, Signer};

/// The code for an assertion outside its `nbf` and `exp`.
const NOT_VALID_NOW: u32 = 700_024;

/// How an assertion is made and exchanged.
#[derive(Clone, Debug)]
pub struct MintOptions {
    /// Without one, the algorithm that fits what is known of the certificate.
    pub algorithm: Option<Algorithm>,
    /// How long the assertion lives.
    pub lifetime: Duration,
    /// How far `nbf` lies in the past.
    pub backdate: Duration,
    /// JSON of the `claims` parameter.
    pub claims: Option<String>,
}

impl Default for MintOptions {
    fn default() -> Self {
        Self { algorithm: None, lifetime: Duration::minutes(5), backdate: Duration::seconds(30), claims: None }
    }
}

/// A token and the assertion that brought it.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The token.
    pub token: Token,
    /// Header and claims of the assertion are worth showing; its text is not.
    pub assertion: ClientAssertion,
}

/// Signs an assertion for `app` and does nothing with it. It is dated by the service's clock as far
/// as an answer has told it.
pub async fn assertion(
    http: &http::Client,
    tenant: &TenantId,
    app: AppId,
    signer: &dyn Signer,
    options: &MintOptions,
) -> Result<ClientAssertion, Error> {
    let audience = token_endpoint(http.cloud(), tenant);
    let request = AssertionRequest {
        lifetime: options.lifetime,
        backdate: options.backdate,
        algorithm: options.algorithm.unwrap_or_else(|| signer.identity().algorithm()),
        ..AssertionRequest::new(app, audience, http.service_now(), http.new_guid())
    };
    ClientAssertion::sign(&request, signer).await.map_err(Error::Assertion)
}

/// Signs an assertion for `app` and exchanges it for a token of `scope`.
pub async fn mint(
    http: &http::Client,
    tenant: &TenantId,
    app: AppId,
    scope: &str,
    signer: &dyn Signer,
    options: &MintOptions,
) -> Result<Minted, Error> {
    let known = http.skew();
    match mint_once(http, tenant, app, scope, signer, options).await {
        // Nobody had told us the time before: the refusal, or the vault's signature, just did.
        Err(error) if error.aadsts() == Some(NOT_VALID_NOW) && http.skew() != known => {
            mint_once(http, tenant, app, scope, signer, options).await
        }
        ended => ended,
    }
}

async fn mint_once(
    http: &http::Client,
    tenant: &TenantId,
    app: AppId,
    scope: &str,
    signer: &dyn Signer,
    options: &MintOptions,
) -> Result<Minted, Error> {
    let assertion = assertion(http, tenant, app, signer, options).await?;
    let credentials = ClientCredentials {
        tenant,
        client: app,
        scope,
        proof: ClientProof::Assertion(assertion.compact().text()),
        claims: options.claims.as_deref(),
    };
    let token = token::request(http, &credentials).await?;
    Ok(Minted { token, assertion })
}

/// A token for `app` on the word of another identity that `app` trusts by a federated credential:
/// a managed identity, for one.
pub async fn exchange(
    http: &http::Client,
    tenant: &TenantId,
    app: AppId,
    scope: &str,
    trusted: &dyn Credential,
) -> Result<Token, Error> {
    let audience = TokenRequest::for_resource(http.cloud().exchange_audience());
    let word = trusted.token(&audience).await?;
    let proof = ClientProof::Assertion(&word.access_token);
    token::request(http, &ClientCredentials { tenant, client: app, scope, proof, claims: None }).await
}
