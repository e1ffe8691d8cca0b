//! The algorithms of JWS that a key in a vault can sign with.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};

use super::jws::Algorithm;
use super::public_key::PublicKey;

/// A signature algorithm of RFC 7518 3.1, other than those of shared keys. [`Algorithm`] has the two
/// of them that Entra takes for client assertions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

/// Text that is none of the algorithms.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a signature algorithm: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512")]
pub struct InvalidAlgorithm(String);

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
    ];

    /// The name in a JOSE header and in a Key Vault `sign` request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// The one curve of an elliptic-curve algorithm, in JWK's spelling; none for RSA.
    pub const fn curve(self) -> Option<&'static str> {
        match self {
            Self::Es256 => Some("P-256"),
            Self::Es384 => Some("P-384"),
            Self::Es512 => Some("P-521"),
            _ => None,
        }
    }

    /// The algorithm of a key that nobody chose one for: what every verifier of JWT knows.
    pub fn default_of(curve: Option<&str>) -> Option<Self> {
        match curve {
            None => Some(Self::Rs256),
            Some(curve) => Self::ALL.into_iter().find(|algorithm| algorithm.curve() == Some(curve)),
        }
    }

    /// Whether `key` can sign so.
    pub fn fits(self, key: &PublicKey) -> bool {
        match (self.curve(), key) {
            (None, PublicKey::Rsa { .. }) => true,
            // A point is `04 ‖ x ‖ y`, so its length tells the field.
            (Some("P-256"), PublicKey::Ec { point, .. }) => point.len() == 65,
            (Some("P-384"), PublicKey::Ec { point, .. }) => point.len() == 97,
            (Some("P-521"), PublicKey::Ec { point, .. }) => point.len() == 133,
            _ => false,
        }
    }

    pub(super) fn digest_of(self, message: &[u8]) -> digest::Digest {
        let hash = match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 => &SHA512,
        };
        digest::digest(hash, message)
    }
}

impl From<Algorithm> for SignatureAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ps256 => Self::Ps256,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = InvalidAlgorithm;

    fn from_str(text: &str) -> Result<Self, InvalidAlgorithm> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| InvalidAlgorithm(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_no_algorithm_of_shared_keys_is_one() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        for bad in ["HS256", "none", "", "ES256K", "RSA-OAEP"] {
            assert!(bad.parse::<SignatureAlgorithm>().is_err(), "{bad}");
        }
    }
}
