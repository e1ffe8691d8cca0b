//! Going from step to step. No progress is stored: a run that died is finished by running again.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::history::{history, knows};
use super::lease::Lease;
use super::next::{next_step, target};
use super::observe::{Observed, Observer, Scope};
use super::plan::{Plan, snapshot};
use super::report::{ApplicationReport, Foreign, Outcome, Report, Soak};
use super::scope::scope;
use super::step::{Demand, Next, Purpose, Stage, Step};
use super::tags;
use super::unseen::{self, Known, Standing};
use super::world::{Entry, History, LastUse, Making, World};
use crate::detach::Detachment;
use crate::domain::{AppId, Application, CertificateName, KeyCredential, ObjectId, TAG_LEASE, TAG_LEDGER, Version};
use crate::graph;
use crate::http;
use crate::keyvault;
use crate::ledger::{self, Hash, Object, Record};
use crate::provision::plan::Existing;
use crate::provision::watch;
use crate::provision::{ApplicationFacts, CertificateFacts, Journal, SignIn, Watcher};

/// A step that has to be taken so often makes no progress.
const MOST_TIMES: u32 = 3;

/// Everything that a rotation works with.
#[derive(Clone, Copy, Debug)]
pub struct Rotator<'a> {
    /// The vault.
    pub vault: &'a keyvault::Client,
    /// The directory.
    pub graph: &'a graph::Client,
    /// Makes tokens in the name of applications.
    pub sign_in: &'a SignIn,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
    /// The ledger as it was before this run.
    pub story: &'a [ledger::Entry],
    /// Whether the identity for Graph may write applications; none where that cannot be seen.
    pub may_write: Option<bool>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The certificate.
    pub name: CertificateName,
    /// An application that is known to be meant; others that trust the certificate are found.
    pub application: Option<(ObjectId, AppId)>,
    /// How far, and what for.
    pub demand: Demand,
    /// The world in which a plan was made: in another one nothing is done.
    pub snapshot: Option<String>,
}

/// What a run has brought so far.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) history: History,
    pub(super) proven: BTreeSet<(ObjectId, Version)>,
    pub(super) last_use: LastUse,
    /// The newest version when this run began to use one; another newest one is somebody else's.
    newest: Option<Version>,
    /// Id of the operation that this run began.
    pub(super) request: Option<String>,
    pub(super) made: Option<Existing>,
    pub(super) uploaded: BTreeMap<ObjectId, time::OffsetDateTime>,
    pub(super) applications: BTreeMap<ObjectId, ApplicationReport>,
    pub(super) disabled: Vec<Version>,
    /// Entries that are known without reading a list.
    pub(super) known: Known,
    /// Hash of the ledger's last line about this run.
    pub(super) last_line: Option<Hash>,
    pub(super) warnings: Vec<String>,
    /// Why no version is disabled, if that was found out late.
    pub(super) why_not_disabled: Option<String>,
    /// The version that signs from now on, for the report of a rotation that has ended.
    signs: Option<CertificateFacts>,
    is_leased: bool,
    taken: BTreeMap<String, u32>,
}

/// How the steps ended.
enum End {
    Closed,
    Wait(Soak),
    Reached(Stage),
    Nothing,
}

