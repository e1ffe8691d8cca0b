//! What a rotation rests on, as plain facts: versions in the vault, entries in the directory, and
//! what the ledger says of a rotation that was begun.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;

use super::step::Step;
use crate::domain::{AppId, CredentialId, ObjectId, Version};
use crate::provision::Gap;

/// Everything that is looked at before the next step is chosen.
#[derive(Clone, Debug, Serialize)]
pub struct World {
    /// The moment of looking, by the services' clock.
    #[serde(skip)]
    pub now: OffsetDateTime,
    /// All versions of the certificate, newest first.
    pub versions: Vec<VersionFacts>,
    /// A version in the making.
    pub making: Option<Making>,
    /// What the stored policy would make.
    pub policy: PolicyFacts,
    /// The applications that trust a version, or that are to, by object id.
    pub applications: Vec<Trust>,
    /// Whether every application of the tenant was looked at, so that nobody else trusts a version.
    #[serde(skip)]
    pub is_scanned: bool,
    /// What the ledger says.
    pub history: History,
    /// Whose sign-in with which version this run has seen.
    #[serde(skip)]
    pub proven: BTreeSet<(ObjectId, Version)>,
    /// When the entries that are to go were last used.
    #[serde(skip)]
    pub last_use: LastUse,
}

/// One version of the certificate.
#[derive(Clone, Debug, Serialize)]
pub struct VersionFacts {
    /// Which; [`World::unmade`] in a projection.
    pub version: Version,
    /// End of its validity.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
    /// Whether the vault would sign with it.
    pub is_enabled: bool,
    /// How it falls short. Only a newest version that nobody trusts is judged: what is trusted is used.
    pub gaps: Vec<Gap>,
    /// What its tags say.
    pub tagged: Tagged,
}

/// What the tags of a version say of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tagged {
    /// Not yet all that is known.
    #[default]
    Incomplete,
    /// That it is proven, and for whom.
    Proven,
    /// That an application trusts it, from which this rotation has removed it.
    Outdated,
    /// That a rotation has taken it off the applications; it is not given to any again.
    Retired,
}

/// How far a version in the making is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Making {
    /// The vault, or the issuer that it knows, is at it.
    Issuing,
    /// It waits for a certificate of an own CA.
    WaitsForMerge,
}

/// The stored policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyFacts {
    /// How it falls short.
    pub gaps: Vec<Gap>,
    /// Whether each version waits for a certificate of an own CA.
    pub is_own_ca: bool,
}

/// An application, and which versions it trusts.
#[derive(Clone, Debug, Serialize)]
pub struct Trust {
    /// Object id.
    pub application: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Its entries for versions of this certificate. Others are not ours.
    pub entries: Vec<Entry>,
    /// Whether any certificate of it could prove possession now, this one or another.
    #[serde(skip)]
    pub can_prove: bool,
    /// Whether we may write its list without a proof, as far as that can be known.
    #[serde(skip)]
    pub may_write: bool,
}

/// A version that an application trusts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Its entry; unknown where the list may not be read, and neither a tag nor the ledger tells.
    pub key_id: Option<CredentialId>,
    /// Which version.
    pub version: Version,
}

/// What the ledger says of this certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct History {
    /// The newest version when the rotation began that has not been ended; none when all have been.
    pub replaces: Option<Version>,
    /// When the present soak began.
    #[serde(with = "time::serde::rfc3339::option")]
    pub soak_started: Option<OffsetDateTime>,
    /// For which version that was.
    pub soaks: Option<Version>,
    /// What the open rotation took off applications.
    pub removed: BTreeSet<(ObjectId, Version)>,
    /// What was seen to be refused afterwards.
    pub refused: BTreeSet<(ObjectId, Version)>,
}

/// When the entries that are to go were last used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LastUse {
    /// Nobody has looked yet.
    #[default]
    NotAsked,
    /// It cannot be known.
    Unknown(String),
    /// At this time, or never as far as is known.
    Known(Option<OffsetDateTime>),
}

impl History {
    /// What is known of a rotation that has just begun: what went before belongs to an earlier one.
    pub fn of(replaces: Version) -> Self {
        Self { replaces: Some(replaces), ..Self::default() }
    }

    /// Whether a rotation was begun and not ended.
    pub fn is_open(&self) -> bool {
        self.replaces.is_some()
    }
}

