//! Looking at vault, directory and ledger before each step.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::error::Error;
use super::lease::Lease;
use super::tags;
use super::unseen::{self, Known};
use super::world::{Entry, History, LastUse, Making, PolicyFacts, Trust, VersionFacts, World};
use crate::domain::{
    AppId, Application, CertificateName, CertificatePolicy, CertificateVersion, KeyCredential, ObjectId,
    OperationStatus, Thumbprint, Version,
};
use crate::graph;
use crate::keyvault::{self, ListedCertificate};
use crate::pki::Certificate;
use crate::provision::plan::Existing;
use crate::provision::{observe, rules};

/// The world, and the details that steps need beside its facts.
#[derive(Debug)]
pub struct Observed {
    /// What the decision rests on.
    pub world: World,
    /// All versions, newest first.
    pub listed: Vec<ListedCertificate>,
    /// The applications whose lists may not be read.
    pub unseen: BTreeSet<ObjectId>,
    /// The applications, as the directory has them.
    pub applications: BTreeMap<ObjectId, Application>,
    /// The policy that makes the next version.
    pub policy: CertificatePolicy,
    /// The newest version, judged; none where it is trusted already.
    pub newest: Option<Existing>,
    /// Id of the last operation under the name.
    pub last_request: Option<String>,
    /// Who says that they are rotating it.
    pub leases: Vec<(Version, Lease)>,
}

/// Whom to look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Object ids of the applications.
    pub applications: BTreeSet<ObjectId>,
    /// Why there may be more; none when all applications of the tenant were looked at.
    pub why_not_all: Option<String>,
}

/// What a look needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observer<'a> {
    /// The vault.
    pub vault: &'a keyvault::Client,
    /// The directory.
    pub graph: &'a graph::Client,
    /// The certificate.
    pub name: &'a CertificateName,
    /// The application that was named, which is worked on even if it may not be read.
    pub named: Option<(ObjectId, AppId)>,
    /// Entries that are known without reading a list.
    pub known: &'a Known,
    /// Whether the identity for Graph may write applications that cannot prove anything; none where
    /// that cannot be seen.
    pub may_write: Option<bool>,
}

