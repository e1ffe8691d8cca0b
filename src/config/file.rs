//! `kvops.toml`: its shape, and where it is found.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use super::env;
use super::error::Error;
use super::proxy::ProxyTable;
use crate::domain::{AppId, Cloud, Environment, TenantId};

/// One configuration file.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// Where it is; paths inside it are relative to its folder.
    pub path: PathBuf,
    /// Whether somebody named it, rather than that it lay in the way.
    pub is_named: bool,
    /// What it says.
    pub(super) content: Content,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) defaults: Defaults,
    #[serde(default)]
    pub(super) cloud: BTreeMap<String, CloudTable>,
    #[serde(default)]
    pub(super) app: BTreeMap<String, AppEntry>,
    #[serde(default)]
    pub(super) jwks: BTreeMap<String, JwksEntry>,
    #[serde(default)]
    pub(super) manifest: ManifestTable,
    #[serde(default)]
    pub(super) proxy: ProxyTable,
}

/// The `[manifest]` table: what the `[app.NAME]` tables are together.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestTable {
    pub(super) complete: Option<bool>,
}

/// The `[defaults]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) cloud: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) vault_credential: Option<String>,
    pub(super) graph_credential: Option<String>,
    pub(super) output: Option<String>,
    pub(super) company: Option<String>,
    pub(super) ledger: Option<PathBuf>,
}

/// A `[cloud.NAME]` table: the hosts of one cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudTable {
    authority: String,
    graph: String,
    vault_suffix: String,
    arm: String,
    ca: Option<PathBuf>,
    #[serde(default)]
    resolve: BTreeMap<String, IpAddr>,
}

/// An `[app.NAME]` table: an application and the certificate that signs for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppEntry {
    /// The application's client id.
    pub app: AppId,
    /// Vault name or URL.
    pub vault: Option<String>,
    /// Name of the certificate.
    pub certificate: Option<String>,
    /// Tenant, where it is not the default one.
    pub tenant: Option<TenantId>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What kind of application it is, in the company's own words.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `prod`, `test` …, in the company's own words.
    pub environment: Option<String>,
    /// Who is told before expiry, other than by the vault's contacts.
    pub notify: Option<String>,
    /// The identity as which the workload's host reaches the vault: client id or object id.
    pub host: Option<String>,
    /// `external:NAME`: the key lives outside every vault, and somebody knows where.
    pub custody: Option<String>,
    /// Its line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// A `[jwks.NAME]` table: an issuer of one's own and the certificate that signs for it. Lengths of time
/// are written as `14d` or `36h`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksEntry {
    /// Vault name or URL.
    pub vault: Option<String>,
    /// Name of the certificate.
    pub certificate: Option<String>,
    /// `iss` of the tokens.
    pub issuer: Option<String>,
    /// How RSA keys sign.
    pub algorithm: Option<String>,
    /// From the creation of a version until it signs.
    pub rollover: Option<String>,
    /// How old the published set may be.
    pub cache: Option<String>,
    /// How long verifiers keep it.
    pub client_cache: Option<String>,
    /// Room.
    pub margin: Option<String>,
    /// The longest life of a token.
    pub token_life: Option<String>,
    /// How far the clocks of verifiers may be behind.
    pub skew: Option<String>,
    /// How long an expired key stays published.
    pub retain: Option<String>,
}

impl Content {
    /// Notes where each application's table begins: reports point there.
    fn find_lines(&mut self, text: &str) -> Result<(), toml::de::Error> {
        let document = DeTable::parse(text)?;
        let tables = document.get_ref().get("app").and_then(|app| app.get_ref().as_table());
        for (name, _) in tables.into_iter().flatten() {
            if let Some(entry) = self.app.get_mut(name.get_ref().as_ref()) {
                entry.line = text.as_bytes().iter().take(name.span().start).filter(|byte| **byte == b'\n').count() + 1;
            }
        }
        Ok(())
    }
}

impl ConfigFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let syntax = |source| Error::Syntax { path: path.to_owned(), source };
        let mut content: Content = toml::from_str(&text).map_err(syntax)?;
        content.find_lines(&text).map_err(syntax)?;
        Ok(Self { path: path.to_owned(), is_named: false, content })
    }

    /// The files that apply, strongest first: the one named (or the nearest `kvops.toml` above
    /// `folder`), then the user's own.
    pub fn find(named: Option<&Path>, folder: &Path, environment: &Environment) -> Result<Vec<Self>, Error> {
        let mut files = Vec::new();
        match named {
            Some(path) => files.push(Self { is_named: true, ..Self::read(path)? }),
            None => {
                let candidates = folder.ancestors().map(|folder| folder.join("kvops.toml"));
                files.extend(Self::first_of(candidates)?);
            }
        }
        let home = || environment.get(env::HOME).map(|home| Path::new(home).join(".config"));
        let folder = environment.get(env::CONFIG_HOME).map(PathBuf::from).or_else(home);
        let users_own = Self::first_of(folder.map(|folder| folder.join("kvops/config.toml")))?;
        files.extend(users_own.map(|file| Self { is_named: true, ..file }));
        Ok(files)
    }

    fn first_of(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<Self>, Error> {
        for path in candidates {
            match Self::read(&path) {
                Err(Error::Read { source, .. })
                    if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    pub(super) fn cloud(&self, name: &str) -> Option<Result<Cloud, Error>> {
        self.content.cloud.get(name).map(|table| self.build(name, table))
    }

    /// Only the system's roots and the system's resolver may speak for the hosts of Azure itself.
    fn refuse_azures_own(&self, name: &str, table: &CloudTable, cloud: &Cloud) -> Result<(), Error> {
        let refused =
            |key, host: String| Err(Error::AzuresOwnHost { path: self.path.clone(), name: name.to_owned(), key, host });
        if let Some(host) = table.resolve.keys().find(|host| Cloud::is_azures_own(host)) {
            return refused("resolve", host.clone());
        }
        let roots = [cloud.authority(), cloud.graph(), cloud.arm()].map(|url| url.host_str().unwrap_or_default());
        let suffix = cloud.vault_suffix().split(':').next().unwrap_or_default();
        match roots.into_iter().chain([suffix]).find(|host| Cloud::is_azures_own(host)) {
            Some(host) if table.ca.is_some() => refused("ca", host.to_owned()),
            _ => Ok(()),
        }
    }

    fn build(&self, name: &str, table: &CloudTable) -> Result<Cloud, Error> {
        let cloud = Cloud::custom(name, &table.authority, &table.graph, &table.vault_suffix, &table.arm)
            .map_err(|source| Error::Cloud { path: self.path.clone(), source })?
            .with_resolve(table.resolve.clone());
        self.refuse_azures_own(name, table, &cloud)?;
        let Some(ca) = &table.ca else {
            return Ok(cloud);
        };
        let path = self.path.parent().unwrap_or(Path::new("")).join(ca);
        let pem = fs::read(&path).map_err(|source| Error::Read { path, source })?;
        Ok(cloud.with_ca(pem))
    }
}
