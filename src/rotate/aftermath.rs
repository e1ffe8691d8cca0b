//! What is left to do about a version that has left the applications: it is seen to be refused, tagged
//! as retired, and disabled.

use super::act::{known, told_of_proof, trust};
use super::error::Error;
use super::observe::{Observed, Scope};
use super::run::{Rotator, Wish, Work};
use super::scope::{principals, scope};
use super::tags;
use super::world::Entry;
use crate::domain::{ObjectId, STATE_RETIRED, Version};
use crate::ledger::{self, Object, Record};
use crate::provision::Journal;
use crate::provision::decide::PROOF_TOKENS;
use crate::provision::prove::{self, Proof, ProofPolicy, Subject};

impl Rotator<'_> {
    /// The removed key is refused, while the one that stays gets a token.
    pub(super) async fn prove_refusal(
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
        let removed = work.of(application).removed.iter().map(|gone| gone.key_id).next_back();
        let gone = Entry { key_id: removed, version: version.clone() };
        let remaining = trust.entries.iter().find(|entry| {
            observed.world.version(&entry.version).is_some_and(|facts| facts.can_sign(observed.world.now))
        });
        let remaining = remaining.ok_or(Error::Vanished)?;
        let old = self.signer(wish, version).await?;
        let new = self.signer(wish, &remaining.version).await?;
        let refusing = async {
            let subject = Subject { app: application.app_id, key: old.key(), key_id: removed, uploaded_at: None };
            let policy = ProofPolicy::of_new_key(PROOF_TOKENS);
            let refused = prove::prove_refusal(self.sign_in, subject, &old, policy, self.watcher).await?;
            let known = ProofPolicy::of_known_key();
            let proof = self.sign_in_with(application, remaining, &new, known, None).await?;
            Ok::<_, Error>((refused, proof))
        };
        let record = Record::of(self.object_on(wish, application, observed, &gone));
        let told = |(refused, proof): &(prove::Refused, Proof)| {
            told_of_proof(proof).fact("code", &refused.code).fact("refusals", refused.refusals)
        };
        let ((refused, _), hash) = journal.step(ledger::Step::ProveRefusal, record, refusing, told).await?;
        self.watcher.done(&format!("the removed key is refused with {}", refused.code));
        work.last_line = Some(hash);
        work.history.refused.insert((application.id, version.clone()));
        work.of(application).refused.push(refused);
        Ok(())
    }

    /// Takes from a version's tags that an application trusts it: whoever comes without this ledger, and
    /// may not read the application, goes by them.
    pub(super) async fn retire(
        &self,
        wish: &Wish,
        work: &mut Work,
        journal: Journal<'_>,
        version: &Version,
    ) -> Result<(), Error> {
        self.retag(wish, work, journal, version, STATE_RETIRED, tags::of_retired).await
    }

    /// Disables a version, after one more look at who trusts it.
    pub(super) async fn disable(
        &self,
        wish: &Wish,
        seen: &Scope,
        work: &mut Work,
        journal: Journal<'_>,
        version: &Version,
    ) -> Result<(), Error> {
        let now = scope(self.vault, self.graph, &wish.name, wish.named(), self.story).await?;
        if let Some(newcomer) = now.applications.difference(&seen.applications).next() {
            return Err(Error::Newcomer { application: *newcomer });
        }
        work.why_not_disabled = now.why_not_all.or(principals(self.vault, self.graph, &wish.name).await?);
        if work.why_not_disabled.is_some() {
            return Ok(());
        }
        let object = Object { version: Some(version.clone()), ..self.object(wish) };
        let disabling = async {
            self.vault.update_properties(&wish.name, version, Some(false), None).await?;
            let read = self.vault.certificate(&wish.name, Some(version)).await?;
            if read.attributes.enabled == Some(false) {
                return Ok(());
            }
            Err(Error::NoProgress { step: "disable the old version in the vault" })
        };
        let ((), hash) =
            journal.step(ledger::Step::Disable, Record::of(object), disabling, |()| Record::default()).await?;
        self.watcher.done(&format!("version {version} is disabled"));
        work.last_line = Some(hash);
        work.disabled.push(version.clone());
        Ok(())
    }
}
