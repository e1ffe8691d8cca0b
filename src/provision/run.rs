//! Taking the steps of a plan. No progress is stored: a run that died is finished by running again.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::attach::Attachment;
use super::attaching::Attaching;
use super::decide::{self, decide};
use super::error::Error;
use super::issue;
use super::journal::{self, Journal};
use super::observe::{self, Services};
use super::plan::{
    AttachMethod, Choices, Existing, Observed, Plan, STATE_ISSUED, STATE_PROVEN, Step, TAG_APP, TAG_KEY_ID, TAG_LEDGER,
    TAG_STATE, UNASSIGNED, VaultState,
};
use super::prove::SignIn;
use super::prove::{self, Proof, ProofPolicy, Subject};
use super::refusal::Refusal;
use super::report::{Outcome, Report};
use super::rules;
use super::spec::CertificateSpec;
use super::watch::{self, Watcher};
use crate::domain::{
    CertificateName, CertificateOperation, CertificatePolicy, CredentialId, DeletedCertificate, ObjectId,
};
use crate::http;
use crate::keyvault::{self, NewCertificate, VaultSigner};
use crate::ledger::{self, Object, Record};
use crate::pki::{Certificate, PublicKey, SignerIdentity};

const DELETION_DEADLINE: Duration = Duration::from_secs(120);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(10);
/// So often the world may change between looking and acting before the run gives up.
const MOST_ROUNDS: u32 = 4;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The certificate.
    pub spec: CertificateSpec,
    /// Its name.
    pub name: CertificateName,
    /// The application; none for the vault's half alone.
    pub application: Option<ObjectId>,
    /// What is allowed or asked for beyond the usual.
    pub choices: Choices,
    /// The world in which a plan was made: in another one nothing is done.
    pub snapshot: Option<String>,
}

/// Everything that a run works with.
#[derive(Clone, Copy, Debug)]
pub struct Provisioner<'a> {
    /// Vault and directory.
    pub services: Services<'a>,
    /// Makes tokens in the application's name.
    pub sign_in: &'a SignIn,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
}

/// What comes after a step.
enum Next {
    Step,
    /// What came back has to be looked at.
    LookAgain,
    AwaitMerge(Box<CertificateOperation>),
}