impl Rotator<'_> {
    /// Looks, and decides nothing.
    pub async fn look(&self, wish: &Wish) -> Result<Observed, Error> {
        Ok(self.seen(wish).await?.0)
    }

    /// Looks and decides, and does nothing.
    pub async fn plan(&self, wish: &Wish) -> Result<(Observed, Plan), Error> {
        let (observed, scope) = self.seen(wish).await?;
        self.check_leases(&observed, &wish.name, None)?;
        let warnings = warnings(&scope).into_iter().chain(unnamed(&observed.world)).collect();
        let plan = Plan::of(&observed.world, &wish.demand, self.vault.vault(), &wish.name, warnings)?;
        Ok((observed, plan))
    }

    async fn seen(&self, wish: &Wish) -> Result<(Observed, Scope), Error> {
        self.watcher.doing("looking at vault and directory");
        let scope = self.scope(wish).await?;
        let history = history(self.story, self.vault.vault().name(), &wish.name);
        let observed = self.observer(wish, &unseen::of_ledger(self.story)).observe(&scope, &history).await?;
        Ok((observed, scope))
    }

    /// Looks, decides and acts, and writes each step down before it is taken and after.
    pub async fn run(&self, wish: &Wish, journal: Journal<'_>) -> Result<Report, Error> {
        self.watcher.doing("looking at vault and directory");
        let scope = self.scope(wish).await?;
        let mut work = Work {
            history: history(self.story, self.vault.vault().name(), &wish.name),
            known: unseen::of_ledger(self.story),
            warnings: warnings(&scope),
            ..Work::default()
        };
        let ended = Box::pin(self.steps(wish, &scope, &mut work, journal)).await;
        let leaves_a_lease = match &ended {
            Ok((End::Closed, _)) => false,
            // Of this run, or of one that died: a lease of anybody else would have ended this run.
            Ok((_, observed)) => work.is_leased || !observed.leases.is_empty(),
            Err(_) => work.is_leased,
        };
        if leaves_a_lease {
            // A lease that stays ends by itself; what went wrong before is what has to be said.
            let _ = self.release(&wish.name, journal).await;
        }
        let (end, observed) = ended?;
        self.report(wish, end, &observed, work).await
    }

    async fn steps(
        &self,
        wish: &Wish,
        scope: &Scope,
        work: &mut Work,
        journal: Journal<'_>,
    ) -> Result<(End, Observed), Error> {
        let mut is_first = true;
        loop {
            let mut observed = self.observer(wish, &work.known).observe(scope, &work.history).await?;
            if std::mem::take(&mut is_first) {
                let seen = snapshot(&observed.world);
                if wish.snapshot.as_ref().is_some_and(|planned| *planned != seen) {
                    return Err(Error::Stale);
                }
                journal.run.follow(Some(seen), None);
            }
            observed.world.is_scanned &= work.why_not_disabled.is_none();
            if work.request.is_some() && work.made.is_none() {
                // However fast the vault was: what it made is read back, compared and written down.
                observed.world.making.get_or_insert(Making::Issuing);
            }
            self.check_leases(&observed, &wish.name, Some(journal))?;
            check_target(&observed, work, &wish.name)?;
            observed.world.proven.clone_from(&work.proven);
            observed.world.last_use.clone_from(&work.last_use);
            let step = match next_step(&observed.world, &wish.demand)? {
                Next::Take(step) => step,
                Next::Wait { until, because } => return Ok((End::Wait(Soak { until, because }), observed)),
                Next::Reached(stage) => return Ok((End::Reached(stage), observed)),
                Next::Nothing => return Ok((End::Nothing, observed)),
            };
            watch::check(self.watcher, step.title())?;
            if !work.is_leased && step != Step::LookAtUse {
                work.is_leased = true;
                self.lease(&observed, &wish.name, journal).await?;
                // Whoever was faster shows by now.
                continue;
            }
            if step.stage() >= Stage::Attach && wish.demand.purpose != Purpose::Abort {
                work.newest = observed.world.versions.first().map(|newest| newest.version.clone());
            }
            let times = work.taken.entry(format!("{step:?}")).or_default();
            *times += 1;
            if *times > MOST_TIMES || (*times > 1 && matches!(step, Step::Harden | Step::Create)) {
                return Err(Error::NoProgress { step: step.title() });
            }
            let is_last = step == Step::Close;
            if is_last {
                // Once the ledger says that it has ended nothing is asked: who died then would begin anew.
                work.signs = self.signs(wish, &observed, work).await?;
            }
            self.take(&step, wish, scope, &observed, work, journal).await?;
            if is_last {
                return Ok((End::Closed, observed));
            }
        }
    }

    async fn scope(&self, wish: &Wish) -> Result<Scope, Error> {
        scope(self.vault, self.graph, &wish.name, wish.named(), self.story).await
    }

    fn observer<'a>(&'a self, wish: &'a Wish, known: &'a Known) -> Observer<'a> {
        let (vault, graph, named) = (self.vault, self.graph, wish.application);
        Observer { vault, graph, name: &wish.name, named, known, may_write: self.may_write }
    }

    /// Somebody else's turn: a lease that has not ended, of a run that this ledger does not know.
    fn check_leases(
        &self,
        observed: &Observed,
        name: &CertificateName,
        journal: Option<Journal<'_>>,
    ) -> Result<(), Error> {
        let ours = journal.map(|journal| journal.run.id());
        let is_theirs = |lease: &&Lease| {
            Some(lease.run) != ours && observed.world.now < lease.until && !knows(self.story, lease.run)
        };
        match observed.leases.iter().map(|(_, lease)| lease).find(is_theirs) {
            Some(Lease { run, until }) => {
                Err(Error::Leased { name: name.clone(), run: run.to_string(), until: *until })
            }
            None => Ok(()),
        }
    }

    /// Writes on the newest version that it is this run's turn, if there is room for a tag.
    async fn lease(&self, observed: &Observed, name: &CertificateName, journal: Journal<'_>) -> Result<(), Error> {
        let newest = observed.listed.iter().find_map(|item| Some((item.version.clone()?, &item.tags)));
        let Some((version, tags)) = newest else { return Ok(()) };
        let lease = Lease::new(journal.run.id(), observed.world.now);
        let Some(tags) = tags::with(tags, TAG_LEASE, lease.to_string()) else { return Ok(()) };
        // The line comes first: by it a later run knows the lease of this one as its own.
        let record = Record::of(self.version(name, &version)).fact("lease", &lease);
        let leasing = async {
            match self.vault.update_properties(name, &version, None, Some(&tags)).await {
                // Whether it was carried out shows when it is looked at again.
                Err(error) if error.http().is_some_and(http::Error::may_have_acted) => Ok(()),
                ended => ended.map(drop).map_err(Error::from),
            }
        };
        journal.step(ledger::Step::Tag, record, leasing, |()| Record::default()).await.map(drop)
    }

    /// Writes on a version how far the ledger goes, if there is room for a tag: an end that is cut off shows.
    pub(super) async fn anchor(
        &self,
        name: &CertificateName,
        version: &Version,
        line: Option<Hash>,
        journal: Journal<'_>,
    ) -> Result<(), Error> {
        let Some(line) = line else { return Ok(()) };
        let read = self.vault.certificate(name, Some(version)).await?.tags;
        let Some(tags) = tags::with(&read, TAG_LEDGER, line.to_string()) else { return Ok(()) };
        let record = Record::of(self.version(name, version)).fact("ledger", line);
        let tagging = async {
            self.vault.update_properties(name, version, None, Some(&tags)).await?;
            Ok::<_, Error>(())
        };
        journal.step(ledger::Step::Tag, record, tagging, |()| Record::default()).await.map(drop)
    }

    /// Takes back what [`Self::lease`] wrote, and what dead runs left behind.
    pub(super) async fn release(&self, name: &CertificateName, journal: Journal<'_>) -> Result<(), Error> {
        let now = self.vault.http().service_now();
        for item in self.vault.versions(name).await? {
            let (Some(version), Some(lease)) = (item.version, Lease::of(&item.tags)) else { continue };
            if lease.run == journal.run.id() || lease.until <= now || knows(self.story, lease.run) {
                let mut tags = item.tags;
                tags.remove(TAG_LEASE);
                let record = Record::of(self.version(name, &version)).fact("lease", "released");
                let releasing = async {
                    self.vault.update_properties(name, &version, None, Some(&tags)).await?;
                    Ok::<_, Error>(())
                };
                journal.step(ledger::Step::Tag, record, releasing, |()| Record::default()).await?;
            }
        }
        Ok(())
    }

    fn version(&self, name: &CertificateName, version: &Version) -> Object {
        Object {
            vault: Some(self.vault.vault().name().clone()),
            certificate: Some(name.clone()),
            version: Some(version.clone()),
            ..Object::default()
        }
    }

    /// The version that signs from now on; none after a way back.
    async fn signs(&self, wish: &Wish, observed: &Observed, work: &Work) -> Result<Option<CertificateFacts>, Error> {
        if wish.demand.purpose == Purpose::Abort {
            return Ok(None);
        }
        let Some(version) = target(&observed.world).map(|target| &target.version) else { return Ok(None) };
        if let Some(made) = work.made.as_ref().filter(|made| made.key.version() == version) {
            return Ok(Some(CertificateFacts::of(made)));
        }
        let existing = crate::provision::observe::version(self.vault, &wish.name, Some(version)).await?;
        Ok(Some(CertificateFacts::of(&existing)))
    }

    async fn report(&self, wish: &Wish, end: End, observed: &Observed, mut work: Work) -> Result<Report, Error> {
        let (outcome, stage, soak) = match end {
            End::Closed if wish.demand.purpose == Purpose::Abort => (Outcome::Aborted, None, None),
            End::Closed => (Outcome::Rotated, None, None),
            End::Wait(soak) => (Outcome::Soaking, None, Some(soak)),
            End::Reached(stage) => (Outcome::Stopped, Some(stage), None),
            End::Nothing => (Outcome::Nothing, None, None),
        };
        for application in observed.applications.values() {
            let is_unseen = observed.unseen.contains(&application.id);
            work.of(application).unseen = is_unseen;
            if is_unseen && wish.demand.purpose == Purpose::Compromised {
                let app_id = application.app_id;
                work.warnings.push(format!("what else lets somebody sign in as {app_id} cannot be seen"));
            }
        }
        work.warnings.extend(work.why_not_disabled.take());
        work.warnings.extend(unnamed(&observed.world));
        let certificate = match outcome {
            Outcome::Aborted | Outcome::Rotated => work.signs.take(),
            _ => self.signs(wish, observed, &work).await?,
        };
        for attachment in work.applications.values().filter_map(|application| application.attachment.as_ref()) {
            for key_id in &attachment.removed_meanwhile {
                work.warnings.push(format!("somebody removed the entry {key_id} of the application while this ran"));
            }
        }
        Ok(Report {
            outcome,
            stage,
            vault: self.vault.vault().clone(),
            name: wish.name.clone(),
            certificate,
            has_created: work.made.is_some(),
            applications: work.applications.into_values().collect(),
            soak,
            disabled: work.disabled,
            foreign: observed.applications.values().flat_map(|application| foreign(application, observed)).collect(),
            warnings: work.warnings,
        })
    }
}

