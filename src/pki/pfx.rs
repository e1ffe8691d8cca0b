//! PKCS#12 files without a password, as .NET writes the certificates of a user's store.
//!
//! A password ends with two zero bytes, so that an empty one is two bytes long (RFC 7292 B.1). .NET takes one that
//! is not there for no bytes at all, and other readers do not try that.

use aws_lc_rs::{digest, hmac};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use des::TdesEde3;
use x509_parser::asn1_rs::{Any, FromDer as _, Oid, oid};

/// As much work as a file may ask for.
const MOST_ITERATIONS: u32 = 1_000_000;

/// Of SHA-1 and of SHA-256.
const BLOCK: usize = 64;

/// PKCS#8 keys and X.509 certificates, in DER.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// What bytes are derived for (RFC 7292 B.3).
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The keys and certificates of a file that was written without a password; none of any other file.
pub(super) fn without_password(file: &[u8]) -> Option<Contents> {
    let [_, safe, mac] = parts(one(file)?.data)?.try_into().ok()?;
    let safe = data(&safe)?;
    check_mac(&mac, safe)?;
    let mut contents = Contents::default();
    for info in parts(one(safe)?.data)? {
        match data(&info) {
            Some(bags) => contents.add(bags)?,
            None => contents.add(&encrypted_data(&info)?)?,
        }
    }
    Some(contents)
}

impl Contents {
    fn add(&mut self, bags: &[u8]) -> Option<()> {
        for bag in parts(one(bags)?.data)? {
            let bag = parts(bag.data)?;
            let (kind, value) = (bag.first()?.clone().oid().ok()?, bag.get(1)?.data);
            if kind == oid!(1.2.840.113549.1.12.10.1.1) {
                self.keys.push(value.to_vec());
            } else if kind == oid!(1.2.840.113549.1.12.10.1.2) {
                let [algorithm, encrypted] = parts(one(value)?.data)?.try_into().ok()?;
                self.keys.push(decrypted(&algorithm, encrypted.data)?);
            } else if kind == oid!(1.2.840.113549.1.12.10.1.3) {
                let certificate = parts(one(value)?.data)?;
                self.certificates.push(one(certificate.get(1)?.data)?.data.to_vec());
            }
        }
        Some(())
    }
}

/// The bytes of a `ContentInfo` that holds data.
fn data<'a>(info: &Any<'a>) -> Option<&'a [u8]> {
    Some(one(content(info, &oid!(1.2.840.113549.1.7.1))?)?.data)
}

/// The bytes of a `ContentInfo` that holds encrypted data.
fn encrypted_data(info: &Any<'_>) -> Option<Vec<u8>> {
    let encrypted = parts(one(content(info, &oid!(1.2.840.113549.1.7.6))?)?.data)?;
    let [_, algorithm, bytes] = parts(encrypted.get(1)?.data)?.try_into().ok()?;
    decrypted(&algorithm, bytes.data)
}

fn content<'a>(info: &Any<'a>, kind: &Oid<'_>) -> Option<&'a [u8]> {
    let [known, content] = parts(info.data)?.try_into().ok()?;
    (known.oid().ok()? == *kind).then_some(content.data)
}

fn check_mac(mac: &Any<'_>, safe: &[u8]) -> Option<()> {
    let [info, salt, iterations] = parts(mac.data)?.try_into().ok()?;
    let [algorithm, known] = parts(info.data)?.try_into().ok()?;
    let hash = parts(algorithm.data)?.first()?.clone().oid().ok()?;
    let (hash, kind) = if hash == oid!(1.3.14.3.2.26) {
        (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)
    } else if hash == oid!(2.16.840.1.101.3.4.2.1) {
        (&digest::SHA256, hmac::HMAC_SHA256)
    } else {
        return None;
    };
    let key = derive(hash, &[], Purpose::Mac, salt.data, iterations.u32().ok()?, hash.output_len())?;
    hmac::verify(&hmac::Key::new(kind, &key), safe, known.data).ok()
}

