//! The token of an own issuer: a JWT (RFC 7519) for services that trust published keys.
//!
//! It can be neither a client assertion nor a proof for Graph, by three walls of which each is
//! enough: its `iss` is always a URL, where those want the GUID of an application or of an object;
//! its audience is nothing of Entra's or Graph's, except the exchange of federated tokens, which is
//! none of the two; and its header names a published key, never the thumbprint of a certificate.

use std::fmt;

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use url::Url;
use uuid::Uuid;

use super::algorithm::SignatureAlgorithm;
use super::assertion::members;
use super::error::Error;
use super::jws::{Compact, SigningInput};
use super::signer::Signer;
use crate::domain::Cloud;

/// The longest life that any token of an issuer may have.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::hours(24);

/// So many bytes of JSON the caller's claims may take: a token has to fit into a header.
pub const MAX_CLAIMS: usize = 8 * 1024;

/// The claims that are never the caller's.
const OWN_CLAIMS: [&str; 6] = ["iss", "aud", "iat", "nbf", "exp", "jti"];

/// Against clocks that are behind.
const BACKDATE: Duration = Duration::seconds(30);

const LONGEST_TEXT: usize = 600;

/// The identifier of an issuer, an `https` URL, exactly as verifiers compare it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Issuer(String);

/// Whom a token is for. Nothing that Entra or Graph would take a proof for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Audience(String);

/// What the caller says in a token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims(Map<String, Value>);

/// `typ` of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenType {
    /// `JWT`.
    #[default]
    Jwt,
    /// `at+jwt`: an access token of RFC 9068.
    AccessToken,
}

/// What a token says, and when.
#[derive(Clone, Debug)]
pub struct IssuerTokenRequest<'a> {
    /// `iss`
    pub issuer: &'a Issuer,
    /// `aud`
    pub audience: &'a Audience,
    /// The caller's own claims.
    pub claims: &'a Claims,
    /// The moment of signing: `iat`.
    pub now: OffsetDateTime,
    /// How long it lives: `exp`.
    pub lifetime: Duration,
    /// The longest life that published keys are kept for.
    pub longest: Duration,
    /// `jti`
    pub id: Uuid,
    /// Name of the key in the published set.
    pub kid: &'a str,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// `typ`
    pub kind: TokenType,
}

/// A signed token of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerToken(Compact);

impl IssuerToken {
    /// Builds the token and has it signed.
    pub async fn sign(request: &IssuerTokenRequest<'_>, signer: &dyn Signer) -> Result<Self, Error> {
        let longest = request.longest.min(MAX_TOKEN_LIFETIME);
        if request.lifetime > longest || request.lifetime < Duration::SECOND {
            return Err(Error::TokenLifetime {
                asked: request.lifetime.whole_seconds(),
                limit: longest.whole_seconds(),
            });
        }
        let header = members(json!({
            "alg": request.algorithm.name(),
            "typ": match request.kind { TokenType::Jwt => "JWT", TokenType::AccessToken => "at+jwt" },
            "kid": request.kid,
        }));
        let mut claims = members(json!({
            "iss": request.issuer.as_str(),
            "aud": request.audience.as_str(),
            "iat": request.now.unix_timestamp(),
            "nbf": request.now.saturating_sub(BACKDATE).unix_timestamp(),
            "exp": request.now.saturating_add(request.lifetime).unix_timestamp(),
            "jti": request.id,
        }));
        claims.extend(request.claims.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        SigningInput::new(request.algorithm, header, claims).sign(signer).await.map(Self)
    }

    /// Header, claims and text.
    pub fn compact(&self) -> &Compact {
        &self.0
    }
}

impl Issuer {
    /// Takes an `https` URL without user, query and fragment (OpenID Connect Discovery 1.0, 3).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let unusable = |problem| Error::Issuer { text: text.to_owned(), problem };
        let url = Url::parse(text).map_err(|_| unusable("it is not a URL"))?;
        if url.scheme() != "https" || url.host_str().is_none() {
            return Err(unusable("it must be an https URL"));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("it must have no user, no query and no fragment"));
        }
        if text.len() > LONGEST_TEXT || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(unusable("it is too long, or has blanks"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it stands in `iss`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address below the issuer.
    pub fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.0.trim_end_matches('/'))
    }
}

