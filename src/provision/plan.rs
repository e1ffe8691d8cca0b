//! What is to be done, decided from what was seen. Pure: no I/O, no clock of its own.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use super::lifetime::Limit;
use super::refusal::Refusal;
use super::rules::{Gap, differences};
use super::spec::CertificateSpec;
use crate::domain::{
    Application, CertificateAttributes, CertificateName, CertificateOperation, CertificatePolicy, CredentialId,
    DeletedCertificate, KeyUrl, OperationStatus, Vault,
};
use crate::pki::Certificate;

/// Tag of a version: object id of the application that it was made for.
pub const TAG_APP: &str = "kvops-app";
/// Tag of a version: keyId of its entry on that application.
pub const TAG_KEY_ID: &str = "kvops-keyid";
/// Tag of a version: how far it has come.
pub const TAG_STATE: &str = "kvops-state";
/// The state of a version that no token has been seen of yet.
pub const STATE_ISSUED: &str = "issued";
/// The state in which tokens have been seen.
pub const STATE_PROVEN: &str = "proven";
/// Value of [`TAG_APP`] on a version that was made without naming an application.
pub const UNASSIGNED: &str = "unassigned";

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

/// What the user allows beyond the usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// Take a certificate that kvops did not make for this application.
    pub adopt: bool,
    /// Bring a deleted certificate of this name back.
    pub recover: bool,
    /// Purge a deleted certificate of this name, for good.
    pub allow_purge: bool,
    /// Complete the pending request with a certificate from an own CA.
    pub merge: bool,
    /// The kind of key was asked for, so that another one is a difference.
    pub key_is_asked: bool,
    /// The validity was asked for, likewise.
    pub validity_is_asked: bool,
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

/// How many tokens prove a new certificate.
pub const PROOF_TOKENS: u32 = 3;

/// Decides what leads from `observed` to a hardened certificate that the application trusts.
pub fn decide(
    spec: &CertificateSpec,
    observed: &Observed,
    choices: Choices,
    now: OffsetDateTime,
) -> Result<Plan, Box<Refusal>> {
    let mut steps = Vec::new();
    let mut attached = false;
    match &observed.state {
        VaultState::Absent => steps.extend(create(spec)),
        VaultState::Deleted(deleted) => {
            steps.extend(undelete(deleted, observed, choices)?);
            if choices.recover {
                // What comes back is judged when it is there.
                return Ok(Plan { steps, warnings: Vec::new() });
            }
            steps.extend(create(spec));
        }
        VaultState::Pending { operation, made_for } => {
            steps.extend(go_on(operation, made_for.as_deref(), observed, choices)?);
        }
        VaultState::Present(existing) => match &existing.pending {
            Some(operation) if operation.status == OperationStatus::InProgress => {
                steps.extend(go_on(operation, existing.made_for.as_deref(), observed, choices)?);
            }
            _ if is_spent(existing, now) => steps.extend(create(spec)),
            _ => {
                accept(spec, existing, observed, choices)?;
                attached = entry_of(observed, &existing.certificate).is_some();
            }
        },
    }
    check_lifetime(spec, observed, &steps, now)?;
    if steps.contains(&Step::ExportRequest) {
        return Ok(Plan { steps, warnings: warnings(observed) });
    }
    if let Some(application) = &observed.application {
        let is_proven = attached && is_recorded(observed, application);
        if !attached {
            steps.push(Step::Attach { method: attach_method(observed, application, now) });
        }
        steps.push(Step::Prove { tokens: if is_proven { 1 } else { PROOF_TOKENS } });
        if !is_proven && (!attached || choices.adopt || is_made_for(observed, application)) {
            steps.push(Step::Record);
        }
    }
    Ok(Plan { steps, warnings: warnings(observed) })
}

fn undelete(deleted: &DeletedCertificate, observed: &Observed, choices: Choices) -> Result<[Step; 1], Box<Refusal>> {
    if choices.recover {
        return Ok([Step::Recover]);
    }
    if !choices.allow_purge {
        return Err(Refusal::SoftDeleted { vault: observed.vault.clone(), deleted: deleted.clone() }.into());
    }
    if deleted.recovery_level.as_deref().is_some_and(|level| !level.contains("Purgeable")) {
        return Err(Refusal::PurgeProtected { vault: observed.vault.clone(), deleted: deleted.clone() }.into());
    }
    Ok([Step::Purge])
}

fn create(spec: &CertificateSpec) -> Vec<Step> {
    let create = Step::Create { policy: Box::new(spec.policy()) };
    if spec.issuer.is_unknown() {
        vec![create, Step::ExportRequest]
    } else {
        vec![create, Step::AwaitIssue, Step::Inspect]
    }
}

/// What a version in the making needs, if it is one of ours.
fn go_on(
    operation: &CertificateOperation,
    made_for: Option<&str>,
    observed: &Observed,
    choices: Choices,
) -> Result<Vec<Step>, Box<Refusal>> {
    let waits_for_merge = operation.issuer.as_ref().is_some_and(|issuer| issuer.is_unknown());
    if waits_for_merge && choices.merge {
        return Ok(vec![Step::Merge, Step::Inspect]);
    }
    if made_for == Some(owner(observed.application.as_ref()).as_str()) {
        return Ok(if waits_for_merge { vec![Step::ExportRequest] } else { vec![Step::AwaitIssue, Step::Inspect] });
    }
    Err(Refusal::Pending {
        vault: observed.vault.clone(),
        name: observed.name.clone(),
        operation: Box::new(operation.clone()),
        waits_for_merge,
    }
    .into())
}

