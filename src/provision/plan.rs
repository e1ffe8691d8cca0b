//! What is to be done, decided from what was seen. Pure: no I/O, no clock of its own.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use super::lifetime::Limit;
use super::rules::Gap;
use crate::domain::{
    Application, CertificateAttributes, CertificateName, CertificateOperation, CertificatePolicy, CredentialId,
    DeletedCertificate, KeyType, KeyUrl, Vault,
};
use crate::ledger::Hash;
use crate::pki::Certificate;

pub use crate::domain::{STATE_PROVEN, TAG_APP, TAG_KEY_ID, TAG_LEDGER, TAG_STATE, UNASSIGNED};

/// The state of a version that no token has been seen of yet.
pub const STATE_ISSUED: &str = "issued";

/// What was seen before anything is done.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The application; none when only the vault's half is wanted.
    pub application: Option<Application>,
    /// Where the certificate is to live.
    pub vault: Vault,
    /// Its name.
    pub name: CertificateName,
    /// What the vault has under that name.
    pub state: VaultState,
    /// Addresses that the vault writes to; `None` when they may not be read.
    pub contacts: Option<Vec<String>>,
    /// The longest validity that the tenant's policies allow.
    pub limit: Limit,
    /// An attached certificate whose key this vault holds, able to prove possession.
    pub signer: Option<AttachedSigner>,
    /// The last operation under the name, whatever became of it: a new one has another id.
    pub last_request: Option<String>,
    /// The moment of looking, by the services' clock.
    pub now: OffsetDateTime,
}

/// What a vault has under a name.
#[derive(Clone, Debug)]
pub enum VaultState {
    /// Nothing.
    Absent,
    /// A certificate in soft-delete.
    Deleted(DeletedCertificate),
    /// A first version in the making.
    Pending {
        /// How far it is.
        operation: Box<CertificateOperation>,
        /// The tag [`TAG_APP`] of the placeholder.
        made_for: Option<String>,
        /// How the policy that makes it falls short.
        gaps: Vec<Gap>,
    },
    /// A certificate with a current version.
    Present(Box<Existing>),
}

/// The current version of a certificate.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Vault, name and version.
    pub key: KeyUrl,
    /// The public certificate.
    pub certificate: Certificate,
    /// Enabled, created and so on.
    pub attributes: CertificateAttributes,
    /// The tag [`TAG_APP`].
    pub made_for: Option<String>,
    /// The tag [`TAG_STATE`].
    pub state: Option<String>,
    /// All tags of the version.
    pub tags: BTreeMap<String, String>,
    /// The kind of the key of this very version.
    pub key_type: KeyType,
    /// `attributes.exportable` of the key of this very version, where the service states it.
    pub exportable: Option<bool>,
    /// What the key may do.
    pub operations: Vec<String>,
    /// The policy in force.
    pub policy: CertificatePolicy,
    /// How policy, certificate and key fall short.
    pub gaps: Vec<Gap>,
    /// A next version in the making.
    pub pending: Option<CertificateOperation>,
}

/// A certificate that the application trusts and that can be signed with.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AttachedSigner {
    /// The version of the key.
    pub key: KeyUrl,
    /// Its entry on the application.
    pub key_id: CredentialId,
}

/// What the user allows or asks for beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Take a certificate that kvops did not make for this application.
    pub adopt: bool,
    /// Bring a deleted certificate of this name back.
    pub recover: bool,
    /// Purge a deleted certificate of this name, for good.
    pub allow_purge: bool,
    /// Only attach what is there.
    pub only_attach: bool,
    /// Hand out the request for a certificate of an own CA.
    pub csr: bool,
    /// Complete the pending request with this certificate, leaf first.
    pub chain: Vec<Certificate>,
    /// The kind of key was asked for, so that another one is a difference.
    pub key_is_asked: bool,
    /// The validity was asked for, likewise.
    pub validity_is_asked: bool,
    /// The subject was asked for, likewise.
    pub subject_is_asked: bool,
    /// The issuer was asked for, likewise.
    pub issuer_is_asked: bool,
}

