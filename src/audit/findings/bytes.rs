//! Numbers and texts as bytes: what [`Writer`] has written, [`Reader`] reads. It never fails: bytes that are
//! missing are zeros, for nothing is read but what was written.

use std::borrow::Cow;

use uuid::Uuid;

use crate::domain::{HexCase, hex_array};

/// An id as it is kept. Text that is spelled like one and would not come back as it was stays text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Id<'a> {
    /// A GUID in lower case, with hyphens.
    Guid([u8; 16]),
    /// 32 hex digits in lower case: a version.
    Hex([u8; 16]),
    Text(&'a str),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl Writer {
    /// Seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    pub(super) fn id(&mut self, id: Id<'_>) {
        match id {
            Id::Guid(bytes) => self.tagged(0, &bytes),
            Id::Hex(bytes) => self.tagged(1, &bytes),
            Id::Text(text) => {
                self.bytes.push(2);
                self.text(text.as_bytes());
            }
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(bytes);
    }
}

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                break;
            }
        }
        number
    }

    /// A number of things in memory.
    pub(super) fn count(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap_or([0; N])
    }

    pub(super) fn text(&mut self) -> &'a [u8] {
        let length = self.count();
        self.take(length)
    }

    pub(super) fn id(&mut self) -> Id<'a> {
        match self.byte() {
            0 => Id::Guid(self.array()),
            1 => Id::Hex(self.array()),
            _ => Id::Text(str::from_utf8(self.text()).unwrap_or_default()),
        }
    }
}

impl<'a> Id<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let guid = || guid(bytes).map(Id::Guid);
        let version = || hex(bytes, HexCase::Lower).map(Id::Hex);
        match bytes.len() {
            36 => guid().unwrap_or(Id::Text(text)),
            32 => version().unwrap_or(Id::Text(text)),
            _ => Id::Text(text),
        }
    }

    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Guid(_) | Self::Hex(_) => {
                let mut text = Vec::with_capacity(36);
                self.write(&mut text);
                String::from_utf8(text).unwrap_or_default().into()
            }
        }
    }

    pub(super) fn write(self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => to.extend_from_slice(text.as_bytes()),
            Self::Hex(bytes) => HexCase::Lower.write(&bytes, to),
            Self::Guid(bytes) => {
                let guid = Uuid::from_bytes(bytes).hyphenated();
                to.extend_from_slice(guid.encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            }
        }
    }

    /// The order of the texts.
    pub(super) fn order(self, other: Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Guid(one), Self::Guid(two)) | (Self::Hex(one), Self::Hex(two)) => one.cmp(&two),
            _ => self.text().cmp(&other.text()),
        }
    }
}

/// The bytes behind as many digits as make up an array.
pub(super) fn hex<const N: usize>(digits: &[u8], case: HexCase) -> Option<[u8; N]> {
    if digits.len() != 2 * N || !digits.iter().all(|digit| case.has(*digit)) {
        return None;
    }
    Some(hex_array(digits))
}

/// The bytes of a GUID in lower case.
pub(super) fn guid(text: &[u8]) -> Option<[u8; 16]> {
    let has_form = text.len() == 36 && [8, 13, 18, 23].iter().all(|place| text[*place] == b'-');
    if !has_form || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    Uuid::try_parse_ascii(text).ok().map(Uuid::into_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_is_spelled_otherwise_stays_as_it_is() {
        for text in [
            "11110000-0000-4000-8000-00000000000A",
            "{11110000-0000-4000-8000-0000000000}",
            "11110000-0000-4000-8000-0000000000é",
            "11110000-0000-4000-80000-0000000000a",
            "0123456789ABCDEF0123456789ABCDEF",
            "11110000-0000-4000-8000-0000000000",
            "",
        ] {
            assert_eq!(Id::of(text), Id::Text(text));
        }
        assert!(matches!(Id::of("11110000-0000-4000-8000-00000000000a"), Id::Guid(_)));
        assert!(matches!(Id::of("0123456789abcdef0123456789abcdef"), Id::Hex(_)));
    }

    const IDS: &str = "([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9A-Fé-]{0,36})";

    proptest! {
        #[test]
        fn numbers_and_ids_come_back_as_they_were(number: u64, id in IDS) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.id(Id::of(&id));
            let mut reader = Reader { bytes: &writer.bytes };
            prop_assert_eq!(reader.number(), number);
            prop_assert_eq!(reader.id().text(), id);
            prop_assert!(reader.bytes.is_empty());
        }

        #[test]
        fn ids_have_the_order_of_their_texts(one in IDS, two in IDS) {
            prop_assert_eq!(Id::of(&one).order(Id::of(&two)), one.cmp(&two));
        }
    }
}
