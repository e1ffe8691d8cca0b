//! What a run leaves for the next: records, and the moments from which changes can be asked for.
//!
//! Bytes of certificates never change under their id, and versions of vault certificates never change
//! at all, so that what was once parsed need not be read again. Nothing here is trusted further than
//! the folder is: whoever may write to it decides what the next audit believes.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::application::{Application, ServicePrincipal};
use super::vault::Vault;
use super::{Evidence, Inventory, Records};
use crate::graph::Grant;

/// Another number is another layout, and is not read.
const LAYOUT: u32 = 2;

const HEAD: &str = "state.json";
const APPLICATIONS: &str = "applications.ndjson";
const PRINCIPALS: &str = "service-principals.ndjson";
const GRANTS: &str = "delegated-grants.ndjson";
const VAULTS: &str = "vaults.ndjson";

/// A folder for what is kept between runs, and what was found there.
#[derive(Debug, Default)]
pub struct State {
    folder: Option<PathBuf>,
    tenant: Option<String>,
    pub(super) applications: Records<Application>,
    pub(super) service_principals: Records<ServicePrincipal>,
    pub(super) grants: Records<Grant>,
    pub(super) vaults: Vec<Vault>,
    pub(super) marks: Marks,
}

/// The moments from which changes can be asked for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Marks {
    #[serde(default)]
    pub(super) applications: Option<Mark>,
    #[serde(default)]
    pub(super) service_principals: Option<Mark>,
    #[serde(default)]
    pub(super) grants: Option<Mark>,
}

/// One such moment.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Mark {
    /// As the directory names it.
    pub(super) token: String,
    /// The same for nothing but certificates, which come with their bytes then.
    #[serde(default)]
    pub(super) keys: Option<String>,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
}

#[derive(Deserialize, Serialize)]
struct Head {
    layout: u32,
    tenant: String,
    cloud: String,
    /// How many lines each file has: a run that died while it wrote leaves another number.
    lines: [usize; 4],
    marks: Marks,
}

/// What was found and cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is of another tenant or cloud.
    #[error("{} is of {found}, and not of {asked}", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        asked: String,
    },
    /// Another version of kvops has written it.
    #[error("{} was written by another version", folder.display())]
    Layout {
        /// The folder.
        folder: PathBuf,
    },
    /// It is damaged.
    #[error("{} is damaged", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// How.
        #[source]
        source: io::Error,
    },
}

impl State {
    /// No state: everything is read, and nothing is kept.
    pub fn none() -> Self {
        Self::default()
    }

    /// What an earlier run left in `folder`. If that cannot be used, the state is empty and the reason
    /// is told: everything is read then.
    pub fn open(folder: &Path, cloud: &str) -> (Self, Option<Unusable>) {
        let empty = Self { folder: Some(folder.to_owned()), ..Self::default() };
        match read(folder, cloud) {
            Ok(Some(state)) => (state, None),
            Ok(None) => (empty, None),
            Err(problem) => (empty, Some(problem)),
        }
    }

    /// Forgets what is of another tenant than the one that is read now.
    pub(super) fn belong_to(&mut self, tenant: &str) -> Result<(), Unusable> {
        let Some(found) = self.tenant.take().filter(|found| found != tenant) else { return Ok(()) };
        let folder = self.folder.take().unwrap_or_default();
        *self = Self { folder: Some(folder.clone()), ..Self::default() };
        Err(Unusable::Foreign { folder, found: format!("tenant {found}"), asked: format!("tenant {tenant}") })
    }

    /// Whether anything is kept at all.
    pub fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// Keeps what the next run can use of an inventory. What was narrowed down is not kept.
    pub fn save(&self, inventory: &Inventory) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let header = &inventory.header;
        if header.is_narrowed_to_applications || header.is_narrowed_to_vaults {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let complete = |evidence| inventory.coverage.is_complete(evidence);
        let marks = Marks {
            applications: self.marks.applications.clone().filter(|_| complete(Evidence::Applications)),
            service_principals: self.marks.service_principals.clone().filter(|_| complete(Evidence::ServicePrincipals)),
            grants: self.marks.grants.clone().filter(|_| complete(Evidence::DelegatedGrants)),
        };
        let lines = [
            write(&folder.join(APPLICATIONS), inventory.applications.iter())?,
            write(&folder.join(PRINCIPALS), inventory.service_principals.iter())?,
            write(&folder.join(GRANTS), self.grants.iter())?,
            write(&folder.join(VAULTS), inventory.vaults.iter())?,
        ];
        let head =
            Head { layout: LAYOUT, tenant: header.tenant.to_string(), cloud: header.cloud.clone(), lines, marks };
        // Last, because it vouches for the others.
        atomically(&folder.join(HEAD), |file| serde_json::to_writer(file, &head).map_err(io::Error::from))
    }
}