impl Provisioner<'_> {
    /// Looks and decides, and does nothing.
    pub async fn plan(&self, wish: &Wish) -> Result<(Observed, Plan), Error> {
        self.watcher.doing("looking at vault and directory");
        let now = self.sign_in.http.service_now();
        let observed = observe::observe(self.services, wish.application, &wish.name, now).await?;
        let plan = decide(&wish.spec, &observed, &wish.choices)?;
        Ok((observed, plan))
    }

    /// Looks, decides and acts, and writes each step down before it is taken and after.
    pub async fn run(&self, wish: &Wish, journal: Journal<'_>) -> Result<Report, Error> {
        let mut wish = wish.clone();
        for round in 1.. {
            let (observed, plan) = self.plan(&wish).await?;
            let seen = observed.snapshot();
            // What comes after the first round is what the plan has brought.
            if wish.snapshot.take().is_some_and(|planned| planned != seen) {
                return Err(Error::Stale);
            }
            journal.run.follow(Some(seen), None);
            match self.act(&wish, &observed, &plan, journal).await {
                // Recovered: what came back has to be looked at.
                Ok(None) => wish.choices.recover = false,
                Ok(Some(report)) => return Ok(report),
                // Who may not look among the deleted learns of it only now.
                Err(Error::Vault(keyvault::Error::DeletedButRecoverable { .. })) if self.is_hidden(&observed) => {
                    self.undelete(&wish).await?;
                    wish.choices.recover = false;
                }
                Err(Error::Vault(error)) if round < MOST_ROUNDS && world_changed(&error) => {
                    self.watcher.doing("the vault has changed meanwhile; looking again");
                    match error {
                        keyvault::Error::BeingDeleted { .. } => self.await_deletion(&wish.name).await?,
                        // A recovery that is still going on, for one: that takes up to a minute.
                        keyvault::Error::Conflict { .. } => {
                            self.pause(BETWEEN_ROUNDS * round, "while the vault changes").await?;
                        }
                        _ => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last round returns: `round < MOST_ROUNDS` fails there")
    }

    async fn act(
        &self,
        wish: &Wish,
        observed: &Observed,
        plan: &Plan,
        journal: Journal<'_>,
    ) -> Result<Option<Report>, Error> {
        let mut work = Work::new(observed, plan);
        for step in &plan.steps {
            watch::check(self.watcher, step.title())?;
            let object = journal::object(observed, &wish.name, work.existing.as_ref());
            let started = journal.begin(step, &object)?;
            let had_version = work.existing.is_some();
            let ended = self.take(step, wish, observed, &mut work).await;
            if let Some(started) = started {
                let object = journal::object(observed, &wish.name, work.existing.as_ref());
                let outcome = ended.as_ref().map(|_| work.told(step, object));
                work.last_line = Some(journal.end(started, outcome)?);
            }
            if let (Ok(_), Some(existing), false, true) = (&ended, &work.existing, had_version, work.has_created) {
                journal.born(journal::object(observed, &wish.name, Some(existing)), existing)?;
            }
            match ended? {
                Next::Step => {}
                Next::LookAgain => return Ok(None),
                Next::AwaitMerge(operation) => return Ok(Some(Report::of_request(observed, plan, &operation))),
            }
        }
        let outcome = if plan.is_no_change() { Outcome::NoChange } else { Outcome::Provisioned };
        Ok(Some(Report::of_certificate(
            outcome,
            observed,
            plan,
            work.existing()?,
            work.attachment.clone(),
            work.proof.clone(),
        )))
    }

    async fn take(&self, step: &Step, wish: &Wish, observed: &Observed, work: &mut Work) -> Result<Next, Error> {
        match step {
            Step::Recover => {
                self.recover(&wish.name).await?;
                return Ok(Next::LookAgain);
            }
            Step::Purge => self.purge(&wish.name).await?,
            Step::Create { policy } => work.operation = Some(self.create(wish, policy, observed).await?),
            Step::AwaitIssue => {
                let ours = work.operation.as_ref().map_or(&observed.last_request, |operation| &operation.request_id);
                work.operation =
                    Some(issue::await_issue(self.services.vault, &wish.name, ours.as_ref(), self.watcher).await?);
            }
            Step::ExportRequest => {
                let operation = match work.operation.take() {
                    Some(operation) => operation,
                    None => self.services.vault.operation(&wish.name).await?,
                };
                return Ok(Next::AwaitMerge(Box::new(operation)));
            }
            Step::Merge => self.merge(wish).await?,
            Step::Inspect => work.existing = Some(self.inspect(wish, observed, work).await?),
            Step::Attach { method } => {
                work.uploaded_at = Some(self.now());
                work.attachment = Some(self.attach(observed, work.existing()?, method).await?);
            }
            Step::Prove { tokens } => work.proof = Some(self.prove(observed, work, *tokens).await?),
            Step::Record => self.record(observed, work).await?,
        }
        Ok(Next::Step)
    }

    async fn create(
        &self,
        wish: &Wish,
        policy: &CertificatePolicy,
        observed: &Observed,
    ) -> Result<CertificateOperation, Error> {
        let owner = decide::owner(observed.application.as_ref());
        let tags = BTreeMap::from([(TAG_APP.to_owned(), owner), (TAG_STATE.to_owned(), STATE_ISSUED.to_owned())]);
        let new = NewCertificate { policy: Some(policy.clone()), tags, enabled: Some(true) };
        issue::create(self.services.vault, &wish.name, &new, observed.last_request.as_ref(), self.watcher).await
    }

    /// Reads back what was made, and compares it with what was asked for.
    async fn inspect(&self, wish: &Wish, observed: &Observed, work: &Work) -> Result<Existing, Error> {
        self.watcher.doing("reading certificate, policy and key back");
        let version = self.services.vault.certificate(&wish.name, None).await?;
        let Some(der) = &version.der else {
            return Err(Error::NotIssued {
                name: wish.name.clone(),
                reason: "the vault shows no certificate".to_owned(),
            });
        };
        let certificate = Certificate::from_der(der)?;
        // The operation names no version: two creations close together could show the later one.
        let requested = work.operation.as_ref().and_then(|operation| operation.csr.as_ref());
        let requested = requested.map(|csr| PublicKey::of_request(csr)).transpose()?;
        let is_requested = requested.is_none_or(|key| key == *certificate.public_key());
        let is_merged = wish.choices.chain.first().is_none_or(|leaf| *leaf == certificate);
        let owner = decide::owner(observed.application.as_ref());
        let is_owned = wish.choices.adopt
            || version.tags.get(TAG_APP).is_none_or(|tag| [&owner, UNASSIGNED].contains(&tag.as_str()));
        if !is_requested || !is_merged || !is_owned {
            return Err(Error::Overtaken { name: wish.name.clone(), version: version.key.version().clone() });
        }
        let existing = observe::existing(self.services.vault, &version, certificate, None).await?;
        let mut gaps = existing.gaps.clone();
        if work.has_created {
            let differences = rules::differences(&wish.spec, &existing.policy);
            gaps.extend(differences.into_iter().filter(|gap| existing.gaps.iter().all(|known| known.rule != gap.rule)));
        }
        if !gaps.is_empty() {
            return Err(Box::new(Refusal::NotAsAsked { version: existing.key.clone(), gaps }).into());
        }
        self.watcher.done(&format!("certificate {} version {}", wish.name, existing.key.version()));
        Ok(existing)
    }

    async fn attach(
        &self,
        observed: &Observed,
        existing: &Existing,
        method: &AttachMethod,
    ) -> Result<Attachment, Error> {
        let (Some(graph), Some(application)) = (self.services.graph, &observed.application) else {
            return Err(Error::NoDirectory);
        };
        let attaching = Attaching { vault: self.services.vault, graph, sign_in: self.sign_in, watcher: self.watcher };
        attaching.attach(application, &existing.certificate, method).await
    }

    async fn prove(&self, observed: &Observed, work: &Work, tokens: u32) -> Result<Proof, Error> {
        let Some(application) = &observed.application else {
            return Err(Error::NoDirectory);
        };
        let existing = work.existing()?;
        self.watcher.doing("signing in with the certificate");
        let identity = SignerIdentity::Certificate(Box::new(existing.certificate.clone()));
        let signer = VaultSigner::new(self.services.vault, existing.key.clone(), identity);
        let is_known = tokens == 1;
        let policy = if is_known { ProofPolicy::of_known_key() } else { ProofPolicy::of_new_key(tokens) };
        let key_id = work.key_id(observed).ok_or(Error::NoDirectory)?;
        let uploaded_at = work.uploaded_at;
        let subject = Subject { app: application.app_id, key: &existing.key, key_id: Some(key_id), uploaded_at };
        let proof = prove::prove(self.sign_in, subject, &signer, policy, self.watcher).await?;
        let tokens = if proof.tokens == 1 { "a token".to_owned() } else { format!("{} tokens in a row", proof.tokens) };
        self.watcher.done(&format!("proven by {tokens}, azpacr {}", proof.azpacr));
        Ok(proof)
    }

    async fn record(&self, observed: &Observed, work: &mut Work) -> Result<(), Error> {
        let key_id = work.key_id(observed).ok_or(Error::NoDirectory)?;
        let owner = decide::owner(observed.application.as_ref());
        let existing = work.existing.as_mut().ok_or(Error::NoDirectory)?;
        // Tags replace all tags, and the proof took a while.
        let (name, version) = (existing.key.name().clone(), existing.key.version().clone());
        let mut tags = self.services.vault.certificate(&name, Some(&version)).await?.tags;
        tags.insert(TAG_APP.to_owned(), owner);
        tags.insert(TAG_KEY_ID.to_owned(), key_id.to_string());
        tags.insert(TAG_STATE.to_owned(), STATE_PROVEN.to_owned());
        if let Some(hash) = work.last_line {
            tags.insert(TAG_LEDGER.to_owned(), hash.to_string());
        }
        self.services.vault.update_properties(&name, &version, None, Some(&tags)).await?;
        existing.tags = tags;
        Ok(())
    }

    async fn merge(&self, wish: &Wish) -> Result<(), Error> {
        self.watcher.doing("completing the request with the certificate given");
        let chain: Vec<_> = wish.choices.chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        self.services.vault.merge(&wish.name, &chain).await?;
        Ok(())
    }

    /// Whether a deleted certificate may hold the name without being seen.
    fn is_hidden(&self, observed: &Observed) -> bool {
        matches!(observed.state, VaultState::Absent)
    }

    /// Deals with a deleted certificate that may not be looked at, as far as the user allows.
    async fn undelete(&self, wish: &Wish) -> Result<(), Error> {
        if wish.choices.recover {
            return self.recover(&wish.name).await;
        }
        if wish.choices.allow_purge {
            return self.purge(&wish.name).await;
        }
        let deleted = DeletedCertificate {
            name: wish.name.clone(),
            thumbprint: None,
            deleted_at: None,
            purge_at: None,
            recovery_level: None,
        };
        Err(Box::new(Refusal::SoftDeleted { vault: self.services.vault.vault().clone(), deleted }).into())
    }

    async fn recover(&self, name: &CertificateName) -> Result<(), Error> {
        self.watcher.doing(&format!("recovering certificate {name}"));
        match self.services.vault.recover(name).await {
            // Whether it was carried out shows in a moment.
            Err(error) if error.http().is_some_and(http::Error::may_have_acted) => {}
            ended => drop(ended?),
        }
        let started = self.now();
        loop {
            match self.services.vault.certificate(name, None).await {
                Ok(_) => return Ok(()),
                Err(error) if !error.is_not_found() => return Err(error.into()),
                Err(_) => self.still(started, "the recovered certificate to appear").await?,
            }
        }
    }

    async fn purge(&self, name: &CertificateName) -> Result<(), Error> {
        self.watcher.doing(&format!("purging the deleted certificate {name}"));
        match self.services.vault.purge(name).await {
            // A purge whose answer was lost is asked for twice.
            Err(error) if error.is_not_found() => {}
            ended => ended?,
        }
        let started = self.now();
        loop {
            match self.services.vault.deleted(name).await {
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => return Err(error.into()),
                Ok(_) => self.still(started, "the purge of the deleted certificate").await?,
            }
        }
    }

    async fn await_deletion(&self, name: &CertificateName) -> Result<(), Error> {
        let started = self.now();
        loop {
            match self.services.vault.deleted(name).await {
                Ok(_) => return Ok(()),
                Err(error) if !error.is_not_found() => return Err(error.into()),
                Err(_) => self.still(started, "the deletion in progress to end").await?,
            }
        }
    }

    async fn still(&self, started: OffsetDateTime, what: &str) -> Result<(), Error> {
        let waited = self.since(started);
        if waited > DELETION_DEADLINE {
            return Err(Error::Deadline { what: what.to_owned(), waited });
        }
        self.watcher.doing(&watch::waiting(what, waited, DELETION_DEADLINE));
        self.pause(Duration::from_secs(2), what).await
    }

    async fn pause(&self, duration: Duration, step: &str) -> Result<(), Error> {
        watch::check(self.watcher, step)?;
        self.sign_in.http.clock().sleep(duration).await;
        watch::check(self.watcher, step)
    }

    fn now(&self) -> OffsetDateTime {
        self.sign_in.http.clock().now()
    }

    fn since(&self, started: OffsetDateTime) -> Duration {
        (self.now() - started).max(time::Duration::ZERO).unsigned_abs()
    }
}

/// Whether the vault is no longer as it was when it was looked at, so that looking again may help.
fn world_changed(error: &keyvault::Error) -> bool {
    use keyvault::Error::{BeingDeleted, Conflict, DeletedButRecoverable, PendingExists};
    matches!(error, BeingDeleted { .. } | Conflict { .. } | DeletedButRecoverable { .. } | PendingExists { .. })
}

/// What the steps so far have brought.
struct Work {
    operation: Option<CertificateOperation>,
    existing: Option<Existing>,
    attachment: Option<Attachment>,
    uploaded_at: Option<OffsetDateTime>,
    proof: Option<Proof>,
    has_created: bool,
    /// Hash of the ledger's last line about this run.
    last_line: Option<ledger::Hash>,
}

impl Work {
    /// A certificate that is there and is not going to be replaced is what the later steps work on.
    fn new(observed: &Observed, plan: &Plan) -> Self {
        let has_created = plan.steps.iter().any(|step| matches!(step, Step::Create { .. }));
        let existing = match &observed.state {
            VaultState::Present(existing) if !plan.steps.contains(&Step::Inspect) => Some((**existing).clone()),
            _ => None,
        };
        Self {
            operation: None,
            existing,
            attachment: None,
            uploaded_at: None,
            proof: None,
            has_created,
            last_line: None,
        }
    }

    /// What a step that succeeded has to tell.
    fn told(&self, step: &Step, object: Object) -> Record {
        let attached = self.attachment.as_ref().map(|attachment| attachment.key_id);
        let record = Record::of(Object { key_id: attached.or(object.key_id), ..object });
        match (step, &self.proof) {
            (Step::Prove { .. }, Some(proof)) => {
                record.fact("tokens", proof.tokens).fact("azpacr", &proof.azpacr).fact("uti", proof.token_ids.join(" "))
            }
            _ => record,
        }
    }

    fn existing(&self) -> Result<&Existing, Error> {
        self.existing.as_ref().ok_or(Error::NoDirectory)
    }

    fn key_id(&self, observed: &Observed) -> Option<CredentialId> {
        let attached = self.attachment.as_ref().map(|attachment| attachment.key_id);
        attached.or_else(|| decide::entry_of(observed, &self.existing.as_ref()?.certificate))
    }
}
