//! Issuers outside the tenant: build services and clusters whose tokens applications may trust.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::signing::SigningKey;
use crate::lab::keys::PrivateKey;

/// An issuer whose keys the lab knows: a foreign one by its JWKS, or one that the lab plays itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Issuer {
    keys: Vec<Jwk>,
    /// Present if the lab plays the issuer.
    key: Option<PrivateKey>,
}

impl Issuer {
    /// One that somebody else plays.
    pub(crate) fn foreign(jwks: &Value) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_value(jwks.clone()).map_err(|error| format!("`jwks`: {error}"))?;
        Ok(Self { keys: set.keys, key: None })
    }

    /// One that the lab plays with this key.
    pub(crate) fn played(key: PrivateKey, name: &str, now: OffsetDateTime) -> Result<Self, String> {
        let jwk = SigningKey::new(key.clone(), now).jwk(name);
        let jwk = serde_json::from_value(jwk).map_err(|error| error.to_string())?;
        Ok(Self { keys: vec![jwk], key: Some(key) })
    }

    pub(super) fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys as a JWKS document.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": self.keys })
    }

    /// A token of an issuer that the lab plays. `claims` go over what is usual.
    pub(crate) fn token(&self, issuer: &str, claims: &Value, now: OffsetDateTime) -> Result<String, String> {
        let key = self.key.clone().ok_or("the lab has no key of this issuer: it was registered with a `jwks`")?;
        let now_seconds = now.unix_timestamp();
        let mut all = json!({
            "iss": issuer, "aud": super::resource::EXCHANGE, "iat": now_seconds, "nbf": now_seconds - 10,
            "exp": now_seconds + 300,
        });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
        }
        let kid = self.keys.first().and_then(|key| key.common.key_id.as_deref()).unwrap_or_default();
        Ok(SigningKey::new(key, now).published_as(kid).sign(&all))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::lab::keys::{KeyKind, KeyPool};

    #[test]
    fn a_token_of_later_names_the_key_that_was_published() {
        let (then, now) = (datetime!(2026-01-01 0:00 UTC), datetime!(2026-06-01 0:00 UTC));
        let issuer =
            Issuer::played(KeyPool::default().take(KeyKind::Rsa(2048)), "https://issuer.example", then).unwrap();
        let token = issuer.token("https://issuer.example", &json!({}), now).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.kid, issuer.keys[0].common.key_id);
    }
}
