//! Looking, deciding, proving what remains, and only then removing.

use serde::Serialize;
use serde_json::json;

use super::error::Error;
use super::key::{self, Detachment, Remaining, Removal, Way};
use super::secret;
use super::select::{self, Kind, Observed, Selection, Target, Wish};
use super::usage::Uses;
use crate::domain::{Application, CertificateName, CredentialId, KeyCredential, ServicePrincipal};
use crate::graph::{self, Holder};
use crate::keyvault::{self, VaultSigner};
use crate::ledger::{self, Object, Record};
use crate::provision::plan::AttachedSigner;
use crate::provision::prove::{self, Proof, ProofPolicy};
use crate::provision::{Journal, SignIn, Watcher, attaching, observe};

/// Whose credentials are to go.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The application's own.
    Application,
    /// Those that hang on its service principal, with the reason why they go.
    ServicePrincipal {
        /// The service principal.
        principal: Box<ServicePrincipal>,
        /// For the ledger.
        reason: String,
    },
}

/// Everything that a removal works with.
#[derive(Clone, Copy, Debug)]
pub struct Detacher<'a> {
    /// The directory.
    pub graph: &'a graph::Client,
    /// The vault and the certificate in it that is to remain; the name may be left to be found.
    pub remaining: Option<(&'a keyvault::Client, Option<&'a CertificateName>)>,
    /// Makes tokens in the application's name.
    pub sign_in: &'a SignIn,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
}

/// What was seen and what follows from it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub application: Application,
    /// Whose credentials go.
    pub subject: Subject,
    /// The keys of that list.
    pub keys: Vec<KeyCredential>,
    /// What is to go.
    pub selection: Selection,
    /// What lets the application sign in afterwards, if that was found.
    pub remaining: Option<AttachedSigner>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Done {
    /// The proof that the application works without what went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What went.
    pub detachments: Vec<Detachment>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_no_change(&self) -> bool {
        self.selection.targets.is_empty()
    }

    /// `removeKey` where a key that remains can prove possession, else `PATCH`.
    pub fn method(&self, target: &Target) -> &'static str {
        match (target.kind, &self.subject, &self.remaining) {
            (Kind::Secret, ..) => "removePassword",
            (Kind::Key, Subject::Application, Some(_)) => "removeKey",
            (Kind::Key, ..) => "PATCH",
        }
    }

    /// Whether a token has to prove first that the application works without what goes.
    pub fn needs_proof(&self) -> bool {
        self.selection.targets.iter().any(|target| !target.is_spent)
    }

    /// SHA-256 of the credentials that it rests on, without the time.
    pub fn snapshot(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(|key| (key.key_id, &key.custom_key_identifier)).collect();
        let secrets = match &self.subject {
            Subject::Application => &self.application.password_credentials,
            Subject::ServicePrincipal { principal, .. } => &principal.password_credentials,
        };
        let secrets: Vec<_> = secrets.iter().map(|secret| secret.key_id).collect();
        let facts = json!({ "holder": self.holder().id, "keys": keys, "secrets": secrets, "remains": self.remaining });
        ledger::Hash::of(facts.to_string().as_bytes()).to_string()
    }

    /// Whose list is written.
    pub fn holder(&self) -> Holder {
        match &self.subject {
            Subject::Application => self.application.id.into(),
            Subject::ServicePrincipal { principal, .. } => Holder::service_principal(principal.id),
        }
    }
}

