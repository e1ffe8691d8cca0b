//! Taking one step.

use super::error::Error;
use super::history::is_half_attached;
use super::next::target;
use super::observe::{Observed, Scope};
use super::pinned;
use super::refusal::Refusal as RotationRefusal;
use super::run::{Rotator, Wish, Work};
use super::step::{Purpose, Step};
use super::tags::{self, Tags};
use super::unseen::{self, Standing};
use super::world::{Entry, History, LastUse, Trust};
use crate::detach::{self, Detachment, Remaining, Removal, Way};
use crate::domain::{Application, CertificatePolicy, KeyUrl, ObjectId, STATE_PROVEN, Version};
use crate::graph;
use crate::keyvault::{NewCertificate, VaultSigner};
use crate::ledger::{self, Object, Record};
use crate::pki::{Certificate, PublicKey};
use crate::provision::attach::Attachment;
use crate::provision::attaching::{Attaching, signer};
use crate::provision::decide::{PROOF_TOKENS, attach_method};
use crate::provision::plan::STATE_ISSUED;
use crate::provision::prove::{self, Proof, ProofPolicy, Subject};
use crate::provision::{self, Journal, Refusal, issue, lifetime, observe, rules, spec};

impl Rotator<'_> {
    pub(super) async fn take(
        &self,
        step: &Step,
        wish: &Wish,
        scope: &Scope,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
    ) -> Result<(), Error> {
        self.watcher.doing(step.title());
        match step {
            Step::Open { replaces } => {
                let object = Object { version: Some(replaces.clone()), ..self.object(wish) };
                // It stays open until the end is written, in this run or in another.
                drop(journal.run.begin(ledger::Step::Rotate, Record::of(object))?);
                work.history = History::of(replaces.clone());
            }
            Step::Harden => self.harden(wish, observed, work, journal).await?,
            Step::Create => self.create(wish, observed, work, journal).await?,
            Step::AwaitIssue => self.await_issue(wish, observed, work, journal).await?,
            Step::Attach { application, version } => {
                self.attach(wish, observed, work, journal, *application, version).await?;
            }
            Step::Prove { application, version } => {
                self.prove(wish, observed, work, journal, *application, version).await?;
            }
            Step::Record { version } => self.record(wish, observed, work, journal, version).await?,
            Step::StartSoak { version } => {
                let object = Object { version: Some(version.clone()), ..self.object(wish) };
                let record = Record::of(object).fact("overlap_days", wish.demand.overlap_days);
                work.last_line = Some(journal.run.note(ledger::Step::Soak, &record)?);
                work.history.soaks = Some(version.clone());
                // Not before the ledger's own moment, or the end that is reported would come too early.
                work.history.soak_started = Some(self.vault.http().service_now());
                self.anchor(&wish.name, version, work.last_line, journal).await?;
            }
            Step::LookAtUse => work.last_use = self.last_use(observed).await?,
            Step::Detach { application, key_id, version } => {
                let entry = Entry { key_id: *key_id, version: version.clone() };
                self.detach(wish, observed, work, journal, *application, &entry).await?;
            }
            Step::ProveRefusal { application, version } => {
                self.prove_refusal(wish, observed, work, journal, *application, version).await?;
            }
            Step::Retire { version } => self.retire(wish, work, journal, version).await?,
            Step::Disable { version } => self.disable(wish, scope, work, journal, version).await?,
            Step::Close => {
                let kept = observed.world.versions.iter().find(|facts| facts.can_sign(observed.world.now));
                if let Some(kept) = kept {
                    self.anchor(&wish.name, &kept.version, work.last_line, journal).await?;
                }
                self.release(&wish.name, journal).await?;
                let outcome = if wish.demand.purpose == Purpose::Abort { "aborted" } else { "rotated" };
                journal.run.note(ledger::Step::Rotate, &Record::of(self.object(wish)).fact("outcome", outcome))?;
            }
        }
        Ok(())
    }

    pub(super) fn object(&self, wish: &Wish) -> Object {
        Object {
            vault: Some(self.vault.vault().name().clone()),
            certificate: Some(wish.name.clone()),
            ..Object::default()
        }
    }

    pub(super) fn object_on(
        &self,
        wish: &Wish,
        application: &Application,
        observed: &Observed,
        entry: &Entry,
    ) -> Object {
        let listed = observed.listed.iter().find(|item| item.version.as_ref() == Some(&entry.version));
        Object {
            application: Some(application.id),
            app_id: Some(application.app_id),
            version: Some(entry.version.clone()),
            key_id: entry.key_id,
            thumbprint: listed.and_then(|item| item.thumbprint).map(|thumbprint| thumbprint.hex()),
            ..self.object(wish)
        }
    }

    /// Somebody has loosened the policy: what it makes would not be attached.
    async fn harden(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
    ) -> Result<(), Error> {
        let facts: Vec<_> = observed.world.policy.gaps.iter().map(|gap| gap.fact.clone()).collect();
        let record = Record::of(self.object(wish)).fact("was", facts.join("; "));
        let policy = pinned::pinned(&observed.policy, &self.subject(wish, observed));
        let hardening = async {
            self.vault.update_policy(&wish.name, &policy).await?;
            let gaps = rules::judge_policy(&self.vault.policy(&wish.name).await?);
            if gaps.is_empty() {
                return Ok(());
            }
            let (vault, name) = (self.vault.vault().clone(), wish.name.clone());
            Err(Error::Provision(Box::new(Refusal::PolicyNotHardened { vault, name, gaps }).into()))
        };
        let ((), hash) = journal.step(ledger::Step::Harden, record, hardening, |()| Record::default()).await?;
        work.last_line = Some(hash);
        work.warnings.push(format!("the policy had been loosened and was hardened again: {}", facts.join("; ")));
        Ok(())
    }

    fn subject(&self, wish: &Wish, observed: &Observed) -> String {
        let application = wish.named().and_then(|id| observed.applications.get(&id));
        let Some(application) = application.or_else(|| observed.applications.values().next()) else {
            return format!("CN={}.internal", wish.name.as_str().to_ascii_lowercase());
        };
        spec::subject(application.display_name.as_deref(), application.app_id, "")
    }

    async fn create(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
    ) -> Result<(), Error> {
        let now = observed.world.now;
        let mut strictest = None;
        for application in observed.applications.values() {
            let limit = observe::limit(self.graph, application, now).await?;
            let policy = pinned::sent(&observed.policy, &self.subject(wish, observed), &limit, now);
            let Ok(policy) = policy else {
                let lifetime::Limit::Longest { policy, longest } = limit else { continue };
                let refusal = Refusal::Lifetime { policy, longest, not_before: now, not_after: now, allowed_months: 0 };
                return Err(Error::Provision(Box::new(refusal).into()));
            };
            let is_stricter = |known: &CertificatePolicy| {
                policy.as_ref().is_some_and(|policy| policy.validity_months < known.validity_months)
            };
            if strictest.as_ref().is_none_or(is_stricter) {
                strictest = policy;
            }
        }
        let newest = observed.listed.first().map(|item| item.tags.clone()).unwrap_or_default();
        let owner = wish.named().or_else(|| observed.applications.keys().next().copied());
        let tags = tags::of_new(&newest, owner, STATE_ISSUED);
        let new = NewCertificate { policy: strictest, tags, enabled: Some(true) };
        let creating =
            async { issue::create(self.vault, &wish.name, &new, observed.last_request.as_ref(), self.watcher).await };
        let record = Record::of(self.object(wish));
        let (operation, hash) = journal.step(ledger::Step::Create, record, creating, |_| Record::default()).await?;
        work.request = operation.request_id;
        work.last_line = Some(hash);
        Ok(())
    }

    async fn await_issue(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
    ) -> Result<(), Error> {
        let ours = work.request.as_ref().or(observed.last_request.as_ref());
        let operation = issue::await_issue(self.vault, &wish.name, ours, self.watcher).await?;
        let existing = observe::version(self.vault, &wish.name, None).await?;
        let requested = operation.csr.as_ref().map(|csr| PublicKey::of_request(csr)).transpose()?;
        if requested.is_some_and(|key| key != *existing.certificate.public_key()) {
            let version = existing.key.version().clone();
            return Err(Error::Overtaken { name: wish.name.clone(), version });
        }
        let thumbprint = Some(existing.certificate.sha1().hex());
        let object = Object { version: Some(existing.key.version().clone()), thumbprint, ..self.object(wish) };
        journal.born(object, &existing)?;
        if !existing.gaps.is_empty() && work.request.is_some() {
            let refusal = Refusal::NotAsAsked { version: existing.key.clone(), gaps: existing.gaps.clone() };
            return Err(Error::Provision(Box::new(refusal).into()));
        }
        self.watcher.done(&format!("version {} of {}", existing.key.version(), wish.name));
        work.made = Some(existing);
        Ok(())
    }

    async fn attach(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
        application: ObjectId,
        version: &Version,
    ) -> Result<(), Error> {
        let application = known(observed, application)?;
        let der = self.vault.certificate(&wish.name, Some(version)).await?.der.unwrap_or_default();
        let certificate = Certificate::from_der(&der)?;
        let found =
            observe::signer(self.vault, &application.key_credentials, Some(&wish.name), observed.world.now).await?;
        let method = attach_method(application, found.as_ref(), observed.world.now);
        let entry = Entry { key_id: None, version: version.clone() };
        let object = self.object_on(wish, application, observed, &entry);
        let object = Object { thumbprint: Some(certificate.sha1().hex()), ..object };
        let record = Record::of(object).fact("method", method.name());
        let attaching =
            Attaching { vault: self.vault, graph: self.graph, sign_in: self.sign_in, watcher: self.watcher };
        work.uploaded.insert(application.id, self.sign_in.http.clock().now());
        let told = |attachment: &Option<Attachment>| {
            let key_id = attachment.as_ref().map(|attachment| attachment.key_id);
            Record::of(Object { key_id, ..Object::default() })
        };
        let is_unseen = observed.unseen.contains(&application.id);
        let is_half_attached = is_half_attached(self.story, application.id, version);
        let attached = async {
            let Some(found) = found.as_ref().filter(|_| is_unseen) else {
                let mut seen = application.clone();
                if is_half_attached {
                    let late = provision::attach::late_entry(self.graph, application, &certificate).await?;
                    seen.key_credentials.extend(late);
                }
                return Ok(Some(attaching.attach(&seen, &certificate, &method).await?));
            };
            if work.made.is_none() {
                let new = self.signer(wish, version).await?;
                let app = application.app_id;
                if unseen::is_accepted(self.sign_in, app, &new, is_half_attached, self.watcher).await? {
                    return Ok::<_, Error>(None);
                }
            }
            let signer = signer(self.vault, &found.key).await?;
            let as_application = self.graph.with_tokens(&self.sign_in.tokens(application.app_id, &signer));
            unseen::attach(&as_application, application.id, &certificate, &signer).await.map(Some)
        };
        let (attachment, hash) = journal.step(ledger::Step::Attach, record, attached, told).await?;
        work.last_line = Some(hash);
        let key_id = attachment.as_ref().map(|attachment| attachment.key_id);
        work.known.insert((application.id, version.clone()), Standing::Trusted(key_id));
        work.of(application).attachment = attachment;
        Ok(())
    }

    async fn prove(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
        application: ObjectId,
        version: &Version,
    ) -> Result<(), Error> {
        let trust = trust(observed, application)?;
        let application = known(observed, application)?;
        let entry = trust.entry(version).ok_or(Error::Vanished)?;
        let signer = self.signer(wish, version).await?;
        let policy = ProofPolicy::of_new_key(PROOF_TOKENS);
        let uploaded_at = work.uploaded.get(&application.id).copied();
        let proving = self.sign_in_with(application, entry, &signer, policy, uploaded_at);
        let record = Record::of(self.object_on(wish, application, observed, entry));
        let (proof, hash) = journal.step(ledger::Step::Prove, record, proving, told_of_proof).await?;
        self.watcher.done(&format!("proven by {} tokens in a row, azpacr {}", proof.tokens, proof.azpacr));
        work.last_line = Some(hash);
        work.proven.insert((application.id, version.clone()));
        work.of(application).proof = Some(proof);
        Ok(())
    }

    pub(super) async fn sign_in_with(
        &self,
        application: &Application,
        entry: &Entry,
        signer: &VaultSigner,
        policy: ProofPolicy,
        uploaded_at: Option<time::OffsetDateTime>,
    ) -> Result<Proof, Error> {
        let subject = Subject { app: application.app_id, key: signer.key(), key_id: entry.key_id, uploaded_at };
        Ok(prove::prove(self.sign_in, subject, signer, policy, self.watcher).await?)
    }

    async fn record(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
        version: &Version,
    ) -> Result<(), Error> {
        let (trusts, last_line) = (&observed.world.applications, work.last_line);
        self.retag(wish, work, journal, version, STATE_PROVEN, |read| tags::of_proven(read, version, trusts, last_line))
            .await
    }

    /// Gives a version another state, and the tags that go with it.
    pub(super) async fn retag(
        &self,
        wish: &Wish,
        work: &mut Work,
        journal: Journal<'_>,
        version: &Version,
        state: &str,
        tags: impl Fn(&Tags) -> Tags + Send + Sync,
    ) -> Result<(), Error> {
        let object = Object { version: Some(version.clone()), ..self.object(wish) };
        let tagging = async {
            // Tags replace all tags, and whatever was done since they were read took a while.
            let read = self.vault.certificate(&wish.name, Some(version)).await?.tags;
            self.vault.update_properties(&wish.name, version, None, Some(&tags(&read))).await?;
            Ok::<_, Error>(())
        };
        let record = Record::of(object).fact("state", state);
        let ((), hash) = journal.step(ledger::Step::Tag, record, tagging, |()| Record::default()).await?;
        work.last_line = Some(hash);
        Ok(())
    }

    /// When the keys that are to go were last used, by the directory's report.
    async fn last_use(&self, observed: &Observed) -> Result<LastUse, Error> {
        let kept = target(&observed.world).map(|target| &target.version);
        let entries = observed.world.applications.iter().flat_map(|trust| &trust.entries);
        let old: Vec<_> =
            entries.filter(|entry| Some(&entry.version) != kept).filter_map(|entry| entry.key_id).collect();
        let page = match self.graph.credential_activity().all().await {
            Ok(page) => page,
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => return Ok(LastUse::Unknown(error.to_string())),
        };
        if !page.unreadable.is_empty() {
            return Ok(LastUse::Unknown(format!("{} lines of the report cannot be read", page.unreadable.len())));
        }
        let uses = page.items.into_iter().filter(|one| old.contains(&one.key_id));
        Ok(LastUse::Known(uses.filter_map(|one| one.sign_in_activity.last_sign_in_date_time).max()))
    }

    async fn detach(
        &self,
        wish: &Wish,
        observed: &Observed,
        work: &mut Work,
        journal: Journal<'_>,
        application: ObjectId,
        entry: &Entry,
    ) -> Result<(), Error> {
        let trust = trust(observed, application)?;
        let application = known(observed, application)?;
        let remaining = remaining(trust, entry, work).ok_or(Error::Vanished)?;
        let Some(key_id) = entry.key_id else {
            let (application, app_id) = (application.id, application.app_id);
            return Err(RotationRefusal::UnknownEntry { application, app_id, version: entry.version.clone() }.into());
        };
        let signer = self.signer(wish, &remaining.version).await?;
        let as_application = self.graph.with_tokens(&self.sign_in.tokens(application.app_id, &signer));
        let object = self.object_on(wish, application, observed, entry);
        if observed.unseen.contains(&application.id) {
            let record = Record::of(object).fact("method", "removeKey");
            let removing = unseen::detach(&as_application, application.id, key_id, &signer);
            let told = |gone: &Detachment| Record::default().fact("method", gone.method);
            let (detachment, hash) = journal.step(ledger::Step::Detach, record, removing, told).await?;
            work.removed(application, entry, detachment, hash);
            return Ok(());
        }
        let removal = Removal {
            graph: self.graph,
            holder: application.id.into(),
            known: &application.key_credentials,
            key_id,
            remaining: Remaining::Entry(remaining.key_id.ok_or(Error::Vanished)?),
            way: Way::RemoveKey { as_application: &as_application, signer: &signer },
        };
        let removed = detach::key::remove(removal, object.clone(), journal, self.watcher).await;
        let (detachment, hash): (Detachment, _) = match removed {
            Err(detach::Error::Provision(provision::Error::Graph(graph::Error::ProofRefused { .. }))) => {
                self.watcher.doing("the proof was not accepted; writing the list instead");
                let removal = Removal { way: Way::Patch, ..removal };
                detach::key::remove(removal, object, journal, self.watcher).await?
            }
            ended => ended?,
        };
        work.removed(application, entry, detachment, hash);
        Ok(())
    }

    pub(super) async fn signer(&self, wish: &Wish, version: &Version) -> Result<VaultSigner, Error> {
        let key = KeyUrl::new(self.vault.vault().clone(), wish.name.clone(), version.clone());
        Ok(signer(self.vault, &key).await?)
    }
}

pub(super) fn told_of_proof(proof: &Proof) -> Record {
    let record = Record::default().fact("tokens", proof.tokens).fact("azpacr", &proof.azpacr);
    record.fact("uti", proof.token_ids.join(" "))
}

pub(super) fn known(observed: &Observed, id: ObjectId) -> Result<&Application, Error> {
    observed.applications.get(&id).ok_or(Error::Vanished)
}

pub(super) fn trust(observed: &Observed, id: ObjectId) -> Result<&Trust, Error> {
    let mut trusts = observed.world.applications.iter();
    trusts.find(|trust| trust.application == id).ok_or(Error::Vanished)
}

/// The entry that has been proven in this run, and is not the one that is to go.
fn remaining<'a>(trust: &'a Trust, gone: &Entry, work: &Work) -> Option<&'a Entry> {
    trust.entries.iter().find(|entry| {
        entry.version != gone.version && work.proven.contains(&(trust.application, entry.version.clone()))
    })
}
