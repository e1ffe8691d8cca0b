//! Directory identifiers. An application has an object id *and* an app id; swapping them is the
//! classic Graph mistake, so they are different types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is no identifier of the kind that was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a GUID whose meaning the caller knows.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The GUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text.trim()).map(Self).map_err(|_| InvalidId {
                    text: text.to_owned(),
                    expected: $expected,
                })
            }
        }
    };
}

guid! {
    /// The client id of an application: `appId` in Graph, `client_id` at the token endpoint.
    AppId, "an application (client) id, which is a GUID"
}
guid! {
    /// The id of a directory object: `id` in Graph, `oid` in a token.
    ObjectId, "an object id, which is a GUID"
}
guid! {
    /// The `keyId` of a key, password or federated credential.
    CredentialId, "a keyId, which is a GUID"
}

/// A tenant, by its GUID or by one of its verified domain names.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl TenantId {
    /// As it goes into a URL: one path segment, nothing to encode.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.trim();
        if Uuid::try_parse(text).is_ok() || is_domain_name(text) {
            // Entra compares both without case; one spelling makes one cache key.
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(InvalidId {
            text: text.to_owned(),
            expected: "a tenant, which is a GUID or a domain name such as contoso.onmicrosoft.com",
        })
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

fn is_domain_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_or_a_domain_and_never_a_path() {
        assert_eq!("Contoso.OnMicrosoft.com".parse::<TenantId>().unwrap().as_str(), "contoso.onmicrosoft.com");
        assert!("7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10".parse::<TenantId>().is_ok());
        for bad in ["", "common", "a/b.com", "../x.y", "contoso.com?x=1", "-a.com", "a..b"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_what_was_expected() {
        let error = "nonsense".parse::<AppId>().unwrap_err();
        assert_eq!(error.to_string(), "`nonsense` is not an application (client) id, which is a GUID");
    }
}
