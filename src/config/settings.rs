//! The settings in force, each with its origin.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::env;
use super::error::Error;
use super::file::{AppEntry, ConfigFile, Content, JwksEntry};
use crate::domain::{Cloud, Environment, TenantId};

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A flag on the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A configuration file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

/// What the global flags say.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--cloud`
    pub cloud: Option<String>,
    /// `--tenant`
    pub tenant: Option<String>,
    /// `--credential`
    pub credential: Option<String>,
    /// `--vault-credential`
    pub vault_credential: Option<String>,
    /// `--graph-credential`
    pub graph_credential: Option<String>,
    /// `--output`
    pub output: Option<String>,
    /// `--ledger`
    pub ledger: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// All settings, merged.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the cloud.
    pub cloud: Setting<String>,
    /// The tenant, if anybody named one.
    pub tenant: Option<Setting<TenantId>>,
    /// The credential source for everything that has none of its own.
    pub credential: Setting<String>,
    /// The credential source for vaults.
    pub vault_credential: Setting<String>,
    /// The credential source for Graph.
    pub graph_credential: Setting<String>,
    /// The output format, if anybody named one; otherwise the terminal decides.
    pub output: Option<Setting<String>>,
    /// The company in certificate subjects.
    pub company: Setting<String>,
    /// The ledger; none where there is no home to keep it in.
    pub ledger: Option<Setting<PathBuf>>,
    files: Vec<ConfigFile>,
    extra_roots: Vec<Vec<u8>>,
}

