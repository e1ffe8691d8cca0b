//! Published keys (RFC 7517), and checking a token against them.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::error::Error;
use super::jws::DecodedToken;
use super::public_key::without_leading_zeros;
use crate::domain::Secret;

/// A set of published keys, as `jwks_uri` serves it.
#[derive(Clone, Debug, Deserialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// The public members of an RSA key. Private ones cannot be expressed.
#[derive(Clone, Debug, Deserialize)]
pub struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

impl JwkSet {
    /// Checks the signature of an RS256 token against the key that its `kid` names, and decodes it.
    /// Times and audience are the caller's to judge.
    pub fn verify(&self, token: &Secret<String>) -> Result<DecodedToken, Error> {
        let decoded = DecodedToken::decode(token)?;
        let text = |member: &str| decoded.header.get(member).and_then(Value::as_str);
        if text("alg") != Some("RS256") {
            return Err(Error::Token("its algorithm is not RS256"));
        }
        let kid = text("kid").ok_or(Error::Token("its header has no kid"))?;
        let key = self.keys.iter().find(|key| key.kid.as_deref() == Some(kid));
        let key = key.ok_or_else(|| Error::UnknownKid(kid.to_owned()))?;
        let (message, signature) = token.expose().rsplit_once('.').ok_or(Error::Token("it has no signature"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Token("a part is not base64url"))?;
        key.verify_rs256(message.as_bytes(), &signature)?;
        Ok(decoded)
    }
}

impl Jwk {
    fn verify_rs256(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let number = |member: &Option<String>| {
            let text = member.as_deref().ok_or_else(|| Error::KeyKind(format!("a {} key", self.kty)))?;
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            bytes
                .map(|bytes| without_leading_zeros(&bytes))
                .map_err(|_| Error::Token("a published key is not base64url"))
        };
        let key = RsaPublicKeyComponents { n: number(&self.n)?, e: number(&self.e)? };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| Error::Signature)
    }
}
