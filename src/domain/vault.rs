//! Names and URLs of vault objects. They are parsed once, here; nothing else builds such URLs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::cloud::Cloud;

/// A name, version or URL that Key Vault would refuse, or that belongs to no vault of the cloud.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidVaultObject {
    /// Not a vault name.
    #[error("`{0}` is not a vault name: 3 to 24 letters, digits and single hyphens, starting with a letter")]
    VaultName(String),
    /// Not a name of a certificate or key.
    #[error("`{0}` is not a certificate name: 1 to 127 letters, digits and hyphens (no underscore)")]
    CertificateName(String),
    /// A name that the service keeps for its own paths.
    #[error("`{0}` cannot name a certificate: Key Vault uses it for its own paths")]
    ReservedName(String),
    /// Not a version.
    #[error("`{0}` is not a version, which is 32 hex digits")]
    Version(String),
    /// A URL that is not one of this kind.
    #[error("`{url}` is not {expected}")]
    Url {
        /// What was given.
        url: String,
        /// What it should look like.
        expected: String,
    },
    /// A vault URL outside the cloud in use.
    #[error("`{host}` is not a vault of cloud {cloud}: its vaults are NAME.{suffix}")]
    ForeignHost {
        /// The host that was given.
        host: String,
        /// The cloud's name.
        cloud: String,
        /// The suffix that the cloud's vaults have.
        suffix: String,
    },
}

/// The name of a vault, in lower case (the service ignores case).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultName(String);

/// The name that a certificate, its key and its secret share.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertificateName(String);

/// A version of a certificate, its key and its secret: 32 lower-case hex digits.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The text, which needs no encoding in a URL.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidVaultObject;

            fn try_from(text: String) -> Result<Self, InvalidVaultObject> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
text!(VaultName);
text!(CertificateName);
text!(Version);

impl FromStr for VaultName {
    type Err = InvalidVaultObject;

    fn from_str(text: &str) -> Result<Self, InvalidVaultObject> {
        let is_valid = (3..=24).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && !text.ends_with('-')
            && !text.contains("--")
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidVaultObject::VaultName(text.to_owned())) }
    }
}

impl FromStr for CertificateName {
    type Err = InvalidVaultObject;

    fn from_str(text: &str) -> Result<Self, InvalidVaultObject> {
        let is_valid = (1..=127).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_valid {
            return Err(InvalidVaultObject::CertificateName(text.to_owned()));
        }
        if ["contacts", "issuers"].contains(&text.to_ascii_lowercase().as_str()) {
            return Err(InvalidVaultObject::ReservedName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Version {
    type Err = InvalidVaultObject;

    fn from_str(text: &str) -> Result<Self, InvalidVaultObject> {
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidVaultObject::Version(text.to_owned()))
        }
    }
}

/// A vault of a known cloud: the only kind of place that gets a vault token.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String")]
pub struct Vault {
    name: VaultName,
    url: Url,
}

impl Vault {
    /// Takes a name or a full URL. A URL must be `https`, and its host one label below the vault
    /// suffix of `cloud`.
    pub fn parse(text: &str, cloud: &Cloud) -> Result<Self, InvalidVaultObject> {
        let text = text.trim();
        if !text.contains("://") {
            return Ok(Self::named(text.parse()?, cloud));
        }
        let unusable = || InvalidVaultObject::Url {
            url: text.to_owned(),
            expected: format!("a vault URL such as https://NAME.{}", cloud.vault_suffix()),
        };
        let url = Url::parse(text).map_err(|_| unusable())?;
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return Err(unusable());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable());
        }
        let name = cloud.vault_of(&url).ok_or_else(|| InvalidVaultObject::ForeignHost {
            host: Cloud::authority_of(&url),
            cloud: cloud.name().to_owned(),
            suffix: cloud.vault_suffix().to_owned(),
        })?;
        Ok(Self::named(name, cloud))
    }

    fn named(name: VaultName, cloud: &Cloud) -> Self {
        let url = cloud.vault_url(&name);
        Self { name, url }
    }

    /// The first label of the host.
    pub fn name(&self) -> &VaultName {
        &self.name
    }

    /// `https://NAME.SUFFIX/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a certificate, of one version where one is given.
    pub fn certificate_url(&self, name: &CertificateName, version: Option<&Version>) -> String {
        self.object_url("certificates", name, version)
    }

    fn object_url(&self, collection: &str, name: &CertificateName, version: Option<&Version>) -> String {
        let mut url = format!("{}{collection}/{name}", self.url);
        if let Some(version) = version {
            url.push('/');
            url.push_str(version.as_str());
        }
        url
    }
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl From<Vault> for String {
    fn from(vault: Vault) -> Self {
        vault.url.into()
    }
}

/// The `kid` of Key Vault: the URL of one version of a key. Not to be mixed up with the `kid` of a
/// JWK, which is any string.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String")]
pub struct KeyUrl {
    vault: Vault,
    name: CertificateName,
    version: Version,
}

impl KeyUrl {
    /// The key behind a version of a certificate: same vault, name and version.
    pub const fn new(vault: Vault, name: CertificateName, version: Version) -> Self {
        Self { vault, name, version }
    }

