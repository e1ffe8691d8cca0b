//! What people wrote down about their applications in `kvops.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::AppId;

/// The applications that somebody wrote down.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// By client id.
    pub entries: BTreeMap<AppId, ManifestEntry>,
    /// Whether it claims to be complete: then an application that is missing in it is a finding.
    pub is_complete: bool,
    /// The file, for findings about nothing that stands in it.
    pub file: Option<PathBuf>,
}

/// One `[app.NAME]` table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct ManifestEntry {
    /// Name of the table.
    pub name: String,
    /// File of the table.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// Vault name or URL.
    pub vault: Option<String>,
    /// Name of the certificate.
    pub certificate: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `daemon`, `web` …, in the company's own words.
    pub kind: Option<String>,
    /// `prod`, `test` …, in the company's own words.
    pub environment: Option<String>,
    /// Who is told before expiry, other than by the vault's contacts.
    pub notify: Option<String>,
    /// The identity as which the workload's host reaches the vault: client id or object id.
    pub host: Option<String>,
    /// `external:NAME`: the key lives outside every vault, and somebody knows where.
    pub custody: Option<String>,
    /// GUID of the tenant where the application is registered, if that is another than the one audited.
    pub tenant: Option<String>,
}

impl ManifestEntry {
    /// Whether the key is declared to live outside every vault.
    pub fn has_external_custody(&self) -> bool {
        self.custody.as_deref().is_some_and(|custody| custody.starts_with("external:"))
    }
}
