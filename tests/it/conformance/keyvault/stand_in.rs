//! What takes the place of private keys and of certificates for other people's keys: the same
//! certificate in every respect, with the key of this run in it.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Decode, Encode as _, Reader as _};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::request::CertReq;

use super::super::fixture::Exchange;

/// Requests of the lab that wait for a certificate, by the certificate's name.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    requests: BTreeMap<String, Vec<u8>>,
}

impl StandIns {
    /// Notes the request of a pending operation.
    pub(super) fn see(&mut self, path: &str, answer: &Value) {
        let (Some(name), Some(csr)) = (name(path), answer["csr"].as_str()) else { return };
        self.requests.insert(name.to_owned(), STANDARD.decode(csr).unwrap());
    }

    /// The body of a recorded request with everything in it that the lab needs.
    pub(super) fn fill(&self, exchange: &Exchange, mut body: Value) -> Value {
        let path = exchange.path_and_query();
        if body["value"].as_str().is_some_and(|value| value.starts_with('<')) {
            body["value"] = match exchange.answer["cer"].as_str() {
                Some(cer) => imported(cer, exchange.body["value"].as_str().unwrap()).into(),
                None => "AAAA".into(),
            };
        }
        if path.contains("/pending/merge") && exchange.status == 201 {
            let request = CertReq::from_der(&self.requests[name(path).unwrap()]).unwrap();
            let spki = request.info.public_key.to_der().unwrap();
            let recorded = body["x5c"][0].as_str().unwrap();
            let der = STANDARD.decode(recorded).unwrap();
            // One client encoded the text a second time.
            body["x5c"][0] = if der[0] == 0x30 {
                STANDARD.encode(twin(&der, &spki)).into()
            } else {
                STANDARD.encode(STANDARD.encode(twin(&STANDARD.decode(der).unwrap(), &spki))).into()
            };
        }
        if body["key"]["d"].as_str().is_some_and(|value| value.starts_with('<')) {
            let (key, _) = key();
            for (member, number) in ["n", "e", "d", "p", "q", "dp", "dq", "qi"].iter().zip(numbers(&key)) {
                body["key"][*member] = URL_SAFE_NO_PAD.encode(number).into();
            }
        }
        body
    }
}

fn name(path: &str) -> Option<&str> {
    path.strip_prefix("/certificates/")?.split('/').next()
}

/// A certificate like `cer` with its key, in the form that the recorder describes.
fn imported(cer: &str, description: &str) -> String {
    let (key, spki) = key();
    let der = twin(&STANDARD.decode(cer).unwrap(), &spki);
    if description.contains("PKCS12") {
        let chain = p12_keystore::PrivateKeyChain::new(
            [1].as_slice(),
            p12_keystore::PrivateKey::from_der(&key).unwrap(),
            [p12_keystore::Certificate::from_der(&der).unwrap()],
        );
        let mut store = p12_keystore::KeyStore::new();
        store.add_entry("key", p12_keystore::KeyStoreEntry::PrivateKeyChain(chain));
        return STANDARD.encode(store.writer("").write().unwrap());
    }
    let block =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let text = block("CERTIFICATE", &der) + &block("PRIVATE KEY", &key);
    if description.contains("PEM") { text } else { STANDARD.encode(text) }
}

/// PKCS#8 and `SubjectPublicKeyInfo` of a new key.
fn key() -> (Vec<u8>, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let key: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (key.as_ref().to_vec(), public.as_ref().to_vec())
}

/// The same certificate for another key. Nobody looks at the signature, which is not right any more.
fn twin(der: &[u8], spki: &[u8]) -> Vec<u8> {
    let mut certificate = Certificate::from_der(der).unwrap();
    certificate.tbs_certificate.subject_public_key_info = Decode::from_der(spki).unwrap();
    certificate.to_der().unwrap()
}

/// The numbers of RFC 8017 A.1.2 in PKCS#8, from the modulus on.
fn numbers(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    let inner = AnyRef::from_der(pkcs8)
        .unwrap()
        .sequence(|reader| {
            AnyRef::decode(reader)?;
            AnyRef::decode(reader)?;
            OctetStringRef::decode(reader)
        })
        .unwrap();
    AnyRef::from_der(inner.as_bytes())
        .unwrap()
        .sequence(|reader| {
            AnyRef::decode(reader)?;
            let mut numbers = Vec::new();
            while !reader.is_finished() {
                numbers.push(UintRef::decode(reader)?.as_bytes().to_vec());
            }
            Ok(numbers)
        })
        .unwrap()
}
