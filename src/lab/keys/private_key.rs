//! One private key: RSA or elliptic curve, with signatures over digests as Key Vault makes them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, Curve, KeyKind};
use crate::domain::Secret;

/// The numbers of a public key, big-endian, without leading zeros for RSA and at full length for EC.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
}

/// The numbers of an RSA key as RFC 7518 6.3 names them, big-endian without leading zeros.
pub(crate) struct RsaNumbers {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: Vec<u8>,
    pub(crate) p: Vec<u8>,
    pub(crate) q: Vec<u8>,
    pub(crate) dp: Vec<u8>,
    pub(crate) dq: Vec<u8>,
    pub(crate) qi: Vec<u8>,
}

/// A private key. Clones share it; `Debug` shows its kind alone; it serialises as base64 PKCS#8.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PrivateKey(Arc<Inner>);

struct Inner {
    kind: KeyKind,
    pkcs8: Secret<Vec<u8>>,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    /// The modulus of a key that nobody has: it is shown, and signs nothing.
    Absent(Vec<u8>),
}

impl PrivateKey {
    /// Makes a key. RSA takes up to a second; [`super::KeyPool`] makes them ahead.
    pub(crate) fn generate(kind: KeyKind) -> Self {
        #[expect(clippy::expect_used, reason = "fails only when the system gives no randomness or no memory")]
        Self::try_generate(kind).expect("a key can be made")
    }

    fn try_generate(kind: KeyKind) -> Option<Self> {
        let (pair, pkcs8) = match kind {
            KeyKind::Rsa(bits) => {
                let size = match bits {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    _ => KeySize::Rsa4096,
                };
                let pair = RsaKeyPair::generate(size).ok()?;
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                let der = der.as_ref().to_vec();
                (Pair::Rsa(pair), der)
            }
            KeyKind::Ec(curve) => {
                let pair = EcdsaKeyPair::generate(curve.signing()).ok()?;
                let der = pair.to_pkcs8v1().ok()?.as_ref().to_vec();
                (Pair::Ec(pair), der)
            }
        };
        Some(Self::new(pair, pkcs8))
    }

    /// Reads PKCS#8. `None` if it is no RSA key of at least 2048 bits and on no curve of Key Vault.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = RsaKeyPair::from_pkcs8(der).map(Pair::Rsa).ok().or_else(|| {
            Curve::ALL.into_iter().find_map(|curve| EcdsaKeyPair::from_pkcs8(curve.signing(), der).map(Pair::Ec).ok())
        })?;
        Some(Self::new(pair, der.to_vec()))
    }

    /// Puts an RSA key together from its numbers, big-endian. `None` if they do not fit each other.
    pub(crate) fn from_rsa_numbers(numbers: &RsaNumbers) -> Option<Self> {
        let pair = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents { n: &numbers.n, e: &numbers.e },
            d: &numbers.d,
            p: &numbers.p,
            q: &numbers.q,
            dP: &numbers.dp,
            dQ: &numbers.dq,
            qInv: &numbers.qi,
        });
        let pair = pair.ok()?;
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        let der = der.as_ref().to_vec();
        Some(Self::new(Pair::Rsa(pair), der))
    }

    /// Puts an EC key together from its private number and its point. `None` if they do not fit.
    pub(crate) fn from_ec_numbers(curve: Curve, d: &[u8], x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[4], x, y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), d, &point).ok()?;
        let der = pair.to_pkcs8v1().ok()?.as_ref().to_vec();
        Some(Self::new(Pair::Ec(pair), der))
    }

    /// The public half of an RSA key that a `scale` seed makes up, whose private half does not exist.
    pub(crate) fn absent(modulus: &[u8]) -> Self {
        Self::new(Pair::Absent(modulus.to_vec()), Vec::new())
    }

    /// Whether there is no private half.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.0.pair, Pair::Absent(_))
    }

    fn new(pair: Pair, pkcs8: Vec<u8>) -> Self {
        let kind = match &pair {
            Pair::Rsa(pair) => KeyKind::Rsa(u32::try_from(pair.public_modulus_len() * 8).unwrap_or_default()),
            Pair::Ec(pair) => KeyKind::Ec(
                Curve::ALL.into_iter().find(|curve| curve.signing() == pair.algorithm()).unwrap_or(Curve::P256),
            ),
            Pair::Absent(modulus) => KeyKind::Rsa(u32::try_from(modulus.len() * 8).unwrap_or_default()),
        };
        Self(Arc::new(Inner { kind, pkcs8: Secret::new(pkcs8), pair }))
    }

    /// What the key is made of.
    pub(crate) fn kind(&self) -> KeyKind {
        self.0.kind
    }

    /// The key itself, for the secret of an exportable certificate and for saving.
    pub(crate) fn pkcs8(&self) -> &Secret<Vec<u8>> {
        &self.0.pkcs8
    }

    /// The public half as numbers.
    pub(crate) fn public(&self) -> PublicKey {
        match (&self.0.pair, self.0.kind) {
            (Pair::Rsa(pair), _) => {
                let key = pair.public_key();
                PublicKey::Rsa {
                    n: key.modulus().big_endian_without_leading_zero().to_vec(),
                    e: key.exponent().big_endian_without_leading_zero().to_vec(),
                }
            }
            (Pair::Absent(modulus), _) => PublicKey::Rsa { n: modulus.clone(), e: vec![1, 0, 1] },
            (Pair::Ec(pair), kind) => {
                // X9.62 uncompressed: one byte 4, then both coordinates at full length.
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(point.len() / 2);
                let curve = if let KeyKind::Ec(curve) = kind { curve } else { Curve::P256 };
                PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() }
            }
        }
    }

    /// The public half as `SubjectPublicKeyInfo`, DER.
    pub(crate) fn spki(&self) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.0.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Absent(modulus) => return crate::lab::fleet::spki(modulus),
        };
        der.map(|der| der.as_ref().to_vec()).unwrap_or_default()
    }

    /// Signs a digest. `None` if the algorithm does not fit the key or the digest has another
    /// length. EC signatures are r‖s, as in JWS.
    pub(crate) fn sign(&self, algorithm: Algorithm, digest: &[u8]) -> Option<Vec<u8>> {
        if !algorithm.fits(self.kind()) {
            return None;
        }
        let digest = Digest::import_less_safe(digest, algorithm.digest()).ok()?;
        match &self.0.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(algorithm.rsa()?, &digest, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair) => Some(pair.sign_digest(&digest).ok()?.as_ref().to_vec()),
            Pair::Absent(_) => None,
        }
    }

    /// Whether the signature of a digest is right. `None` if algorithm, key and digest do not go
    /// together.
    pub(crate) fn verify(&self, algorithm: Algorithm, digest: &[u8], signature: &[u8]) -> Option<bool> {
        if !algorithm.fits(self.kind()) {
            return None;
        }
        let digest = Digest::import_less_safe(digest, algorithm.digest()).ok()?;
        let public = match &self.0.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Absent(_) => return None,
        };
        Some(UnparsedPublicKey::new(algorithm.verification(), public).verify_digest(&digest, signature).is_ok())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.kind().label())
    }
}

