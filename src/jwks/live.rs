//! What the world sees: the documents as they are served, compared with what the vault says.

use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::document::DISCOVERY_PATH;
use super::set::{KeySet, max_age};
use super::timeline::Phase;
use super::windows::Windows;
use crate::domain::printable;
use crate::http;
use crate::http::{Auth, Operation, Request, Service};
use crate::pki::{Issuer, Jwk, JwkSet};

const READ_DISCOVERY: Operation = Operation::safe(Service::Identity, "reading the discovery document", "nothing");
const READ_JWKS: Operation = Operation::safe(Service::Identity, "reading the published keys", "nothing");

/// Members of a JWK that nobody may publish (RFC 7518 6.2.2, 6.3.2, 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Where the documents are read.
#[derive(Clone, Debug)]
pub struct Live {
    discovery: Url,
}

/// What was read there.
#[derive(Clone, Debug)]
pub struct Published {
    /// When.
    pub read_at: OffsetDateTime,
    issuer: String,
    jwks_uri: Url,
    keys: JwkSet,
    has_private_members: bool,
    is_json: bool,
    max_age: Option<Duration>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it has to be.
    Good,
    /// Works, and could go wrong.
    Warning,
    /// Verifiers will refuse tokens, or take ones that are not the issuer's.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What.
    pub check: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

impl Live {
    /// The documents below a URL: the issuer, what lies in front of it, or the discovery document itself.
    pub fn at(url: &Url) -> Self {
        let mut discovery = url.clone();
        if !discovery.path().ends_with(DISCOVERY_PATH) {
            let path = format!("{}/{DISCOVERY_PATH}", discovery.path().trim_end_matches('/'));
            discovery.set_path(&path);
        }
        Self { discovery }
    }

    /// The documents of an issuer.
    pub fn of(issuer: &Issuer) -> Option<Self> {
        Url::parse(issuer.as_str()).ok().map(|url| Self::at(&url))
    }

    /// Where the discovery document is.
    pub fn url(&self) -> &Url {
        &self.discovery
    }

    /// Reads both documents as a verifier does. Where the discovery document came from somewhere else
    /// than its issuer, as before a deployment, the keys are read from there, too.
    pub async fn read(&self, http: &http::Client) -> Result<Published, http::Error> {
        let client = http.endpoint(&self.discovery);
        let response = client.send(&READ_DISCOVERY, &Request::get(self.discovery.clone()), &Auth::None).await?;
        let discovery: Discovery = response.json()?;
        let jwks_uri = self.reachable(&discovery);
        let client = http.endpoint(&jwks_uri);
        let response = client.send(&READ_JWKS, &Request::get(jwks_uri.clone()), &Auth::None).await?;
        let raw: Value = response.json()?;
        let keys: JwkSet = response.json()?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Published {
            read_at: http.service_now(),
            issuer: discovery.issuer,
            jwks_uri: discovery.jwks_uri,
            keys,
            has_private_members: has_private_members(&raw),
            is_json: header(CONTENT_TYPE).to_ascii_lowercase().contains("json"),
            max_age: max_age_of(header(CACHE_CONTROL)),
        })
    }

    fn reachable(&self, discovery: &Discovery) -> Url {
        let elsewhere = discovery.jwks_uri.clone();
        let Ok(issuer) = Url::parse(&discovery.issuer) else { return elsewhere };
        if issuer.origin() != elsewhere.origin() || issuer.origin() == self.discovery.origin() {
            return elsewhere;
        }
        let Some(path) = elsewhere.path().strip_prefix(issuer.path().trim_end_matches('/')) else { return elsewhere };
        let mut here = self.discovery.clone();
        let base = here.path().trim_end_matches(DISCOVERY_PATH).trim_end_matches('/').to_owned();
        here.set_path(&format!("{base}{path}"));
        here
    }
}

impl Published {
    /// Whether the key is shown, as it is.
    pub fn shows(&self, key: &Jwk) -> bool {
        key.kid().and_then(|kid| self.keys.key(kid)).is_some_and(|shown| shown.is_same_key(key))
    }

    /// Compares with what the vault says.
    pub fn checks(&self, issuer: &Issuer, windows: &Windows, set: &KeySet) -> Vec<Check> {
        let mut checks = vec![
            self.issuer_is(issuer),
            given("keys address", self.jwks_uri.scheme() == "https", Outcome::Bad, self.jwks_uri.to_string()),
            given(
                "no private members",
                !self.has_private_members,
                Outcome::Bad,
                if self.has_private_members { "a published key has some" } else { "public numbers only" },
            ),
        ];
        for key in set.timeline().published() {
            let Some(known) = set.observed().keys.get(&key.facts.version) else { continue };
            let (what, seen) = match (key.phase, self.keys.key(known.kid())) {
                (phase, None) => (phase, Err("is not shown")),
                (phase, Some(shown)) if !shown.is_same_key(&known.jwk) => (phase, Err("is shown with other numbers")),
                (phase, Some(shown)) if shown.algorithm().is_some_and(|shown| shown != known.algorithm.name()) => {
                    (phase, Err("is shown for another algorithm"))
                }
                (phase, Some(_)) => (phase, Ok(())),
            };
            let check = match what {
                Phase::Active => "the key that signs",
                Phase::Announced => "the key that will sign",
                _ => "a key that signed",
            };
            let detail = format!("{} {}", known.kid(), seen.err().unwrap_or("is shown"));
            checks.push(given(check, seen.is_ok(), Outcome::Bad, detail));
        }
        checks.extend(self.keys.keys.iter().filter_map(|shown| self.stranger(shown, windows, set)));
        checks.push(self.cache_is(windows));
        checks.push(given(
            "content type",
            self.is_json,
            Outcome::Warning,
            if self.is_json { "JSON" } else { "not JSON" },
        ));
        checks
    }

