//! The token of an own issuer: a JWT (RFC 7519) for services that trust published keys.
//!
//! It can be neither a client assertion nor a proof for Graph, by three walls of which each is
//! enough: its `iss` is always a URL, where those want the GUID of an application or of an object;
//! its audience is nothing of Entra's or Graph's, except the exchange of federated tokens, which is
//! none of the two; and its header names a published key, never the thumbprint of a certificate.

use std::fmt;

use serde_json::json;
use time::{Duration, OffsetDateTime};
use url::Url;
use uuid::Uuid;

use super::algorithm::SignatureAlgorithm;
use super::assertion::members;
use super::claims::Claims;
use super::error::Error;
use super::jws::{Compact, SigningInput};
use super::signer::Signer;
use crate::domain::Cloud;

/// The longest life that any token of an issuer may have.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::hours(24);

/// Against clocks that are behind.
const BACKDATE: Duration = Duration::seconds(30);

const LONGEST_TEXT: usize = 600;

/// Where Entra signs in customers, partners and people, beside the hosts of the clouds. Nobody else publishes
/// anything there.
const SIGN_IN: [&str; 13] = [
    "microsoftonline.com",
    "microsoftonline.us",
    "microsoftonline.cn",
    "microsoftonline.de",
    "login.microsoft.com",
    "login.windows.net",
    "login.live.com",
    "sts.windows.net",
    "accesscontrol.windows.net",
    "login.chinacloudapi.cn",
    "sts.chinacloudapi.cn",
    "ciamlogin.com",
    "b2clogin.com",
];

/// How the ids of Microsoft's own applications end: the retired Azure AD Graph's among them, which every
/// proof has for its audience.
const MICROSOFTS_OWN: &str = "-0000-0000-c000-000000000000";

/// The identifier of an issuer, an `https` URL, exactly as verifiers compare it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Issuer(String);

/// Whom a token is for. Nothing that Entra or Graph would take a proof for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Audience(String);

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
        claims.extend(request.claims.members().iter().map(|(name, value)| (name.clone(), value.clone())));
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
        if is_sign_in(&url) {
            return Err(unusable("it is Entra's own, and verifiers would read Entra's keys"));
        }
        // Verifiers compare it letter by letter, and some with what their own parser makes of it.
        if url.as_str().trim_end_matches('/') != text.trim_end_matches('/') {
            return Err(unusable("it is not in its plain form, as in https://tokens.contoso.example/a"));
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
        let id = Uuid::try_parse(text).map(|id| id.to_string());
        if id.as_deref().unwrap_or(text).to_ascii_lowercase().contains(MICROSOFTS_OWN) {
            return Err(refused("it is an application of Microsoft's, and a proof for Graph has such a one"));
        }
        let as_urls = [Url::parse(text), Url::parse(&format!("https://{}", text.trim_start_matches('/')))];
        let is_of_azure =
            |url: &Url| is_sign_in(url) || url.host_str().is_some_and(Cloud::is_azures_own) || is_same_host(url, cloud);
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

/// Whether Entra signs somebody in there.
fn is_sign_in(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    SIGN_IN.iter().any(|domain| host.strip_suffix(domain).is_some_and(|left| left.is_empty() || left.ends_with('.')))
}

/// Whether the URL is a host of the cloud, whatever its scheme.
fn is_same_host(url: &Url, cloud: &Cloud) -> bool {
    let mut secure = url.clone();
    cloud.has_origin(url)
        || (secure.set_scheme("https").is_ok() && cloud.has_origin(&secure))
        || Url::parse(&format!("https://{}", Cloud::authority_of(url))).is_ok_and(|url| cloud.has_origin(&url))
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
            "https://login.microsoftonline.com./t/v2.0",
            "https://contoso.ciamlogin.com/t/oauth2/v2.0/token",
            "contoso.b2clogin.com",
            "https://login.microsoftonline.de/t",
            "spn:00000002-0000-0000-c000-000000000000",
            "api://00000002-0000-0000-C000-000000000000",
            "00000001-0000-0000-c000-000000000000/accounts.accesscontrol.windows.net@t",
            "0000000200000000c000000000000000",
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
            "https://login.microsoftonline.com/t/v2.0",
            "https://sts.windows.net/t/",
            "https://contoso.ciamlogin.com/t/v2.0",
            "https://Issuer.contoso.example",
            "https://issuer.contoso.example:443",
            "https://issuer.contoso.example/a/../b",
            r"https:\\issuer.contoso.example",
            "https:issuer.contoso.example",
            "https://@issuer.contoso.example",
            r#"https://issuer.contoso.example/"x"#,
            "",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
        for text in ["https://localhost:8443", "https://contoso.blob.core.windows.net/oidc", "https://t.example/%20/"] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), text);
        }
        let issuer = Issuer::parse("https://issuer.contoso.example/tokens/").unwrap();
        assert_eq!(issuer.below("jwks.json"), "https://issuer.contoso.example/tokens/jwks.json");
        assert_eq!(issuer.as_str(), "https://issuer.contoso.example/tokens/", "as it was given");
    }
}
