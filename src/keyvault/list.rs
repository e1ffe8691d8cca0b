//! What lists say of a certificate, and the vault's contacts.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire;
use crate::domain::{
    CertificateAttributes, CertificateName, DeletedCertificate, InvalidVaultObject, Thumbprint, Version,
};

/// A certificate in a list. Lists never say whether a key is exportable, and their `subject` is empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedCertificate {
    /// Its name.
    pub name: CertificateName,
    /// The version; lists of certificates leave it out, lists of versions have it.
    pub version: Option<Version>,
    /// SHA-1 of the current version; absent while the first is pending.
    pub thumbprint: Option<Thumbprint>,
    /// Without the recovery level.
    pub attributes: CertificateAttributes,
    /// Hints, never facts.
    pub tags: BTreeMap<String, String>,
}

/// Somebody who gets mail about the certificates of a vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Contact {
    /// Where the mail goes.
    #[serde(default)]
    pub email: Option<String>,
    /// Hostile text.
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Contacts {
    #[serde(default)]
    pub(super) contacts: Vec<Contact>,
}

impl TryFrom<wire::Bundle> for ListedCertificate {
    type Error = InvalidVaultObject;

    fn try_from(item: wire::Bundle) -> Result<Self, InvalidVaultObject> {
        let (name, version) = name_and_version(item.id.as_deref().unwrap_or_default())?;
        Ok(Self {
            name,
            version,
            thumbprint: item.x5t.as_deref().and_then(|text| text.parse().ok()),
            attributes: item.attributes.unwrap_or_default().into(),
            tags: item.tags.unwrap_or_default(),
        })
    }
}

impl TryFrom<wire::Bundle> for DeletedCertificate {
    type Error = InvalidVaultObject;

    fn try_from(item: wire::Bundle) -> Result<Self, InvalidVaultObject> {
        let id = item.recovery_id.as_deref().or(item.id.as_deref()).unwrap_or_default();
        Ok(Self {
            name: name_and_version(id)?.0,
            thumbprint: item.x5t.as_deref().and_then(|text| text.parse().ok()),
            deleted_at: item.deleted_date.and_then(wire::moment),
            purge_at: item.scheduled_purge_date.and_then(wire::moment),
            recovery_level: item.attributes.and_then(|attributes| attributes.recovery_level),
        })
    }
}

/// The segments behind `/certificates/` or `/deletedcertificates/`.
fn name_and_version(id: &str) -> Result<(CertificateName, Option<Version>), InvalidVaultObject> {
    let path = id.split_once("://").map_or(id, |(_, rest)| rest);
    let mut segments = path.split('/').skip(2).filter(|segment| !segment.is_empty());
    let name = segments.next().unwrap_or_default().parse()?;
    let version = segments.next().map(str::parse).transpose()?;
    Ok((name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_and_without_a_version_are_read() {
        let version = "0123456789abcdef0123456789abcdef";
        let (name, found) = name_and_version("https://v.vault.azure.net/certificates/billing").unwrap();
        assert_eq!((name.as_str(), found), ("billing", None));
        let (_, found) =
            name_and_version(&format!("https://v.vault.azure.net:443/certificates/billing/{version}")).unwrap();
        assert_eq!(found.unwrap().as_str(), version);
        let (name, _) = name_and_version("https://v.vault.azure.net/deletedcertificates/billing").unwrap();
        assert_eq!(name.as_str(), "billing");
        for bad in ["", "https://v.vault.azure.net/", "https://v.vault.azure.net/certificates/a/pending"] {
            assert!(name_and_version(bad).is_err(), "{bad}");
        }
    }
}