impl Settings {
    /// Merges flags, environment and the files that apply in `folder`.
    pub fn load(flags: &Flags, environment: &Environment, folder: &Path) -> Result<Self, Error> {
        let named = flags.config.clone().or_else(|| environment.get(env::CONFIG).map(PathBuf::from));
        let files = ConfigFile::find(named.as_deref(), folder, environment)?;
        let layers = Layers { environment, files: &files };
        let cloud = layers.text(&flags.cloud, "cloud", env::CLOUD, |c| c.defaults.cloud.as_ref());
        let tenant = layers.text(&flags.tenant, "tenant", env::TENANT, |c| c.defaults.tenant.as_ref());
        let general = Key {
            flag: (&flags.credential, "credential"),
            variable: env::CREDENTIAL,
            in_file: |c| c.defaults.credential.as_ref(),
        };
        let of_vaults = Key {
            flag: (&flags.vault_credential, "vault-credential"),
            variable: env::VAULT_CREDENTIAL,
            in_file: |c| c.defaults.vault_credential.as_ref(),
        };
        let of_graph = Key {
            flag: (&flags.graph_credential, "graph-credential"),
            variable: env::GRAPH_CREDENTIAL,
            in_file: |c| c.defaults.graph_credential.as_ref(),
        };
        // Layer by layer: a flag for everything outweighs what a file says of one side.
        let credential = |keys: &[Key<'_>]| layers.first(keys).unwrap_or_else(|| Setting::default("auto"));
        Ok(Self {
            cloud: cloud.unwrap_or_else(|| Setting::default("public")),
            tenant: tenant.map(Setting::parse).transpose()?,
            vault_credential: credential(&[of_vaults, general]),
            graph_credential: credential(&[of_graph, general]),
            credential: credential(&[general]),
            output: layers.text(&flags.output, "output", env::OUTPUT, |c| c.defaults.output.as_ref()),
            company: layers
                .text(&None, "", env::COMPANY, |c| c.defaults.company.as_ref())
                .unwrap_or_else(|| Setting::default("contoso")),
            ledger: ledger(flags, environment, &files),
            extra_roots: extra_roots(environment)?,
            files,
        })
    }

    /// The cloud in force: a well-known one, or that of a `[cloud.NAME]` table.
    pub fn cloud(&self) -> Result<Cloud, Error> {
        let name = self.cloud.value.as_str();
        let in_table = self.table_of(name).and_then(|file| Some((file, file.cloud(name)?)));
        match (name, in_table) {
            // A file in some folder must not decide where the secrets for Azure itself are sent.
            ("public" | "usgov" | "china", Some((file, _))) => {
                Err(Error::ShadowedCloud { path: file.path.clone(), name: name.to_owned() })
            }
            // Nor may it send them to hosts of its own without anybody having asked for that.
            (_, Some((file, _))) if !file.is_named && !self.is_chosen() => {
                Err(Error::FoundCloud { path: file.path.clone(), name: name.to_owned() })
            }
            (_, Some((_, found))) => found,
            _ => self.well_known(),
        }
    }

    /// The cloud's hosts, where they come from a file that nobody named: worth saying aloud.
    pub fn found_cloud(&self) -> Option<(&str, &Path)> {
        let file = self.table_of(&self.cloud.value)?;
        (!file.is_named).then_some((self.cloud.value.as_str(), file.path.as_path()))
    }

    /// The file whose table of this name counts: one that somebody named before one that was found.
    fn table_of(&self, name: &str) -> Option<&ConfigFile> {
        let mut tables: Vec<_> = self.files.iter().filter(|file| file.content.cloud.contains_key(name)).collect();
        tables.sort_by_key(|file| !file.is_named);
        tables.first().copied()
    }

    /// Whether the cloud was chosen by somebody, rather than by a file that lay in the way.
    fn is_chosen(&self) -> bool {
        match &self.cloud.origin {
            Origin::Flag(_) | Origin::Variable(_) => true,
            Origin::File(path) => self.files.iter().any(|file| file.is_named && file.path == *path),
            Origin::Default => false,
        }
    }

    fn well_known(&self) -> Result<Cloud, Error> {
        let name = self.cloud.value.as_str();
        match name {
            "public" => Ok(Cloud::public()),
            "usgov" => Ok(Cloud::us_government()),
            "china" => Ok(Cloud::china()),
            _ => {
                let tables = self.files.iter().flat_map(|file| file.content.cloud.keys().map(String::as_str));
                let known: Vec<_> = ["public", "usgov", "china"].into_iter().chain(tables).collect();
                Err(Error::UnknownCloud {
                    origin: self.cloud.origin.to_string(),
                    name: name.to_owned(),
                    known: known.join(", "),
                })
            }
        }
    }

    /// The `[app.NAME]` table of this name.
    pub fn app(&self, name: &str) -> Option<&AppEntry> {
        self.files.iter().find_map(|file| file.content.app.get(name))
    }

    /// The `[jwks.NAME]` table of this name, and its file.
    pub fn jwks(&self, name: &str) -> Option<(&JwksEntry, &Path)> {
        self.files.iter().find_map(|file| Some((file.content.jwks.get(name)?, file.path.as_path())))
    }

    /// The file of that table, where nobody named it: worth saying aloud.
    pub fn found_app(&self, name: &str) -> Option<&Path> {
        let file = self.files.iter().find(|file| file.content.app.contains_key(name))?;
        (!file.is_named).then_some(file.path.as_path())
    }

    /// All `[app.NAME]` tables in force, each with its file.
    pub fn apps(&self) -> impl Iterator<Item = (&str, &AppEntry, &Path)> {
        let all =
            self.files.iter().flat_map(|file| file.content.app.iter().map(move |(name, entry)| (name, entry, file)));
        all.map(|(name, entry, file)| (name.as_str(), entry, file.path.as_path()))
    }

    /// Whether the `[app.NAME]` tables claim to name every application: the strongest file that says
    /// something about it decides.
    pub fn is_manifest_complete(&self) -> bool {
        self.files.iter().find_map(|file| file.content.manifest.complete).unwrap_or(false)
    }

    /// Roots to trust beside the system's and the cloud's, PEM.
    pub fn extra_roots(&self) -> &[Vec<u8>] {
        &self.extra_roots
    }

    /// What the files say, strongest first.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&Content, &Path)> {
        self.files.iter().map(|file| (&file.content, file.path.as_path()))
    }

