//! The decision: from what was seen to steps, or to a refusal. Pure.

use time::{Duration, OffsetDateTime};

use super::attach;
use super::lifetime::{self, Limit};
use super::plan::{
    AttachMethod, AttachedSigner, Choices, Existing, Observed, Plan, STATE_PROVEN, Step, UNASSIGNED, VaultState,
};
use super::refusal::Refusal;
use super::rules::{differences, judge_certificate};
use super::spec::CertificateSpec;
use crate::domain::{Application, CertificateOperation, CredentialId, DeletedCertificate, OperationStatus};
use crate::pki::Certificate;

/// How many tokens prove a new certificate.
pub const PROOF_TOKENS: u32 = 3;

/// Key Vault dates a certificate so far back, and a little more for the way there.
const BACKDATED: Duration = Duration::seconds(660);

/// Decides what leads from `observed` to a hardened certificate that the application trusts.
pub fn decide(spec: &CertificateSpec, observed: &Observed, choices: &Choices) -> Result<Plan, Box<Refusal>> {
    let decision = Decision { spec, observed, choices };
    let steps = decision.in_the_vault()?;
    if let Some(step) = steps.iter().find(|step| matches!(step, Step::Recover | Step::ExportRequest)) {
        // What comes back is judged when it is there; what is to be signed elsewhere ends the run.
        let warnings = if *step == Step::Recover { Vec::new() } else { decision.warnings() };
        return Ok(Plan { steps, warnings });
    }
    if choices.csr && choices.chain.is_empty() {
        return Err(decision.no_request());
    }
    decision.check_lifetime(&steps)?;
    let steps = decision.in_the_directory(steps);
    Ok(Plan { steps, warnings: decision.warnings() })
}

/// The value of the tag [`super::plan::TAG_APP`] for a version that is made now.
pub fn owner(application: Option<&Application>) -> String {
    application.map_or_else(|| UNASSIGNED.to_owned(), |application| application.id.to_string())
}

/// The entry of the application that lets `certificate` sign in now.
pub fn entry_of(observed: &Observed, certificate: &Certificate) -> Option<CredentialId> {
    attach::find(&observed.application.as_ref()?.key_credentials, certificate, observed.now)
}

/// Judges a certificate of which only the public half is at hand: hardened, valid, and not longer
/// than `limit` allows.
pub fn accept_certificate(certificate: &Certificate, limit: &Limit, now: OffsetDateTime) -> Result<(), Box<Refusal>> {
    let gaps = judge_certificate(certificate);
    if !gaps.is_empty() {
        return Err(Refusal::CertificateNotHardened { gaps }.into());
    }
    if certificate.not_after() <= now {
        return Err(Refusal::Expired { at: certificate.not_after() }.into());
    }
    check_validity(limit, certificate.not_before(), certificate.not_after(), None)
}

/// Refuses a validity that is longer than `limit` allows. `made_at`: when a certificate is yet to be made, so that a shorter one can be recommended.
pub fn check_validity(
    limit: &Limit,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    made_at: Option<OffsetDateTime>,
) -> Result<(), Box<Refusal>> {
    let Limit::Longest { policy, longest } = limit else { return Ok(()) };
    let Some(latest) = lifetime::add_iso(not_before, longest).filter(|latest| not_after > *latest) else {
        return Ok(());
    };
    let allowed_months = made_at.map_or(0, |made_at| lifetime::whole_months(made_at, latest));
    let (policy, longest) = (policy.clone(), longest.clone());
    Err(Refusal::Lifetime { policy, longest, not_before, not_after, allowed_months }.into())
}

