//! What is signed, compared with what the documents ask for, and checked as the services check it.

mod issuer;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::executor::block_on;
use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::domain::{ObjectId, Secret};

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
const ENDPOINT: &str = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";

fn pem(not_before: OffsetDateTime) -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "billing.contoso.internal");
    parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    parameters.not_before = not_before;
    parameters.not_after = not_before + Duration::days(365);
    let certificate = parameters.self_signed(&key).unwrap();
    format!("{}{}", key.serialize_pem(), certificate.pem())
}

fn key() -> LocalKey {
    LocalKey::from_file(pem(NOW - Duration::days(1)).as_bytes(), None).unwrap()
}

fn request() -> AssertionRequest {
    AssertionRequest::new(CLIENT.parse().unwrap(), ENDPOINT, NOW, Uuid::from_u128(7))
}

fn parts(compact: &Compact) -> (Value, Value) {
    let part = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let mut parts = compact.text().expose().split('.');
    (part(parts.next().unwrap()), part(parts.next().unwrap()))
}

#[test]
fn an_assertion_has_exactly_the_documented_header_and_claims() {
    let key = key();
    let assertion = block_on(ClientAssertion::sign(&request(), &key)).unwrap();
    let (header, claims) = parts(assertion.compact());
    assert_eq!(
        header,
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": key.identity().certificate().unwrap().sha256().base64url() })
    );
    assert_eq!(
        claims,
        json!({
            "aud": ENDPOINT, "iss": CLIENT, "sub": CLIENT, "jti": "00000000-0000-0000-0000-000000000007",
            "iat": 1_772_366_400, "nbf": 1_772_366_370, "exp": 1_772_366_700,
        })
    );
    assert!(!assertion.compact().text().expose().contains('='), "no padding anywhere");
}

#[test]
fn rs256_names_the_certificate_by_its_sha1() {
    let key = key();
    let assertion =
        block_on(ClientAssertion::sign(&AssertionRequest { algorithm: Algorithm::Rs256, ..request() }, &key)).unwrap();
    let (header, _) = parts(assertion.compact());
    assert_eq!(
        header,
        json!({ "alg": "RS256", "typ": "JWT", "x5t": key.identity().certificate().unwrap().sha1().base64url() })
    );
}

#[test]
fn an_assertion_does_not_begin_before_its_certificate() {
    let key = LocalKey::from_file(pem(NOW - Duration::seconds(5)).as_bytes(), None).unwrap();
    let assertion = block_on(ClientAssertion::sign(&request(), &key)).unwrap();
    assert_eq!(parts(assertion.compact()).1["nbf"], json!((NOW - Duration::seconds(5)).unix_timestamp()));
}

#[test]
fn an_assertion_of_more_than_ten_minutes_is_not_made() {
    for lifetime in [Duration::seconds(601), Duration::ZERO, Duration::seconds(-1)] {
        let outcome = block_on(ClientAssertion::sign(&AssertionRequest { lifetime, ..request() }, &key()));
        assert!(matches!(outcome, Err(Error::Lifetime { limit: 600, .. })), "{lifetime}");
    }
}

#[test]
fn a_proof_is_issued_by_the_object_and_lives_less_than_ten_minutes() {
    let object: ObjectId = "99999999-2222-3333-4444-555555555555".parse().unwrap();
    let request = ProofRequest { object, now: NOW, backdate: Duration::seconds(30) };
    let proof = block_on(PossessionProof::sign(request, &key())).unwrap();
    let (header, claims) = parts(proof.compact());
    assert_eq!(header["alg"], "RS256");
    assert_eq!(
        claims,
        json!({
            "aud": "00000002-0000-0000-c000-000000000000", "iss": object,
            "nbf": 1_772_366_370, "exp": 1_772_366_700,
        })
    );
}

/// Signs with one key and claims another's certificate, as a vault would that took "the latest".
#[derive(Debug)]
struct WrongVersion(LocalKey, LocalKey);

#[async_trait::async_trait]
impl Signer for WrongVersion {
    fn identity(&self) -> &SignerIdentity {
        self.0.identity()
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error> {
        self.1.sign(input).await
    }
}

#[test]
fn a_signature_by_another_version_is_noticed_before_it_is_sent() {
    let outcome = block_on(ClientAssertion::sign(&request(), &WrongVersion(key(), key())));
    assert!(matches!(outcome, Err(Error::Signature)));
}

/// May sign, and knows no more than a thumbprint.
#[derive(Debug)]
struct Stranger(LocalKey, SignerIdentity);

#[async_trait::async_trait]
impl Signer for Stranger {
    fn identity(&self) -> &SignerIdentity {
        &self.1
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error> {
        self.0.sign(input).await
    }
}

#[test]
fn a_thumbprint_is_enough_to_sign_if_it_is_the_right_one() {
    let key = key();
    let sha1 = key.identity().certificate().unwrap().sha1();
    let stranger = Stranger(key, SignerIdentity::Thumbprint(sha1));
    let algorithm = stranger.identity().algorithm();
    let assertion = block_on(ClientAssertion::sign(&AssertionRequest { algorithm, ..request() }, &stranger)).unwrap();
    assert_eq!(parts(assertion.compact()).0, json!({ "alg": "RS256", "typ": "JWT", "x5t": sha1.base64url() }));
    let error = block_on(ClientAssertion::sign(&request(), &stranger)).unwrap_err();
    assert_eq!(error.to_string(), format!("PS256 needs the certificate's SHA-256 thumbprint, and {sha1} is not one"));
}

#[test]
fn nothing_shows_the_signed_text() {
    let assertion = block_on(ClientAssertion::sign(&request(), &key())).unwrap();
    let text = assertion.compact().text().expose().clone();
    let signature = text.rsplit('.').next().unwrap();
    assert!(!format!("{assertion:?}").contains(signature));
}

#[test]
fn a_certificate_tells_what_it_is_for() {
    let pem = pem(NOW);
    let certificate = Certificate::from_file(&pem.as_bytes()[pem.find("-----BEGIN CERT").unwrap()..]).unwrap();
    assert!(certificate.is_digital_signature_only() && !certificate.is_ca() && certificate.is_self_issued());
    assert_eq!(certificate.extended_key_usage(), ["1.3.6.1.5.5.7.3.2"]);
    assert_eq!(certificate.public_key().description(), "RSA 2048");
    assert_eq!(certificate.not_before(), NOW);
    let text = base64::engine::general_purpose::STANDARD.encode(certificate.der());
    assert_eq!(Certificate::from_file(text.as_bytes()).unwrap(), certificate);
}

#[test]
fn a_key_of_another_certificate_and_a_key_file_as_a_certificate_are_refused() {
    let (one, two) = (pem(NOW), pem(NOW));
    let mixed =
        format!("{}{}", &one[..one.find("-----BEGIN CERT").unwrap()], &two[two.find("-----BEGIN CERT").unwrap()..]);
    let error = LocalKey::from_file(mixed.as_bytes(), None).unwrap_err();
    assert_eq!(error.to_string(), "the private key is not that of the certificate");
    let error = Certificate::from_file(one.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate cannot be parsed: the PEM block is a PRIVATE KEY, not a CERTIFICATE"
    );
}

#[test]
fn bytes_that_are_no_certificate_never_panic() {
    for bytes in [&b""[..], b"0", b"0\x82", b"\x30\x80\x00\x00", b"-----BEGIN CERTIFICATE-----\n", b"hello world"] {
        assert!(Certificate::from_file(bytes).is_err());
        assert!(LocalKey::from_file(bytes, Some(&Secret::new(String::new()))).is_err());
    }
}