impl Observer<'_> {
    /// Looks at everything that a decision rests on.
    pub(super) async fn observe(&self, scope: &Scope, history: &History) -> Result<Observed, Error> {
        let now = self.vault.http().service_now();
        let (current, mut listed) =
            futures::try_join!(self.vault.certificate(self.name, None), self.vault.versions(self.name))?;
        listed.sort_by_key(|item| std::cmp::Reverse((item.attributes.created, item.version.clone())));
        let operation = match self.vault.operation(self.name).await {
            Ok(operation) => Some(operation),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        let making = operation.as_ref().filter(|operation| operation.status == OperationStatus::InProgress);
        let making = making.map(|operation| {
            let waits = operation.issuer.as_ref().is_some_and(|issuer| issuer.is_unknown());
            if waits { Making::WaitsForMerge } else { Making::Issuing }
        });
        let policy = match &current.policy {
            Some(policy) => policy.clone(),
            None => self.vault.policy(self.name).await?,
        };
        let mut applications = BTreeMap::new();
        let (mut trusts, mut unseen) = (Vec::new(), BTreeSet::new());
        for id in &scope.applications {
            let application = match (self.application(*id).await, self.named) {
                (Err(graph::Error::MissingPermission { .. }), Some((named, app_id))) if named == *id => {
                    unseen.insert(*id);
                    unseen::application(*id, app_id, &listed, self.known)
                }
                (read, _) => read?,
            };
            let trust = self.trust(&application, &listed, now).await?;
            let is_meant = self.named.is_some_and(|(named, _)| named == *id);
            let has_lost_its_own = || history.removed.iter().any(|(holder, _)| holder == id);
            // It was found by a label alone, and the bytes under it are somebody else's.
            if trust.entries.is_empty() && !is_meant && !has_lost_its_own() {
                continue;
            }
            trusts.push(trust);
            applications.insert(*id, application);
        }
        let newest = self.judged(&current, &listed, &trusts).await?;
        let versions = listed.iter().filter_map(|item| {
            let version = item.version.clone()?;
            let judged = newest.as_ref().filter(|newest| *newest.key.version() == version);
            Some(VersionFacts {
                expires: item.attributes.not_after.unwrap_or(now),
                is_enabled: item.attributes.enabled != Some(false),
                gaps: judged.map(|newest| newest.gaps.clone()).unwrap_or_default(),
                tagged: tags::tagged(&item.tags, &version, &trusts, &history.removed),
                version,
            })
        });
        let world = World {
            now,
            versions: versions.collect(),
            making,
            policy: PolicyFacts {
                gaps: rules::judge_policy(&policy),
                is_own_ca: policy.issuer.as_ref().is_some_and(|issuer| issuer.is_unknown()),
            },
            applications: trusts,
            is_scanned: scope.why_not_all.is_none(),
            history: history.clone(),
            proven: BTreeSet::new(),
            last_use: LastUse::NotAsked,
        };
        let leases = listed.iter().filter_map(|item| Some((item.version.clone()?, Lease::of(&item.tags)?))).collect();
        let last_request = operation.and_then(|operation| operation.request_id);
        Ok(Observed { world, listed, unseen, applications, policy, newest, last_request, leases })
    }

    /// An application with its keys and their bytes: a label may say anything.
    async fn application(&self, id: ObjectId) -> Result<Application, graph::Error> {
        let mut application = self.graph.application(id).await?.application;
        if application.key_credentials.iter().any(KeyCredential::is_for_sign_in) {
            application.key_credentials = self.graph.key_credentials(id).await?;
        }
        Ok(application)
    }

    async fn trust(
        &self,
        application: &Application,
        listed: &[ListedCertificate],
        now: OffsetDateTime,
    ) -> Result<Trust, Error> {
        let keys = application.key_credentials.iter().filter(|key| key.is_for_sign_in());
        let entries: Vec<Entry> = keys
            .filter_map(|key| {
                let thumbprint = thumbprint(key)?;
                let item = listed.iter().find(|item| item.thumbprint == Some(thumbprint))?;
                Some(Entry { key_id: unseen::named(key), version: item.version.clone()? })
            })
            .collect();
        let signs = |entry: &Entry| {
            listed.iter().any(|item| item.version.as_ref() == Some(&entry.version) && can_sign(item, now))
        };
        let can_prove = entries.iter().any(signs)
            || observe::signer(self.vault, &application.key_credentials, Some(self.name), now).await?.is_some();
        let is_valid = |key: &&KeyCredential| key.is_for_sign_in() && key.is_valid_at(now);
        let has_valid = application.key_credentials.iter().any(|key| is_valid(&key));
        // While a key is valid, whoever may write is tried; after that nothing is tried that cannot work.
        let may_write = self.may_write.unwrap_or(has_valid);
        Ok(Trust { application: application.id, app_id: application.app_id, entries, can_prove, may_write })
    }

    /// Judges the newest version, unless somebody trusts it.
    async fn judged(
        &self,
        current: &CertificateVersion,
        listed: &[ListedCertificate],
        trusts: &[Trust],
    ) -> Result<Option<Existing>, Error> {
        let Some(version) = listed.first().and_then(|item| item.version.as_ref()) else { return Ok(None) };
        let is_trusted = trusts.iter().any(|trust| trust.entry(version).is_some());
        if is_trusted {
            return Ok(None);
        }
        if version == current.key.version()
            && let Some(der) = &current.der
        {
            let certificate = Certificate::from_der(der)?;
            return Ok(Some(observe::existing(self.vault, current, certificate, None).await?));
        }
        Ok(Some(observe::version(self.vault, self.name, Some(version)).await?))
    }
}

/// The thumbprint of an entry: of its bytes where they were read, else as the directory states it.
pub(super) fn thumbprint(key: &KeyCredential) -> Option<Thumbprint> {
    thumbprint_of_bytes(key).or_else(|| key.thumbprint())
}

/// The thumbprint of an entry's bytes.
pub(super) fn thumbprint_of_bytes(key: &KeyCredential) -> Option<Thumbprint> {
    Some(Certificate::from_file(key.key.as_ref()?.as_bytes()).ok()?.sha1())
}

fn can_sign(item: &ListedCertificate, now: OffsetDateTime) -> bool {
    let is_valid = item.attributes.not_after.is_some_and(|end| now < end);
    item.attributes.enabled != Some(false) && is_valid
}
