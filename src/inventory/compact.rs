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
        let Some((kind, bytes)) = bytes.split_first() else { return Ok(Hex(Box::default())) };
        let text = match *kind {
            TEXT => std::str::from_utf8(bytes).map_err(E::custom)?.into(),
            kind => digits(kind, bytes),
        };
        Ok(Hex(text))
    }
}

fn digits(kind: u8, bytes: &[u8]) -> Box<str> {
    let case = if kind == UPPER { HexCase::Upper } else { HexCase::Lower };
    case.text(bytes).into()
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

/// Texts that most records have some of. Their order is no format: nothing packed is kept in a file.
const WORDS: &[&str] = &[
    "RSA",
    "RSA-HSM",
    "EC",
    "EC-HSM",
    "P-256",
    "P-256K",
    "P-384",
    "P-521",
    "sha256WithRSAEncryption",
    "sha384WithRSAEncryption",
    "sha512WithRSAEncryption",
    "sha1WithRSAEncryption",
    "ecdsa-with-SHA256",
    "ecdsa-with-SHA384",
    "ecdsa-with-SHA512",
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "AsymmetricX509Cert",
    "X509CertAndPassword",
    "Symmetric",
    "Verify",
    "Sign",
    "Encrypt",
    "Self",
    "Unknown",
    "sign",
    "verify",
    "encrypt",
    "decrypt",
    "wrapKey",
    "unwrapKey",
    "import",
    "AzureADMyOrg",
    "AzureADMultipleOrgs",
    "AzureADandPersonalMicrosoftAccount",
    "PersonalMicrosoftAccount",
    "Member",
    "Guest",
    "Application",
    "ManagedIdentity",
    "Legacy",
    "SocialIdp",
    "saml",
    "oidc",
    "password",
    "notSupported",
    "User.Read",
    "openid",
    "profile",
    "offline_access",
    "email",
];

/// Text that is one of [`WORDS`] most of the time: in memory such a one takes two bytes.
struct Word<T>(T);

impl Serialize for Word<&str> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(self.0);
        }
        match WORDS.iter().position(|word| *word == self.0) {
            // The first byte says which; none of them is the last, which says that a text follows.
            Some(number) => serializer.serialize_bytes(&[number as u8]),
            None => serializer.serialize_bytes(&[&[u8::MAX], self.0.as_bytes()].concat()),
        }
    }
}

impl<'de> Deserialize<'de> for Word<Box<str>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => Box::<str>::deserialize(deserializer).map(Word),
            false => deserializer.deserialize_bytes(Numbered),
        }
    }
}

struct Numbered;

impl Visitor<'_> for Numbered {
    type Value = Word<Box<str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a packed word")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let text = match bytes {
            [u8::MAX, text @ ..] => std::str::from_utf8(text).map_err(E::custom)?,
            [number] => WORDS.get(usize::from(*number)).ok_or_else(|| E::custom("no such word"))?,
            _ => return Err(E::custom("neither a word nor a text")),
        };
        Ok(Word(text.into()))
    }
}

/// [`Word`], for `#[serde(with)]`.
pub(super) mod word {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Word};

    pub(in crate::inventory) fn serialize<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
        Word(text).serialize(to)
    }

    pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<str>, D::Error> {
        Word::deserialize(from).map(|Word(text)| text)
    }

    /// The same where there may be none.
    pub(in crate::inventory) mod option {
        use super::{Deserialize, Deserializer, Serialize, Serializer, Word};

        #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
        pub(in crate::inventory) fn serialize<S: Serializer>(
            text: &Option<Box<str>>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            text.as_deref().map(Word).serialize(to)
        }

        pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Box<str>>, D::Error> {
            Ok(Option::<Word<Box<str>>>::deserialize(from)?.map(|Word(text)| text))
        }
    }

    /// Several.
    pub(in crate::inventory) mod list {
        use super::{Deserialize, Deserializer, Serialize, Serializer, Word};

        type Words = Box<[Box<str>]>;

        pub(in crate::inventory) fn serialize<S: Serializer>(list: &[Box<str>], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(list.iter().map(|text| Word(&**text)))
        }

        pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Words, D::Error> {
            Ok(Vec::<Word<Box<str>>>::deserialize(from)?.into_iter().map(|Word(text)| text).collect())
        }

        /// There may be no list.
        pub(in crate::inventory) mod option {
            use super::{Deserialize, Deserializer, Serialize, Serializer, Word, Words};

            struct List<'l>(&'l [Box<str>]);

            impl Serialize for List<'_> {
                fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    super::serialize(self.0, to)
                }
            }

            #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
            pub(in crate::inventory) fn serialize<S: Serializer>(
                list: &Option<Words>,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                list.as_deref().map(List).serialize(to)
            }

            pub(in crate::inventory) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<Option<Words>, D::Error> {
                let list = Option::<Vec<Word<Box<str>>>>::deserialize(from)?;
                Ok(list.map(|list| list.into_iter().map(|Word(text)| text).collect()))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> (usize, Box<str>) {
        let packed = postcard::to_extend(&Word(text), Vec::new()).unwrap();
        let Word(read) = postcard::from_bytes::<Word<Box<str>>>(&packed).unwrap();
        (packed.len(), read)
    }

    #[test]
    fn a_known_word_takes_two_bytes_and_any_other_text_comes_back_too() {
        for word in WORDS {
            assert_eq!(there_and_back(word), (2, (*word).into()));
        }
        for text in ["", "rsa", "RSA ", "\u{1b}[31m", "\0"] {
            assert_eq!(there_and_back(text), (2 + text.len(), text.into()));
        }
        assert!(WORDS.len() < usize::from(u8::MAX));
        assert!(postcard::from_bytes::<Word<Box<str>>>(&[1, 200]).is_err(), "no such word");
        assert_eq!(serde_json::to_value(Word("RSA")).unwrap(), "RSA", "files have texts");
    }
}
