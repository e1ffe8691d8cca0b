//! Tokens of an issuer, checked with the keys that it publishes.

use super::*;
use crate::domain::Cloud;

const ISSUER: &str = "https://tokens.contoso.example";

fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    Certificate::from_der(certificate.der()).unwrap()
}

fn set(key: &LocalKey, algorithm: SignatureAlgorithm) -> JwkSet {
    let certificate = key.identity().certificate().unwrap();
    JwkSet { keys: vec![Jwk::new(certificate, "one", algorithm).unwrap()] }
}

fn token(key: &LocalKey, algorithm: SignatureAlgorithm, lifetime: Duration) -> Result<IssuerToken, Error> {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let audience = Audience::parse("orders", &Cloud::public()).unwrap();
    let claims = Claims::from_json(br#"{"sub":"worker","role":"reader"}"#).unwrap();
    let request = IssuerTokenRequest {
        issuer: &issuer,
        audience: &audience,
        claims: &claims,
        now: NOW,
        lifetime,
        longest: Duration::hours(1),
        id: Uuid::from_u128(9),
        kid: "one",
        algorithm,
        kind: TokenType::Jwt,
    };
    block_on(IssuerToken::sign(&request, key))
}

#[test]
fn a_token_has_the_issuers_claims_and_no_thumbprint() {
    let token = token(&key(), SignatureAlgorithm::Rs256, Duration::minutes(5)).unwrap();
    let (header, claims) = parts(token.compact());
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "one" }));
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": "orders", "sub": "worker", "role": "reader",
            "iat": 1_772_366_400, "nbf": 1_772_366_370, "exp": 1_772_366_700,
            "jti": "00000000-0000-0000-0000-000000000009",
        })
    );
}

#[test]
fn what_is_signed_verifies_with_what_is_published_and_with_no_other_algorithm() {
    let key = key();
    for (algorithm, other) in
        [(SignatureAlgorithm::Rs256, SignatureAlgorithm::Ps256), (SignatureAlgorithm::Ps256, SignatureAlgorithm::Rs256)]
    {
        let token = token(&key, algorithm, Duration::minutes(5)).unwrap();
        let text = token.compact().text();
        assert_eq!(set(&key, algorithm).verify(text).unwrap().claims["sub"], "worker");
        assert!(matches!(set(&key, other).verify(text), Err(Error::Token(_))));
        assert!(matches!(set(&super::key(), algorithm).verify(text), Err(Error::Signature)));
        assert!(matches!(JwkSet::default().verify(text), Err(Error::UnknownKid(_))));
    }
}

#[test]
fn a_token_does_not_outlive_its_limit() {
    for lifetime in [Duration::seconds(3601), Duration::ZERO, Duration::seconds(-5)] {
        let outcome = token(&key(), SignatureAlgorithm::Rs256, lifetime);
        assert!(matches!(outcome, Err(Error::TokenLifetime { limit: 3600, .. })), "{lifetime}");
    }
}

#[test]
fn published_keys_have_public_members_only() {
    let rsa = serde_json::to_value(set(&key(), SignatureAlgorithm::Rs256)).unwrap();
    let members: Vec<&String> = rsa["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["kty", "use", "alg", "kid", "x5t", "x5t#S256", "n", "e", "x5c"]);
    assert_eq!((&rsa["keys"][0]["e"], &rsa["keys"][0]["use"]), (&json!("AQAB"), &json!("sig")));
    let modulus = URL_SAFE_NO_PAD.decode(rsa["keys"][0]["n"].as_str().unwrap()).unwrap();
    assert_eq!(modulus.len(), 256, "without the sign byte of ASN.1");

    let ec = Jwk::new(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256), "two", SignatureAlgorithm::Es256).unwrap();
    let ec = serde_json::to_value(ec).unwrap();
    let members: Vec<&String> = ec.as_object().unwrap().keys().collect();
    assert_eq!(members, ["kty", "use", "alg", "kid", "x5t", "x5t#S256", "crv", "x", "y", "x5c"]);
    assert_eq!(ec["crv"], "P-256");
    for member in ["x", "y"] {
        assert_eq!(URL_SAFE_NO_PAD.decode(ec[member].as_str().unwrap()).unwrap().len(), 32);
    }
}

#[test]
fn a_private_member_of_somebody_elses_set_is_not_passed_on() {
    let text = r#"{"keys":[{"kty":"RSA","kid":"x","n":"AAEC","e":"AQAB","d":"c2VjcmV0","p":"cA"}]}"#;
    let set: JwkSet = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"keys":[{"kty":"RSA","kid":"x","n":"AAEC","e":"AQAB"}]}"#);
    let stripped: JwkSet = serde_json::from_str(r#"{"keys":[{"kty":"RSA","kid":"x","n":"AQI","e":"AQAB"}]}"#).unwrap();
    assert!(set.keys[0].is_same_key(&stripped.keys[0]), "a leading zero makes no other key");
}

#[test]
fn a_key_is_published_only_for_an_algorithm_that_it_can_sign_with() {
    let rsa = key();
    let rsa = rsa.identity().certificate().unwrap();
    let p256 = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
    let p384 = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
    for algorithm in SignatureAlgorithm::ALL {
        assert_eq!(Jwk::new(rsa, "k", algorithm).is_ok(), algorithm.curve().is_none(), "{algorithm}");
        assert_eq!(Jwk::new(&p256, "k", algorithm).is_ok(), algorithm == SignatureAlgorithm::Es256, "{algorithm}");
        assert_eq!(Jwk::new(&p384, "k", algorithm).is_ok(), algorithm == SignatureAlgorithm::Es384, "{algorithm}");
    }
}