    /// The files that were read, strongest first.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }
}

impl Setting<String> {
    fn default(value: &str) -> Self {
        Self { value: value.to_owned(), origin: Origin::Default }
    }

    fn parse<T>(self) -> Result<Setting<T>, Error>
    where
        T: std::str::FromStr<Err: fmt::Display>,
    {
        match self.value.parse() {
            Ok(value) => Ok(Setting { value, origin: self.origin }),
            Err(problem) => Err(Error::Value { origin: self.origin.to_string(), problem: problem.to_string() }),
        }
    }
}

/// One setting's name in each layer.
#[derive(Clone, Copy)]
struct Key<'a> {
    flag: (&'a Option<String>, &'static str),
    variable: &'static str,
    in_file: fn(&Content) -> Option<&String>,
}

struct Layers<'a> {
    environment: &'a Environment,
    files: &'a [ConfigFile],
}

impl Layers<'_> {
    fn text(
        &self,
        flag: &Option<String>,
        flag_name: &'static str,
        variable: &'static str,
        in_file: fn(&Content) -> Option<&String>,
    ) -> Option<Setting<String>> {
        self.first(&[Key { flag: (flag, flag_name), variable, in_file }])
    }

    /// The strongest layer that says anything; within it the first of `keys`.
    fn first(&self, keys: &[Key<'_>]) -> Option<Setting<String>> {
        let in_flags = || {
            keys.iter().find_map(|key| {
                let (value, name) = key.flag;
                Some(Setting { value: value.clone()?, origin: Origin::Flag(name) })
            })
        };
        let in_variables = || {
            keys.iter().find_map(|key| {
                let value = self.environment.get(key.variable)?.to_owned();
                Some(Setting { value, origin: Origin::Variable(key.variable) })
            })
        };
        let in_files = || {
            self.files.iter().find_map(|file| {
                let value = keys.iter().find_map(|key| (key.in_file)(&file.content))?.clone();
                Some(Setting { value, origin: Origin::File(file.path.clone()) })
            })
        };
        in_flags().or_else(in_variables).or_else(in_files)
    }
}

/// A relative path in a file is relative to the file's folder.
fn ledger(flags: &Flags, environment: &Environment, files: &[ConfigFile]) -> Option<Setting<PathBuf>> {
    if let Some(path) = &flags.ledger {
        return Some(Setting { value: path.clone(), origin: Origin::Flag("ledger") });
    }
    if let Some(path) = environment.get(env::LEDGER) {
        return Some(Setting { value: path.into(), origin: Origin::Variable(env::LEDGER) });
    }
    for file in files {
        if let Some(path) = &file.content.defaults.ledger {
            let folder = file.path.parent().unwrap_or(Path::new(""));
            return Some(Setting { value: folder.join(path), origin: Origin::File(file.path.clone()) });
        }
    }
    let home = || environment.get(env::HOME).map(|home| Path::new(home).join(".local/state"));
    let folder = environment.get(env::STATE_HOME).map(PathBuf::from).or_else(home)?;
    Some(Setting { value: folder.join("kvops/ledger.jsonl"), origin: Origin::Default })
}

