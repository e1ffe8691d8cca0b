//! The recorded PFX of a certificate whose key cannot be exported, and the lab's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Tag, Tagged as _};
use p12_keystore::Pkcs12Archive;
use serde_json::Value;
use serde_json::json;

use super::super::fixture::folder;
use super::Replay;

#[test]
fn a_certificate_whose_key_stays_comes_in_a_pfx_of_the_recorded_make() {
    let Some(folder) = folder() else { return };
    let file = std::fs::read(folder.join("keyvault/net-nonexportable-pkcs12-secret.json")).unwrap();
    let recorded: Value = serde_json::from_slice(&file).unwrap();
    let replay = Replay::start(&[]);
    let policy = json!({
        "key_props": {"exportable": false},
        "x509_props": {"subject": "CN=default"},
        "issuer": {"name": "Self"},
    });
    replay.send("POST", "/certificates/a/create?api-version=7.5", &json!({ "policy": policy }), true);
    let (_, _, answered) = replay.send("GET", "/secrets/a?api-version=7.5", &Value::Null, true);
    assert_eq!(answered["contentType"], recorded["secret"]["contentType"]);
    assert_eq!(answered["managed"], recorded["secret"]["managed"]);
    let [recorded, answered] = [&recorded["secret"]["value"], &answered["value"]]
        .map(|value| STANDARD.decode(value.as_str().unwrap()).unwrap());
    assert_eq!(make(&answered), make(&recorded));
    // The service derives its keys from no password at all, where PKCS#12 has a password of no
    // characters and two zero bytes. Readers try both; the library under the lab knows the latter.
    assert!(Pkcs12Archive::from_pkcs12(&recorded, "").is_err());
    let archive = Pkcs12Archive::from_pkcs12(&answered, "").unwrap();
    assert_eq!((archive.keys.len(), archive.certs.len()), (0, 1));
}

/// What a PKCS#12 file calls data that is not encrypted, at several places.
const PLAIN_DATA: &str = "1.2.840.113549.1.7.1";

/// Algorithms and rounds, in their order. The lab's library adds an empty container for keys, which
/// is plain data.
fn make(der: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    collect(AnyRef::from_der(der).unwrap(), &mut found);
    found.retain(|each| each != PLAIN_DATA);
    found
}

fn collect(value: AnyRef<'_>, found: &mut Vec<String>) {
    match value.tag() {
        Tag::ObjectIdentifier => found.push(value.decode_as::<ObjectIdentifier>().unwrap().to_string()),
        Tag::Integer => found.push(format!("{:?}", value.value())),
        Tag::OctetString => {
            // Only those that hold DER are looked into; salts and digests are not the same twice.
            if let Ok(inner) = AnyRef::from_der(value.value()) {
                collect(inner, found);
            }
        }
        tag if tag.is_constructed() => {
            let mut rest = value.value();
            while !rest.is_empty() {
                let (each, after) = split(rest);
                collect(AnyRef::from_der(each).unwrap(), found);
                rest = after;
            }
        }
        _ => {}
    }
}

/// The first value and what follows it.
fn split(der: &[u8]) -> (&[u8], &[u8]) {
    let long = usize::from(der[1] & 0x7f);
    let (head, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        _ => (2 + long, der[2..2 + long].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
    };
    der.split_at(head + length)
}
