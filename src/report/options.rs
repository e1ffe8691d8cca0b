//! What a format needs beside the report.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::audit::{Manifest, ManifestEntry, ObjectKind, Subject};

/// What a format needs beside the report. It never changes what is judged.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether there is somebody to see colours.
    pub has_colour: bool,
    /// Where findings stand in the repository.
    pub locations: Locations,
    /// Who owns what, for the plan of action.
    pub manifest: Manifest,
    /// Whether SARIF lists what was waived, with its justification.
    pub sarif_include_suppressed: bool,
    /// Where this run writes the Markdown summary, for pipelines that are told of the file.
    pub markdown_file: Option<PathBuf>,
    /// The class of OCSF events.
    pub ocsf_class: OcsfClass,
}

/// Classes of OCSF events that fit findings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OcsfClass {
    /// 2003, Compliance Finding: the result of a control.
    #[default]
    Compliance,
    /// 2004, Detection Finding, for pipelines that were built for it.
    Detection,
}

/// Where findings about cloud objects stand in a repository, which has no line for a cloud object.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    manifest: Manifest,
    inventory: BTreeMap<(ObjectKind, Box<str>), Location>,
    root: PathBuf,
}

/// A line of a file of the repository.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Location {
    /// From the root of the repository, with forward slashes.
    pub file: String,
    /// From 1.
    pub line: usize,
}

/// What of a line of an inventory tells whose it is.
#[derive(Deserialize)]
struct Record {
    kind: String,
    id: Option<String>,
    vault: Option<String>,
    name: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 80,
            has_colour: false,
            locations: Locations::default(),
            manifest: Manifest::default(),
            sarif_include_suppressed: false,
            markdown_file: None,
            ocsf_class: OcsfClass::default(),
        }
    }
}

impl Options {
    /// What people wrote down about a subject: the entry of its application, or of the one that uses
    /// its certificate.
    pub fn entry(&self, subject: &Subject) -> Option<&ManifestEntry> {
        entry(&self.manifest, subject)
    }
}

impl Locations {
    /// The lines of a manifest. Files below `root`, the repository's, are named from there.
    pub fn new(manifest: Manifest, root: impl Into<PathBuf>) -> Self {
        Self { manifest, inventory: BTreeMap::new(), root: root.into() }
    }

    /// Adds the line of an object in an exported inventory.
    pub fn add(&mut self, kind: ObjectKind, id: impl Into<Box<str>>, file: &Path, line: usize) {
        if let Some(file) = self.name_of(file) {
            self.inventory.insert((kind, id.into()), Location { file, line });
        }
    }

    /// Adds the line of every object of an exported inventory, which has one object a line.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn add_inventory(&mut self, file: &Path, lines: impl BufRead) -> io::Result<()> {
        for (index, line) in lines.lines().enumerate() {
            let Ok(record) = serde_json::from_str::<Record>(&line?) else { continue };
            let (kind, id) = match (&*record.kind, record.id, record.vault, record.name) {
                ("application", Some(id), ..) => (ObjectKind::Application, id),
                ("service-principal", Some(id), ..) => (ObjectKind::ServicePrincipal, id),
                ("vault", _, _, Some(name)) => (ObjectKind::Vault, name),
                ("certificate", _, Some(vault), Some(name)) => (ObjectKind::Certificate, format!("{vault}/{name}")),
                _ => continue,
            };
            self.add(kind, id, file, index + 1);
        }
        Ok(())
    }

    /// The line of a subject: in the manifest, else in the exported inventory, else the first of
    /// `kvops.toml`, since code scanning shows nothing without a file.
    pub fn of(&self, subject: &Subject) -> Location {
        if let Some(entry) = entry(&self.manifest, subject)
            && let Some(file) = self.name_of(&entry.file)
        {
            return Location { file, line: entry.line.max(1) };
        }
        let line = |kind, id: &str| self.inventory.get(&(kind, id.into())).cloned();
        let vault = || subject.id.split_once('/').and_then(|(vault, _)| line(ObjectKind::Vault, vault));
        line(subject.kind, &subject.id).or_else(vault).unwrap_or_else(|| self.fallback())
    }

    /// The line of what stands nowhere.
    pub fn fallback(&self) -> Location {
        let file = self.manifest.file.as_deref().and_then(|file| self.name_of(file));
        Location { file: file.unwrap_or_else(|| "kvops.toml".to_owned()), line: 1 }
    }

    /// The name of a file from the root; nothing for one that is outside, which no reader of a
    /// report could open.
    fn name_of(&self, file: &Path) -> Option<String> {
        let file = file.strip_prefix(&self.root).unwrap_or(file);
        let parts = file.components().filter(|part| *part != Component::CurDir);
        let names: Option<Vec<_>> = parts
            .map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy()),
                _ => None,
            })
            .collect();
        names.map(|names| names.join("/"))
    }
}

