//! A token that somebody asks the proxy for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::store::LocalCertificate;
use crate::domain::{AppId, CertificateName, KeyUrl, TenantId, Thumbprint, Vault};

/// Which token. Equal ones are one token.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Wanted {
    /// Where.
    pub tenant: TenantId,
    /// For which application.
    pub app: AppId,
    /// How the application proves itself.
    pub proof: Proof,
    /// For what; the token endpoint takes one for an application.
    pub scopes: Vec<String>,
}

/// How an application proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// With one version of a vault's key, of which nothing is read.
    Key {
        /// The key.
        key: KeyUrl,
        /// Of its certificate.
        thumbprint: Thumbprint,
    },
    /// With the newest version of a vault's certificate that is proven.
    Certificate {
        /// The vault.
        vault: Vault,
        /// The certificate's name.
        name: CertificateName,
        /// Whether nothing that is remembered counts, and nothing is remembered.
        skip_cache: bool,
    },
    /// With a certificate in a folder of this machine.
    Local {
        /// The certificate with its key.
        certificate: Arc<LocalCertificate>,
    },
}

impl Wanted {
    /// As the token endpoint takes it.
    pub(super) fn scope(&self) -> String {
        self.scopes.join(" ")
    }

    /// Whether a remembered token would do.
    pub(super) fn may_be_kept(&self) -> bool {
        !matches!(self.proof, Proof::Certificate { skip_cache: true, .. })
    }
}

impl Proof {
    /// What makes two proofs the same one.
    fn identity(&self) -> (Option<&Vault>, &str, Option<&str>, Option<Thumbprint>) {
        match self {
            Self::Key { key, thumbprint } => {
                (Some(key.vault()), key.name().as_str(), Some(key.version().as_str()), Some(*thumbprint))
            }
            Self::Certificate { vault, name, .. } => (Some(vault), name.as_str(), None, None),
            Self::Local { certificate } => (None, "", None, Some(certificate.thumbprint())),
        }
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Proof {}

impl Hash for Proof {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}