fn read(folder: &Path, cloud: &str) -> Result<Option<State>, Unusable> {
    let damaged = |name: &str| {
        let file = folder.join(name);
        move |source| Unusable::Damaged { file, source }
    };
    let text = match fs::read(folder.join(HEAD)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(HEAD)(error)),
    };
    let head: serde_json::Value = serde_json::from_slice(&text).map_err(|error| damaged(HEAD)(error.into()))?;
    if head["layout"] != LAYOUT {
        return Err(Unusable::Layout { folder: folder.to_owned() });
    }
    let head = Head::deserialize(head).map_err(|error| damaged(HEAD)(error.into()))?;
    if head.cloud != cloud {
        let (found, asked) = (format!("cloud {}", head.cloud), format!("cloud {cloud}"));
        return Err(Unusable::Foreign { folder: folder.to_owned(), found, asked });
    }
    let [applications, principals, grants, vaults] = head.lines;
    Ok(Some(State {
        folder: Some(folder.to_owned()),
        tenant: Some(head.tenant),
        applications: lines(&folder.join(APPLICATIONS), applications).map_err(damaged(APPLICATIONS))?,
        service_principals: lines(&folder.join(PRINCIPALS), principals).map_err(damaged(PRINCIPALS))?,
        grants: lines(&folder.join(GRANTS), grants).map_err(damaged(GRANTS))?,
        vaults: lines::<Vault>(&folder.join(VAULTS), vaults).map_err(damaged(VAULTS))?.iter().collect(),
        marks: head.marks,
    }))
}

fn lines<T: Serialize + DeserializeOwned>(path: &Path, expected: usize) -> io::Result<Records<T>> {
    let lines = BufReader::new(File::open(path)?).lines();
    let records: Records<T> = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<io::Result<_>>()?;
    if records.len() == expected {
        return Ok(records);
    }
    let problem = format!("it has {} lines where {expected} were written", records.len());
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

fn write<T: Serialize>(path: &Path, records: impl ExactSizeIterator<Item = T>) -> io::Result<usize> {
    let number = records.len();
    atomically(path, |file| {
        for record in records {
            serde_json::to_writer(&mut *file, &record)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    Ok(number)
}

/// Writes a file that is there with its whole new content, or as it was.
pub fn atomically(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let mut writer = BufWriter::new(file.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::super::{Header, SCHEMA_VERSION};
    use super::*;

    const TENANT: &str = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";

    fn inventory() -> Inventory {
        let mut inventory = Inventory::empty(Header {
            schema_version: SCHEMA_VERSION.to_owned(),
            tenant: TENANT.parse().unwrap(),
            tenant_created_at: None,
            cloud: "public".to_owned(),
            collected_at: datetime!(2026-11-21 12:00 UTC),
            is_narrowed_to_applications: false,
            is_narrowed_to_vaults: false,
        });
        inventory.applications = vec![serde_json::from_value(json!({ "id": TENANT, "appId": TENANT })).unwrap()].into();
        inventory
    }

    fn saved(folder: &Path) {
        let mark = Mark { token: "t".to_owned(), keys: None, at: datetime!(2026-11-21 12:00 UTC) };
        let (mut state, problem) = State::open(folder, "public");
        assert!(problem.is_none(), "an empty folder is a beginning");
        state.marks.applications = Some(mark);
        state.save(&inventory()).unwrap();
    }

    #[test]
    fn what_was_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        saved(folder.path());
        let (state, problem) = State::open(folder.path(), "public");
        assert!(problem.is_none());
        assert_eq!(state.applications, inventory().applications);
        assert_eq!(state.marks.applications.unwrap().token, "t");
    }

    #[test]
    fn what_belongs_to_another_tenant_or_cloud_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        saved(folder.path());
        let (state, problem) = State::open(folder.path(), "usgov");
        assert!(matches!(problem, Some(Unusable::Foreign { .. })));
        assert!(state.applications.is_empty() && state.marks.applications.is_none());
        let (mut state, _) = State::open(folder.path(), "public");
        assert!(matches!(state.belong_to("another"), Err(Unusable::Foreign { .. })));
        assert!(state.applications.is_empty() && state.marks.applications.is_none() && state.is_kept());
        let (mut state, _) = State::open(folder.path(), "public");
        assert!(state.belong_to(TENANT).is_ok() && !state.applications.is_empty());
    }

    #[test]
    fn a_torn_or_damaged_file_leads_to_a_full_run() {
        for (file, content) in
            [(HEAD, "{"), (APPLICATIONS, ""), (APPLICATIONS, "{\"id\":1}\n"), (HEAD, "{\"layout\":99}"), (HEAD, "[]")]
        {
            let folder = tempfile::tempdir().unwrap();
            saved(folder.path());
            fs::write(folder.path().join(file), content).unwrap();
            let (state, problem) = State::open(folder.path(), "public");
            assert!(problem.is_some(), "{file} {content}");
            assert!(state.applications.is_empty() && state.is_kept());
        }
    }

    #[test]
    fn no_mark_is_kept_over_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(folder.path(), "public");
        state.marks.applications =
            Some(Mark { token: "t".to_owned(), keys: None, at: datetime!(2026-11-21 12:00 UTC) });
        let mut inventory = inventory();
        inventory.coverage.gap(super::super::Gap {
            evidence: Evidence::Applications,
            object: String::new(),
            reason: super::super::Reason::Throttled,
            detail: String::new(),
            grant: String::new(),
        });
        state.save(&inventory).unwrap();
        assert!(State::open(folder.path(), "public").0.marks.applications.is_none());
    }

    #[test]
    fn what_was_narrowed_down_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = inventory();
        inventory.header.is_narrowed_to_vaults = true;
        State::open(folder.path(), "public").0.save(&inventory).unwrap();
        assert!(!folder.path().join(HEAD).exists());
    }
}
