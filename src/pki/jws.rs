//! JWS in compact form (RFC 7515): what is to be signed, and what came of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::algorithm::SignatureAlgorithm;
use super::error::Error;
use super::signer::Signer;
use crate::domain::Secret;

/// A signature algorithm that Entra accepts for client assertions (RFC 7518 3.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256, thumbprint as `x5t#S256`: what Microsoft documents today.
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, thumbprint as `x5t`: the only form for AD FS and Graph proofs.
    Rs256,
}

impl Algorithm {
    /// The name in a JOSE header and in a Key Vault `sign` request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The exact bytes that a signature covers. Only this module's neighbours can make one.
#[derive(Clone, Debug)]
pub struct SigningInput {
    algorithm: SignatureAlgorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    text: String,
}

impl SigningInput {
    pub(super) fn new(
        algorithm: impl Into<SignatureAlgorithm>,
        header: Map<String, Value>,
        claims: Map<String, Value>,
    ) -> Self {
        let part = |members: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(members.clone()).to_string());
        let text = format!("{}.{}", part(&header), part(&claims));
        Self { algorithm: algorithm.into(), header, claims, text }
    }

    /// How it is to be signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The JOSE header.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The algorithm's hash of the ASCII of `header.claims`: what a vault is asked to sign.
    pub fn digest(&self) -> Vec<u8> {
        self.algorithm.digest_of(self.text.as_bytes()).as_ref().to_vec()
    }

    /// The bytes themselves, for a signer that hashes on its own.
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(super) async fn sign(self, signer: &dyn Signer) -> Result<Compact, Error> {
        let signature = signer.sign(&self).await?;
        // A vault that signed with another version would else only be noticed by Entra, as AADSTS700027.
        signer.identity().check(self.algorithm, self.bytes(), &signature)?;
        let text = format!("{}.{}", self.text, URL_SAFE_NO_PAD.encode(signature));
        Ok(Compact { input: self, text: Secret::new(text) })
    }
}

/// A signed token in compact form. Its text is a secret until it has expired.
#[derive(Clone, Debug)]
pub struct Compact {
    input: SigningInput,
    text: Secret<String>,
}

impl Compact {
    /// Header and claims, which are no secret.
    pub fn input(&self) -> &SigningInput {
        &self.input
    }

    /// `header.claims.signature`.
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }
}

/// The readable part of a token that somebody else made.
#[derive(Clone, Debug)]
pub struct DecodedToken {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl DecodedToken {
    /// Takes a token apart without checking its signature.
    pub fn decode(token: &Secret<String>) -> Result<Self, Error> {
        let parts: Vec<_> = token.expose().split('.').collect();
        let [header, claims, _signature] = parts[..] else {
            return Err(Error::Token("it does not have three parts"));
        };
        Ok(Self { header: members(header)?, claims: members(claims)? })
    }

    /// A claim that is text, a number or a flag, as text.
    pub fn text(&self, claim: &str) -> Option<String> {
        match self.claims.get(claim)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// A claim that is a point in time, in seconds since 1970.
    pub fn time(&self, claim: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.claims.get(claim)?.as_i64()?).ok()
    }

    /// The values of a claim that is a list of texts, such as `roles`. Absent is empty.
    pub fn list(&self, claim: &str) -> Vec<String> {
        let values = self.claims.get(claim).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// How the client proved itself: `1` a secret, `2` a certificate. v1 tokens say `appidacr`.
    pub fn client_authentication(&self) -> Option<String> {
        self.text("azpacr").or_else(|| self.text("appidacr"))
    }
}

fn members(part: &str) -> Result<Map<String, Value>, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Token("a part is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| Error::Token("a part is not a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_said_to_be_none() {
        for (text, problem) in [
            ("abc", "it does not have three parts"),
            ("a.b.c.d", "it does not have three parts"),
            ("!.e30.x", "a part is not base64url"),
            ("W10.e30.x", "a part is not a JSON object"),
        ] {
            let error = DecodedToken::decode(&Secret::new(text.to_owned())).unwrap_err();
            assert_eq!(error.to_string(), format!("the token is malformed: {problem}"));
        }
    }

    #[test]
    fn client_authentication_is_read_from_both_versions_of_tokens() {
        let token = |claims: &str| DecodedToken { header: Map::new(), claims: serde_json::from_str(claims).unwrap() };
        assert_eq!(token(r#"{"azpacr":"2"}"#).client_authentication().as_deref(), Some("2"));
        assert_eq!(token(r#"{"appidacr":"1"}"#).client_authentication().as_deref(), Some("1"));
        assert_eq!(token("{}").client_authentication(), None);
    }
}
