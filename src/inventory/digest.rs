//! Digests of certificates and keys.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compact::{self, Hex};
use crate::domain::{HexCase, Thumbprint};

/// So many characters has the longest digest, SHA-256.
const LONGEST: usize = 64;

/// A digest as upper-case hex. It takes no memory beside its own: an audit unpacks millions of them.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(ArrayString<LONGEST>);

/// Text that is longer than any digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a digest has {LONGEST} hex digits at most")]
pub struct TooLong;

impl Digest {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(bytes: &[u8], case: HexCase) -> Result<Self, TooLong> {
        let mut text = [0; LONGEST];
        let digits = text.get_mut(..2 * bytes.len()).ok_or(TooLong)?;
        digits.chunks_exact_mut(2).zip(bytes).for_each(|(pair, byte)| pair.copy_from_slice(&case.digits(*byte)));
        // Digits are ASCII.
        std::str::from_utf8(digits).unwrap_or_default().parse()
    }
}

impl FromStr for Digest {
    type Err = TooLong;

    fn from_str(text: &str) -> Result<Self, TooLong> {
        ArrayString::from(text).map(Self).map_err(|_| TooLong)
    }
}

impl From<Thumbprint> for Digest {
    fn from(thumbprint: Thumbprint) -> Self {
        // Both kinds of thumbprints fit.
        Self::of(thumbprint.bytes(), HexCase::Upper).unwrap_or_default()
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(self.as_str()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => Box::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => deserializer.deserialize_bytes(Packed),
        }
    }
}

struct Packed;

impl Visitor<'_> for Packed {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packed hex digits")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Digest, E> {
        let digest = match compact::kind(bytes) {
            (Some(case), bytes) => Digest::of(bytes, case),
            (None, text) => std::str::from_utf8(text).map_err(E::custom)?.parse(),
        };
        digest.map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_digest_comes_back_from_memory_and_from_files(text in "[0-9A-F]{64}|[0-9a-f]{40}|\\PC{0,16}|") {
            let digest: Digest = text.parse().unwrap();
            let packed = postcard::to_extend(&digest, Vec::new()).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<Digest>(&packed).unwrap(), &digest);
            prop_assert_eq!(serde_json::to_value(&digest).unwrap(), text.as_str());
            prop_assert_eq!(serde_json::from_value::<Digest>(text.into()).unwrap(), digest);
        }

        #[test]
        fn a_thumbprint_is_written_as_the_portal_does(bytes: [u8; 32]) {
            let thumbprint = Thumbprint::Sha256(bytes);
            prop_assert_eq!(Digest::from(thumbprint), thumbprint.hex().parse().unwrap());
        }
    }

    #[test]
    fn what_is_longer_than_any_digest_is_none() {
        let long = "A".repeat(65);
        assert_eq!(long.parse::<Digest>(), Err(TooLong));
        assert!(serde_json::from_value::<Digest>(long.into()).unwrap_err().to_string().contains("64 hex digits"));
        let bytes = [&[34, 1][..], &[0; 33]].concat();
        assert!(postcard::from_bytes::<Digest>(&bytes).is_err(), "66 digits");
    }
}
