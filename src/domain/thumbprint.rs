//! Certificate thumbprints in the five spellings that the services use.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::hex::{HexCase, hex_array};

/// The digest of a certificate's DER. `Display` is upper-case hex, as in the portal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Thumbprint {
    /// `x5t` of RFC 7515 4.1.7, `customKeyIdentifier` in Graph.
    Sha1([u8; 20]),
    /// `x5t#S256` of RFC 7515 4.1.8.
    Sha256([u8; 32]),
}

/// Text that is no thumbprint, and what it looked like.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is not a thumbprint: {found}; expected 40 or 64 hex digits, or the base64 or base64url form of 20 or 32 bytes"
)]
pub struct InvalidThumbprint {
    text: String,
    found: String,
}

impl Thumbprint {
    /// SHA-1 of a certificate's DER.
    pub fn sha1(der: &[u8]) -> Self {
        Self::Sha1(Sha1::digest(der).into())
    }

    /// SHA-256 of a certificate's DER.
    pub fn sha256(der: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(der).into())
    }

    /// The raw digest: 20 or 32 bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(digest) => digest,
            Self::Sha256(digest) => digest,
        }
    }

    /// base64url without padding, the form of JOSE headers and of Key Vault's `x5t`.
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes())
    }

    /// Standard base64 with padding, the form of application manifests.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.bytes())
    }

    /// Upper-case hex, the form of the portal and of Graph's `customKeyIdentifier`.
    pub fn hex(&self) -> String {
        HexCase::Upper.text(self.bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(digest) = <[u8; 20]>::try_from(bytes) {
            return Some(Self::Sha1(digest));
        }
        <[u8; 32]>::try_from(bytes).ok().map(Self::Sha256)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    /// Takes hex in any case, with blanks or colons, and base64 in either alphabet, padded or not.
    /// The length decides: 40 and 64 characters are hex, 27/28 and 43/44 are base64.
    fn from_str(text: &str) -> Result<Self, InvalidThumbprint> {
        // The portal's dialog puts U+200E in front when a thumbprint is copied out of it.
        let is_compact = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        let compact = match is_compact {
            true => Cow::Borrowed(text),
            false => text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '\u{200e}')).collect(),
        };
        let invalid = |found: String| InvalidThumbprint { text: text.to_owned(), found };
        let is_hex = compact.bytes().all(|b| b.is_ascii_hexdigit());
        let bytes = match compact.len() {
            40 if is_hex => return Ok(Self::Sha1(hex_array(compact.as_bytes()))),
            64 if is_hex => return Ok(Self::Sha256(hex_array(compact.as_bytes()))),
            27 | 28 | 43 | 44 => {
                let alphabet = compact.trim_end_matches('=').replace('-', "+").replace('_', "/");
                STANDARD_NO_PAD
                    .decode(alphabet)
                    .map_err(|_| invalid(format!("{} characters that are not base64", compact.len())))?
            }
            length if is_hex => return Err(invalid(format!("{length} hex digits"))),
            length => return Err(invalid(format!("{length} characters"))),
        };
        Self::from_bytes(&bytes).ok_or_else(|| invalid(format!("{} bytes", bytes.len())))
    }
}

/// The 32 bytes of a SHA-256 in 64 hex digits; `None` for any other text.
pub fn sha256_of_hex(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| hex_array(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_spelling_comes_back_as_the_same_value(der: Vec<u8>) {
            for print in [Thumbprint::sha1(&der), Thumbprint::sha256(&der)] {
                let colons: Vec<_> = print.bytes().iter().map(|b| format!("{b:02x}")).collect();
                let padded_url = print.base64().replace('+', "-").replace('/', "_");
                for text in [print.hex(), print.hex().to_lowercase(), colons.join(":"), colons.join(" "),
                             print.base64(), print.base64url(), padded_url] {
                    prop_assert_eq!(text.parse::<Thumbprint>(), Ok(print), "{}", text);
                }
            }
        }
    }

    #[test]
    fn an_error_says_what_it_found() {
        let error = "abcdef".parse::<Thumbprint>().unwrap_err().to_string();
        assert!(error.starts_with("`abcdef` is not a thumbprint: 6 hex digits; expected"), "{error}");
        assert!("*".repeat(40).parse::<Thumbprint>().is_err());
        assert!("*".repeat(27).parse::<Thumbprint>().is_err());
    }
}