impl VersionFacts {
    /// Whether the vault signs with it now.
    pub fn can_sign(&self, now: OffsetDateTime) -> bool {
        self.is_enabled && now < self.expires
    }
}

impl Trust {
    /// Its entry for a version.
    pub fn entry(&self, version: &Version) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.version == *version)
    }
}

impl World {
    /// What stands for a version that is yet to be made.
    pub fn unmade() -> Version {
        #[expect(clippy::expect_used, reason = "32 zeros are 32 hex digits")]
        "0".repeat(32).parse().expect("a version")
    }

    /// Facts of a version, if it is known.
    pub fn version(&self, version: &Version) -> Option<&VersionFacts> {
        self.versions.iter().find(|facts| facts.version == *version)
    }

    /// Whether any application trusts a version.
    pub fn is_trusted(&self, version: &Version) -> bool {
        self.applications.iter().any(|trust| trust.entry(version).is_some())
    }

    /// The entries of versions other than `target` whose certificates have not expired: what a
    /// rotation is there to replace.
    pub fn old_and_valid(&self, target: &Version) -> bool {
        self.old(target).any(|(_, entry)| self.is_valid(&entry.version))
    }

    /// The entries of versions other than `target`, application by application.
    pub fn old<'a>(&'a self, target: &'a Version) -> impl Iterator<Item = (&'a Trust, &'a Entry)> {
        self.applications.iter().flat_map(move |trust| {
            trust.entries.iter().filter(move |entry| entry.version != *target).map(move |entry| (trust, entry))
        })
    }

    /// Whether a version's certificate has not expired.
    pub fn is_valid(&self, version: &Version) -> bool {
        self.version(version).is_some_and(|facts| self.now < facts.expires)
    }

    /// The world as it is when `step` has succeeded: what a plan shows, and what the tests of the
    /// decision walk through.
    #[must_use]
    pub fn after(mut self, step: &Step) -> Self {
        match step {
            Step::Harden => self.policy.gaps.clear(),
            Step::Create => self.making = Some(Making::Issuing),
            Step::Open { replaces } => self.history = History::of(replaces.clone()),
            Step::AwaitIssue => {
                self.making = None;
                let expires = self.now + time::Duration::days(365);
                let version = Self::unmade();
                let made =
                    VersionFacts { version, expires, is_enabled: true, gaps: Vec::new(), tagged: Tagged::default() };
                self.versions.insert(0, made);
            }
            Step::Attach { application, version } => {
                let entry = Entry { key_id: None, version: version.clone() };
                self.trust_mut(*application, |trust| trust.entries.push(entry));
            }
            Step::Prove { application, version } => {
                self.proven.insert((*application, version.clone()));
            }
            Step::Record { version } => self.version_mut(version, |facts| facts.tagged = Tagged::Proven),
            Step::StartSoak { version } => {
                self.history.soak_started = Some(self.now);
                self.history.soaks = Some(version.clone());
            }
            Step::LookAtUse => self.last_use = LastUse::Known(None),
            Step::Detach { application, version, .. } => {
                self.trust_mut(*application, |trust| trust.entries.retain(|entry| entry.version != *version));
                self.history.removed.insert((*application, version.clone()));
                if !self.is_trusted(version) {
                    self.version_mut(version, |facts| {
                        facts.tagged = if facts.tagged == Tagged::Proven { Tagged::Outdated } else { facts.tagged };
                    });
                }
            }
            Step::ProveRefusal { application, version, .. } => {
                self.history.refused.insert((*application, version.clone()));
            }
            Step::Retire { version } => self.version_mut(version, |facts| facts.tagged = Tagged::Retired),
            Step::Disable { version } => self.version_mut(version, |facts| facts.is_enabled = false),
            Step::Close => self.history = History::default(),
        }
        self
    }

    fn trust_mut(&mut self, application: ObjectId, change: impl FnOnce(&mut Trust)) {
        self.applications.iter_mut().find(|trust| trust.application == application).map(change).unwrap_or_default();
    }

    fn version_mut(&mut self, version: &Version, change: impl FnOnce(&mut VersionFacts)) {
        self.versions.iter_mut().find(|facts| facts.version == *version).map(change).unwrap_or_default();
    }
}
