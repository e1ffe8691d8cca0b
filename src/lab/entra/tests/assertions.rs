//! Client assertions: everything that real clients send is taken, everything else refused by number.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::Duration;

use super::*;
use crate::domain::Thumbprint;
use crate::lab::directory::KeyCredential;

/// A key with a certificate for ninety days around now.
struct Signer {
    pem: String,
    der: Vec<u8>,
}

impl Signer {
    fn new(lab: &Lab) -> Self {
        let key = lab.world.keys.take(KeyKind::Rsa(2048));
        let pair = PrivatePkcs8KeyDer::from(key.pkcs8().expose().as_slice());
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pair, &rcgen::PKCS_RSA_SHA256).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_before = NOW - Duration::minutes(10);
        params.not_after = NOW + Duration::days(90);
        Self { der: params.self_signed(&pair).unwrap().der().to_vec(), pem: pair.serialize_pem() }
    }

    fn credential(&self) -> KeyCredential {
        KeyCredential {
            key_id: Uuid::from_u128(1),
            key: self.der.clone(),
            custom_key_identifier: Some(Thumbprint::sha1(&self.der).hex()),
            display_name: None,
            start: NOW - Duration::minutes(10),
            end: NOW + Duration::days(90),
            kind: "AsymmetricX509Cert".to_owned(),
            usage: "Verify".to_owned(),
            added_at: NOW - Duration::days(1),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let algorithm: Algorithm = header["alg"].as_str().unwrap().parse().unwrap();
        let key = match algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(&self.der),
            _ => EncodingKey::from_rsa_pem(self.pem.as_bytes()).unwrap(),
        };
        format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
    }

    /// Header and claims of a good assertion.
    fn good(&self, lab: &Lab) -> (Value, Value) {
        let now = lab.world.now().unix_timestamp();
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": Thumbprint::sha256(&self.der).base64url() });
        let claims = json!({
            "aud": lab.token_url(), "iss": lab.client_id, "sub": lab.client_id, "jti": "one",
            "nbf": now, "exp": now + 300, "iat": now,
        });
        (header, claims)
    }
}

impl Lab {
    fn with_signer() -> (Self, Signer) {
        let mut lab = Self::new();
        let signer = Signer::new(&lab);
        lab.attach(signer.credential());
        (lab, signer)
    }

    fn attach(&mut self, credential: KeyCredential) {
        let operator = self.client_id.parse().unwrap();
        let mut application = self.world.directory.application_by_app_id(operator).unwrap().into_owned();
        application.credentials.keys = vec![credential];
        let now = self.world.now();
        self.world.directory.put(application, now);
    }

    fn assert(&mut self, assertion: &str) -> Reply {
        self.ask(&[
            ("client_secret", ""),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ])
    }

    /// A good assertion with these changes to its header and claims.
    fn changed(&mut self, signer: &Signer, header: Value, claims: Value) -> Reply {
        let (mut good_header, mut good_claims) = signer.good(self);
        for (good, changes) in [(&mut good_header, header), (&mut good_claims, claims)] {
            for (name, value) in changes.as_object().cloned().unwrap_or_default() {
                match value {
                    Value::Null => good.as_object_mut().unwrap().remove(&name),
                    value => good.as_object_mut().unwrap().insert(name, value),
                };
            }
        }
        self.assert(&signer.sign(&good_header, &good_claims))
    }
}

#[test]
fn a_certificate_buys_a_token_that_says_so_and_may_do_it_twice() {
    let (mut lab, signer) = Lab::with_signer();
    let (header, good) = signer.good(&lab);
    let assertion = signer.sign(&header, &good);
    for _ in 0..2 {
        assert_eq!(claims(&lab.assert(&assertion))["appidacr"], "2", "a replay is allowed");
    }
    let used = lab.world.directory.sign_in(Uuid::from_u128(1)).unwrap();
    assert_eq!(used.at, NOW);
}

