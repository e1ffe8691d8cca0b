//! The moves of a rotation, and how far one is asked to go.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::domain::{CredentialId, ObjectId, Version};

/// One safe move. Each may be done again to the same effect.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Write down that a rotation begins, or goes on.
    Open {
        /// The newest version of those that are to be replaced.
        replaces: Version,
    },
    /// Set the stored policy, which somebody has loosened, back to the hardened one.
    Harden,
    /// Have the vault make a new version under the stored policy.
    Create,
    /// Wait until it is there, and read it back.
    AwaitIssue,
    /// Add a version to an application.
    Attach {
        /// Object id.
        application: ObjectId,
        /// Which.
        version: Version,
    },
    /// Sign in as an application with a version until it is proven.
    Prove {
        /// Object id.
        application: ObjectId,
        /// Which.
        version: Version,
    },
    /// Tag the version with application, keyId and state.
    Record {
        /// Which.
        version: Version,
    },
    /// Write down that from now on both keys are trusted.
    StartSoak {
        /// The new one.
        version: Version,
    },
    /// Read when the old keys were last used.
    LookAtUse,
    /// Remove an entry from an application.
    Detach {
        /// Object id.
        application: ObjectId,
        /// The entry; unknown where the list may not be read.
        key_id: Option<CredentialId>,
        /// Whose it is.
        version: Version,
    },
    /// See that a version that was removed is refused, while another one gets a token.
    ProveRefusal {
        /// Object id.
        application: ObjectId,
        /// Which.
        version: Version,
    },
    /// Tag a version that was removed as one that nobody trusts.
    Retire {
        /// Which.
        version: Version,
    },
    /// Disable a version that nobody trusts any more.
    Disable {
        /// Which.
        version: Version,
    },
    /// Write down that the rotation is over.
    Close,
}

/// The six parts of a rotation, as `--until` names them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Look, and decide.
    Preflight,
    /// A new version.
    Create,
    /// Every application trusts it.
    Attach,
    /// It has been proven on each.
    Prove,
    /// Both are trusted for a while.
    Soak,
    /// The old one is gone, refused and disabled.
    #[default]
    Detach,
}

/// What a rotation is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A new key in place of the old one, or the end of what was begun.
    #[default]
    Renew,
    /// Only the end of what was begun.
    Finish,
    /// Away with the new key.
    Abort,
    /// Somebody else has the old key: nothing is waited for.
    Compromised,
}

/// What is asked of a rotation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Demand {
    /// What it is for.
    pub purpose: Purpose,
    /// How far to go.
    pub until: Stage,
    /// Days for which both keys are trusted, and for which the old one must not have been used.
    pub overlap_days: u32,
    /// Take the old key away although nobody can tell when it was last used.
    pub accept_unknown_use: bool,
}

/// Days for which both keys are trusted, where nothing else is said.
pub const OVERLAP_DAYS: u32 = 14;

impl Default for Demand {
    fn default() -> Self {
        Self { purpose: Purpose::Renew, until: Stage::Detach, overlap_days: OVERLAP_DAYS, accept_unknown_use: false }
    }
}

impl Demand {
    /// How long both keys are trusted.
    pub fn overlap(&self) -> Duration {
        if self.purpose == Purpose::Compromised { Duration::ZERO } else { Duration::days(self.overlap_days.into()) }
    }
}

/// What comes next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// This.
    Take(Step),
    /// Nothing before a moment.
    Wait {
        /// The moment.
        until: OffsetDateTime,
        /// Why.
        because: Because,
    },
    /// What was asked for has been reached.
    Reached(Stage),
    /// Nothing was begun that could be finished or aborted.
    Nothing,
}

/// Why the old key stays for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// Both are to be trusted for a while.
    Overlap,
    /// Somebody has used the old one since.
    Used {
        /// When last.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
}

impl Step {
    /// Which part of the rotation it belongs to.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Open { .. } | Self::Harden | Self::Create | Self::AwaitIssue => Stage::Create,
            Self::Attach { .. } => Stage::Attach,
            Self::Prove { .. } | Self::Record { .. } => Stage::Prove,
            Self::StartSoak { .. } | Self::LookAtUse => Stage::Soak,
            Self::Detach { .. }
            | Self::ProveRefusal { .. }
            | Self::Retire { .. }
            | Self::Disable { .. }
            | Self::Close => Stage::Detach,
        }
    }

    /// What the step does, for progress and for plans.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Open { .. } => "write down that a rotation begins, and keep others from beginning one",
            Self::Harden => "set the certificate's policy back to the hardened one",
            Self::Create => "create a new version in the vault",
            Self::AwaitIssue => "wait until the vault has issued it, read it back and compare",
            Self::Attach { .. } => "attach it",
            Self::Prove { .. } => "sign in with it: 3 tokens in a row over 20 s",
            Self::Record { .. } => "tag the version with keyId and state",
            Self::StartSoak { .. } => "let both keys be trusted",
            Self::LookAtUse => "look when the old key was last used",
            Self::Detach { .. } => "remove the old key from the application",
            Self::ProveRefusal { .. } => "see that the old key is refused, while the new one gets a token",
            Self::Retire { .. } => "tag the old version as retired",
            Self::Disable { .. } => "disable the old version in the vault",
            Self::Close => "write down that the rotation is over",
        }
    }
}