fn entry<'a>(manifest: &'a Manifest, subject: &Subject) -> Option<&'a ManifestEntry> {
    if let Some(app) = subject.app_id {
        return manifest.entries.get(&app);
    }
    let (vault, certificate) = subject.id.split_once('/').filter(|_| subject.kind == ObjectKind::Certificate)?;
    manifest.entries.values().find(|entry| {
        entry.certificate.as_deref() == Some(certificate)
            && entry.vault.as_deref().is_some_and(|name| is_vault(name, vault))
    })
}

/// Whether a manifest's vault, a name or a URL, is the vault with a name.
fn is_vault(written: &str, name: &str) -> bool {
    let host = written.strip_prefix("https://").unwrap_or(written);
    host.split(['.', '/']).next().is_some_and(|label| label.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AppId;

    const APP: &str = "7b0f0000-0000-4000-8000-000000000001";

    fn locations() -> Locations {
        let entry = ManifestEntry {
            file: "/srv/ci/repo/apps/kvops.toml".into(),
            line: 12,
            vault: Some("https://kv-billing.vault.azure.net/".to_owned()),
            certificate: Some("billing".to_owned()),
            ..ManifestEntry::default()
        };
        let mut manifest = Manifest { file: Some("/srv/ci/repo/apps/kvops.toml".into()), ..Manifest::default() };
        manifest.entries.insert(APP.parse().unwrap(), entry);
        let mut locations = Locations::new(manifest, "/srv/ci/repo");
        locations.add(ObjectKind::Application, "o-2", Path::new("audit/inventory.ndjson"), 7);
        locations.add(ObjectKind::Vault, "kv-other", Path::new("audit/inventory.ndjson"), 9);
        locations
    }

    fn of(subject: &Subject) -> String {
        let location = locations().of(subject);
        format!("{}:{}", location.file, location.line)
    }

    #[test]
    fn the_manifest_goes_before_the_inventory_and_that_before_the_first_line() {
        let known =
            Subject { app_id: Some(APP.parse::<AppId>().unwrap()), ..Subject::new(ObjectKind::Application, "o-2", "") };
        assert_eq!(of(&known), "apps/kvops.toml:12");
        assert_eq!(of(&Subject::new(ObjectKind::Application, "o-2", "")), "audit/inventory.ndjson:7");
        assert_eq!(of(&Subject::new(ObjectKind::Application, "o-3", "")), "apps/kvops.toml:1");
        assert_eq!(Locations::default().fallback().file, "kvops.toml");
    }

    #[test]
    fn a_file_outside_of_the_repository_is_no_location() {
        let manifest = Manifest { file: Some("/home/jane/kvops.toml".into()), ..Manifest::default() };
        let mut locations = Locations::new(manifest, "/srv/ci/repo");
        locations.add(ObjectKind::Vault, "kv-one", Path::new("../tenant.ndjson"), 3);
        assert_eq!(locations.of(&Subject::new(ObjectKind::Vault, "kv-one", "")).file, "kvops.toml");
        locations.add(ObjectKind::Vault, "kv-one", Path::new("./tenant.ndjson"), 3);
        assert_eq!(locations.of(&Subject::new(ObjectKind::Vault, "kv-one", "")).file, "tenant.ndjson");
    }

    #[test]
    fn an_exported_inventory_has_a_line_for_each_object() {
        let lines = [
            r#"{"kind":"header","tenant":"t"}"#,
            r#"{"kind":"application","id":"o-1","name":"whatever"}"#,
            r#"{"kind":"vault","name":"kv-one","id":"/subscriptions/s"}"#,
            r#"{"kind":"certificate","vault":"kv-one","name":"billing"}"#,
            "not JSON",
            r#"{"kind":"service-principal","id":"o-1"}"#,
        ];
        let mut locations = Locations::default();
        locations.add_inventory(Path::new("tenant.ndjson"), lines.join("\n").as_bytes()).unwrap();
        let line = |kind, id| locations.of(&Subject::new(kind, id, "")).line;
        assert_eq!(line(ObjectKind::Application, "o-1"), 2);
        assert_eq!(line(ObjectKind::Vault, "kv-one"), 3);
        assert_eq!(line(ObjectKind::Certificate, "kv-one/billing"), 4);
        assert_eq!(line(ObjectKind::Certificate, "kv-one/other"), 3);
        assert_eq!(line(ObjectKind::ServicePrincipal, "o-1"), 6);
    }

    #[test]
    fn a_certificate_stands_where_its_application_or_its_vault_stands() {
        assert_eq!(of(&Subject::new(ObjectKind::Certificate, "kv-billing/billing", "")), "apps/kvops.toml:12");
        assert_eq!(of(&Subject::new(ObjectKind::Certificate, "kv-other/x", "")), "audit/inventory.ndjson:9");
        // A vault whose name only begins alike is another.
        assert_eq!(of(&Subject::new(ObjectKind::Certificate, "kv-bill/billing", "")), "apps/kvops.toml:1");
    }
}