impl Wish {
    /// Object id of the application that was named.
    pub(super) fn named(&self) -> Option<ObjectId> {
        self.application.map(|(id, _)| id)
    }
}

impl Work {
    /// Notes that an entry is gone.
    pub(super) fn removed(&mut self, application: &Application, entry: &Entry, gone: Detachment, line: Hash) {
        self.last_line = Some(line);
        self.known.insert((application.id, entry.version.clone()), Standing::Gone);
        self.history.removed.insert((application.id, entry.version.clone()));
        self.of(application).removed.push(gone);
    }

    /// The report of an application.
    pub(super) fn of(&mut self, application: &Application) -> &mut ApplicationReport {
        self.applications.entry(application.id).or_insert_with(|| ApplicationReport {
            application: ApplicationFacts::from(application),
            unseen: false,
            attachment: None,
            proof: None,
            removed: Vec::new(),
            refused: Vec::new(),
        })
    }
}

/// A newest version that is not the one at hand was made by somebody else meanwhile.
fn check_target(observed: &Observed, work: &Work, name: &CertificateName) -> Result<(), Error> {
    let newest = observed.world.versions.first().map(|facts| &facts.version);
    match (&work.newest, newest) {
        (Some(known), Some(newest)) if known != newest => {
            Err(Error::Overtaken { name: name.clone(), version: newest.clone() })
        }
        _ => Ok(()),
    }
}