/// What a saved key without a private half begins with; no base64 does.
const ABSENT: &str = "absent:";

impl From<PrivateKey> for String {
    fn from(key: PrivateKey) -> Self {
        match &key.0.pair {
            Pair::Absent(modulus) => format!("{ABSENT}{}", STANDARD.encode(modulus)),
            Pair::Rsa(_) | Pair::Ec(_) => STANDARD.encode(key.pkcs8().expose()),
        }
    }
}

impl TryFrom<String> for PrivateKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(modulus) = text.strip_prefix(ABSENT) {
            let modulus = STANDARD.decode(modulus).map_err(|_| "a public key is not base64")?;
            return Ok(Self::absent(&modulus));
        }
        let der = STANDARD.decode(text).map_err(|_| "a private key is not base64")?;
        Self::from_pkcs8(&der).ok_or("a private key is not PKCS#8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [KeyKind; 5] = [
        KeyKind::Rsa(2048),
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P256K),
        KeyKind::Ec(Curve::P384),
        KeyKind::Ec(Curve::P521),
    ];

    #[test]
    fn what_a_key_signs_it_verifies_and_nothing_else() {
        for kind in KINDS {
            let key = PrivateKey::generate(kind);
            let algorithms = match kind {
                KeyKind::Rsa(_) => vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
                KeyKind::Ec(Curve::P256) => vec!["ES256"],
                KeyKind::Ec(Curve::P256K) => vec!["ES256K"],
                KeyKind::Ec(Curve::P384) => vec!["ES384"],
                KeyKind::Ec(Curve::P521) => vec!["ES512"],
            };
            for name in algorithms {
                let algorithm = Algorithm::from_wire(name).unwrap();
                let digest = algorithm.hash(b"message");
                let mut signature = key.sign(algorithm, &digest).unwrap();
                assert_eq!(key.verify(algorithm, &digest, &signature), Some(true), "{name}");
                assert_eq!(key.verify(algorithm, &algorithm.hash(b"other"), &signature), Some(false), "{name}");
                signature[8] ^= 1;
                assert_eq!(key.verify(algorithm, &digest, &signature), Some(false), "{name}");
                assert_eq!(key.sign(algorithm, &digest[1..]), None, "{name} takes digests of one length");
            }
        }
    }

    #[test]
    fn an_algorithm_of_another_kind_is_refused() {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256));
        for name in ["RS256", "PS256", "ES256K", "ES384", "ES512"] {
            let algorithm = Algorithm::from_wire(name).unwrap();
            assert_eq!(key.sign(algorithm, &algorithm.hash(b"")), None, "{name}");
        }
        assert_eq!(Algorithm::from_wire("none"), None);
    }

    #[test]
    fn a_key_survives_saving_and_is_not_shown() {
        for kind in KINDS {
            let key = PrivateKey::generate(kind);
            let saved = serde_json::to_string(&key).unwrap();
            let loaded: PrivateKey = serde_json::from_str(&saved).unwrap();
            assert_eq!((loaded.kind(), loaded.public(), loaded.spki()), (kind, key.public(), key.spki()));
            assert_eq!(format!("{key:?}"), format!("PrivateKey({})", kind.label()));
        }
    }

    #[test]
    fn ec_signatures_are_two_numbers_of_full_length() {
        for (curve, length) in [(Curve::P256, 64), (Curve::P384, 96), (Curve::P521, 132)] {
            let key = PrivateKey::generate(KeyKind::Ec(curve));
            let algorithm = curve.algorithm();
            assert_eq!(key.sign(algorithm, &algorithm.hash(b"")).unwrap().len(), length);
        }
    }
}
