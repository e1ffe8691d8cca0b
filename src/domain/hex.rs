//! Bytes as hex digits, and back.

use std::fmt;

/// How hex digits are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HexCase {
    /// `0123456789abcdef`.
    Lower,
    /// `0123456789ABCDEF`.
    Upper,
}

impl HexCase {
    /// The two digits of a byte.
    pub const fn digits(self, byte: u8) -> [u8; 2] {
        let digits = match self {
            Self::Lower => b"0123456789abcdef",
            Self::Upper => b"0123456789ABCDEF",
        };
        [digits[(byte >> 4) as usize], digits[(byte & 15) as usize]]
    }

    /// Whether a digit is one in this case.
    pub const fn has(self, digit: u8) -> bool {
        digit.is_ascii_digit()
            || match self {
                Self::Lower => matches!(digit, b'a'..=b'f'),
                Self::Upper => matches!(digit, b'A'..=b'F'),
            }
    }

    /// Adds bytes in this case.
    pub fn write(self, bytes: &[u8], to: &mut Vec<u8>) {
        bytes.iter().for_each(|byte| to.extend_from_slice(&self.digits(*byte)));
    }

    /// Bytes in this case.
    pub fn text(self, bytes: &[u8]) -> String {
        let mut text = Vec::with_capacity(2 * bytes.len());
        self.write(bytes, &mut text);
        // Digits are ASCII.
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    HexCase::Lower.text(bytes)
}

/// Lower-case hex of a digest, as in files and tags.
pub fn write_hex(f: &mut fmt::Formatter<'_>, digest: &[u8]) -> fmt::Result {
    // Piece by piece: a large report has millions of digests, and formatting each byte takes as long as hashing it.
    for part in digest.chunks(32) {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(part) {
            pair.copy_from_slice(&HexCase::Lower.digits(*byte));
        }
        f.write_str(str::from_utf8(&text[..2 * part.len()]).unwrap_or_default())?;
    }
    Ok(())
}

/// The bytes behind pairs of digits, whatever their case. What is no digit is the caller's to refuse.
pub fn hex_bytes(digits: &[u8]) -> impl Iterator<Item = u8> + '_ {
    digits.chunks_exact(2).map(|pair| half(pair[0]) << 4 | half(pair[1]))
}

/// The same, as many as fill an array.
pub fn hex_array<const N: usize>(digits: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(hex_bytes(digits)).for_each(|(byte, read)| *byte = read);
    bytes
}

const fn half(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit & 15 } else { (digit & 15) + 9 }
}
