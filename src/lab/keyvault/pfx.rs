//! PKCS#12 as the addressable secret holds it and as `import` takes it.

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKeyChain,
};
use sha1::{Digest as _, Sha1};

use super::model::Chained;
use super::pem::Blocks;
use crate::lab::keys::PrivateKey;

/// What the service uses, too old for OpenSSL 3 without its legacy provider.
const ROUNDS: u32 = 2000;

/// A PFX with an empty password, and with the key only if one is given.
///
/// The service means no password at all by that, the library one of no characters; readers try both.
pub(super) fn write(key: Option<&PrivateKey>, leaf: &[u8], chain: &[Chained]) -> p12_keystore::Result<Vec<u8>> {
    let mut certificates = vec![Certificate::from_der(leaf)?];
    for each in chain {
        certificates.push(Certificate::from_der(&each.0)?);
    }
    let mut store = KeyStore::new();
    match key {
        Some(key) => {
            let key = p12_keystore::PrivateKey::from_der(key.pkcs8().expose())?;
            let id = Sha1::digest(leaf).to_vec();
            store.add_entry("key", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(id, key, certificates)));
        }
        None => {
            for (number, certificate) in certificates.into_iter().enumerate() {
                store.add_entry(&format!("certificate-{number:02}"), KeyStoreEntry::Certificate(certificate));
            }
        }
    }
    store
        .writer("")
        .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
        .encryption_iterations(ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha1)
        .mac_iterations(ROUNDS)
        .write()
}

/// Reads keys and certificates. `None` if it is no PFX or the password is another.
pub(super) fn read(der: &[u8], password: &str) -> Option<Blocks> {
    let archive = Pkcs12Archive::from_pkcs12(der, password).ok()?;
    Some(Blocks {
        keys: archive.keys.iter().map(|bag| bag.key.as_der().to_vec()).collect(),
        certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
    })
}