/// The steps towards the wish, in order.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// What will be done.
    pub steps: Vec<Step>,
    /// What the user ought to know.
    pub warnings: Vec<String>,
}

/// One safe move. Each may be done again to the same effect.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Recover the deleted certificate, then look again.
    Recover,
    /// Purge the deleted certificate.
    Purge,
    /// Ask the vault for a new version.
    Create {
        /// With this policy, sent whole.
        #[serde(skip)]
        policy: Box<CertificatePolicy>,
    },
    /// Wait until the pending version exists.
    AwaitIssue,
    /// Hand out the request for a certificate, and stop.
    ExportRequest,
    /// Complete the pending request with the certificate that was made for it.
    Merge,
    /// Read certificate, policy and key back, and compare.
    Inspect,
    /// Add the certificate to the application.
    Attach {
        /// By which of Graph's two ways.
        method: AttachMethod,
    },
    /// Sign in with it.
    Prove {
        /// So many tokens in a row.
        tokens: u32,
    },
    /// Tag the version with keyId and state.
    Record,
}

/// Graph's two ways of adding a certificate.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum AttachMethod {
    /// `addKey`, with a proof that a trusted certificate signs: the application rolls its own keys
    /// and needs no permission.
    AddKey {
        /// The certificate that signs the proof.
        signer: AttachedSigner,
    },
    /// `PATCH` of the whole list, which needs a permission on the application.
    Patch {
        /// Why `addKey` is not possible.
        reason: &'static str,
    },
}

impl Observed {
    /// SHA-256 of what a decision rests on, without the time and without what depends on who looks.
    pub fn snapshot(&self) -> String {
        let state = match &self.state {
            VaultState::Absent => json!("absent"),
            VaultState::Deleted(deleted) => {
                json!({ "deleted": deleted.name, "at": deleted.deleted_at.map(OffsetDateTime::unix_timestamp) })
            }
            VaultState::Pending { operation, made_for, gaps } => {
                json!({ "pending": operation.request_id, "made_for": made_for, "gaps": gaps })
            }
            VaultState::Present(existing) => json!({
                "version": existing.key.version(),
                "enabled": existing.attributes.enabled,
                "tags": existing.tags,
                "policy": existing.policy,
                "gaps": existing.gaps,
                "pending": existing.pending.as_ref().map(|pending| &pending.request_id),
            }),
        };
        let application = self.application.as_ref().map(|application| {
            let keys = application.key_credentials.iter().map(|key| (key.key_id, &key.custom_key_identifier));
            json!({ "id": application.id, "keys": keys.collect::<Vec<_>>() })
        });
        let facts = json!({
            "vault": self.vault, "name": self.name, "state": state, "application": application, "last": self.last_request,
        });
        Hash::of(facts.to_string().as_bytes()).to_string()
    }
}

impl AttachMethod {
    /// The request that it uses.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddKey { .. } => "addKey",
            Self::Patch { .. } => "PATCH",
        }
    }
}

impl Step {
    /// What the step does, for progress and for plans.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Recover => "recover the deleted certificate",
            Self::Purge => "purge the deleted certificate",
            Self::Create { .. } => "create the certificate in the vault",
            Self::AwaitIssue => "wait until the vault has issued it",
            Self::ExportRequest => "hand out the request for a certificate",
            Self::Merge => "complete the request with the certificate given",
            Self::Inspect => "read certificate, policy and key back and compare",
            Self::Attach { method: AttachMethod::AddKey { .. } } => {
                "attach it by addKey, with a proof signed in the vault"
            }
            Self::Attach { method: AttachMethod::Patch { .. } } => "attach it by PATCH of the application",
            Self::Prove { .. } => "sign in with it",
            Self::Record => "tag the version with keyId and state",
        }
    }
}

impl Plan {
    /// Whether nothing is going to be written.
    pub fn is_no_change(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Prove { .. } | Step::Inspect))
    }
}
