//! Signatures that the real service made, checked by the code that checks each signature before it leaves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kvops::pki::Algorithm;
use kvops::pki::PublicKey;
use serde_json::Value;

use super::fixture::folder;
use super::tally::Tally;

fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

/// A DER element of less than 64 KiB (X.690 8.1.3).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..128 => vec![tag, length[1]],
        128..256 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header, content.to_vec()].concat()
}

/// The key of a JWK as a certificate would hold it.
fn key(jwk: &Value) -> PublicKey {
    if jwk["kty"] != "RSA" {
        return PublicKey::Ec { bits: 256, point: [vec![4], bytes(&jwk["x"]), bytes(&jwk["y"])].concat() };
    }
    // Key Vault puts a zero byte before some moduli; DER wants one exactly where the first bit is set.
    let number = |member: &str| bytes(&jwk[member]).into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let integer = |number: &[u8]| {
        let sign = if number[0] >= 0x80 { vec![0] } else { Vec::new() };
        element(2, &[sign, number.to_vec()].concat())
    };
    let (modulus, exponent) = (number("n"), number("e"));
    let pkcs1 = element(0x30, &[integer(&modulus), integer(&exponent)].concat());
    PublicKey::Rsa { modulus, exponent, pkcs1 }
}

#[test]
fn recorded_signatures_of_the_service_verify_and_changed_ones_do_not() {
    let Some(folder) = folder() else { return Tally::skip("signatures") };
    let text = std::fs::read_to_string(folder.join("keyvault/sign-vectors.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut verified = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let (key, from) = (key(&vector["jwk"]), &vector["from"]);
        let digest: [u8; 32] = bytes(&vector["digest"]).try_into().unwrap();
        let mut signature = bytes(&vector["signature"]);
        if vector["alg"] != "RS256" {
            // Entra takes RSA signatures only, and so nothing of ours signs with a curve.
            assert!(key.verify_digest(Algorithm::Rs256, &digest, &signature).is_err(), "{from}");
            continue;
        }
        key.verify_digest(Algorithm::Rs256, &digest, &signature).unwrap_or_else(|error| panic!("{from}: {error}"));
        assert!(key.verify_digest(Algorithm::Ps256, &digest, &signature).is_err(), "{from}: by another algorithm");
        signature[7] ^= 1;
        assert!(key.verify_digest(Algorithm::Rs256, &digest, &signature).is_err(), "{from}: changed");
        verified += 1;
    }
    assert!(verified > 0, "no vector was of an algorithm of ours");
}
