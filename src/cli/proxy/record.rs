//! What a running proxy leaves for its user: address and key, in a file that nobody else may read, gone
//! when the proxy ends.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config::env;
use crate::domain::AppId;
use crate::domain::Environment;
use crate::domain::Secret;
use crate::proxy::Profile;
use crate::serve::RunKey;

/// On this machine somebody answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// A proxy that is running.
#[derive(Debug)]
pub(super) struct Record {
    url: String,
    key: Secret<String>,
    address_key: Secret<String>,
    profiles: Vec<Known>,
}

/// One of its profiles.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) app: AppId,
}

/// The file of a running proxy. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Left {
    path: PathBuf,
    text: Secret<String>,
    /// Locked for as long as the proxy runs, however it ends.
    _file: File,
}

impl Record {
    /// Writes the record of a proxy on a port. Without a folder of the user's own there is none.
    pub(super) fn leave(
        port: u16,
        key: &RunKey,
        profiles: &[Profile],
        environment: &Environment,
    ) -> std::io::Result<Option<Left>> {
        let Some(path) = path(port, environment) else { return Ok(None) };
        let profiles: Vec<_> =
            profiles.iter().map(|profile| json!({ "name": profile.name, "app": profile.app })).collect();
        let record = json!({ "url": url(port), "key": key.text().expose(), "address_key": key.in_address().expose(), "profiles": profiles });
        let text = Secret::new(record.to_string());
        let file = write(&path, text.expose())?;
        Ok(Some(Left { path, text, _file: file }))
    }

    /// The record of the proxy that listens on a port.
    pub(super) fn read(port: u16, environment: &Environment) -> Result<Self, Failure> {
        let none = || {
            Failure::new(Exit::Usage, format!("no proxy of yours is running on port {port}"))
                .hint("start one with `kvops proxy`, and name its port with `--port`")
        };
        let text = match path(port, environment).map(|path| read(&path)) {
            Some(Ok(Some(text))) => text,
            // One that was killed has left its file, and its port may be somebody else's by now.
            Some(Ok(None)) => return Err(none()),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                return Err(Failure::new(Exit::Usage, format!("the record of the proxy cannot be read: {error}")));
            }
            Some(Err(_)) | None => return Err(none()),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|_| none())?;
        Self::parse(&text).ok_or_else(|| Failure::new(Exit::Usage, "the record of the proxy is not one of kvops"))
    }

    fn parse(text: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(text).ok()?;
        let known = |profile: &Value| {
            Some(Known { name: profile["name"].as_str()?.to_owned(), app: profile["app"].as_str()?.parse().ok()? })
        };
        Some(Self {
            url: record["url"].as_str()?.to_owned(),
            key: Secret::new(record["key"].as_str()?.to_owned()),
            address_key: Secret::new(record["address_key"].as_str()?.to_owned()),
            profiles: record["profiles"].as_array()?.iter().map(known).collect::<Option<_>>()?,
        })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What its callers show.
    pub(super) fn key(&self) -> &Secret<String> {
        &self.key
    }

    /// The same in addresses.
    pub(super) fn address_key(&self) -> &Secret<String> {
        &self.address_key
    }

    /// Whether an address has to name a profile.
    pub(super) fn has_several(&self) -> bool {
        self.profiles.len() > 1
    }

    /// The profile of that name, or the only one.
    pub(super) fn profile(&self, name: Option<&str>) -> Result<&Known, Failure> {
        let names = || self.profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, self.profiles.as_slice()) {
            (None, [only]) => Ok(only),
            (Some(name), profiles) => profiles.iter().find(|profile| profile.name == name).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("the proxy has no profile {name}; it has {}", names()))
            }),
            (None, _) => Err(Failure::new(Exit::Usage, format!("the proxy has profiles {}", names()))
                .hint("choose one with `--profile`")),
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // Another proxy may have taken the port while this one still had requests to answer.
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == *self.text.expose()) {
            // The folder may have gone before the proxy did.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// In the folder for what lives as long as a session, or in that for state.
fn path(port: u16, environment: &Environment) -> Option<PathBuf> {
    let home = || environment.get(env::HOME).map(|home| Path::new(home).join(".local/state"));
    let state = || environment.get(env::STATE_HOME).map(PathBuf::from).or_else(home);
    let folder = environment.get(env::RUNTIME_FOLDER).map(PathBuf::from).or_else(state)?;
    Some(folder.join(format!("kvops/proxy-{port}.json")))
}

/// What a file holds; nothing where the proxy that wrote it runs no more.
fn read(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    if cfg!(unix) && file.try_lock_shared().is_ok() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

fn write(path: &Path, text: &str) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file that is there already may be open to others.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // On Windows nobody could read it then.
    if cfg!(unix) {
        file.lock()?;
    }
    file.write_all(text.as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "615e6319-bf4f-4279-937c-b9eb198e511f";

    fn record(profiles: &[&str]) -> Record {
        let profiles: Vec<_> = profiles.iter().map(|name| json!({ "name": name, "app": APP })).collect();
        Record::parse(&json!({ "url": url(5616), "key": "k", "address_key": "6b", "profiles": profiles }).to_string())
            .unwrap()
    }

    #[test]
    fn the_only_profile_need_not_be_named_and_of_several_one_must_be() {
        assert_eq!(record(&["a"]).profile(None).unwrap().name, "a");
        assert_eq!(record(&["a", "b"]).profile(Some("b")).unwrap().name, "b");
        assert!(record(&["a", "b"]).profile(None).unwrap_err().message().contains("a, b"));
        assert!(record(&["a"]).profile(Some("c")).is_err());
        assert!(record(&[]).profile(None).is_err());
    }

    #[test]
    fn what_is_left_goes_with_the_proxy_and_is_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let environment: Environment = [(env::RUNTIME_FOLDER.to_owned(), home)].into_iter().collect();
        let left = Record::leave(5616, &RunKey::from_bytes([7; 32]), &[], &environment).unwrap().unwrap();
        let file = folder.path().join("kvops/proxy-5616.json");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(std::fs::read_to_string(&file).unwrap().contains("http://127.0.0.1:5616"));
        drop(left);
        assert!(!file.exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_proxy_that_ends_late_leaves_the_file_of_its_successor_and_one_that_was_killed_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy-5616.json");
        let leave = |text: &str| Left {
            path: path.clone(),
            text: Secret::new(text.to_owned()),
            _file: write(&path, text).unwrap(),
        };
        let (first, second) = (leave("first"), leave("second"));
        drop(first);
        assert_eq!(read(&path).unwrap().as_deref(), Some("second"));
        drop(second);
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::NotFound);
        drop(write(&path, "killed").unwrap());
        assert_eq!(read(&path).unwrap(), None);
    }
}