fn warnings(scope: &Scope) -> Vec<String> {
    let unseen = scope
        .why_not_all
        .as_ref()
        .map(|why| format!("other applications may trust this certificate, so no version of it is disabled: {why}"));
    unseen.into_iter().collect()
}

/// Entries that nobody could remove who does not see their ids.
fn unnamed(world: &World) -> impl Iterator<Item = String> + '_ {
    let entries = world.applications.iter().flat_map(|trust| trust.entries.iter().map(move |entry| (trust, entry)));
    entries.filter(|(_, entry)| entry.key_id.is_none()).map(|(trust, entry)| {
        format!(
            "the keyId of version {} on application {} is not known, so who may not read the application cannot remove it",
            entry.version, trust.app_id
        )
    })
}

/// What else lets somebody sign in as an application.
fn foreign(application: &Application, observed: &Observed) -> Vec<Foreign> {
    let is_ours = |key_id| {
        let mut trusts = observed.world.applications.iter();
        trusts.any(|trust| trust.entries.iter().any(|entry| entry.key_id == Some(key_id)))
    };
    let is_foreign = |key: &&KeyCredential| key.is_for_sign_in() && unseen::named(key).is_some_and(|id| !is_ours(id));
    let keys = application.key_credentials.iter().filter(is_foreign);
    let keys = keys.map(|key| (key.key_id, "certificate", &key.display_name, key.end_date_time));
    let secrets = application.password_credentials.iter();
    let secrets = secrets.map(|secret| (secret.key_id, "secret", &secret.display_name, secret.end_date_time));
    keys.chain(secrets)
        .map(|(key_id, kind, display_name, end)| Foreign {
            app_id: application.app_id,
            key_id,
            kind,
            display_name: display_name.clone(),
            end,
        })
        .collect()
}
