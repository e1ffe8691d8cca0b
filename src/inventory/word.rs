//! Words that most records have some of: kinds of keys, algorithms, usages.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// Text that is one of a few dozen words most of the time. Such a one takes two bytes in packed records, and
/// no memory of its own when they are unpacked; files have it as text.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Word(Cow<'static, str>);

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        let known = WORDS.iter().copied().find(|word| *word == text);
        Self(known.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed))
    }
}

impl From<Box<str>> for Word {
    fn from(text: Box<str>) -> Self {
        Self::from(&*text)
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Word {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Word {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(self);
        }
        match WORDS.iter().position(|word| **word == **self) {
            // The first byte says which; none of them is the last, which says that a text follows.
            Some(number) => serializer.serialize_bytes(&[number as u8]),
            None => serializer.serialize_bytes(&[&[u8::MAX], self.as_bytes()].concat()),
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => Box::<str>::deserialize(deserializer).map(Self::from),
            false => deserializer.deserialize_bytes(Numbered),
        }
    }
}

struct Numbered;

impl Visitor<'_> for Numbered {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a packed word")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Word, E> {
        let text = match bytes {
            [u8::MAX, text @ ..] => Cow::Owned(std::str::from_utf8(text).map_err(E::custom)?.to_owned()),
            [number] => Cow::Borrowed(*WORDS.get(usize::from(*number)).ok_or_else(|| E::custom("no such word"))?),
            _ => return Err(E::custom("neither a word nor a text")),
        };
        Ok(Word(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> (usize, Word) {
        let packed = postcard::to_extend(&Word::from(text), Vec::new()).unwrap();
        let read = postcard::from_bytes::<Word>(&packed).unwrap();
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
        assert!(postcard::from_bytes::<Word>(&[1, 200]).is_err(), "no such word");
        assert_eq!(serde_json::to_value(Word::from("RSA")).unwrap(), "RSA", "files have texts");
    }
}
