//! Proofs of possession: who holds a key of an object may add another and remove one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::domain::Thumbprint;
use crate::lab::directory::KeyCredential;

/// The audience of every proof: the id of the retired Azure AD Graph.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// The longest life of a proof, in seconds.
const LIFETIME: f64 = 600.0;

/// How far the signer's clock may be off, in seconds.
const SKEW: f64 = 300.0;

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    nbf: f64,
    exp: f64,
}

/// What a proof has to show.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    /// Object id of the application or service principal.
    pub(super) issuer: Uuid,
    pub(super) keys: &'a [KeyCredential],
    pub(super) now: OffsetDateTime,
    /// Whether PS256 will do. Nobody has said that the service takes it.
    pub(super) accepts_pss: bool,
}

/// What is wrong with a proof. The wire does not say; the tests of each clause do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    NotAToken,
    Algorithm,
    NoSuchKey,
    KeyNotValid,
    Signature,
    Audience,
    Issuer,
    TooLong,
    NotNow,
}

/// Checks a proof clause by clause.
pub(super) fn check(proof: &str, demand: &Demand<'_>) -> Result<(), Flaw> {
    let mut parts = proof.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Flaw::NotAToken);
    };
    let parsed: Header = decode(header)?;
    let algorithm = match parsed.alg.as_str() {
        "RS256" => Algorithm::RS256,
        "PS256" if demand.accepts_pss => Algorithm::PS256,
        _ => return Err(Flaw::Algorithm),
    };

    let mut named = demand.keys.iter().filter(|key| key.verifies() && is_named(key, &parsed)).peekable();
    if named.peek().is_none() {
        return Err(Flaw::NoSuchKey);
    }
    let valid: Vec<_> = named.filter(|key| key.is_valid_at(demand.now) && is_in_validity(key, demand.now)).collect();
    if valid.is_empty() {
        return Err(Flaw::KeyNotValid);
    }
    let message = format!("{header}.{claims}");
    if !valid.iter().any(|key| is_signed_by(key, signature, message.as_bytes(), algorithm)) {
        return Err(Flaw::Signature);
    }

    let claims: Claims = decode(claims)?;
    let now = demand.now.unix_timestamp() as f64;
    if claims.aud != AUDIENCE {
        Err(Flaw::Audience)
    } else if claims.iss != demand.issuer.to_string() {
        Err(Flaw::Issuer)
    } else if claims.exp - claims.nbf > LIFETIME || claims.exp <= claims.nbf {
        Err(Flaw::TooLong)
    } else if now < claims.nbf - SKEW || now >= claims.exp + SKEW {
        Err(Flaw::NotNow)
    } else {
        Ok(())
    }
}

/// A part of the token. Padding is an error here, unlike at the token endpoint.
fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Flaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::NotAToken)?;
    serde_json::from_slice(&bytes).map_err(|_| Flaw::NotAToken)
}

/// Whether `x5t` or `kid` mean this key: SHA-1 in base64url, or in hex.
fn is_named(key: &KeyCredential, header: &Header) -> bool {
    let print = Thumbprint::sha1(&key.key);
    let by_x5t = |x5t: &str| {
        let alphabet = x5t.trim_end_matches('=').replace('-', "+").replace('_', "/");
        STANDARD_NO_PAD.decode(alphabet).is_ok_and(|digest| digest == print.bytes())
    };
    let by_kid = |kid: &str| {
        kid.eq_ignore_ascii_case(&print.hex()) || kid == print.base64url() || kid == STANDARD.encode(print.bytes())
    };
    match (&header.x5t, &header.kid) {
        (Some(x5t), _) => by_x5t(x5t),
        (None, Some(kid)) => by_kid(kid),
        (None, None) => false,
    }
}

fn is_in_validity(key: &KeyCredential, now: OffsetDateTime) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(&key.key) else { return false };
    let validity = certificate.validity();
    validity.not_before.to_datetime() <= now && now <= validity.not_after.to_datetime()
}

fn is_signed_by(key: &KeyCredential, signature: &str, message: &[u8], algorithm: Algorithm) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(&key.key) else { return false };
    let public = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    jsonwebtoken::crypto::verify(signature, message, &public, algorithm).unwrap_or(false)
}
