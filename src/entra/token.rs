//! The token endpoint, for applications that sign in as themselves (RFC 6749 4.4, RFC 7523 2.2).

use serde::{Deserialize, Deserializer};
use time::{Duration, OffsetDateTime};
use url::Url;
use uuid::Uuid;

use super::error::Error;
use crate::domain::{AppId, Cloud, Secret, TenantId};
use crate::http;
use crate::http::{Auth, Operation, Request, Service};

/// The token endpoint acts on nothing: asking twice gives two tokens.
const REQUEST: Operation = Operation::safe(Service::Entra, "asking for a token", "a credential of the application");

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself. It is opaque to everybody but its resource.
    pub access_token: Secret<String>,
    /// When it ends, by our clock.
    pub expires_at: OffsetDateTime,
    /// Our name for the request that brought it, if there was one.
    pub correlation_id: Option<Uuid>,
    /// The service's name for it.
    pub request_id: Option<String>,
}

/// What an application says to get a token.
#[derive(Clone, Copy, Debug)]
pub struct ClientCredentials<'a> {
    /// Whose token endpoint.
    pub tenant: &'a TenantId,
    /// The application.
    pub client: AppId,
    /// `RESOURCE/.default`.
    pub scope: &'a str,
    /// How it proves who it is.
    pub proof: ClientProof<'a>,
    /// JSON of the `claims` parameter.
    pub claims: Option<&'a str>,
}

/// How an application proves who it is.
#[derive(Clone, Copy, Debug)]
pub enum ClientProof<'a> {
    /// With a shared secret: what kvops is there to abolish.
    Secret(&'a Secret<String>),
    /// With an assertion, signed by a key of the application or by a trusted issuer.
    Assertion(&'a Secret<String>),
}

/// The v2 token endpoint of a tenant, which is also the audience of its assertions.
pub fn token_endpoint(cloud: &Cloud, tenant: &TenantId) -> Url {
    below_authority(cloud, &format!("{tenant}/oauth2/v2.0/token"))
}

/// A place below the authority. A tenant is one path segment by its type.
pub(super) fn below_authority(cloud: &Cloud, path: &str) -> Url {
    let mut url = cloud.authority().clone();
    url.set_path(path);
    url
}

/// Asks for a token.
pub async fn request(http: &http::Client, credentials: &ClientCredentials<'_>) -> Result<Token, Error> {
    let client = credentials.client.to_string();
    let mut fields =
        vec![("grant_type", "client_credentials"), ("client_id", client.as_str()), ("scope", credentials.scope)];
    match credentials.proof {
        ClientProof::Secret(secret) => fields.push(("client_secret", secret.expose())),
        ClientProof::Assertion(assertion) => {
            fields.push(("client_assertion_type", ASSERTION_TYPE));
            fields.push(("client_assertion", assertion.expose()));
        }
    }
    fields.extend(credentials.claims.map(|claims| ("claims", claims)));
    let request = Request::post(token_endpoint(http.cloud(), credentials.tenant)).form(fields);
    let asked_at = http.clock().now();
    let ended = http.send(&REQUEST, &request, &Auth::None).await;
    let response = ended.map_err(|source| refused(source, credentials.tenant))?;
    let answer: Answer = response.json().map_err(|source| Error::Call { operation: REQUEST.name, source })?;
    if answer.access_token.expose().is_empty() {
        let source = response.unreadable("holds an empty token");
        return Err(Error::Call { operation: REQUEST.name, source });
    }
    let Some(expires_at) = asked_at.checked_add(Duration::seconds(answer.expires_in)) else {
        let source = response.unreadable("holds a lifetime that ends at no date");
        return Err(Error::Call { operation: REQUEST.name, source });
    };
    Ok(Token {
        access_token: answer.access_token,
        expires_at,
        correlation_id: Some(response.client_request_id()),
        request_id: response.request_id().map(str::to_owned),
    })
}

/// Other servers than Entra, AD FS among them, send `expires_in` as text now and then.
#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "secret")]
    access_token: Secret<String>,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
}

pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A number of seconds, written as a number or as text.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Number(i64),
        Text(String),
    }
    match Spelling::deserialize(deserializer)? {
        Spelling::Number(seconds) => Ok(seconds),
        Spelling::Text(text) => text.trim().parse().map_err(|_| serde::de::Error::custom("not a number of seconds")),
    }
}

fn refused(source: http::Error, tenant: &TenantId) -> Error {
    let Some(failure) = source.failure() else { return Error::Call { operation: REQUEST.name, source } };
    let code = failure.aadsts.first().copied();
    if code.is_none() && source.is_transient() {
        return Error::Call { operation: REQUEST.name, source };
    }
    Error::Refused { operation: REQUEST.name, tenant: tenant.clone(), code, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_below_the_authority() {
        let tenant = "contoso.onmicrosoft.com".parse().unwrap();
        let url = token_endpoint(&Cloud::public(), &tenant);
        assert_eq!(url.as_str(), "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
    }

    #[test]
    fn lifetimes_are_numbers_or_text() {
        for text in [r#"{"access_token":"t","expires_in":3599}"#, r#"{"access_token":"t","expires_in":"3599"}"#] {
            assert_eq!(serde_json::from_str::<Answer>(text).unwrap().expires_in, 3599);
        }
        assert!(serde_json::from_str::<Answer>(r#"{"access_token":"t","expires_in":"soon"}"#).is_err());
        assert!(serde_json::from_str::<Answer>(r#"{"access_token":"t"}"#).is_err());
    }
}