/// `pbeWithSHAAnd3-KeyTripleDES-CBC`, which is all that .NET writes into its store.
fn decrypted(algorithm: &Any<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let [kind, parameters] = parts(algorithm.data)?.try_into().ok()?;
    if kind.oid().ok()? != oid!(1.2.840.113549.1.12.1.3) {
        return None;
    }
    let [salt, iterations] = parts(parameters.data)?.try_into().ok()?;
    let iterations = iterations.u32().ok()?;
    let derived =
        |purpose, length| derive(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[], purpose, salt.data, iterations, length);
    let (key, iv) = (derived(Purpose::Key, 24)?, derived(Purpose::Iv, 8)?);
    let cipher = cbc::Decryptor::<TdesEde3>::new_from_slices(&key, &iv).ok()?;
    let mut bytes = bytes.to_vec();
    let length = cipher.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// RFC 7292 B.2, for a password in the form in which it is hashed.
fn derive(
    hash: &'static digest::Algorithm,
    password: &[u8],
    purpose: Purpose,
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Option<Vec<u8>> {
    if !(1..=MOST_ITERATIONS).contains(&iterations) {
        return None;
    }
    let filled =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len().div_ceil(BLOCK) * BLOCK).collect() };
    let mut input = [filled(salt), filled(password)].concat();
    let mut derived = Vec::new();
    while derived.len() < length {
        let mut round = digest::digest(hash, &[&[purpose as u8; BLOCK], input.as_slice()].concat());
        for _ in 1..iterations {
            round = digest::digest(hash, round.as_ref());
        }
        derived.extend_from_slice(round.as_ref());
        let added: Vec<u8> = round.as_ref().iter().copied().cycle().take(BLOCK).collect();
        for block in input.chunks_mut(BLOCK) {
            add_one_and(block, &added);
        }
    }
    derived.truncate(length);
    Some(derived)
}

/// Adds a number and one to another number of as many bytes, and drops what does not fit.
fn add_one_and(number: &mut [u8], added: &[u8]) {
    let mut carry = 1_u8;
    for (byte, other) in number.iter_mut().zip(added).rev() {
        let sum = u16::from(*byte) + u16::from(*other) + u16::from(carry);
        [carry, *byte] = sum.to_be_bytes();
    }
}

/// The only element.
fn one(bytes: &[u8]) -> Option<Any<'_>> {
    let (rest, element) = Any::from_der(bytes).ok()?;
    rest.is_empty().then_some(element)
}

