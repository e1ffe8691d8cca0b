//! Hashes of lines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::{sha256_of_hex, write_hex};

/// SHA-256 of a line's bytes, without the line feed; lower-case hex in files and tags.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

/// Text that is no hash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a hash, which is 64 hex digits")]
pub struct InvalidHash(String);

impl Hash {
    /// What stands before the first line.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of a line, which has no line feed.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// The 32 bytes.
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        sha256_of_hex(text).map(Self).ok_or_else(|| InvalidHash(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_comes_back_from_its_text_and_nothing_else_is_one() {
        let hash = Hash::of(b"a line");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "abc", &"g".repeat(64), &"ä".repeat(32), &"0".repeat(63), &"0".repeat(65)] {
            assert!(bad.parse::<Hash>().is_err(), "{bad}");
        }
    }
}