#[test]
fn every_spelling_of_a_thumbprint_that_clients_use_is_understood() {
    let (mut lab, signer) = Lab::with_signer();
    let (sha1, sha256) = (Thumbprint::sha1(&signer.der), Thumbprint::sha256(&signer.der));
    let none = json!({ "x5t#S256": null });
    let with = |name: &str, value: String| {
        let mut header = none.clone();
        header[name] = json!(value);
        header
    };
    let headers = [
        with("x5t", STANDARD.encode(sha1.bytes())),
        with("x5t", STANDARD_NO_PAD.encode(sha1.bytes())),
        with("x5t", URL_SAFE.encode(sha1.bytes())),
        with("x5t", sha1.base64url()),
        with("x5t#S256", STANDARD.encode(sha256.bytes())),
        with("x5t#S256", URL_SAFE.encode(sha256.bytes())),
        with("kid", sha1.hex()),
        with("kid", sha1.base64url()),
    ];
    for header in headers {
        for alg in ["RS256", "PS256"] {
            let mut header = header.clone();
            header["alg"] = json!(alg);
            header["x5c"] = json!([format!("{}\n", STANDARD.encode(&signer.der))]);
            let reply = lab.changed(&signer, header.clone(), json!({}));
            assert_eq!(reply.status, 200, "{header} {}", reply.value());
        }
    }
    assert_eq!(code(&lab.changed(&signer, none, json!({}))), 50_027);
}

#[test]
fn times_come_as_numbers_floats_and_strings_and_nbf_may_be_missing() {
    let (mut lab, signer) = Lab::with_signer();
    let now = NOW.unix_timestamp();
    for good in [
        json!({ "nbf": null, "exp": now as f64 + 600.5, "iat": now as f64 + 0.5 }),
        json!({ "nbf": now.to_string(), "exp": (now + 600).to_string() }),
        json!({ "nbf": now + 1 }),
        json!({ "nbf": now + 299 }),
        json!({ "exp": now - 299 }),
    ] {
        assert_eq!(lab.changed(&signer, json!({}), good.clone()).status, 200, "{good}");
    }
    for bad in [json!({ "exp": now - 300 }), json!({ "nbf": now + 301 }), json!({ "exp": null })] {
        let reply = lab.changed(&signer, json!({}), bad.clone());
        assert_eq!((code(&reply), reply.status.as_u16()), (700_024, 401), "{bad}");
    }
    let reply = lab.changed(&signer, json!({}), json!({ "nbf": null, "exp": now - 4000 })).value();
    let text = reply["error_description"].as_str().unwrap().to_owned();
    assert!(
        text.contains("Current time: 2026-01-01T12:00:00.0000000Z, assertion valid from 1970-01-01T00:00:00.0000000Z")
    );
}

#[test]
fn the_audience_is_this_tenants_endpoint_and_no_other() {
    let (mut lab, signer) = Lab::with_signer();
    let tenant = lab.world.tenant;
    let origin = "https://localhost:8443";
    for good in [
        format!("{origin}/{tenant}/oauth2/v2.0/token"),
        format!("{origin}/{tenant}/oauth2/token"),
        format!("{origin}/{tenant}/v2.0"),
        format!("{origin}/contoso.onmicrosoft.com/oauth2/v2.0/token"),
    ] {
        assert_eq!(lab.changed(&signer, json!({}), json!({ "aud": good })).status, 200, "{good}");
    }
    for bad in [
        format!("{origin}/common/oauth2/v2.0/token"),
        format!("{origin}/{}/oauth2/v2.0/token", Uuid::from_u128(9)),
        format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
        format!("{origin}.evil.example/{tenant}/v2.0"),
        origin.to_owned(),
        String::new(),
    ] {
        let reply = lab.changed(&signer, json!({}), json!({ "aud": bad }));
        assert_eq!((code(&reply), reply.status.as_u16()), (700_023, 401), "{bad}");
    }
}

#[test]
fn an_assertion_is_the_clients_own() {
    let (mut lab, signer) = Lab::with_signer();
    let other = Uuid::from_u128(5).to_string();
    assert_eq!(code(&lab.changed(&signer, json!({}), json!({ "sub": other }))), 700_021);
    // Another issuer makes it a federated assertion, and nothing is federated here.
    assert_eq!(code(&lab.changed(&signer, json!({}), json!({ "iss": other }))), 70_021);
    assert_eq!(code(&lab.assert("no.jwt")), 50_027);
    let (header, claims) = signer.good(&lab);
    let assertion = signer.sign(&header, &claims);
    assert_eq!(lab.refused(&[("client_secret", ""), ("client_assertion", &assertion)]), 900_144);
}

