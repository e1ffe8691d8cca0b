//! What an earlier run, or kvops itself, wrote down: evidence that the services no longer have.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{AppId, CredentialId};

/// What was known earlier.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct History {
    /// The keyIds that were there, or that kvops attached, by application.
    pub credentials: BTreeMap<AppId, BTreeSet<CredentialId>>,
    /// Certificates whose policy was hardened then, as `vault/name`.
    pub hardened: BTreeSet<String>,
    /// What the policy said of versions when they were born, as `vault/name/version`: exportable or not.
    pub born: BTreeMap<String, bool>,
}

impl History {
    /// Adds what somebody else recorded.
    pub fn add(&mut self, other: &Self) {
        for (app, keys) in &other.credentials {
            self.credentials.entry(*app).or_default().extend(keys);
        }
        self.hardened.extend(other.hardened.iter().cloned());
        self.born.extend(other.born.iter().map(|(version, born)| (version.clone(), *born)));
    }
}
