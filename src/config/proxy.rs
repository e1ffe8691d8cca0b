//! The `[proxy]` table: what `kvops proxy` may be asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::settings::Settings;
use crate::domain::TenantId;

/// The `[proxy]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProxyTable {
    #[serde(default)]
    profiles: BTreeMap<String, ProfileEntry>,
    user_certificates: Option<PathBuf>,
    machine_certificates: Option<PathBuf>,
    forward: Option<bool>,
}

/// A `[proxy.profiles.NAME]` table: one application, and how it may be signed in to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileEntry {
    /// The application: client id, or the name of an `[app.NAME]` table, which then gives whatever is
    /// not said here.
    pub app: String,
    /// Tenant.
    pub tenant: Option<TenantId>,
    /// Vault name or URL.
    pub vault: Option<String>,
    /// Name of the certificate in the vault.
    pub certificate: Option<String>,
    /// Thumbprint of a certificate in a folder of this machine.
    pub thumbprint: Option<String>,
    /// What tokens may be for: scopes or resources; `*` for anything.
    pub scopes: Vec<String>,
}

impl Settings {
    /// All profiles, each with its file; of two that have one name, the stronger file's.
    pub fn profiles(&self) -> BTreeMap<&str, (&ProfileEntry, &Path)> {
        let mut profiles = BTreeMap::new();
        for (content, path) in self.contents() {
            for (name, entry) in &content.proxy.profiles {
                profiles.entry(name.as_str()).or_insert((entry, path));
            }
        }
        profiles
    }

    /// The folder with the user's own certificates.
    pub fn user_certificates(&self) -> Option<PathBuf> {
        self.folder(|table| table.user_certificates.as_deref())
    }

    /// The folder with the machine's certificates.
    pub fn machine_certificates(&self) -> Option<PathBuf> {
        self.folder(|table| table.machine_certificates.as_deref())
    }

    /// Whether the proxy hands out tokens of the identity that it was started with.
    pub fn may_forward(&self) -> bool {
        self.contents().find_map(|(content, _)| content.proxy.forward).unwrap_or(false)
    }

    /// A relative path in a file is relative to the file's folder.
    fn folder(&self, of: impl Fn(&ProxyTable) -> Option<&Path>) -> Option<PathBuf> {
        self.contents()
            .find_map(|(content, path)| Some(path.parent().unwrap_or(Path::new("")).join(of(&content.proxy)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use crate::domain::Environment;

    fn load(file: &str) -> (Settings, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kvops.toml"), file).unwrap();
        (Settings::load(&Flags::default(), &Environment::default(), folder.path()).unwrap(), folder)
    }

    #[test]
    fn a_profile_has_an_application_and_scopes_and_the_rest_may_come_from_elsewhere() {
        let file = "[proxy]\nuser_certificates = \"mine\"\n\n[proxy.profiles.billing]\napp = \"billing-api\"\nscopes = [\"*\"]\n";
        let (settings, folder) = load(file);
        let profiles = settings.profiles();
        let (entry, path) = profiles["billing"];
        assert_eq!((entry.app.as_str(), entry.scopes.as_slice()), ("billing-api", ["*".to_owned()].as_slice()));
        assert_eq!(path, folder.path().join("kvops.toml"));
        assert_eq!(settings.user_certificates(), Some(folder.path().join("mine")));
        assert_eq!(settings.machine_certificates(), None);
        assert!(!settings.may_forward());
    }

    #[test]
    fn a_profile_without_scopes_is_an_error_rather_than_one_for_everything() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kvops.toml"), "[proxy.profiles.billing]\napp = \"x\"\n").unwrap();
        let loaded = Settings::load(&Flags::default(), &Environment::default(), folder.path());
        assert!(loaded.unwrap_err().to_string().contains("missing field `scopes`"));
    }
}
