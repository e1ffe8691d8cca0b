//! An inventory as a document: one JSON object a line, each with what was derived from it. What is
//! written is what other tools judge, and what kvops reads back.
//!
//! The first line is the header, the last one seals the file: how many lines there are, and the
//! SHA-256 of everything before it. A file that was cut off or edited by accident shows that; whoever
//! edits it on purpose can compute the sum again.

mod derive;

use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::facts::{ApplicationFacts, Desk, Joined, PrincipalFacts, VaultFacts};
use crate::inventory::{Header, Inventory, Records, SCHEMA_VERSION, Seen};

/// An inventory that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("line {line} cannot be read")]
    Read {
        /// The line, from 1.
        line: usize,
        /// Why.
        source: io::Error,
    },
    /// It is no inventory.
    #[error("it is no inventory: the first line is no header")]
    NoInventory,
    /// Its end is missing, and with it nobody knows what.
    #[error("its end is missing: the file was cut off, and what it lacks would be taken for absent")]
    Cut,
    /// It is of a later kvops.
    #[error("it is an inventory of version {version}, and this reads version {SCHEMA_VERSION}")]
    OtherVersion {
        /// Its version.
        version: String,
    },
    /// A line that is not what it says.
    #[error("line {line} is no {kind}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What it says that it is.
        kind: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A certificate of a vault that did not come before it.
    #[error("line {line} is of vault {vault}, of which nothing was read")]
    Vault {
        /// The line, from 1.
        line: usize,
        /// The vault.
        vault: String,
    },
}

/// What was read.
#[derive(Debug)]
pub struct Imported {
    /// The inventory.
    pub inventory: Inventory,
    /// Why it is not as it was written, if it is not.
    pub damage: Option<String>,
    /// Whether its end is missing.
    pub is_cut: bool,
}

/// Members of an inventory whose objects have lines of their own.
const LISTED: [&str; 4] = ["header", "applications", "servicePrincipals", "vaults"];

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct OfVault {
    vault: String,
}

#[derive(Deserialize)]
struct Seal {
    lines: usize,
    sha256: String,
}

/// Writes an inventory, with what was derived from it.
pub fn export(joined: &Joined<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut sealed = Sealed { out, hash: Sha256::new(), lines: 0 };
    each(joined, &mut |object| sealed.line(object))?;
    sealed.seal()
}

/// The same as one value: what rules of others are given as their input.
pub fn whole(joined: &Joined<'_>) -> Json {
    let mut whole = Map::new();
    let lists = [
        ("application", "applications"),
        ("service-principal", "servicePrincipals"),
        ("vault", "vaults"),
        ("certificate", "certificates"),
    ];
    for (_, list) in lists {
        whole.insert(list.to_owned(), Json::Array(Vec::new()));
    }
    let gathered = each(joined, &mut |object| {
        let kind = object.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
        match lists.iter().find(|(one, _)| *one == kind) {
            Some((_, list)) => {
                if let Some(list) = whole.get_mut(*list).and_then(Json::as_array_mut) {
                    list.push(object);
                }
            }
            None => whole
                .extend(object.as_object().cloned().unwrap_or_default().into_iter().filter(|(name, _)| name != "kind")),
        }
        Ok(())
    });
    debug_assert!(gathered.is_ok(), "nothing that is only gathered can fail");
    Json::Object(whole)
}

/// Hands out one object after the other.
fn each(joined: &Joined<'_>, out: &mut dyn FnMut(Json) -> io::Result<()>) -> io::Result<()> {
    let inventory = joined.inventory();
    let mut write = |object: Map<String, Json>| {
        let mut object = Json::Object(object);
        derive::with_nanoseconds(&mut object);
        out(object)
    };
    let mut header = derive::record("header", &inventory.header);
    header.insert("now_ns".to_owned(), derive::nanoseconds(header["collectedAt"].as_str().unwrap_or_default()).into());
    write(header)?;
    write(tenant(inventory))?;
    for app in &inventory.applications {
        let desk = Desk::default();
        let facts = &joined.facts(&desk);
        write(derive::application(&ApplicationFacts::new(&app, facts), facts))?;
    }
    for principal in &inventory.service_principals {
        let desk = Desk::default();
        let facts = &joined.facts(&desk);
        write(derive::principal(&PrincipalFacts::new(&principal, facts), facts))?;
    }
    for vault in &inventory.vaults {
        let desk = Desk::default();
        let facts = &joined.facts(&desk);
        let vault = VaultFacts::new(vault, facts);
        write(derive::vault(&vault))?;
        for certificate in &vault.certificates {
            write(derive::certificate(certificate))?;
        }
    }
    Ok(())
}

