//! What is to be read, by whom, and who looks on.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::{CredentialId, ObjectId, TenantId, Thumbprint, Vault};
use crate::http::{self, TokenSource};

/// The identities that read.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The transport.
    pub http: http::Client,
    /// For the directory.
    pub graph: Arc<dyn TokenSource>,
    /// For vaults and for Azure Resource Manager.
    pub vaults: Arc<dyn TokenSource>,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tenant, for the case that it does not say its own id.
    pub tenant: TenantId,
    /// Only these applications, by object id, and all if there are none.
    pub applications: Vec<ObjectId>,
    /// Only these vaults; without a list, all that can be found.
    pub vaults: Option<Vec<Vault>>,
    /// Whether every certificate is read with policy and key, and not only what credentials and tags
    /// point at.
    pub all_certificates: bool,
    /// Whether the reports on last use are read.
    pub activity: Activity,
    /// So many objects are asked one by one for the bytes of their certificates, where lists come
    /// without: each takes 0.4 seconds.
    pub most_single_reads: usize,
    /// A certificate that is looked for beside those that let somebody sign in.
    pub seeks: Option<Sought>,
}

/// What somebody holds who looks for a key: one that may have expired, or that nobody trusts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// The thumbprint of its certificate.
    #[serde(serialize_with = "hex")]
    Thumbprint(Thumbprint),
    /// The keyId of a credential.
    KeyId(CredentialId),
}

/// Text that is neither a thumbprint nor a keyId.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is neither a keyId, which is a GUID, nor a thumbprint: 40 or 64 hex digits, or the base64 or base64url form of 20 or 32 bytes"
)]
pub struct InvalidSought(String);

/// Whether the reports on last use are read: two seconds for each thousand credentials.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Activity {
    /// Where that takes seconds and not minutes.
    #[default]
    IfQuick,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

impl Plan {
    /// Everything in a tenant, as far as its size permits.
    pub fn all(tenant: TenantId) -> Self {
        Self {
            tenant,
            applications: Vec::new(),
            vaults: None,
            all_certificates: false,
            activity: Activity::default(),
            most_single_reads: 600,
            seeks: None,
        }
    }
}

impl FromStr for Sought {
    type Err = InvalidSought;

    fn from_str(text: &str) -> Result<Self, InvalidSought> {
        if let Ok(key_id) = text.parse() {
            return Ok(Self::KeyId(key_id));
        }
        text.parse().map(Self::Thumbprint).map_err(|_| InvalidSought(text.to_owned()))
    }
}

fn hex<S: serde::Serializer>(thumbprint: &Thumbprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(thumbprint)
}

/// Somebody who looks on while a tenant is read.
pub trait Watcher: Debug + Send + Sync {
    /// Something is going on.
    fn doing(&self, what: &str);

    /// Something is done, with its result.
    fn done(&self, what: &str);
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn doing(&self, _: &str) {}

    fn done(&self, _: &str) {}
}