/// How a certificate gets onto `application`: by itself, if a key that it trusts can sign.
pub fn attach_method(application: &Application, signer: Option<&AttachedSigner>, now: OffsetDateTime) -> AttachMethod {
    if let Some(signer) = signer {
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

struct Decision<'a> {
    spec: &'a CertificateSpec,
    observed: &'a Observed,
    choices: &'a Choices,
}

impl Decision<'_> {
    /// The steps until a version is there that may be attached; none when it is there already.
    fn in_the_vault(&self) -> Result<Vec<Step>, Box<Refusal>> {
        match &self.observed.state {
            VaultState::Absent => self.create(),
            VaultState::Deleted(_) if self.choices.recover => {
                self.may_create()?;
                Ok(vec![Step::Recover])
            }
            VaultState::Deleted(deleted) => {
                let mut steps = vec![self.purge(deleted)?];
                steps.extend(self.create()?);
                Ok(steps)
            }
            VaultState::Pending { operation, made_for, gaps } => {
                if !gaps.is_empty() {
                    let (vault, name) = (self.observed.vault.clone(), self.observed.name.clone());
                    return Err(Refusal::PolicyNotHardened { vault, name, gaps: gaps.clone() }.into());
                }
                self.go_on(operation, made_for.as_deref())
            }
            VaultState::Present(existing) => self.existing(existing),
        }
    }

    fn existing(&self, existing: &Existing) -> Result<Vec<Step>, Box<Refusal>> {
        if let Some(operation) = &existing.pending
            && operation.status == OperationStatus::InProgress
        {
            return self.go_on(operation, existing.made_for.as_deref());
        }
        let is_spent = existing.certificate.not_after() <= self.observed.now;
        // Without an application and with nothing to make, nothing is written: anybody may look.
        let only_looks = self.observed.application.is_none() && !is_spent;
        let is_attached = entry_of(self.observed, &existing.certificate).is_some();
        let version = existing.key.clone();
        if !only_looks && !is_attached && !self.is_ours(existing.made_for.as_deref()) {
            return Err(Refusal::NotOurs { version, made_for: existing.made_for.clone() }.into());
        }
        if existing.attributes.enabled == Some(false) {
            return Err(Refusal::Disabled { version }.into());
        }
        if let Some(leaf) = self.choices.chain.first()
            && *leaf != existing.certificate
        {
            return Err(self.no_request());
        }
        if is_spent {
            return self.create();
        }
        if !existing.gaps.is_empty() {
            return Err(Refusal::NotHardened { version, gaps: existing.gaps.clone() }.into());
        }
        let mut differences = differences(self.spec, &existing.policy);
        differences.retain(|gap| self.is_asked(gap.rule));
        if !self.choices.adopt && !differences.is_empty() {
            return Err(Refusal::Drifted { version, differences }.into());
        }
        Ok(Vec::new())
    }

    /// Whether the user named this property, so that another value is not what they want.
    fn is_asked(&self, rule: &str) -> bool {
        match rule {
            "validity" => self.choices.validity_is_asked,
            "subject" => self.choices.subject_is_asked,
            "issuer" => self.choices.issuer_is_asked,
            _ => self.choices.key_is_asked,
        }
    }

    /// Whether a version with this tag may be worked on for the application in hand.
    fn is_ours(&self, made_for: Option<&str>) -> bool {
        let owner = owner(self.observed.application.as_ref());
        self.choices.adopt || made_for == Some(UNASSIGNED) || made_for == Some(owner.as_str())
    }

    fn may_create(&self) -> Result<(), Box<Refusal>> {
        if self.choices.only_attach {
            let (vault, name) = (self.observed.vault.clone(), self.observed.name.clone());
            return Err(Refusal::NothingToAttach { vault, name }.into());
        }
        if self.choices.chain.is_empty() { Ok(()) } else { Err(self.no_request()) }
    }

    fn create(&self) -> Result<Vec<Step>, Box<Refusal>> {
        self.may_create()?;
        let create = Step::Create { policy: Box::new(self.spec.policy()) };
        Ok(match self.spec.issuer.is_unknown() {
            true if self.choices.csr => vec![create, Step::ExportRequest],
            true => return Err(self.no_request()),
            false => vec![create, Step::AwaitIssue, Step::Inspect],
        })
    }

    fn no_request(&self) -> Box<Refusal> {
        let (vault, name) = (self.observed.vault.clone(), self.observed.name.clone());
        Refusal::NoRequest { vault, name }.into()
    }

    fn purge(&self, deleted: &DeletedCertificate) -> Result<Step, Box<Refusal>> {
        self.may_create()?;
        let (vault, deleted) = (self.observed.vault.clone(), deleted.clone());
        if !self.choices.allow_purge {
            return Err(Refusal::SoftDeleted { vault, deleted }.into());
        }
        if deleted.recovery_level.as_deref().is_some_and(|level| !level.contains("Purgeable")) {
            return Err(Refusal::PurgeProtected { vault, deleted }.into());
        }
        Ok(Step::Purge)
    }

    /// What a version in the making needs, if it is one of ours.
    fn go_on(&self, operation: &CertificateOperation, made_for: Option<&str>) -> Result<Vec<Step>, Box<Refusal>> {
        let waits_for_merge = operation.issuer.as_ref().is_some_and(|issuer| issuer.is_unknown());
        let refused = || Refusal::Pending {
            vault: self.observed.vault.clone(),
            name: self.observed.name.clone(),
            operation: Box::new(operation.clone()),
            waits_for_merge,
        };
        if self.choices.only_attach || !self.is_ours(made_for) {
            return Err(refused().into());
        }
        match (waits_for_merge, self.choices.chain.first()) {
            (true, Some(leaf)) => {
                // A merge cannot be undone, so the certificate is judged before.
                accept_certificate(leaf, &self.observed.limit, self.observed.now)?;
                Ok(vec![Step::Merge, Step::Inspect])
            }
            (true, None) if self.choices.csr => Ok(vec![Step::ExportRequest]),
            (false, None) => Ok(vec![Step::AwaitIssue, Step::Inspect]),
            _ => Err(refused().into()),
        }
    }

    fn check_lifetime(&self, steps: &[Step]) -> Result<(), Box<Refusal>> {
        let limit = &self.observed.limit;
        let creates = steps.iter().any(|step| matches!(step, Step::Create { .. } | Step::AwaitIssue));
        if let VaultState::Present(existing) = &self.observed.state
            && steps.is_empty()
        {
            let certificate = &existing.certificate;
            if entry_of(self.observed, certificate).is_some() {
                return Ok(());
            }
            return check_validity(limit, certificate.not_before(), certificate.not_after(), None);
        }
        let now = self.observed.now;
        if !creates {
            return Ok(());
        }
        check_validity(limit, now - BACKDATED, lifetime::add_months(now, self.spec.validity_months), Some(now))
    }

    fn in_the_directory(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let Some(application) = &self.observed.application else { return steps };
        let current = match &self.observed.state {
            VaultState::Present(existing) if steps.is_empty() => Some(existing),
            _ => None,
        };
        let is_attached = current.is_some_and(|existing| entry_of(self.observed, &existing.certificate).is_some());
        if !is_attached {
            steps.push(Step::Attach {
                method: attach_method(application, self.observed.signer.as_ref(), self.observed.now),
            });
        }
        let made_for = current.and_then(|existing| existing.made_for.as_deref());
        let is_theirs = current.is_some() && !self.is_ours(made_for);
        let is_proven = is_attached
            && current.is_some_and(|existing| {
                made_for == Some(application.id.to_string().as_str()) && existing.state.as_deref() == Some(STATE_PROVEN)
            });
        // Somebody else's certificate that is attached already: nothing of ours to write on it.
        let is_known = is_proven || (is_attached && is_theirs);
        steps.push(Step::Prove { tokens: if is_known { 1 } else { PROOF_TOKENS } });
        if !is_known {
            steps.push(Step::Record);
        }
        steps
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let vault = self.observed.vault.name();
        match &self.observed.contacts {
            Some(contacts) if contacts.is_empty() => warnings.push(format!(
                "vault {vault} has no contacts, so nobody gets the mail before expiry; add one with \
                 `az keyvault certificate contact add --vault-name {vault} --email ADDRESS`"
            )),
            None => warnings.push(format!(
                "the contacts of vault {vault} may not be read: whether anybody gets the mail before expiry is unknown"
            )),
            Some(_) => {}
        }
        if let Limit::Unknown { reason } = &self.observed.limit {
            warnings.push(format!("whether a policy of the tenant limits the validity is unknown: {reason}"));
        }
        if let VaultState::Present(existing) = &self.observed.state
            && let remaining = existing.certificate.not_after() - self.observed.now
            && (Duration::ZERO..Duration::days(30)).contains(&remaining)
        {
            warnings.push(format!("this certificate expires in {} days", remaining.whole_days()));
        }
        warnings
    }
}
