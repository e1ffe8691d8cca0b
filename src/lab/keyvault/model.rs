//! What a vault holds. Times are Unix seconds, as on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access::Access;
use super::issuers::Issuer;
use super::life::Life;
use super::pending::Pending;
use super::policy::Policy;
use super::scale::Generated;
use super::vaults::Sku;
use crate::lab::keys::PrivateKey;

/// Tags of an object.
pub(super) type Tags = BTreeMap<String, String>;

/// One vault. Objects are found by their name in lower case; the case of the first use is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Vault {
    pub(super) name: String,
    pub(super) location: String,
    pub(super) resource_group: String,
    pub(super) subscription: uuid::Uuid,
    pub(super) tags: Tags,
    pub(super) access: Access,
    pub(super) sku: Sku,
    pub(super) diagnostics: Option<String>,
    pub(super) retention: Retention,
    pub(super) certificates: BTreeMap<String, Certificate>,
    /// Keys that belong to no certificate.
    pub(super) keys: BTreeMap<String, StandaloneKey>,
    /// Secrets that belong to no certificate.
    pub(super) secrets: BTreeMap<String, StandaloneSecret>,
    /// Absent until some were set once: a list keeps a row for them even after their deletion.
    pub(super) contacts: Option<Vec<Map<String, Value>>>,
    pub(super) issuers: BTreeMap<String, Issuer>,
    /// When a name was purged: it stays taken for a moment.
    pub(super) purged: BTreeMap<String, i64>,
    /// Certificates that are made up when they are looked at.
    pub(super) generated: Option<Generated>,
}

/// How deleted objects are kept.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Retention {
    pub(super) days: u32,
    pub(super) purge_protection: bool,
}

impl Retention {
    /// `recoveryLevel` of every object in the vault.
    pub(super) const fn level(self) -> &'static str {
        match (self.days >= 90, self.purge_protection) {
            (true, false) => "Recoverable+Purgeable",
            (true, true) => "Recoverable",
            (false, false) => "CustomizedRecoverable+Purgeable",
            (false, true) => "CustomizedRecoverable",
        }
    }

    /// Seconds from deletion to purge.
    pub(super) const fn seconds(self) -> i64 {
        self.days as i64 * 86400
    }
}

/// A certificate with all its versions. While the first one is pending there is none of them and a
/// placeholder instead.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Certificate {
    pub(super) name: String,
    pub(super) life: Life,
    pub(super) policy: Policy,
    pub(super) placeholder: Option<Placeholder>,
    /// In order of their making; the last one is the current.
    pub(super) versions: Vec<CertificateVersion>,
    pub(super) pending: Option<Pending>,
}

/// What shows of a certificate that does not exist yet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Placeholder {
    pub(super) version: String,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
    pub(super) preserve_order: Option<bool>,
}

/// A version: certificate, key and secret under one id.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct CertificateVersion {
    pub(super) version: String,
    #[serde(with = "base64_bytes")]
    pub(super) der: Vec<u8>,
    /// Certificates above the leaf, in the order of their import.
    pub(super) chain: Vec<Chained>,
    /// Where the leaf stood in what was imported.
    pub(super) leaf_index: usize,
    pub(super) key: PrivateKey,
    pub(super) kty: String,
    pub(super) key_ops: Vec<String>,
    /// Fixed at issue: a later change of the policy does not free a key.
    pub(super) exportable: bool,
    pub(super) content_type: String,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
    pub(super) preserve_order: Option<bool>,
}

/// A certificate above a leaf.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Chained(#[serde(with = "base64_bytes")] pub(super) Vec<u8>);

/// A key that was made without a certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct StandaloneKey {
    pub(super) name: String,
    pub(super) life: Life,
    pub(super) versions: Vec<KeyVersion>,
    pub(super) rotation: Option<Value>,
}

/// One version of such a key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct KeyVersion {
    pub(super) version: String,
    pub(super) key: PrivateKey,
    pub(super) kty: String,
    pub(super) key_ops: Vec<String>,
    /// Shown for keys that the service made, absent for imported ones.
    pub(super) exportable: Option<bool>,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
}

/// A secret that somebody wrote.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct StandaloneSecret {
    pub(super) name: String,
    pub(super) life: Life,
    pub(super) versions: Vec<SecretVersion>,
}

/// One version of such a secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SecretVersion {
    pub(super) version: String,
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
}

/// The management attributes that all kinds of objects share.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Attributes {
    pub(super) enabled: bool,
    pub(super) not_before: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) created: i64,
    pub(super) updated: i64,
}

impl Attributes {
    /// Attributes of an object made now.
    pub(super) const fn new(now: i64) -> Self {
        Self { enabled: true, not_before: None, expires: None, created: now, updated: now }
    }

    /// The members that every list and bundle shows.
    pub(super) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("enabled".to_owned(), self.enabled.into());
        if let Some(at) = self.not_before {
            members.insert("nbf".to_owned(), at.into());
        }
        if let Some(at) = self.expires {
            members.insert("exp".to_owned(), at.into());
        }
        members.insert("created".to_owned(), self.created.into());
        members.insert("updated".to_owned(), self.updated.into());
        members
    }
}

impl Certificate {
    /// The current version, if one has been issued.
    pub(super) fn current(&self) -> Option<&CertificateVersion> {
        self.versions.last()
    }

    /// A version, or the current one.
    pub(super) fn version(&self, version: Option<&str>) -> Option<&CertificateVersion> {
        let Some(version) = version else { return self.current() };
        self.versions.iter().find(|each| each.version.eq_ignore_ascii_case(version))
    }
}

/// Bytes as base64 in a saved state.
pub(super) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
