//! What a 401 asks for: `WWW-Authenticate` of RFC 9110 11.6.1, as Key Vault and Graph use it.
//!
//! A challenge comes before we know whom we talk to about what, so the resource that it names is
//! checked against the host, as the Azure SDKs do: a token must not be made for somebody else.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use url::Url;

use crate::domain::{Cloud, TenantId};

/// One challenge of perhaps several in the header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    scheme: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

/// What a Bearer challenge asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) resource: Option<String>,
    pub(super) tenant: Option<TenantId>,
    /// Decoded claims of an `insufficient_claims` challenge, JSON.
    pub(super) claims: Option<String>,
}

/// A challenge that must not, or cannot, be answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unanswerable {
    #[error("{host} asks for a token for {resource}, which is not its own")]
    ForeignResource { host: String, resource: String },
    #[error("{host} asks for additional claims in a form that cannot be read")]
    Claims { host: String },
}

/// Reads the challenges of an answer from `url`. `None` means that there is no Bearer challenge.
pub(super) fn wanted(headers: &HeaderMap, url: &Url, cloud: &Cloud) -> Result<Option<Wanted>, Unanswerable> {
    let challenges = parse(headers);
    let mut bearer = challenges.iter().filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer")).peekable();
    if bearer.peek().is_none() {
        return Ok(None);
    }
    let mut wanted = Wanted::default();
    for challenge in bearer {
        // Only vaults name a resource that we did not know.
        if let Some(resource) = challenge.resource().filter(|_| cloud.vault_of(url).is_some()) {
            check_resource(&resource, url, cloud)?;
            wanted.resource = Some(resource);
        }
        wanted.tenant = wanted.tenant.or_else(|| challenge.tenant());
        if challenge.parameter("error") == Some("insufficient_claims") {
            let claims = challenge.claims().ok_or_else(|| Unanswerable::Claims { host: Cloud::authority_of(url) })?;
            wanted.claims = Some(claims);
        }
    }
    Ok(Some(wanted))
}

/// The file that an Azure Arc agent's `Basic realm=FILE` challenge names.
pub(super) fn basic_realm(headers: &HeaderMap) -> Option<String> {
    let challenges = parse(headers);
    let basic = challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"))?;
    basic.parameter("realm").map(str::to_owned)
}

/// The host must lie below the resource's, on the same port, and the resource must be, or contain,
/// the vaults of this cloud.
fn check_resource(resource: &str, url: &Url, cloud: &Cloud) -> Result<(), Unanswerable> {
    let host = Cloud::authority_of(url);
    let is_ours = Url::parse(resource).is_ok_and(|resource| {
        let asked = Cloud::authority_of(&resource);
        let suffix = cloud.vault_suffix();
        resource.scheme() == "https"
            && host.ends_with(&format!(".{asked}"))
            && (suffix == asked || (suffix.ends_with(&format!(".{asked}")) && asked.contains('.')))
    });
    if is_ours { Ok(()) } else { Err(Unanswerable::ForeignResource { host, resource: resource.to_owned() }) }
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `resource`, or the resource part of `scope`.
    fn resource(&self) -> Option<String> {
        let text = match self.parameter("resource") {
            Some(resource) if !resource.is_empty() => resource,
            _ => self.parameter("scope").filter(|scope| !scope.is_empty())?,
        };
        let text = text.strip_suffix("/.default").unwrap_or(text);
        Some(text.trim_end_matches('/').to_owned())
    }

    /// The tenant is the first segment of the authority's path; `common` and its kin are none.
    fn tenant(&self) -> Option<TenantId> {
        let authority = self.parameter("authorization").or_else(|| self.parameter("authorization_uri"))?;
        Url::parse(authority).ok()?.path_segments()?.next()?.parse().ok()
    }

    /// Claims come in standard base64 with padding; other clients saw them without.
    fn claims(&self) -> Option<String> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let standard = GeneralPurpose::new(&alphabet::STANDARD, config);
        let text = self.parameter("claims")?.replace('-', "+").replace('_', "/");
        let claims = String::from_utf8(standard.decode(text).ok()?).ok()?;
        serde_json::from_str::<serde_json::Map<_, _>>(&claims).ok()?;
        Some(claims)
    }
}

fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE);
    values.iter().filter_map(|value| value.to_str().ok()).flat_map(parse_one).collect()
}

/// Splits one header value. A word that no `=` follows begins a new challenge, whatever stands
/// between: commas separate challenges as well as parameters.
fn parse_one(value: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let end = rest.find([',', ' ', '\t', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            return challenges;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(after) => {
                let (text, after) = parse_value(after.trim_start_matches([' ', '\t']));
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.push((word.to_ascii_lowercase(), text));
                }
                rest = after;
            }
            None => {
                challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

/// A quoted string with its escapes, or everything up to the next separator.
fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VAULT: &str = "https://contoso.vault.azure.net/keys/a";

    fn ask_at(url: &str, values: &[&str]) -> Result<Option<Wanted>, Unanswerable> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        wanted(&headers, &url.parse().unwrap(), &Cloud::public())
    }

    #[test]
    fn resource_and_scope_are_found_in_any_order() {
        let tenant = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";
        for value in [
            format!(
                r#"Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="https://vault.azure.net""#
            ),
            format!(r#"Bearer resource="https://vault.azure.net",authorization="https://login.windows.net/{tenant}""#),
            format!(
                r#"bearer scope="https://vault.azure.net/.default" , authorization = "https://login.windows.net/{tenant}""#
            ),
            format!(
                r#"PoP realm="", nonce="a,b=c", Bearer resource=https://vault.azure.net, authorization=https://login.windows.net/{tenant}"#
            ),
        ] {
            let wanted = ask_at(VAULT, &[&value]).unwrap().unwrap();
            assert_eq!(wanted.resource.as_deref(), Some("https://vault.azure.net"), "{value}");
            assert_eq!(wanted.tenant, Some(tenant.parse().unwrap()), "{value}");
            assert_eq!(wanted.claims, None);
        }
    }

    #[test]
    fn a_token_is_never_made_for_somebody_else() {
        for resource in [
            "https://graph.microsoft.com",
            "https://azure.net.evil.example",
            "https://net",
            "http://vault.azure.net",
            "https://vault.azure.net:8443",
            "https://contoso.vault.azure.net",
            "https://t.azure.net",
            "vault.azure.net",
        ] {
            let error = ask_at(VAULT, &[&format!("Bearer resource=\"{resource}\"")]).unwrap_err();
            assert!(matches!(error, Unanswerable::ForeignResource { .. }), "{resource}");
        }
    }

    #[test]
    fn claims_are_decoded_and_the_second_challenge_is_left_alone() {
        let value = r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ==", PoP realm="", nonce="x""#;
        let wanted = ask_at("https://graph.microsoft.com/v1.0/applications", &[value]).unwrap().unwrap();
        assert_eq!(
            wanted.claims.as_deref(),
            Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#)
        );
        assert_eq!((wanted.resource, wanted.tenant), (None, None));
    }

    #[test]
    fn claims_that_are_not_json_are_an_error() {
        for claims in ["", "!!!", "bm90IGpzb24=", "WzFd"] {
            let value = format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"");
            assert!(matches!(ask_at(VAULT, &[&value]), Err(Unanswerable::Claims { .. })), "{claims}");
        }
    }

    #[test]
    fn without_a_bearer_challenge_there_is_nothing_to_answer() {
        assert_eq!(ask_at(VAULT, &[]), Ok(None));
        assert_eq!(ask_at(VAULT, &["Basic realm=x", "PoP nonce=y"]), Ok(None));
        assert_eq!(ask_at(VAULT, &["Bearer"]), Ok(Some(Wanted::default())));
    }

    #[test]
    fn the_realm_of_a_basic_challenge_is_a_path() {
        let headers =
            [(WWW_AUTHENTICATE, "Basic realm=/var/opt/azcmagent/tokens/a.key".parse().unwrap())].into_iter().collect();
        assert_eq!(basic_realm(&headers).as_deref(), Some("/var/opt/azcmagent/tokens/a.key"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_hang(text in "[ -~]{0,80}") {
            parse_one(&text);
        }
    }
}
