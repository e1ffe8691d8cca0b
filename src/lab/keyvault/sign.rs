//! Signing and verifying digests with a key in the vault.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, body};
use super::error::{Answer, Refusal};
use super::keys::KeyView;
use crate::lab::exchange::{Reply, Request};
use crate::lab::keys::{Algorithm, KeyKind};

#[derive(Debug, Deserialize)]
struct Sign {
    alg: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Verify {
    alg: String,
    digest: String,
    value: String,
}

/// POST `…/sign`. The answer always names the version that signed.
pub(super) fn sign(call: &mut Call<'_>, name: &str, version: Option<&str>, request: &Request) -> Answer {
    let sent: Sign = body(request)?;
    let view = call.key(name, version)?;
    check_use(&view, "sign", call.now)?;
    if view.key.is_absent() {
        return Err(Refusal::not_implemented("signatures by keys that a scale seed makes up"));
    }
    let algorithm = algorithm(call, &view, &sent.alg)?;
    let digest = digest(algorithm, &sent.alg, "value", &sent.value)?;
    let signature = view.key.sign(algorithm, &digest).ok_or_else(|| Refusal::invalid_property("alg", ""))?;
    let kid = call.url("keys", &view.name, Some(&view.version));
    Ok(Reply::json(StatusCode::OK, &json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(signature)})))
}

/// POST `…/verify`. A wrong signature is an answer, not an error.
pub(super) fn verify(call: &mut Call<'_>, name: &str, version: Option<&str>, request: &Request) -> Answer {
    let sent: Verify = body(request)?;
    let view = call.key(name, version)?;
    check_use(&view, "verify", call.now)?;
    let algorithm = algorithm(call, &view, &sent.alg)?;
    let digest = digest(algorithm, &sent.alg, "digest", &sent.digest)?;
    let signature = decode("value", &sent.value)?;
    let is_right = view.key.verify(algorithm, &digest, &signature).unwrap_or(false);
    Ok(Reply::json(StatusCode::OK, &json!({ "value": is_right })))
}

/// A disabled key does nothing; outside its validity a key only verifies.
fn check_use(view: &KeyView, operation: &str, now: i64) -> Result<(), Refusal> {
    if !view.key_ops.iter().any(|op| op == operation) {
        let message = format!("Operation {operation} is not permitted on this key.");
        return Err(Refusal::forbidden("KeyOperationForbidden", message));
    }
    let attributes = &view.attributes;
    if !attributes.enabled {
        return Err(not_allowed("KeyDisabled", operation, "a disabled key"));
    }
    if operation == "verify" {
        return Ok(());
    }
    if attributes.not_before.is_some_and(|at| now < at) {
        return Err(not_allowed("KeyNotYetValid", operation, "a key that is not yet valid"));
    }
    if attributes.expires.is_some_and(|at| now >= at) {
        return Err(not_allowed("KeyExpired", operation, "an expired key"));
    }
    Ok(())
}

fn not_allowed(inner: &'static str, operation: &str, what: &str) -> Refusal {
    Refusal::forbidden(inner, format!("Operation {operation} is not allowed on {what}."))
}

fn algorithm(call: &Call<'_>, view: &KeyView, name: &str) -> Result<Algorithm, Refusal> {
    let algorithm = Algorithm::from_wire(name);
    let algorithm =
        algorithm.ok_or_else(|| Refusal::bad_parameter(format!("The algorithm '{name}' is not supported.")))?;
    if algorithm.fits(view.key.kind()) {
        return Ok(algorithm);
    }
    let kid = call.url("keys", &view.name, Some(&view.version));
    let wanted = match view.key.kind() {
        KeyKind::Rsa(_) => "a key of type 'EC' or 'EC-HSM'",
        KeyKind::Ec(_) if name.starts_with("ES") => "a key of another curve",
        KeyKind::Ec(_) => "a key of type 'RSA' or 'RSA-HSM'",
    };
    Err(Refusal::bad_parameter(format!(
        "Key and signing algorithm are incompatible. Key {kid} is of type '{}', and algorithm '{name}' can only be \
         used with {wanted}.",
        view.kty
    )))
}

fn digest(algorithm: Algorithm, name: &str, member: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    let digest = decode(member, text)?;
    let wanted = algorithm.digest_len();
    if digest.len() == wanted {
        return Ok(digest);
    }
    Err(Refusal::bad_parameter(format!(
        "Invalid length of '{member}': {} bytes. {name} requires {wanted} bytes, encoded with base64url.",
        digest.len()
    )))
}

/// base64url; padding is tolerated.
fn decode(member: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text));
    bytes.map_err(|_| Refusal::invalid_property(member, ""))
}
