//! How values are written: as people and other tools read them in files, and short in memory.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{HexCase, hex_bytes};

/// Text that is hex digits most of the time: in memory two digits take a byte.
pub(super) struct Hex<T>(pub(super) T);

/// What the first byte says of the others.
const TEXT: u8 = 0;
const UPPER: u8 = 1;
const LOWER: u8 = 2;

impl Serialize for Hex<&str> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(self.0),
            false => serializer.serialize_bytes(&packed(self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Hex<Box<str>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => Box::<str>::deserialize(deserializer).map(Hex),
            false => deserializer.deserialize_bytes(Packed),
        }
    }
}

struct Packed;

impl Visitor<'_> for Packed {
    type Value = Hex<Box<str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packed hex digits")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let text = match kind(bytes) {
            (Some(case), bytes) => case.text(bytes).into(),
            (None, text) => std::str::from_utf8(text).map_err(E::custom)?.into(),
        };
        Ok(Hex(text))
    }
}

/// What was packed: bytes behind digits of a case, or a text.
pub(super) fn kind(packed: &[u8]) -> (Option<HexCase>, &[u8]) {
    match packed.split_first() {
        Some((&UPPER, bytes)) => (Some(HexCase::Upper), bytes),
        Some((&LOWER, bytes)) => (Some(HexCase::Lower), bytes),
        Some((_, text)) => (None, text),
        None => (None, packed),
    }
}

fn packed(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let is_of = |case: HexCase| bytes.iter().all(|byte| case.has(*byte));
    let kind = match () {
        () if bytes.len() % 2 == 1 => TEXT,
        () if is_of(HexCase::Upper) => UPPER,
        () if is_of(HexCase::Lower) => LOWER,
        () => TEXT,
    };
    let mut packed = Vec::with_capacity(1 + bytes.len());
    packed.push(kind);
    match kind {
        TEXT => packed.extend_from_slice(bytes),
        _ => packed.extend(hex_bytes(bytes)),
    }
    packed
}

/// [`Hex`] that may be absent, for `#[serde(with)]`.
pub(super) mod hex {
    use super::{Deserialize, Deserializer, Hex, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(in crate::inventory) fn serialize<S: Serializer>(text: &Option<Box<str>>, to: S) -> Result<S::Ok, S::Error> {
        text.as_deref().map(Hex).serialize(to)
    }

    pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<str>>, D::Error> {
        Ok(Option::<Hex<Box<str>>>::deserialize(from)?.map(|Hex(text)| text))
    }
}

/// A version of an object in a vault, for `#[serde(with)]`: 32 hex digits.
pub(super) mod version {
    use super::{Deserialize, Deserializer, Error, Hex, Serialize, Serializer};
    use crate::domain::Version;

    pub(in crate::inventory) fn serialize<S: Serializer>(version: &Version, to: S) -> Result<S::Ok, S::Error> {
        Hex(version.as_str()).serialize(to)
    }

    pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Version, D::Error> {
        let Hex(text) = Hex::<Box<str>>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A moment, for `#[serde(with)]`: RFC 3339 in files, seconds and nanoseconds since 1970 in memory.
pub(super) mod moment {
    use time::OffsetDateTime;
    use time::serde::rfc3339;

    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(in crate::inventory) fn serialize<S: Serializer>(moment: &OffsetDateTime, to: S) -> Result<S::Ok, S::Error> {
        match to.is_human_readable() {
            true => rfc3339::serialize(moment, to),
            false => (moment.unix_timestamp(), moment.nanosecond()).serialize(to),
        }
    }

    pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OffsetDateTime, D::Error> {
        if from.is_human_readable() {
            return rfc3339::deserialize(from);
        }
        let (seconds, nanosecond) = <(i64, u32)>::deserialize(from)?;
        let moment = OffsetDateTime::from_unix_timestamp(seconds).map_err(D::Error::custom)?;
        moment.replace_nanosecond(nanosecond).map_err(D::Error::custom)
    }

    /// The same where there may be none.
    pub(in crate::inventory) mod option {
        use time::OffsetDateTime;

        use super::{Deserialize, Deserializer, Serialize, Serializer};

        #[derive(Deserialize, Serialize)]
        struct Wrapped(#[serde(with = "super")] OffsetDateTime);

        #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
        pub(in crate::inventory) fn serialize<S>(moment: &Option<OffsetDateTime>, to: S) -> Result<S::Ok, S::Error>
        where
            S: Serializer,
        {
            moment.map(Wrapped).serialize(to)
        }

        pub(in crate::inventory) fn deserialize<'de, D>(from: D) -> Result<Option<OffsetDateTime>, D::Error>
        where
            D: Deserializer<'de>,
        {
            Ok(Option::<Wrapped>::deserialize(from)?.map(|Wrapped(moment)| moment))
        }
    }
}