/// Everything of the tenant that is one of a kind.
fn tenant(inventory: &Inventory) -> Map<String, Json> {
    // Every field by name, so that a new one is not forgotten here.
    let shell = Inventory {
        header: inventory.header.clone(),
        applications: Records::new(),
        service_principals: Records::new(),
        vaults: Vec::new(),
        deleted_applications: inventory.deleted_applications.clone(),
        directory_roles: inventory.directory_roles.clone(),
        role_resources: inventory.role_resources.clone(),
        policies: inventory.policies.clone(),
        assignments: inventory.assignments.clone(),
        role_definitions: inventory.role_definitions.clone(),
        coverage: inventory.coverage.clone(),
    };
    let mut object = derive::record("tenant", &shell);
    object.retain(|name, _| !LISTED.contains(&name.as_str()));
    object
}

/// Lines that are counted and summed up while they are written.
struct Sealed<'o> {
    out: &'o mut dyn Write,
    hash: Sha256,
    lines: usize,
}

impl Sealed<'_> {
    fn line(&mut self, object: Json) -> io::Result<()> {
        let line = format!("{object}\n");
        self.hash.update(line.as_bytes());
        self.lines += 1;
        self.out.write_all(line.as_bytes())
    }

    fn seal(self) -> io::Result<()> {
        let seal = json!({ "kind": "end", "lines": self.lines, "sha256": hex(self.hash) });
        writeln!(self.out, "{seal}")?;
        self.out.flush()
    }
}

/// Reads an inventory back. What was derived is left out: it is derived again.
pub fn import(file: &mut dyn BufRead) -> Result<Imported, ImportError> {
    let mut reader = Reader { hash: Sha256::new(), line: 0 };
    let first = next(file, 1)?;
    // Some editors and shells put a byte order mark there.
    let mut inventory = reader.header(first.strip_prefix('\u{feff}').unwrap_or(&first))?;
    let mut damage = Some("the last line is missing, so the file was cut off".to_owned());
    let mut is_cut = true;
    loop {
        let text = next(file, reader.line + 1)?;
        if text.is_empty() {
            break;
        }
        let kind = serde_json::from_str::<Kind>(&text).map_or_else(|_| String::new(), |line| line.kind);
        if kind == "end" {
            is_cut = false;
            damage = reader.broken(&text);
            if damage.is_none() && !next(file, reader.line + 2)?.is_empty() {
                damage = Some("something stands behind its last line".to_owned());
            }
            break;
        }
        if kind.is_empty() && !text.ends_with('\n') {
            break;
        }
        reader.take(&text);
        reader.add(&mut inventory, &kind, &text)?;
    }
    Ok(Imported { inventory, damage, is_cut })
}

fn next(file: &mut dyn BufRead, line: usize) -> Result<String, ImportError> {
    let mut text = String::new();
    file.read_line(&mut text).map_err(|source| ImportError::Read { line, source })?;
    Ok(text)
}

struct Reader {
    hash: Sha256,
    line: usize,
}

impl Reader {
    fn take(&mut self, text: &str) {
        self.hash.update(text.as_bytes());
        self.line += 1;
    }

    fn header(&mut self, text: &str) -> Result<Inventory, ImportError> {
        let kind = serde_json::from_str::<Kind>(text).map_err(|_| ImportError::NoInventory)?.kind;
        if kind != "header" {
            return Err(ImportError::NoInventory);
        }
        self.take(text);
        let header: Header = self.parsed(&kind, text)?;
        let major = |version: &str| version.split('.').next().map(str::to_owned);
        if major(&header.schema_version) != major(SCHEMA_VERSION) {
            return Err(ImportError::OtherVersion { version: header.schema_version });
        }
        Ok(Inventory::empty(header))
    }

    fn add(&self, inventory: &mut Inventory, kind: &str, text: &str) -> Result<(), ImportError> {
        match kind {
            "tenant" => {
                let mut tenant: Map<String, Json> = self.parsed(kind, text)?;
                let shell = serde_json::to_value(Inventory::empty(inventory.header.clone())).unwrap_or_default();
                tenant.retain(|name, _| shell.get(name).is_some() && !LISTED.contains(&name.as_str()));
                tenant.insert("header".to_owned(), shell["header"].clone());
                let tenant: Inventory = self.valued(kind, Json::Object(tenant))?;
                let listed = std::mem::replace(inventory, tenant);
                inventory.applications = listed.applications;
                inventory.service_principals = listed.service_principals;
                inventory.vaults = listed.vaults;
            }
            "application" => inventory.applications.push(&self.parsed(kind, text)?),
            "service-principal" => inventory.service_principals.push(&self.parsed(kind, text)?),
            "vault" => inventory.vaults.push(self.parsed(kind, text)?),
            "certificate" => {
                let vault = self.parsed::<OfVault>(kind, text)?.vault;
                let last = inventory.vaults.last_mut().filter(|last| last.name.as_str() == vault);
                match last.map(|last| &mut last.certificates) {
                    Some(Seen::Read(certificates)) => certificates.push(&self.parsed(kind, text)?),
                    _ => return Err(ImportError::Vault { line: self.line, vault }),
                }
            }
            "" => drop(self.parsed::<Kind>("object with a kind", text)?),
            // A later kvops may write more.
            _ => {}
        }
        Ok(())
    }

