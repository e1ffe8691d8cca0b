//! Facts in the text of a mail, recognised by their shape and, where that is not enough, by the label
//! before them. Whatever is said twice has to be the same.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::error::{Error, revealed};
use super::host;
use super::resource;
use super::words::{self, Topic};
use super::{Kind, Notice};
use crate::domain::{CertificateName, Cloud, KeyUrl, Thumbprint, VaultName, Version, is_invisible};

/// A renewal names the old thumbprint and the new one.
const MOST_THUMBPRINTS: usize = 2;

/// Everything that the parts of a mail say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    vaults: BTreeSet<VaultName>,
    certificates: BTreeSet<CertificateName>,
    thumbprints: BTreeSet<String>,
    versions: BTreeSet<Version>,
    subscriptions: BTreeSet<Uuid>,
    tenants: BTreeSet<Uuid>,
}

/// A line with a label and a value; the label is empty where a line has none.
struct Line<'a> {
    label: &'a str,
    value: &'a str,
}

impl Facts {
    /// Takes what a part says: its text, and where its links point to.
    pub(super) fn add(&mut self, text: &str, links: &[String], cloud: &Cloud) -> Result<(), Error> {
        let words = text.split(|c: char| c.is_whitespace() || "<>\"'()[]{},;*|".contains(c));
        for word in words.chain(links.iter().map(String::as_str)) {
            self.add_word(word, cloud)?;
        }
        let lines = lines(text);
        for line in &lines {
            self.add_line(line)?;
        }
        self.add_block(&lines);
        Ok(())
    }

    fn add_word(&mut self, word: &str, cloud: &Cloud) -> Result<(), Error> {
        if let Some(vault) = host::vault_in(word, cloud)? {
            self.vaults.insert(vault);
            let key = KeyUrl::parse_certificate_id(word, cloud).or_else(|_| KeyUrl::parse(word, cloud));
            if let Ok(key) = key {
                self.certificates.insert(key.name().clone());
                self.versions.insert(key.version().clone());
            }
        }
        if let Some((subscription, vault)) = resource::vault_of(word) {
            self.subscriptions.insert(subscription);
            self.vaults.insert(vault);
        }
        // A label may stand right before it: "Thumbprint:4E87…".
        let last = word.rsplit([':', '：']).next().unwrap_or_default();
        if let Some(thumbprint) = sha1(last) {
            self.thumbprints.insert(thumbprint.hex());
        }
        Ok(())
    }

    fn add_line(&mut self, line: &Line<'_>) -> Result<(), Error> {
        let Some(topic) = words::topic(line.label) else { return Ok(()) };
        let lookalike = |what| Error::Lookalike { what, text: revealed(line.value) };
        match topic {
            Topic::Vault => match line.value.parse() {
                Ok(vault) => drop(self.vaults.insert(vault)),
                Err(_) if is_disguised(line.value) => return Err(lookalike("vault name")),
                Err(_) => {}
            },
            Topic::Certificate => match line.value.parse() {
                Ok(name) => drop(self.certificates.insert(name)),
                Err(_) if is_disguised(line.value) => return Err(lookalike("certificate name")),
                Err(_) => {}
            },
            Topic::Thumbprint => match line.value.parse::<Thumbprint>() {
                Ok(thumbprint @ Thumbprint::Sha1(_)) => drop(self.thumbprints.insert(thumbprint.hex())),
                _ if line.value.is_empty() => {}
                _ if is_disguised(line.value) => return Err(lookalike("thumbprint")),
                // A sentence about thumbprints is no thumbprint.
                _ if line.value.contains(' ') && !line.value.starts_with(|c: char| c.is_ascii_hexdigit()) => {}
                _ => return Err(Error::Thumbprint { text: revealed(line.value) }),
            },
            Topic::Subscription => drop(guid(line.value).map(|id| self.subscriptions.insert(id))),
            Topic::Tenant => drop(guid(line.value).map(|id| self.tenants.insert(id))),
        }
        Ok(())
    }

    /// In a language without labels here: the lines of the notice stand in one order, which their shapes
    /// show: subscription, vault, certificate, thumbprint.
    fn add_block(&mut self, lines: &[Line<'_>]) {
        let is_known = !self.vaults.is_empty() && !self.certificates.is_empty();
        for block in lines.windows(4).filter(|_| !is_known) {
            let [subscription, vault, certificate, thumbprint] = block else { continue };
            let has_labels = block.iter().all(|line| !line.label.is_empty());
            let (Some(subscription), Some(_)) = (guid(subscription.value), sha1(thumbprint.value)) else { continue };
            if let (true, Ok(vault), Ok(certificate)) = (has_labels, vault.value.parse(), certificate.value.parse()) {
                self.subscriptions.insert(subscription);
                self.vaults.insert(vault);
                self.certificates.insert(certificate);
            }
        }
    }

    /// The notice, if each question has one answer.
    pub(super) fn notice(self) -> Result<Notice, Error> {
        let vault = one("vault", self.vaults)?.ok_or(Error::Missing("vault"))?;
        let certificate = one("certificate", self.certificates)?.ok_or(Error::Missing("certificate"))?;
        if self.thumbprints.len() > MOST_THUMBPRINTS {
            let mut all = self.thumbprints.into_iter();
            let (first, second) = (all.next().unwrap_or_default(), all.next().unwrap_or_default());
            return Err(Error::Several { what: "pair of an old and a new thumbprint", first, second });
        }
        let thumbprints: Vec<Thumbprint> = self.thumbprints.iter().filter_map(|hex| hex.parse().ok()).collect();
        if thumbprints.is_empty() {
            return Err(Error::Missing("thumbprint"));
        }
        Ok(Notice {
            kind: Kind::Mail,
            vault,
            certificate,
            thumbprints,
            version: one("version", self.versions)?,
            not_after: None,
            subscription: one("subscription", self.subscriptions)?,
            tenant: one("tenant", self.tenants)?,
            id: None,
        })
    }
}

/// Labels and values: `label: value`, two cells of a table, or a label with its value on the next line.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for raw in text.lines().map(bare).filter(|line| !line.is_empty()) {
        let parts = raw.split_once('\t').or_else(|| raw.split_once([':', '：']));
        match (parts, lines.last_mut()) {
            (Some((label, value)), _) => {
                lines.push(Line { label: label.trim_end_matches([':', '：']).trim(), value: bare(value) });
            }
            (None, Some(last)) if last.value.is_empty() && !last.label.is_empty() => last.value = raw,
            (None, _) => lines.push(Line { label: "", value: raw }),
        }
    }
    lines
}

/// Without what quoting, emphasis and lists put around a line.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "*>|\"'`•·\u{feff}".contains(c)).trim_end_matches(['.', ','])
}

/// SHA-1 in 40 hex digits.
fn sha1(text: &str) -> Option<Thumbprint> {
    let is_hex = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| text.parse().ok()).flatten()
}

fn guid(text: &str) -> Option<Uuid> {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != '-').find(|word| word.len() == 36)?.parse().ok()
}

/// One word with letters that no name of a vault has.
fn is_disguised(value: &str) -> bool {
    !value.contains(char::is_whitespace) && value.chars().any(|c| !c.is_ascii() || is_invisible(c))
}

fn one<T: Ord + ToString>(what: &'static str, found: BTreeSet<T>) -> Result<Option<T>, Error> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            Err(Error::Several { what, first: first.to_string(), second: second.to_string() })
        }
        (first, _) => Ok(first),
    }
}
