use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::bench::{Bench, NOW, OPERATOR, app, refusal};
use crate::domain::Thumbprint;

struct Holder {
    signer: EncodingKey,
    der: Vec<u8>,
}

/// Two RSA keys with certificates, made once: the application's and somebody else's.
static HOLDERS: LazyLock<[Holder; 2]> = LazyLock::new(|| {
    [(), ()].map(|()| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::default();
        params.not_before = datetime!(2026-11-21 11:50 UTC);
        params.not_after = datetime!(2027-11-21 12:00 UTC);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Holder { signer: EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap(), der }
    })
});

impl Holder {
    fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "x5t": Thumbprint::sha1(&self.der).base64url() })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let algorithm = if header["alg"] == "PS256" { Algorithm::PS256 } else { Algorithm::RS256 };
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signer, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

fn entry(der: &[u8]) -> Value {
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(der) })
}

fn claims(id: &str) -> Value {
    let now = NOW.unix_timestamp();
    json!({ "aud": "00000002-0000-0000-c000-000000000000", "iss": id, "nbf": now - 60, "exp": now + 500 })
}

/// A bench whose caller is the application itself, without any permission; its object id.
fn rolling() -> (Bench, String) {
    let mut bench = Bench::new();
    let body = json!({ "displayName": "rolling", "keyCredentials": [entry(&HOLDERS[0].der)] });
    let created = bench.post("/v1.0/applications", body).value();
    bench.acting_as(app(created["appId"].as_str().unwrap().parse().unwrap(), &[]));
    (bench, created["id"].as_str().unwrap().to_owned())
}

fn add(bench: &mut Bench, id: &str, proof: &str) -> crate::lab::exchange::Reply {
    let body = json!({ "keyCredential": entry(&HOLDERS[1].der), "passwordCredential": null, "proof": proof });
    bench.post(&format!("/v1.0/applications/{id}/addKey"), body)
}