    fn parsed<T: DeserializeOwned>(&self, kind: &str, text: &str) -> Result<T, ImportError> {
        serde_json::from_str(text).map_err(|source| ImportError::Line {
            line: self.line,
            kind: kind.to_owned(),
            source,
        })
    }

    fn valued<T: DeserializeOwned>(&self, kind: &str, value: Json) -> Result<T, ImportError> {
        serde_json::from_value(value).map_err(|source| ImportError::Line {
            line: self.line,
            kind: kind.to_owned(),
            source,
        })
    }

    /// Why what was read is not what was sealed, if it is not.
    fn broken(&self, text: &str) -> Option<String> {
        let Ok(seal) = serde_json::from_str::<Seal>(text) else {
            return Some("its last line cannot be understood".to_owned());
        };
        if seal.lines != self.line {
            return Some(format!("it has {} lines, and was written with {}", self.line, seal.lines));
        }
        (hex(self.hash.clone()) != seal.sha256).then(|| "its lines are not those that were written".to_owned())
    }
}

fn hex(hash: Sha256) -> String {
    crate::domain::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::data::Data;
    use crate::audit::manifest::Manifest;

    /// Every tenant of the rules' tests: together they have every kind of record.
    fn inventories() -> Vec<Inventory> {
        let canary: Json = serde_json::from_str(include_str!("../../../policies/canary/inventory.json")).unwrap();
        let tenants = canary["tenants"].as_array().unwrap();
        tenants.iter().map(|tenant| serde_json::from_value(tenant["inventory"].clone()).unwrap()).collect()
    }

    fn exported(inventory: &Inventory) -> String {
        let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
        let mut out = Vec::new();
        export(&Joined::new(inventory, &manifest, &history, &data), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn damage(text: &str) -> String {
        import(&mut text.as_bytes()).unwrap().damage.unwrap_or_default()
    }

    #[test]
    fn what_is_written_is_read_back_whole() {
        for inventory in inventories() {
            let imported = import(&mut exported(&inventory).as_bytes()).unwrap();
            assert_eq!(imported.damage, None);
            assert_eq!(serde_json::to_value(&imported.inventory).unwrap(), serde_json::to_value(&inventory).unwrap());
        }
    }

    #[test]
    fn a_file_that_was_cut_off_or_edited_shows_it() {
        let text = exported(&inventories()[0]);
        assert_eq!(damage(&text), "");
        let lines: Vec<&str> = text.lines().collect();
        let without_end = lines[..lines.len() - 1].join("\n");
        assert!(damage(&without_end).contains("cut off"), "{}", damage(&without_end));
        assert!(damage(&text[..text.len() / 2]).contains("cut off"));
        let mut less = lines.clone();
        less.remove(2);
        assert!(damage(&(less.join("\n") + "\n")).contains("lines, and was written with"));
        assert!(damage(&text.replace("2026-11-20", "2026-11-19")).contains("not those"));
        assert!(damage(&(text.clone() + "{}\n")).contains("behind"));
    }

    #[test]
    fn what_is_no_inventory_or_of_a_later_version_is_refused() {
        let refused = |text: &str| import(&mut text.as_bytes()).unwrap_err().to_string();
        assert!(refused("").contains("no inventory"));
        assert!(refused("[1]\n").contains("no inventory"));
        let text = exported(&inventories()[0]).replacen("\"1.0\"", "\"2.0\"", 1);
        assert!(refused(&text).contains("version 2.0"));
    }

    #[test]
    fn members_that_this_kvops_does_not_know_are_passed_over() {
        let text =
            exported(&inventories()[0]).replacen("\"kind\":\"application\"", "\"kind\":\"application\",\"later\":1", 1);
        assert_eq!(import(&mut text.as_bytes()).unwrap().inventory.applications.len(), 1);
    }

    #[test]
    fn the_document_says_what_rules_need_and_every_time_twice() {
        let inventory = &inventories()[0];
        let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
        let whole = whole(&Joined::new(inventory, &manifest, &history, &data));
        let password = &whole["applications"][0]["passwords"][0];
        assert_eq!((&password["active"], &password["days_left"]), (&json!(true), &json!(40)), "{password}");
        assert_eq!(password["start_ns"], json!(1_795_132_800_000_000_000_i64));
        assert_eq!(whole["now_ns"], whole["collectedAt_ns"]);
        assert_eq!(whole["coverage"]["gaps"][0]["reason"], "rbac");
    }
}