impl Audience {
    /// Takes what verifiers expect in `aud`, unless it is a service of `cloud` or of Azure that
    /// would take such a token for the proof of an application.
    pub fn parse(text: &str, cloud: &Cloud) -> Result<Self, Error> {
        let refused = |problem| Error::Audience { text: text.to_owned(), problem };
        if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refused("it is empty, too long, or has blanks"));
        }
        if is_exchange(text) {
            return Ok(Self(text.to_owned()));
        }
        // Microsoft's own applications, the retired Azure AD Graph of every proof among them.
        if Uuid::try_parse(text).is_ok_and(|id| id.to_string().ends_with("-0000-0000-c000-000000000000")) {
            return Err(refused("it is an application of Microsoft's, and a proof for Graph has such a one"));
        }
        let as_urls = [Url::parse(text), Url::parse(&format!("https://{}", text.trim_start_matches('/')))];
        let is_of_azure = |url: &Url| url.host_str().is_some_and(Cloud::is_azures_own) || is_same_host(url, cloud);
        if as_urls.iter().flatten().any(is_of_azure) {
            return Err(refused("it is a service of the cloud, and a client assertion has such a one"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it stands in `aud`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The audience of federated tokens, which Entra matches with federated credentials and nothing else.
fn is_exchange(text: &str) -> bool {
    text.strip_prefix("api://AzureADTokenExchange")
        .is_some_and(|cloud| cloud.chars().all(|letter| letter.is_ascii_alphabetic()))
}

/// Whether the URL is a host of the cloud, whatever its scheme.
fn is_same_host(url: &Url, cloud: &Cloud) -> bool {
    let mut secure = url.clone();
    cloud.has_origin(url)
        || (secure.set_scheme("https").is_ok() && cloud.has_origin(&secure))
        || Url::parse(&format!("https://{}", Cloud::authority_of(url))).is_ok_and(|url| cloud.has_origin(&url))
}

impl Claims {
    /// Takes a JSON object; claims that kvops owns are an error rather than replaced in silence.
    pub fn new(claims: Map<String, Value>) -> Result<Self, Error> {
        if let Some(name) = OWN_CLAIMS.iter().find(|name| claims.contains_key(**name)) {
            return Err(Error::Claims(format!("`{name}` is set by kvops")));
        }
        let size = Value::Object(claims.clone()).to_string().len();
        if size > MAX_CLAIMS {
            return Err(Error::Claims(format!("they take {size} bytes, and at most {MAX_CLAIMS} are signed")));
        }
        let is_subject = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= 255);
        if claims.get("sub").is_some_and(|subject| !is_subject(subject)) {
            return Err(Error::Claims("`sub` must be a text of 1 to 255 bytes".to_owned()));
        }
        Ok(Self(claims))
    }

    /// Reads a JSON object.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let claims = serde_json::from_slice(text);
        Self::new(claims.map_err(|error| Error::Claims(format!("they are not a JSON object: {error}")))?)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(text: &str) -> Result<Audience, Error> {
        let cloud = Cloud::custom(
            "lab",
            "https://localhost:8443",
            "https://localhost:8443",
            "vault.localhost:8443",
            "https://localhost:8443",
        );
        Audience::parse(text, &cloud.unwrap())
    }

    #[test]
    fn no_token_of_an_issuer_is_for_entra_or_graph() {
        for text in [
            "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
            "https://login.microsoftonline.us/t/v2.0",
            "HTTPS://Login.MicrosoftOnline.com/x",
            "login.microsoftonline.com",
            "//login.microsoftonline.com/x",
            "http://sts.windows.net/tenant/",
            "https://graph.microsoft.com",
            "00000002-0000-0000-c000-000000000000",
            "00000002-0000-0000-C000-000000000000",
            "{00000003-0000-0000-c000-000000000000}",
            "https://contoso.vault.azure.net",
            "https://localhost:8443/tenant/oauth2/v2.0/token",
            "http://localhost:8443/x",
            "localhost:8443",
            "https://billing.vault.localhost:8443",
            "",
            "a b",
        ] {
            assert!(audience(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_exchange_of_federated_tokens_and_services_of_ones_own_are_audiences() {
        for text in [
            "api://AzureADTokenExchange",
            "api://AzureADTokenExchangeUSGov",
            "https://api.contoso.example/",
            "orders",
            "urn:contoso:orders",
            "2b1f7b8e-0000-4000-8000-000000000001",
        ] {
            assert_eq!(audience(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn an_issuer_is_a_plain_https_url_and_so_never_an_application() {
        for text in [
            "2b1f7b8e-0000-4000-8000-000000000001",
            "http://issuer.contoso.example",
            "https://issuer.contoso.example/?x=1",
            "https://issuer.contoso.example/#x",
            "https://user@issuer.contoso.example",
            "issuer.contoso.example",
            "https://issuer.contoso.example/ x",
            "",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
        let issuer = Issuer::parse("https://issuer.contoso.example/tokens/").unwrap();
        assert_eq!(issuer.below("jwks.json"), "https://issuer.contoso.example/tokens/jwks.json");
        assert_eq!(issuer.as_str(), "https://issuer.contoso.example/tokens/", "as it was given");
    }

    #[test]
    fn claims_that_kvops_owns_are_refused_by_name() {
        for name in OWN_CLAIMS {
            let error = Claims::from_json(format!(r#"{{"{name}":1}}"#).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("the claims cannot be signed: `{name}` is set by kvops"));
        }
        for bad in [r"[]", r"", r#""text""#, r#"{"sub":1}"#, r#"{"sub":""}"#] {
            assert!(Claims::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        let large = json!({ "data": "x".repeat(MAX_CLAIMS) }).to_string();
        assert!(Claims::from_json(large.as_bytes()).unwrap_err().to_string().contains("at most 8192 are signed"));
    }
}