    /// Whether these are the documents of `issuer`.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        self.issuer == issuer.as_str()
    }

    /// Whose documents they say they are.
    pub fn issuer(&self) -> String {
        printable(&self.issuer)
    }

    /// What is wrong with a shown key that is none of the published ones. That it bears the name of one of
    /// them proves nothing.
    fn stranger(&self, shown: &Jwk, windows: &Windows, set: &KeySet) -> Option<Check> {
        let kid = shown.kid().map_or_else(|| "a key without kid".to_owned(), printable);
        let facts = set.observed().versions.iter().find(|facts| facts.is_enabled && facts.version.as_str() == kid);
        let known = facts.map(|facts| set.observed().keys.get(&facts.version));
        if known.flatten().is_some_and(|known| known.jwk.is_same_key(shown)) {
            return None;
        }
        // A cache on the way may be behind. The number of one that has left is not read any more.
        let left = facts.filter(|facts| !set.observed().keys.contains_key(&facts.version));
        let left_at = left.and_then(|facts| set.timeline().key(&facts.version)?.leaves_at);
        if left_at.is_some_and(|at| self.read_at < windows.forgotten_at(at)) {
            let detail = format!("{kid} has left, and is still shown");
            return Some(Check { check: "a key that has left", outcome: Outcome::Warning, detail });
        }
        let detail = format!("{kid} is not published by the vault: tokens of whoever holds it are accepted");
        Some(Check { check: "foreign key", outcome: Outcome::Bad, detail })
    }

    fn issuer_is(&self, issuer: &Issuer) -> Check {
        let is_same = self.is_of(issuer);
        let detail = if is_same { self.issuer() } else { format!("{} in place of {issuer}", self.issuer()) };
        given("issuer", is_same, Outcome::Bad, detail)
    }

    fn cache_is(&self, windows: &Windows) -> Check {
        let most = max_age(windows);
        let (is_good, detail) = match self.max_age {
            Some(age) => {
                (age <= most, format!("max-age={}, and the windows allow {} s", age.as_secs(), most.as_secs()))
            }
            None => (false, format!("no max-age, so that verifiers choose; the windows allow {} s", most.as_secs())),
        };
        given("cache", is_good, if self.max_age.is_some() { Outcome::Bad } else { Outcome::Warning }, detail)
    }
}

fn given(check: &'static str, is_good: bool, otherwise: Outcome, detail: impl Into<String>) -> Check {
    Check { check, outcome: if is_good { Outcome::Good } else { otherwise }, detail: detail.into() }
}

fn has_private_members(raw: &Value) -> bool {
    let keys = raw.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_object).any(|key| PRIVATE.iter().any(|member| key.contains_key(*member)))
}

fn max_age_of(header: &str) -> Option<Duration> {
    let directives = header.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    let seconds = directives.filter_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    seconds.map(Duration::from_secs).next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_discovery_document_is_found_below_an_issuer_and_is_itself() {
        for (url, found) in [
            ("https://t.example", "https://t.example/.well-known/openid-configuration"),
            ("https://t.example/a/", "https://t.example/a/.well-known/openid-configuration"),
            (
                "http://127.0.0.1:80/.well-known/openid-configuration",
                "http://127.0.0.1/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(Live::at(&url.parse().unwrap()).url().as_str(), found);
        }
    }

    #[test]
    fn before_a_deployment_the_keys_are_read_where_the_discovery_document_was() {
        let live = Live::at(&"http://127.0.0.1:5000".parse().unwrap());
        let discovery = |jwks_uri: &str| Discovery {
            issuer: "https://t.example/a".to_owned(),
            jwks_uri: jwks_uri.parse().unwrap(),
        };
        assert_eq!(
            live.reachable(&discovery("https://t.example/a/jwks.json")).as_str(),
            "http://127.0.0.1:5000/jwks.json"
        );
        assert_eq!(
            live.reachable(&discovery("https://elsewhere.example/jwks.json")).as_str(),
            "https://elsewhere.example/jwks.json"
        );
    }

    #[test]
    fn a_private_member_is_seen() {
        assert!(has_private_members(&json!({ "keys": [{ "kty": "RSA" }, { "kty": "RSA", "d": "x" }] })));
        assert!(has_private_members(&json!({ "keys": [{ "kty": "oct", "k": "x" }] })));
        assert!(!has_private_members(&json!({ "keys": [{ "kty": "RSA", "n": "x", "e": "AQAB" }] })));
    }

    #[test]
    fn max_age_is_read_among_other_directives() {
        assert_eq!(max_age_of("public, max-age=86400, immutable"), Some(Duration::from_secs(86_400)));
        assert_eq!(max_age_of("no-store"), None);
        assert_eq!(max_age_of("s-maxage=5"), None);
    }
}