/// The value of [`TAG_APP`] for a version that is made now.
pub fn owner(application: Option<&Application>) -> String {
    application.map_or_else(|| UNASSIGNED.to_owned(), |application| application.id.to_string())
}

/// Whether the vault would no longer sign with it, so that only a new version helps.
fn is_spent(existing: &Existing, now: OffsetDateTime) -> bool {
    existing.certificate.not_after() <= now
}

fn accept(
    spec: &CertificateSpec,
    existing: &Existing,
    observed: &Observed,
    choices: Choices,
) -> Result<(), Box<Refusal>> {
    let version = existing.key.clone();
    if !existing.gaps.is_empty() {
        return Err(Refusal::NotHardened { version, gaps: existing.gaps.clone() }.into());
    }
    if existing.attributes.enabled == Some(false) {
        return Err(Refusal::Disabled { version }.into());
    }
    let attached = entry_of(observed, &existing.certificate).is_some();
    let made_for = existing.made_for.as_deref();
    let is_free = made_for == Some(UNASSIGNED);
    let is_own = made_for == Some(owner(observed.application.as_ref()).as_str());
    if observed.application.is_some() && !(is_own || is_free || attached || choices.adopt) {
        return Err(Refusal::NotOurs { version, made_for: existing.made_for.clone() }.into());
    }
    let mut differences = differences(&spec.policy(), &existing.policy);
    differences.retain(|gap| match gap.rule {
        "validity" => choices.validity_is_asked,
        _ => choices.key_is_asked,
    });
    if !choices.adopt && !differences.is_empty() {
        return Err(Refusal::Drifted { version, differences }.into());
    }
    Ok(())
}

fn check_lifetime(
    spec: &CertificateSpec,
    observed: &Observed,
    steps: &[Step],
    now: OffsetDateTime,
) -> Result<(), Box<Refusal>> {
    let creates = steps.iter().any(|step| matches!(step, Step::Create { .. }));
    let not_after = match &observed.state {
        VaultState::Present(existing) if !creates => existing.certificate.not_after(),
        _ => super::lifetime::add_months(now, spec.validity_months),
    };
    let attaches = match &observed.state {
        VaultState::Present(existing) => creates || entry_of(observed, &existing.certificate).is_none(),
        _ => true,
    };
    match &observed.limit {
        Limit::Until { policy, longest, latest } if attaches && not_after > *latest => Err(Refusal::Lifetime {
            policy: policy.clone(),
            longest: longest.clone(),
            asked_months: spec.validity_months,
            allowed_months: super::lifetime::whole_months(now, *latest),
        }
        .into()),
        _ => Ok(()),
    }
}

fn attach_method(observed: &Observed, application: &Application, now: OffsetDateTime) -> AttachMethod {
    if let Some(signer) = &observed.signer {
        return AttachMethod::AddKey { signer: signer.clone() };
    }
    let mut keys = application.key_credentials.iter().filter(|key| key.is_for_sign_in()).peekable();
    let reason = if keys.peek().is_none() {
        "the application has no certificate yet that could prove possession"
    } else if keys.all(|key| !key.is_valid_at(now)) {
        "every certificate of the application has expired, and an expired one proves nothing"
    } else {
        "no certificate that the application trusts has its key in this vault"
    };
    AttachMethod::Patch { reason }
}

fn warnings(observed: &Observed) -> Vec<String> {
    let mut warnings = Vec::new();
    let vault = observed.vault.name();
    match &observed.contacts {
        Some(contacts) if contacts.is_empty() => warnings.push(format!(
            "vault {vault} has no contacts, so nobody gets the mail before expiry; add one with \
             `az keyvault certificate contact add --vault-name {vault} --email ADDRESS`"
        )),
        None => warnings.push(format!(
            "the contacts of vault {vault} may not be read: whether anybody gets the mail before expiry is unknown"
        )),
        Some(_) => {}
    }
    if let Limit::Unknown { reason } = &observed.limit {
        warnings.push(format!("whether a policy of the tenant limits the validity is unknown: {reason}"));
    }
    warnings
}

/// The entry of the application that trusts `certificate`, found by thumbprint.
pub fn entry_of(observed: &Observed, certificate: &Certificate) -> Option<CredentialId> {
    let keys = &observed.application.as_ref()?.key_credentials;
    keys.iter()
        .find(|key| key.is_for_sign_in() && key.thumbprint().is_some_and(|known| certificate.has_thumbprint(&known)))
        .map(|key| key.key_id)
}

fn is_made_for(observed: &Observed, application: &Application) -> bool {
    match &observed.state {
        VaultState::Present(existing) => existing.made_for.as_deref() == Some(application.id.to_string().as_str()),
        _ => true,
    }
}

fn is_recorded(observed: &Observed, application: &Application) -> bool {
    match &observed.state {
        VaultState::Present(existing) if is_made_for(observed, application) => {
            existing.state.as_deref() == Some(STATE_PROVEN)
        }
        // Somebody else's certificate that is attached already: nothing of ours to write on it.
        VaultState::Present(_) => true,
        _ => false,
    }
}
