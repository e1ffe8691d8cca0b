//! Compact JWS (RFC 7515, 3.1) as clients send them: decoded, then checked against a key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use x509_parser::public_key::PublicKey;

/// A token in its three parts. Nothing in it is verified yet.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Decodes the parts. `None` if it is no JWS with JSON in it.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let object = |part: &str| {
            // Some clients pad what RFC 7515 wants unpadded; Entra does not mind.
            let json = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
            serde_json::from_slice::<Map<String, Value>>(&json).ok()
        };
        Some(Self { header: object(header)?, claims: object(claims)?, message, signature })
    }

    /// A header member or claim that is text.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A header member that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A `NumericDate`. MSAL for Python sends floats, MSAL for .NET strings; Entra takes them all.
    pub(super) fn date(&self, name: &str) -> Option<OffsetDateTime> {
        let seconds = match self.claims.get(name)? {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e9) as i128).ok()
    }

    /// `aud`, one or several.
    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the signature is this key's, with one of the algorithms allowed.
    pub(super) fn is_signed_by(&self, key: &DecodingKey, allowed: &[Algorithm]) -> bool {
        let algorithm = self.header("alg").and_then(|name| name.parse::<Algorithm>().ok());
        algorithm.filter(|algorithm| allowed.contains(algorithm)).is_some_and(|algorithm| {
            jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm).unwrap_or(false)
        })
    }
}

/// The public key of a certificate in DER, if it is RSA: Entra takes no other for assertions.
pub(super) fn rsa_key_of(certificate: &[u8]) -> Option<DecodingKey> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => {
            let significant = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            Some(DecodingKey::from_rsa_raw_components(&significant(key.modulus), &significant(key.exponent)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn text(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({ "alg": "RS256" })), part(claims))
    }

    #[test]
    fn a_date_is_a_number_a_float_or_a_string() {
        for date in [json!(1_700_000_000), json!(1_700_000_000.25), json!("1700000000"), json!("1700000000.25")] {
            let text = text(&json!({ "exp": date }));
            let parsed = Jws::parse(&text).unwrap().date("exp").unwrap();
            assert_eq!(parsed.replace_nanosecond(0).unwrap(), datetime!(2023-11-14 22:13:20 UTC));
        }
        for date in [json!("soon"), json!(true), json!(1e300), json!(null)] {
            let text = text(&json!({ "exp": date }));
            assert!(Jws::parse(&text).unwrap().date("exp").is_none());
        }
    }

    #[test]
    fn what_is_no_jws_is_none() {
        for bad in ["", "a.b", "a.b.c", "e30.e30", "e30.W10.x", "....", "bm8.e30.x"] {
            assert!(Jws::parse(bad).is_none(), "{bad}");
        }
    }
}