#[test]
fn only_the_attached_key_with_an_allowed_algorithm_signs() {
    let (mut lab, signer) = Lab::with_signer();
    let stranger = Signer::new(&lab);
    let reply = lab.changed(&stranger, json!({}), json!({}));
    assert_eq!((code(&reply), reply.status.as_u16()), (700_027, 401));
    let text = reply.value()["error_description"].as_str().unwrap().to_owned();
    let hex = Thumbprint::sha256(&stranger.der).hex();
    assert!(
        text.contains(&format!("[Reason - The key was not found., Thumbprint of key used by client: '{hex}'")),
        "{text}"
    );

    // A stranger that claims the attached key's thumbprint.
    let header = json!({ "x5t#S256": Thumbprint::sha256(&signer.der).base64url() });
    let reply = lab.changed(&stranger, header, json!({})).value();
    let text = reply["error_description"].as_str().unwrap().to_owned();
    assert!(text.contains("The provided signature value did not match the expected signature value."), "{text}");
    assert!(text.contains("Found key 'Start=01/01/2026 11:50:00, End=04/01/2026 12:00:00'"), "{text}");

    for alg in ["RS384", "PS512", "HS256"] {
        assert_eq!(code(&lab.changed(&signer, json!({ "alg": alg }), json!({}))), 700_027, "{alg}");
    }
}

#[test]
fn a_key_for_other_uses_an_expired_one_and_an_expired_certificate_do_not_authenticate() {
    let (mut lab, signer) = Lab::with_signer();
    for usage in ["Sign", "Encrypt"] {
        lab.attach(KeyCredential { usage: usage.to_owned(), ..signer.credential() });
        assert_eq!(code(&lab.changed(&signer, json!({}), json!({}))), 700_027, "{usage}");
    }
    lab.attach(KeyCredential { end: NOW - Duration::SECOND, ..signer.credential() });
    let reply = lab.changed(&signer, json!({}), json!({})).value();
    assert!(reply["error_description"].as_str().unwrap().contains("[Reason - The key used is expired.,"));
    lab.attach(KeyCredential { end: NOW + Duration::days(900), ..signer.credential() });
    lab.world.clock.advance(Duration::days(91));
    assert_eq!(code(&lab.changed(&signer, json!({}), json!({}))), 1_000_502);
}

#[test]
fn additions_and_removals_reach_the_token_endpoint_only_after_a_while() {
    let (mut lab, signer) = Lab::with_signer();
    lab.world.settings.token_propagation = 40;
    lab.world.clock.advance(Duration::DAY);
    lab.attach(KeyCredential { added_at: lab.world.now(), ..signer.credential() });
    lab.world.clock.advance(Duration::seconds(39));
    assert_eq!(code(&lab.changed(&signer, json!({}), json!({}))), 700_027);
    lab.world.clock.advance(Duration::SECOND);
    assert_eq!(lab.changed(&signer, json!({}), json!({})).status, 200);

    let stranger = Signer::new(&lab);
    lab.attach(stranger.credential());
    lab.world.clock.advance(Duration::seconds(39));
    assert_eq!(lab.changed(&signer, json!({}), json!({})).status, 200, "a removal is not heard of at once");
    lab.world.clock.advance(Duration::seconds(2));
    assert_eq!(code(&lab.changed(&signer, json!({}), json!({}))), 700_027);
}

#[test]
fn a_certificate_on_the_service_principal_authenticates_too() {
    let (mut lab, signer) = Lab::with_signer();
    let stranger = Signer::new(&lab);
    lab.attach(stranger.credential());
    let operator = lab.client_id.parse().unwrap();
    let mut principal = lab.world.directory.service_principal_by_app_id(operator).unwrap().into_owned();
    principal.credentials.keys = vec![signer.credential()];
    lab.world.directory.put(principal, NOW);
    assert_eq!(lab.changed(&signer, json!({}), json!({})).status, 200);
    assert_eq!(lab.changed(&stranger, json!({}), json!({})).status, 200);
}

#[test]
fn a_public_client_may_present_nothing() {
    let mut lab = Lab::new();
    let operator = lab.client_id.parse().unwrap();
    let mut application = lab.world.directory.application_by_app_id(operator).unwrap().into_owned();
    application.credentials = crate::lab::directory::Credentials::default();
    application.members.insert("isFallbackPublicClient".to_owned(), json!(true));
    lab.world.directory.put(application, NOW);
    assert_eq!(lab.refused(&[]), 700_025);
}
