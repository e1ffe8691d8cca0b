//! The key that signs the lab's access tokens, with its certificate, as the JWKS shows it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use rcgen::CertificateParams;
use rcgen::DnType;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::jws::Jws;
use crate::domain::Thumbprint;
use crate::lab::keys;
use crate::lab::keys::PrivateKey;
use crate::lab::keys::PublicKey;

/// A key of an issuer of JWTs: the lab's own tenant, or a foreign issuer that the lab plays.
#[derive(Debug)]
pub(super) struct SigningKey {
    key: PrivateKey,
    kid: String,
    certificate: Vec<u8>,
    public: DecodingKey,
    n: String,
    e: String,
}

impl SigningKey {
    /// Gives an RSA key a name and a certificate.
    pub(super) fn new(key: PrivateKey, now: OffsetDateTime) -> Self {
        let (n, e) = match key.public() {
            PublicKey::Rsa { n, e } => (n, e),
            PublicKey::Ec { x, y, .. } => (x, y),
        };
        // Not every reader of a JWKS looks at x5c, and none needs it to verify: better none than no lab.
        let certificate = certificate(&key, now).unwrap_or_default();
        Self {
            kid: Thumbprint::sha1(if certificate.is_empty() { &n } else { &certificate }).base64url(),
            public: DecodingKey::from_rsa_raw_components(&n, &e),
            n: URL_SAFE_NO_PAD.encode(n),
            e: URL_SAFE_NO_PAD.encode(e),
            key,
            certificate,
        }
    }

    /// The same key by the name under which it was published: its certificate is made anew each
    /// time, and says when.
    pub(super) fn published_as(mut self, kid: &str) -> Self {
        kid.clone_into(&mut self.kid);
        self
    }

    /// A signed token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": self.kid, "kid": self.kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let algorithm = keys::Algorithm::Rs256;
        let signature = self.key.sign(algorithm, &algorithm.hash(message.as_bytes())).unwrap_or_default();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Whether this key has signed the token. Its `kid` has to say so, too.
    pub(super) fn has_signed(&self, token: &Jws<'_>) -> bool {
        token.header("kid") == Some(&self.kid) && token.is_signed_by(&self.public, &[Algorithm::RS256])
    }

    /// The key as a JWK with its certificate, as in Entra's `discovery/v2.0/keys`.
    pub(super) fn jwk(&self, issuer: &str) -> Value {
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.n, "e": self.e,
            "x5c": [STANDARD.encode(&self.certificate)], "issuer": issuer,
        });
        if self.certificate.is_empty() {
            for member in ["x5c", "x5t"] {
                jwk.as_object_mut().and_then(|jwk| jwk.remove(member));
            }
        }
        jwk
    }
}

fn certificate(key: &PrivateKey, now: OffsetDateTime) -> Result<Vec<u8>, rcgen::Error> {
    let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8().expose().as_slice());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &rcgen::PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "accounts.accesscontrol LAB");
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(5 * 365);
    Ok(params.self_signed(&pair)?.der().to_vec())
}