fn extra_roots(environment: &Environment) -> Result<Vec<Vec<u8>>, Error> {
    let paths = [env::CA, env::SSL_CERT_FILE].into_iter().filter_map(|name| environment.get(name));
    let read = |path: &str| fs::read(path).map_err(|source| Error::Read { path: path.into(), source });
    paths.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [defaults]
        cloud = "contoso-lab"
        tenant = "contoso.example"
        credential = "cli"

        [cloud.contoso-lab]
        authority = "https://localhost:8443"
        graph = "https://localhost:8443"
        vault_suffix = "vault.localhost:8443"
        arm = "https://localhost:8443"
        resolve = { "*.vault.localhost" = "127.0.0.1" }
    "#;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn load(flags: Flags, variables: &[(&str, &str)], file: &str) -> Result<Settings, Error> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kvops.toml"), file).unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        Settings::load(&flags, &environment(variables), &below)
    }

    #[test]
    fn flags_beat_variables_beat_the_nearest_file_beat_defaults() {
        let flags = Flags { tenant: Some("flag.example".to_owned()), ..Flags::default() };
        let settings = load(flags, &[("KVOPS_TENANT", "env.example"), ("KVOPS_CREDENTIAL", "mi")], FILE).unwrap();
        let tenant = settings.tenant.unwrap();
        assert_eq!((tenant.value.as_str(), tenant.origin), ("flag.example", Origin::Flag("tenant")));
        assert_eq!(
            (settings.credential.value.as_str(), settings.credential.origin.to_string().as_str()),
            ("mi", "KVOPS_CREDENTIAL")
        );
        assert!(matches!(settings.cloud.origin, Origin::File(_)));
        assert_eq!(settings.graph_credential.value, "mi");
        assert_eq!((settings.company.value.as_str(), settings.company.origin), ("contoso", Origin::Default));
    }

    #[test]
    fn a_table_is_a_cloud() {
        let cloud = load(Flags::default(), &[("KVOPS_CLOUD", "contoso-lab")], FILE).unwrap().cloud().unwrap();
        assert_eq!((cloud.name(), cloud.vault_suffix()), ("contoso-lab", "vault.localhost:8443"));
    }

    #[test]
    fn an_unknown_cloud_is_named_with_those_that_there_are() {
        let flags = Flags { cloud: Some("mars".to_owned()), ..Flags::default() };
        let error = load(flags, &[], FILE).unwrap().cloud().unwrap_err().to_string();
        assert_eq!(error, "--cloud: there is no cloud `mars`; known are public, usgov, china, contoso-lab");
    }

    #[test]
    fn a_file_does_not_say_where_the_well_known_clouds_are() {
        let file = FILE.replace("contoso-lab", "public");
        let error = load(Flags::default(), &[], &file).unwrap().cloud().unwrap_err().to_string();
        assert!(error.ends_with("a table must not be named `public`, which is one of Azure's own clouds"), "{error}");
    }

    #[test]
    fn a_cloud_of_a_file_that_was_only_found_is_told_apart() {
        let found = load(Flags::default(), &[], FILE).unwrap();
        assert_eq!(found.found_cloud().map(|(name, _)| name), Some("contoso-lab"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.toml");
        fs::write(&path, FILE).unwrap();
        let flags = Flags { config: Some(path), ..Flags::default() };
        assert_eq!(load(flags, &[], FILE).unwrap().found_cloud(), None);
    }

    #[test]
    fn a_file_that_was_only_found_does_not_define_a_cloud_and_choose_it_too() {
        let error = load(Flags::default(), &[], FILE).unwrap().cloud().unwrap_err();
        assert!(matches!(error, Error::FoundCloud { .. }), "{error}");
        assert!(error.to_string().contains("--cloud contoso-lab"), "{error}");
        let chosen = Flags { cloud: Some("contoso-lab".to_owned()), ..Flags::default() };
        assert!(load(chosen, &[], FILE).unwrap().cloud().is_ok());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.toml");
        fs::write(&path, FILE).unwrap();
        let named = Flags { config: Some(path), ..Flags::default() };
        assert!(load(named, &[], FILE).unwrap().cloud().is_ok());
    }

    #[test]
    fn a_found_table_does_not_replace_the_one_in_the_users_own_file() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("kvops")).unwrap();
        fs::write(home.path().join("kvops/config.toml"), FILE).unwrap();
        let evil = FILE.replace("localhost:8443", "localhost:6666");
        let variables = [("XDG_CONFIG_HOME", home.path().to_str().unwrap()), ("KVOPS_CLOUD", "contoso-lab")];
        let settings = load(Flags::default(), &variables, &evil).unwrap();
        assert_eq!(settings.cloud().unwrap().vault_suffix(), "vault.localhost:8443");
        assert_eq!(settings.found_cloud(), None);
    }

    #[test]
    fn no_table_vouches_for_azures_own_hosts() {
        let chosen = || Flags { cloud: Some("contoso-lab".to_owned()), ..Flags::default() };
        let problem = |file: &str| load(chosen(), &[], file).unwrap().cloud().unwrap_err().to_string();
        let azure = FILE.replacen("https://localhost:8443", "https://login.microsoftonline.com", 1);
        assert!(load(chosen(), &[], &azure).unwrap().cloud().is_ok(), "a name alone moves nothing");
        let said = problem(&azure.replace("resolve =", "ca = \"ca.pem\"\nresolve ="));
        assert!(said.contains("`ca`") && said.contains("login.microsoftonline.com"), "{said}");
        for host in ["login.microsoftonline.com", "*.vault.azure.net", "Graph.Microsoft.com"] {
            let said = problem(&FILE.replace("*.vault.localhost", host));
            assert!(said.contains("`resolve`") && said.contains("Azure's own"), "{said}");
        }
        let suffix = FILE.replace("vault.localhost:8443", "vault.azure.net");
        assert!(problem(&suffix.replace("resolve =", "ca = \"ca.pem\"\nresolve =")).contains("vault.azure.net"));
    }

    #[test]
    fn a_stronger_layer_for_everything_beats_a_weaker_one_for_one_side() {
        let file = "[defaults]\ncredential = \"cli\"\nvault_credential = \"mi\"\n";
        let flag = Flags { credential: Some("env".to_owned()), ..Flags::default() };
        let settings = load(flag.clone(), &[("KVOPS_GRAPH_CREDENTIAL", "wif")], file).unwrap();
        assert_eq!(
            (settings.vault_credential.value.as_str(), settings.graph_credential.value.as_str()),
            ("env", "env")
        );
        let both = Flags { vault_credential: Some("azd".to_owned()), ..flag };
        let settings = load(both, &[], file).unwrap();
        assert_eq!(
            (settings.vault_credential.value.as_str(), settings.graph_credential.value.as_str()),
            ("azd", "env")
        );
        let settings = load(Flags::default(), &[], file).unwrap();
        assert_eq!((settings.vault_credential.value.as_str(), settings.graph_credential.value.as_str()), ("mi", "cli"));
    }

    #[test]
    fn every_applications_table_knows_its_line_and_the_manifest_whether_it_is_complete() {
        let file = "[manifest]\ncomplete = true\n\n# ä\n[app.b]\napp = \"6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55\"\n\
                    environment = \"prod\"\nnotify = \"on-call\"\ncustody = \"external:hsm-7\"\n\n\
                    [app]\na.app = \"6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c56\"\n";
        let settings = load(Flags::default(), &[], file).unwrap();
        assert_eq!((settings.app("b").unwrap().line, settings.app("a").unwrap().line), (5, 12));
        assert!(settings.is_manifest_complete());
        assert!(!load(Flags::default(), &[], FILE).unwrap().is_manifest_complete());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = load(Flags::default(), &[], "[defaults]\ncluod = \"public\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("cluod") && error.contains('^'), "{error}");
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_and_a_searched_one_is_not() {
        let missing = Flags { config: Some("/nonexistent/kvops.toml".into()), ..Flags::default() };
        assert!(matches!(load(missing, &[], FILE), Err(Error::Read { .. })));
        let nowhere = Settings::load(&Flags::default(), &environment(&[]), Path::new("/nonexistent/a"));
        assert_eq!(nowhere.unwrap().cloud.value, "public");
    }
}
