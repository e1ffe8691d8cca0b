//! What verifiers read: the key set and the discovery document, the same bytes for the same keys.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::Thumbprint;
use crate::pki::{Issuer, Jwk, JwkSet};

/// Where the discovery document lies below the issuer (OpenID Connect Discovery 1.0, 4).
pub const DISCOVERY_PATH: &str = ".well-known/openid-configuration";

/// Where the key set lies below the issuer.
pub const JWKS_PATH: &str = "jwks.json";

/// Bytes with the tag that caches compare.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    bytes: Vec<u8>,
    etag: String,
}

/// Both documents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Documents {
    /// `jwks.json`
    pub jwks: Document,
    /// `.well-known/openid-configuration`
    pub discovery: Document,
}

/// The members of a discovery document that an issuer without a login page has.
#[derive(Debug, Serialize)]
struct Discovery<'a> {
    issuer: &'a str,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'a str>,
}

impl Documents {
    /// The documents of an issuer with these keys. Who signs is not in them, so that they stay the same
    /// when another key takes over.
    pub fn new(issuer: &Issuer, keys: &JwkSet) -> Self {
        let mut algorithms: Vec<&str> = keys.keys.iter().filter_map(Jwk::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let discovery = Discovery {
            issuer: issuer.as_str(),
            jwks_uri: issuer.below(JWKS_PATH),
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: algorithms,
        };
        Self { jwks: Document::new(keys), discovery: Document::new(&discovery) }
    }
}

impl Document {
    fn new(value: &impl Serialize) -> Self {
        // Structs with text members only: this cannot fail.
        let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
        bytes.push(b'\n');
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let etag = format!("\"{}\"", &Thumbprint::Sha256(digest).base64url()[..22]);
        Self { bytes, etag }
    }

    /// As it is written and served.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A strong validator (RFC 9110 8.8.3), with its quotes.
    pub fn etag(&self) -> &str {
        &self.etag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_are_the_same_bytes_and_other_keys_another_tag() {
        let issuer = Issuer::parse("https://tokens.contoso.example/a/").unwrap();
        let set = |n: &str| -> JwkSet {
            serde_json::from_str(&format!(
                r#"{{"keys":[{{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"{n}","e":"AQAB"}}]}}"#
            ))
            .unwrap()
        };
        let (one, again, other) = (
            Documents::new(&issuer, &set("AQI")),
            Documents::new(&issuer, &set("AQI")),
            Documents::new(&issuer, &set("AQM")),
        );
        assert_eq!(one, again);
        assert_ne!(one.jwks.etag(), other.jwks.etag());
        assert_eq!(one.discovery, other.discovery, "which keys there are is not in it");
        assert_eq!(
            String::from_utf8_lossy(one.discovery.bytes()),
            r#"{
  "issuer": "https://tokens.contoso.example/a/",
  "jwks_uri": "https://tokens.contoso.example/a/jwks.json",
  "response_types_supported": [
    "id_token"
  ],
  "subject_types_supported": [
    "public"
  ],
  "id_token_signing_alg_values_supported": [
    "RS256"
  ]
}
"#
        );
    }
}
