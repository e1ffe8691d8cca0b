//! Reads reports of this and of older versions: what a later minor version added may be missing.

use serde::{Deserialize, Serialize};

use crate::audit::{Fingerprint, Severity};

/// What of a report can be compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub(super) header: Head,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) coverage: Coverage,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    pub(super) findings: Vec<Known>,
    #[serde(default)]
    pub(super) unknown: Vec<Undecided>,
    #[serde(default)]
    pub(super) unknown_omitted: Vec<Unnamed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) tenant: String,
    pub(super) collected_at: String,
    #[serde(default)]
    pub(super) is_narrowed_to_applications: bool,
    #[serde(default)]
    pub(super) is_narrowed_to_vaults: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Policy {
    pub(super) profile: String,
    pub(super) hash: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Coverage {
    pub(super) percent: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) id: String,
}

/// A finding as a report wrote it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Known {
    pub(super) rule: String,
    pub(super) severity: Severity,
    pub(super) subject: Object,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) fix: String,
    pub(super) fingerprint: Fingerprint,
    #[serde(default)]
    pub(super) state: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) app_id: Option<String>,
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Undecided {
    pub(super) rule: String,
    pub(super) subject: Object,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Unnamed {
    pub(super) rule: String,
}

/// A file that is no report which could be compared.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReport {
    /// It is not JSON, or something is missing in it.
    #[error("{file} is no report of `kvops audit --format json`")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is of a version that means something else.
    #[error("{file} has the schema version {version}, and this kvops reads 1.x")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: String,
}

impl Snapshot {
    /// Reads what `--format json` wrote.
    ///
    /// # Errors
    ///
    /// When the file holds something else, or a version that means something else.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, InvalidReport> {
        let unreadable = |source| InvalidReport::Unreadable { file: file.to_owned(), source };
        let Versioned { schema_version: version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version.split('.').next() != Some("1") {
            return Err(InvalidReport::Version { file: file.to_owned(), version });
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}

impl Known {
    pub(super) fn is_waived(&self) -> bool {
        self.state == "waived"
    }
}