impl Detacher<'_> {
    /// Looks and decides, and does nothing.
    pub async fn plan(&self, application: &Application, subject: Subject, wish: &Wish) -> Result<Plan, Error> {
        self.watcher.doing("looking at the credentials");
        let now = self.graph.http().service_now();
        let (holder, secrets) = match &subject {
            Subject::Application => (Holder::from(application.id), &application.password_credentials),
            Subject::ServicePrincipal { principal, .. } => {
                (Holder::service_principal(principal.id), &principal.password_credentials)
            }
        };
        // With bytes: a label is no thumbprint that one could rely on.
        let keys = self.graph.key_credentials(holder).await?;
        let uses = match wish.needs_uses(&keys, secrets, now) {
            true => Uses::read(self.graph).await,
            false => Uses::Unknown("it was not asked for".to_owned()),
        };
        let found = match &subject {
            Subject::Application => self.find(&keys, wish).await?,
            Subject::ServicePrincipal { .. } => {
                self.find(&observe::application(self.graph, application.id).await?.key_credentials, wish).await?
            }
        };
        let kept = found.as_ref().map(|found| found.key_id);
        let observed = Observed { keys, secrets: secrets.clone(), uses, now };
        let mut selection = select::select(wish, &observed, kept)?;
        if found.is_none() {
            selection.without_proof(wish)?;
        }
        Ok(Plan { application: application.clone(), subject, keys: observed.keys, selection, remaining: found })
    }

    /// The key of the vault that stays among the application's own.
    async fn find(&self, keys: &[KeyCredential], wish: &Wish) -> Result<Option<AttachedSigner>, Error> {
        let Some((vault, name)) = self.remaining else { return Ok(None) };
        let mut stay = keys.to_vec();
        stay.retain(|key| !wish.names(key));
        let now = self.graph.http().service_now();
        Ok(observe::signer(vault, &stay, name, now).await?)
    }

    /// Proves what remains, and removes what is to go. One step after the other, each with its lines in
    /// the ledger.
    pub async fn apply(&self, plan: &Plan, journal: Journal<'_>) -> Result<Done, Error> {
        let mut done = Done::default();
        let signer = match (&plan.remaining, self.remaining) {
            (Some(found), Some((vault, _))) => Some(attaching::signer(vault, &found.key).await?),
            _ => None,
        };
        if let (Some(found), Some(signer), true) = (&plan.remaining, &signer, plan.needs_proof()) {
            done.proof = Some(self.prove(plan, found, signer, journal).await?);
        }
        for target in &plan.selection.targets {
            done.detachments.push(self.remove(plan, target, signer.as_ref(), journal).await?);
        }
        Ok(done)
    }

    async fn prove(
        &self,
        plan: &Plan,
        found: &AttachedSigner,
        signer: &VaultSigner,
        journal: Journal<'_>,
    ) -> Result<Proof, Error> {
        self.watcher.doing("signing in with the certificate that remains");
        let AttachedSigner { key, key_id } = found;
        let subject = prove::Subject { app: plan.application.app_id, key, key_id: Some(*key_id), uploaded_at: None };
        let object = Object {
            vault: Some(key.vault().name().clone()),
            certificate: Some(key.name().clone()),
            version: Some(key.version().clone()),
            key_id: Some(*key_id),
            ..object(plan)
        };
        let work = async {
            let policy = ProofPolicy::of_known_key();
            Ok::<_, Error>(prove::prove(self.sign_in, subject, signer, policy, self.watcher).await?)
        };
        let told = |proof: &Proof| {
            Record::default()
                .fact("tokens", proof.tokens)
                .fact("azpacr", &proof.azpacr)
                .fact("uti", proof.token_ids.join(" "))
        };
        let (proof, _) = journal.step(ledger::Step::Prove, Record::of(object), work, told).await?;
        self.watcher.done(&format!("{} version {} proven by a token", key.name(), key.version()));
        Ok(proof)
    }

    async fn remove(
        &self,
        plan: &Plan,
        target: &Target,
        signer: Option<&VaultSigner>,
        journal: Journal<'_>,
    ) -> Result<Detachment, Error> {
        let record = match &plan.subject {
            Subject::Application => Record::of(object(plan)),
            Subject::ServicePrincipal { principal, reason } => {
                Record::of(object(plan)).fact("service_principal", principal.id).fact("reason", reason)
            }
        };
        if target.kind == Kind::Secret {
            let (gone, _) =
                secret::remove(self.graph, plan.holder(), target.key_id, record, journal, self.watcher).await?;
            return Ok(gone);
        }
        let as_application =
            signer.map(|signer| self.graph.with_tokens(&self.sign_in.tokens(plan.application.app_id, signer)));
        let way = match (&plan.subject, &as_application, signer) {
            (Subject::Application, Some(as_application), Some(signer)) => Way::RemoveKey { as_application, signer },
            _ => Way::Patch,
        };
        let kept: Option<CredentialId> = plan.remaining.as_ref().map(|found| found.key_id);
        let remaining = match (&plan.subject, kept) {
            (Subject::Application, Some(kept)) => Remaining::Entry(kept),
            (Subject::ServicePrincipal { .. }, Some(_)) => Remaining::Elsewhere,
            (_, None) => Remaining::Nothing,
        };
        let removal =
            Removal { graph: self.graph, holder: plan.holder(), known: &[], key_id: target.key_id, remaining, way };
        Ok(key::remove_and_record(removal, record, journal, self.watcher).await?.0)
    }
}

fn object(plan: &Plan) -> Object {
    Object { application: Some(plan.application.id), app_id: Some(plan.application.app_id), ..Object::default() }
}
