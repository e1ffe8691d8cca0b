//! Published keys (RFC 7517): made from certificates, and tokens checked against them.

use aws_lc_rs::signature::RsaPublicKeyComponents;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::algorithm::SignatureAlgorithm;
use super::certificate::Certificate;
use super::error::Error;
use super::jws::DecodedToken;
use super::public_key::{PublicKey, without_leading_zeros};
use crate::domain::Secret;

/// A set of published keys, as `jwks_uri` serves it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order in which they are served.
    pub keys: Vec<Jwk>,
}

/// The public members of an RSA or EC key. Private ones (`d`, `p`, `q` …) cannot be expressed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Jwk {
    kty: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x5t: Option<String>,
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    x5t_s256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x5c: Option<Vec<String>>,
}

impl JwkSet {
    /// The key of this `kid`.
    pub fn key(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// Checks the signature of a token against the key that its `kid` names, and decodes it. The
    /// algorithm has to fit the key, and to be the key's own where the set names one. Times and
    /// audience are the caller's to judge.
    pub fn verify(&self, token: &Secret<String>) -> Result<DecodedToken, Error> {
        let decoded = DecodedToken::decode(token)?;
        let text = |member: &str| decoded.header.get(member).and_then(Value::as_str);
        let algorithm: SignatureAlgorithm = text("alg")
            .and_then(|name| name.parse().ok())
            .ok_or(Error::Token("its algorithm is none of a public key"))?;
        let kid = text("kid").ok_or(Error::Token("its header has no kid"))?;
        let key = self.key(kid).ok_or_else(|| Error::UnknownKid(kid.to_owned()))?;
        let (message, signature) = token.expose().rsplit_once('.').ok_or(Error::Token("it has no signature"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Token("a part is not base64url"))?;
        key.verify(algorithm, message.as_bytes(), &signature)?;
        Ok(decoded)
    }
}

impl Jwk {
    /// The public key of a certificate, for signatures with `algorithm`, under a name.
    pub fn new(certificate: &Certificate, kid: &str, algorithm: SignatureAlgorithm) -> Result<Self, Error> {
        let key = certificate.public_key();
        // P-256 and P-256K have points of one length; only the name of the curve tells them apart.
        if !algorithm.fits(key) || (algorithm.curve().is_some() && algorithm.curve() != certificate.curve()) {
            return Err(Error::AlgorithmKind { algorithm, key: key.description() });
        }
        let number = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let (n, e, x, y) = match key {
            PublicKey::Rsa { modulus, exponent, .. } => (number(modulus), number(exponent), None, None),
            PublicKey::Ec { point, .. } => {
                // Coordinates keep their leading zeros: RFC 7518 6.2.1.2.
                let (x, y) = point[1..].split_at(point.len() / 2);
                (None, None, number(x), number(y))
            }
        };
        Ok(Self {
            kty: if n.is_some() { "RSA" } else { "EC" }.to_owned(),
            usage: Some("sig".to_owned()),
            alg: Some(algorithm.name().to_owned()),
            kid: Some(kid.to_owned()),
            x5t: Some(certificate.sha1().base64url()),
            x5t_s256: Some(certificate.sha256().base64url()),
            n,
            e,
            crv: algorithm.curve().map(str::to_owned),
            x,
            y,
            x5c: Some(vec![STANDARD.encode(certificate.der())]),
        })
    }

    /// Its name in the set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm that it is for.
    pub fn algorithm(&self) -> Option<&str> {
        self.alg.as_deref()
    }

    /// Whether both are the same key, whatever else is said of them.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let numbers =
            |key: &Self| [&key.n, &key.e, &key.x, &key.y].map(|number| number.as_deref().and_then(significant));
        self.kty == other.kty && self.crv == other.crv && numbers(self) == numbers(other)
    }

    fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        if self.alg.as_deref().is_some_and(|own| own != algorithm.name()) {
            return Err(Error::Token("its algorithm is not the one that its key is published for"));
        }
        let kind = || Error::AlgorithmKind { algorithm, key: self.kty.clone() };
        let number = |member: &Option<String>| member.as_deref().and_then(significant).ok_or_else(kind);
        if let Some(curve) = algorithm.curve() {
            if self.kty != "EC" || self.crv.as_deref() != Some(curve) {
                return Err(kind());
            }
            let width = match algorithm {
                SignatureAlgorithm::Es256 => 32,
                SignatureAlgorithm::Es384 => 48,
                _ => 66,
            };
            let mut point = vec![4];
            for coordinate in [number(&self.x)?, number(&self.y)?] {
                let padding = usize::checked_sub(width, coordinate.len()).ok_or_else(kind)?;
                point.extend(std::iter::repeat_n(0, padding));
                point.extend(coordinate);
            }
            return PublicKey::Ec { bits: width * 8, point }.verify(algorithm, message, signature);
        }
        if self.kty != "RSA" {
            return Err(kind());
        }
        let parameters: &'static RsaParameters = match algorithm {
            SignatureAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            SignatureAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            SignatureAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            SignatureAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
            SignatureAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        let key = RsaPublicKeyComponents { n: number(&self.n)?, e: number(&self.e)? };
        key.verify(parameters, message, signature).map_err(|_| Error::Signature)
    }
}

/// A number of a JWK without padding and without leading zeros, which some publishers leave in.
fn significant(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().map(|bytes| without_leading_zeros(&bytes))
}