#[test]
fn an_application_rolls_its_own_key_without_any_permission() {
    let (mut bench, id) = rolling();
    let proof = HOLDERS[0].sign(&HOLDERS[0].header(), &claims(&id));
    let added = add(&mut bench, &id, &proof);
    assert_eq!(added.status, 200, "{}", added.value());
    assert_eq!(added.value()["customKeyIdentifier"], Thumbprint::sha1(&HOLDERS[1].der).hex());
    assert_eq!(added.value()["@odata.context"], "https://localhost:8443/v1.0/$metadata#microsoft.graph.keyCredential");

    // The new key can take the old one away, by `kid` too.
    bench.acting_as(app(OPERATOR, &["Application.ReadWrite.All"]));
    let keys = bench.get(&format!("/v1.0/applications/{id}/keyCredentials")).value();
    let old = keys["value"][0]["keyId"].clone();
    let header = json!({ "alg": "RS256", "kid": Thumbprint::sha1(&HOLDERS[1].der).hex() });
    let proof = HOLDERS[1].sign(&header, &claims(&id));
    let reply = bench.post(&format!("/v1.0/applications/{id}/removeKey"), json!({ "keyId": old, "proof": proof }));
    assert_eq!(reply.status, 204, "{}", reply.value());
    assert_eq!(
        bench.get(&format!("/v1.0/applications/{id}/keyCredentials")).value()["value"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn each_clause_of_a_proof_is_checked() {
    let (mut bench, id) = rolling();
    let (own, foreign) = (&HOLDERS[0], &HOLDERS[1]);
    let good = claims(&id);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        own.sign(&own.header(), &claims)
    };
    let now = NOW.unix_timestamp();
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        own.sign(&own.header(), &claims)
    };
    let signed = own.sign(&own.header(), &good);
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let padded = format!("{message}.{signature}==");
    let padded_claims = {
        let head = URL_SAFE_NO_PAD.encode(own.header().to_string());
        // A blank more or less until the encoding needs padding.
        let text = (0..3).map(|n| format!("{good}{}", " ".repeat(n))).find(|text| text.len() % 3 != 0).unwrap();
        let message = format!("{head}.{}", URL_SAFE.encode(text));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &own.signer, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    };
    let app_id = bench.caller.app_id.to_string();
    for (what, proof) in [
        ("nothing", String::new()),
        ("rubbish", "a.b.c".to_owned()),
        ("padding of the signature", padded),
        ("padding of the claims", padded_claims),
        ("the audience of Graph", with("aud", json!("00000003-0000-0000-c000-000000000000"))),
        ("the client id as issuer", with("iss", json!(app_id))),
        ("a life of over ten minutes", with("exp", json!(now + 600))),
        ("no end", without("exp")),
        ("no beginning", without("nbf")),
        ("the past", {
            let mut claims = good.clone();
            (claims["nbf"], claims["exp"]) = (json!(now - 1200), json!(now - 700));
            own.sign(&own.header(), &claims)
        }),
        ("local time", {
            let mut claims = good.clone();
            (claims["nbf"], claims["exp"]) = (json!(now + 3600), json!(now + 4000));
            own.sign(&own.header(), &claims)
        }),
        ("a key that is not attached", foreign.sign(&foreign.header(), &good)),
        ("somebody else's signature", foreign.sign(&own.header(), &good)),
        ("no name of a key", own.sign(&json!({ "alg": "RS256" }), &good)),
        ("another algorithm", {
            let mut header = own.header();
            header["alg"] = json!("PS256");
            own.sign(&header, &good)
        }),
        ("no algorithm", own.sign(&json!({ "alg": "none", "x5t": own.header()["x5t"] }), &good)),
    ] {
        assert_eq!(refusal(&add(&mut bench, &id, &proof)), (401, "Authentication_MissingOrMalformed".into()), "{what}");
    }
    assert_eq!(add(&mut bench, &id, &signed).status, 200, "and the whole proof is good");
}

#[test]
fn a_proof_needs_a_certificate_that_is_valid_now_and_may_verify() {
    let (mut bench, id) = rolling();
    bench.world.clock.set(datetime!(2027-11-22 12:00 UTC));
    let now = bench.world.now().unix_timestamp();
    let mut late = claims(&id);
    (late["nbf"], late["exp"]) = (json!(now), json!(now + 300));
    let proof = HOLDERS[0].sign(&HOLDERS[0].header(), &late);
    assert_eq!(add(&mut bench, &id, &proof).status, 401);

    let (mut bench, id) = rolling();
    bench.acting_as(app(OPERATOR, &["Application.ReadWrite.All"]));
    let mut signing = entry(&HOLDERS[0].der);
    signing["usage"] = json!("Sign");
    bench.patch(&format!("/v1.0/applications/{id}"), json!({ "keyCredentials": [signing] }));
    let proof = HOLDERS[0].sign(&HOLDERS[0].header(), &claims(&id));
    assert_eq!(add(&mut bench, &id, &proof).status, 401);
}

#[test]
fn a_proof_does_not_replace_the_permission_for_another_application() {
    let (mut bench, id) = rolling();
    let proof = HOLDERS[0].sign(&HOLDERS[0].header(), &claims(&id));
    bench.acting_as(app(Uuid::from_u128(5), &["Application.Read.All"]));
    assert_eq!(add(&mut bench, &id, &proof).status, 403);
    let mut person = app(Uuid::from_u128(6), &[]);
    person.scopes = vec!["Application.ReadWrite.All".to_owned()];
    bench.acting_as(person);
    assert_eq!(add(&mut bench, &id, &proof).status, 401, "delegated tokens cannot");
}

#[test]
fn pss_is_taken_where_the_lab_is_told_so() {
    let (mut bench, id) = rolling();
    bench.world.settings.pss_proofs = true;
    let mut header = HOLDERS[0].header();
    header["alg"] = json!("PS256");
    let proof = HOLDERS[0].sign(&header, &claims(&id));
    assert_eq!(add(&mut bench, &id, &proof).status, 200);
}