    /// Takes `https://VAULT/keys/NAME/VERSION` apart; the version is required, because signing
    /// with "the latest" is never safe.
    pub fn parse(text: &str, cloud: &Cloud) -> Result<Self, InvalidVaultObject> {
        Self::parse_in("keys", text, cloud)
    }

    /// The same for the id of a certificate version, `https://VAULT/certificates/NAME/VERSION`.
    pub fn parse_certificate_id(text: &str, cloud: &Cloud) -> Result<Self, InvalidVaultObject> {
        Self::parse_in("certificates", text, cloud)
    }

    fn parse_in(collection: &str, text: &str, cloud: &Cloud) -> Result<Self, InvalidVaultObject> {
        let unusable = || InvalidVaultObject::Url {
            url: text.to_owned(),
            expected: format!("https://NAME.{}/{collection}/NAME/VERSION", cloud.vault_suffix()),
        };
        let url = Url::parse(text.trim()).map_err(|_| unusable())?;
        let segments: Vec<_> = url.path_segments().into_iter().flatten().filter(|s| !s.is_empty()).collect();
        let [found, name, version] = segments[..] else {
            return Err(unusable());
        };
        if !found.eq_ignore_ascii_case(collection) || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable());
        }
        let (name, version) = (name.parse()?, version.parse()?);
        let mut root = url;
        root.set_path("/");
        Ok(Self::new(Vault::parse(root.as_str(), cloud)?, name, version))
    }

    /// The vault that holds the key.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The name that key and certificate share.
    pub fn name(&self) -> &CertificateName {
        &self.name
    }

    /// The version that key and certificate share.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.vault.object_url("keys", &self.name, Some(&self.version)))
    }
}

impl From<KeyUrl> for String {
    fn from(key: KeyUrl) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_found_by_name_and_by_url() {
        let cloud = Cloud::public();
        let by_name = Vault::parse("Contoso-KV", &cloud).unwrap();
        assert_eq!(by_name.to_string(), "https://contoso-kv.vault.azure.net/");
        for url in ["https://contoso-kv.vault.azure.net", "https://CONTOSO-kv.vault.azure.net:443/"] {
            assert_eq!(Vault::parse(url, &cloud).unwrap(), by_name, "{url}");
        }
    }

    #[test]
    fn a_vault_has_the_suffix_of_its_cloud_and_of_no_other() {
        for (cloud, other) in [(Cloud::china(), Cloud::public()), (Cloud::us_government(), Cloud::china())] {
            let vault = Vault::parse("contoso-kv", &cloud).unwrap();
            assert_eq!(vault.url().as_str(), format!("https://contoso-kv.{}/", cloud.vault_suffix()));
            assert_eq!(Vault::parse(vault.url().as_str(), &cloud).unwrap(), vault);
            assert!(Vault::parse(vault.url().as_str(), &other).is_err());
        }
    }

    #[test]
    fn a_host_that_only_looks_like_a_vault_is_refused() {
        let cloud = Cloud::public();
        for bad in [
            "http://contoso-kv.vault.azure.net",
            "https://contoso-kv.vault.azure.net.evil.example",
            "https://evilvault.azure.net",
            "https://a.b.vault.azure.net",
            "https://vault.azure.net",
            "https://user@contoso-kv.vault.azure.net",
            "https://contoso-kv.vault.azure.net:8443",
            "https://contoso-kv.vault.azure.cn",
            "https://contoso-kv.vault.azure.net/keys/a",
            "a_b",
            "ab",
            "1abc",
            "../secrets",
        ] {
            assert!(Vault::parse(bad, &cloud).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_url_needs_its_version() {
        let cloud = Cloud::public();
        let text = "https://contoso-kv.vault.azure.net/keys/billing/0123456789abcdef0123456789abcdef";
        assert_eq!(KeyUrl::parse(text, &cloud).unwrap().to_string(), text);
        for bad in [
            "https://contoso-kv.vault.azure.net/keys/billing",
            "https://contoso-kv.vault.azure.net/keys/billing/latest",
            "https://contoso-kv.vault.azure.net/secrets/billing/0123456789abcdef0123456789abcdef",
            "https://contoso-kv.vault.azure.net/keys/../secrets/billing/0123456789abcdef0123456789abcdef",
        ] {
            assert!(KeyUrl::parse(bad, &cloud).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_the_service_would_refuse_never_reach_it() {
        for bad in ["", "a_b", "a/b", "../x", "contacts", "Issuers", "a b", "ä"] {
            assert!(bad.parse::<CertificateName>().is_err(), "{bad}");
        }
        assert!("a".repeat(127).parse::<CertificateName>().is_ok());
        assert!("a".repeat(128).parse::<CertificateName>().is_err());
    }
}