/// All elements.
fn parts(mut bytes: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (rest, element) = Any::from_der(bytes).ok()?;
        parts.push(element);
        bytes = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use cbc::cipher::BlockModeEncrypt as _;
    use p12_keystore::{
        Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
    };
    use rcgen::{KeyPair, PKCS_RSA_SHA256};

    use super::*;
    use crate::pki::LocalKey;

    /// How everybody else hashes an empty password.
    const EMPTY: [u8; 2] = [0, 0];

    fn hex(bytes: &[u8]) -> String {
        crate::domain::hex(bytes)
    }

    #[test]
    fn bytes_are_derived_as_openssl_does() {
        // openssl kdf -keylen 24 -kdfopt digest:SHA1 -kdfopt hexpass: -kdfopt hexsalt:0102030405060708 \
        //   -kdfopt iter:2000 -kdfopt id:1 PKCS12KDF
        let salt = [1, 2, 3, 4, 5, 6, 7, 8];
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        for (hash, password, purpose, length, expected) in [
            (sha1, &[][..], Purpose::Key, 24, "3373a7c7bf8712edbe7bf7ccec2fcd429bf3ecb3b61b8abe"),
            (sha1, &EMPTY, Purpose::Key, 24, "6869fa0a35add74b2222078e40ce11cd57f407071dac8b24"),
            (
                &digest::SHA256,
                &[],
                Purpose::Mac,
                40,
                "c46fab18ad744b947e1e683139a99673bc2172de303d7f5fbbfbc8e215bcad0785ae760a8c8389c2",
            ),
        ] {
            assert_eq!(hex(&derive(hash, password, purpose, &salt, 2000, length).unwrap()), expected);
        }
        assert_eq!(derive(sha1, &[], Purpose::Key, &salt, 0, 8), None);
        assert_eq!(derive(sha1, &[], Purpose::Key, &salt, MOST_ITERATIONS + 1, 8), None);
    }

    /// A file with an empty password, in the algorithms of .NET.
    fn with_empty_password() -> Vec<u8> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let key = PrivateKey::from_der(key.serialized_der()).unwrap();
        let chain = PrivateKeyChain::new([1].as_slice(), key, [Certificate::from_der(certificate.der()).unwrap()]);
        let mut store = KeyStore::new();
        store.add_entry("key", KeyStoreEntry::PrivateKeyChain(chain));
        let writer = store.writer("").encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc);
        writer.encryption_iterations(2000).mac_algorithm(MacAlgorithm::HmacSha1).mac_iterations(2000).write().unwrap()
    }

    /// Where `part` lies in `whole`.
    fn place(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        start..start + part.len()
    }

    /// The same bytes, encrypted without a password instead of with an empty one.
    fn encrypted_anew(algorithm: &Any<'_>, bytes: &[u8]) -> Vec<u8> {
        let parameters = parts(parts(algorithm.data).unwrap()[1].data).unwrap();
        let (salt, iterations) = (parameters[0].data, parameters[1].clone().u32().unwrap());
        let derived = |password: &[u8], purpose, length| {
            derive(&digest::SHA1_FOR_LEGACY_USE_ONLY, password, purpose, salt, iterations, length).unwrap()
        };
        let keys = |password: &[u8]| (derived(password, Purpose::Key, 24), derived(password, Purpose::Iv, 8));
        let (mut bytes, (key, iv), length) = (bytes.to_vec(), keys(&EMPTY), bytes.len());
        let cipher = cbc::Decryptor::<TdesEde3>::new_from_slices(&key, &iv).unwrap();
        let plain = cipher.decrypt_padded::<Pkcs7>(&mut bytes).unwrap().len();
        let (key, iv) = keys(&[]);
        let cipher = cbc::Encryptor::<TdesEde3>::new_from_slices(&key, &iv).unwrap();
        cipher.encrypt_padded::<Pkcs7>(&mut bytes, plain).unwrap();
        assert_eq!(bytes.len(), length);
        bytes
    }

    /// A file without a password, as .NET writes it: each key derived from no bytes.
    fn as_dotnet_writes_it() -> Vec<u8> {
        let file = with_empty_password();
        let mut anew = file.clone();
        let [_, safe, mac] = parts(one(&file).unwrap().data).unwrap().try_into().unwrap();
        let safe = data(&safe).unwrap();
        for info in parts(one(safe).unwrap().data).unwrap() {
            if let Some(bags) = data(&info) {
                for bag in parts(one(bags).unwrap().data).unwrap() {
                    let shrouded = parts(one(parts(bag.data).unwrap()[1].data).unwrap().data).unwrap();
                    anew[place(&file, shrouded[1].data)]
                        .copy_from_slice(&encrypted_anew(&shrouded[0], shrouded[1].data));
                }
            } else {
                let encrypted = parts(one(content(&info, &oid!(1.2.840.113549.1.7.6)).unwrap()).unwrap().data).unwrap();
                let [_, algorithm, bytes] = parts(encrypted[1].data).unwrap().try_into().unwrap();
                anew[place(&file, bytes.data)].copy_from_slice(&encrypted_anew(&algorithm, bytes.data));
            }
        }
        let [info, salt, iterations] = parts(mac.data).unwrap().try_into().unwrap();
        let (hash, known) = (&digest::SHA1_FOR_LEGACY_USE_ONLY, parts(info.data).unwrap()[1].data);
        let key = derive(hash, &[], Purpose::Mac, salt.data, iterations.u32().unwrap(), 20).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        let tag = hmac::sign(&key, &anew[place(&file, safe)]);
        anew[place(&file, known)].copy_from_slice(tag.as_ref());
        anew
    }

    #[test]
    fn a_file_without_a_password_is_opened_as_one_with_an_empty_password_is() {
        let file = as_dotnet_writes_it();
        assert!(KeyStore::from_pkcs12(&file, "", p12_keystore::Pkcs12ImportPolicy::Relaxed).is_err());
        let contents = without_password(&file).unwrap();
        assert_eq!((contents.keys.len(), contents.certificates.len()), (1, 1));
        LocalKey::from_file(&file, None).unwrap();
        LocalKey::from_file(&with_empty_password(), None).unwrap();
        let wrong = crate::domain::Secret::new("a password".to_owned());
        assert!(LocalKey::from_file(&file, Some(&wrong)).is_err(), "whoever gives a password means it");
    }

    #[test]
    fn what_is_damaged_or_protected_is_not_opened() {
        let file = as_dotnet_writes_it();
        assert!(without_password(&with_empty_password()).is_none());
        for at in (0..file.len()).step_by(97) {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            // A name or a number may be any, but nothing that the MAC is over.
            let contents = without_password(&damaged);
            assert!(contents.is_none_or(|contents| contents.keys.len() <= 1), "{at}");
            assert!(without_password(&file[..at]).is_none(), "{at}");
        }
    }
}
