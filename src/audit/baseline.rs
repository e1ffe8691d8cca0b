//! What was known at an earlier run: which findings, and evidence that the services do not keep.
//!
//! A baseline says what is new. It hides nothing: a critical finding fails an audit known or not.
//! Whoever may write the file decides what is known, unless it is signed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::day;
use super::finding::{Fingerprint, ObjectKind, State, Subject};
use super::findings::Entry;
use super::history::History;
use super::manifest::Manifest;
use super::report::{Delta, Gone, Report};
use super::severity::Severity;
use crate::domain::{AppId, CredentialId, TenantId, printable};
use crate::inventory::{Evidence, Inventory, Records, Seen};

const KIND: &str = "kvops baseline";
const SCHEMA_VERSION: &str = "1.0";

/// An earlier run, written down.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    kind: String,
    schema_version: String,
    /// The tenant that it is of.
    pub tenant: TenantId,
    /// When the inventory behind it was collected.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// Name of the profile then.
    pub profile: String,
    /// Hash of the policy then.
    pub policy_hash: String,
    /// By rule and object.
    findings: Vec<Known>,
    #[serde(default)]
    history: History,
}

/// A finding that is known.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    fingerprint: Fingerprint,
    rule: Box<str>,
    severity: Severity,
    subject: Subject,
    #[serde(with = "day")]
    first_seen: Date,
}

/// A baseline that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// It is no baseline.
    #[error("{file} is no baseline of kvops")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// It is of something else, or of a later kvops.
    #[error("{file} is a `{kind}` of version {version}, and this is read as a `{KIND}` of version 1")]
    Other {
        /// The file.
        file: String,
        /// What it says that it is.
        kind: String,
        /// Its version.
        version: String,
    },
    /// It is of another tenant: nothing in it can match.
    #[error("{file} is of tenant {found}, and the audit is of tenant {expected}")]
    OtherTenant {
        /// The file.
        file: String,
        /// Its tenant.
        found: TenantId,
        /// The tenant that is judged.
        expected: TenantId,
    },
}

impl Baseline {
    /// Reads a baseline.
    pub fn read(file: &str, text: &str) -> Result<Self, BaselineError> {
        let baseline: Self =
            serde_json::from_str(text).map_err(|source| BaselineError::Syntax { file: file.to_owned(), source })?;
        if baseline.kind != KIND || baseline.schema_version.split('.').next() != Some("1") {
            let (kind, version) = (baseline.kind, baseline.schema_version);
            return Err(BaselineError::Other { file: file.to_owned(), kind, version });
        }
        Ok(baseline)
    }

    /// Refuses a baseline of another tenant.
    pub fn check_tenant(&self, file: &str, tenant: &TenantId) -> Result<(), BaselineError> {
        if self.tenant.as_str().eq_ignore_ascii_case(tenant.as_str()) {
            return Ok(());
        }
        let (file, found, expected) = (file.to_owned(), self.tenant.clone(), tenant.clone());
        Err(BaselineError::OtherTenant { file, found, expected })
    }

    /// What is known after a run, given what was known before it. Findings about the audit itself
    /// are not kept: they are about the run.
    pub fn after(report: &Report, inventory: &Inventory, manifest: &Manifest, before: Option<&Self>) -> Self {
        let today = report.header.collected_at.date();
        let since: BTreeMap<Fingerprint, Date> = before.map(Self::first_seen).unwrap_or_default();
        let lasting = report.findings.entries().filter(|finding| finding.kind() != ObjectKind::Audit);
        let mut findings: Vec<Known> = lasting.map(|finding| Known::of(&finding, &since, today)).collect();
        if let (Some(before), Some(delta)) = (before, &report.delta) {
            // What could not be looked at again stays known.
            let undecided: BTreeSet<_> = delta.undecided.iter().map(|gone| gone.fingerprint).collect();
            findings.extend(before.findings.iter().filter(|known| undecided.contains(&known.fingerprint)).cloned());
        }
        findings.sort_by(|a, b| (&a.rule, &a.subject, a.fingerprint).cmp(&(&b.rule, &b.subject, b.fingerprint)));
        Self {
            kind: KIND.to_owned(),
            schema_version: SCHEMA_VERSION.to_owned(),
            tenant: report.header.tenant.clone(),
            taken_at: report.header.collected_at,
            profile: report.profile.clone(),
            policy_hash: report.policy_hash.clone(),
            findings,
            history: history(inventory, manifest, before.map(|before| &before.history)),
        }
    }

    /// Writes it as a file has it: the same baseline is the same text.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// The evidence in it.
    pub fn history(&self) -> Seen<History> {
        Seen::Read(self.history.clone())
    }

    /// The findings that tell of something it recorded and that is no longer so: a credential more, a policy
    /// that is weaker. One line each, for a baseline that is signed.
    pub fn drift(&self, report: &Report) -> Vec<String> {
        let has_recorded = |finding: &Entry<'_>| match finding.rule() {
            "KVO709" => finding.subject().app_id.is_some_and(|app| self.history.credentials.contains_key(&app)),
            "KVO712" => self.history.hardened.contains(&*finding.subject().id),
            _ => false,
        };
        let active = report.findings.entries().filter(|finding| !finding.is_waived());
        let line = |finding: Entry<'_>| {
            let finding = finding.finding();
            let subject = &finding.subject;
            let object = subject.app_id.map_or_else(|| printable(&subject.id), |app| app.to_string());
            format!(
                "not as in the signed baseline: {object}: {} ({})",
                printable(&finding.details.message),
                finding.rule
            )
        };
        active.filter(has_recorded).map(line).collect()
    }

    /// How many findings are known.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    fn first_seen(&self) -> BTreeMap<Fingerprint, Date> {
        self.findings.iter().map(|known| (known.fingerprint, known.first_seen)).collect()
    }

    /// Says of every finding whether it is known, and what became of those that were.
    pub(super) fn apply(&self, report: &mut Report, inventory: &Inventory) {
        let since = self.first_seen();
        let mut delta = Delta {
            since: self.taken_at.date(),
            is_same_policy: self.policy_hash == report.policy_hash,
            new: 0,
            existing: 0,
            fixed: Vec::new(),
            undecided: Vec::new(),
        };
        let mut found = BTreeSet::new();
        report.findings.restate(|finding| {
            let fingerprint = finding.fingerprint();
            let Some(first_seen) = since.get(&fingerprint) else {
                delta.new += u64::from(finding.kind() != ObjectKind::Audit);
                return None;
            };
            found.insert(fingerprint);
            delta.existing += 1;
            (!finding.is_waived()).then_some(State::Existing { first_seen: *first_seen })
        });
        let scope = Scope::of(report, inventory);
        for known in self.findings.iter().filter(|known| !found.contains(&known.fingerprint)) {
            let into = if scope.decided(known) { &mut delta.fixed } else { &mut delta.undecided };
            into.push(known.gone());
        }
        report.delta = Some(delta);
    }
}

impl Known {
    fn of(finding: &Entry<'_>, since: &BTreeMap<Fingerprint, Date>, today: Date) -> Self {
        let fingerprint = finding.fingerprint();
        Self {
            fingerprint,
            rule: finding.rule().into(),
            severity: finding.severity(),
            // People rename things, and a file of names would change with each of them.
            subject: Subject { name: Box::default(), ..finding.subject() },
            first_seen: since.get(&fingerprint).copied().unwrap_or(today),
        }
    }

    fn gone(&self) -> Gone {
        Gone {
            fingerprint: self.fingerprint,
            rule: self.rule.clone(),
            severity: self.severity,
            subject: self.subject.clone(),
            first_seen: self.first_seen,
        }
    }
}

/// What a run could decide: a finding that is absent is fixed only if it would have been found.
struct Scope<'a> {
    report: &'a Report,
    rules: BTreeSet<&'a str>,
    unknown: BTreeSet<(&'a str, &'a str)>,
    objects: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    fn of(report: &'a Report, inventory: &Inventory) -> Self {
        let apps = inventory.applications.iter().map(|app| app.id.to_string());
        let principals = inventory.service_principals.iter().map(|principal| principal.id.to_string());
        let vaults = inventory.vaults.iter().map(|vault| vault.name.to_string());
        Self {
            report,
            rules: report.tallies.iter().map(|tally| tally.rule.id).collect(),
            unknown: report.unknowns.iter().map(|unknown| (&*unknown.rule, &*unknown.subject.id)).collect(),
            objects: apps.chain(principals).chain(vaults).collect(),
        }
    }

    fn decided(&self, known: &Known) -> bool {
        let (rule, object) = (&*known.rule, &*known.subject.id);
        let is_undecided = self.unknown.contains(&(rule, object)) || self.report.omitted.has(rule, object);
        if is_undecided || !self.rules.contains(rule) {
            return false;
        }
        let header = &self.report.header;
        let has_all = |evidence| self.report.coverage.is_complete(evidence);
        let is_there = |id: &str| self.objects.contains(id);
        match known.subject.kind {
            ObjectKind::Application => {
                is_there(&known.subject.id) || !header.is_narrowed_to_applications && has_all(Evidence::Applications)
            }
            ObjectKind::ServicePrincipal => {
                is_there(&known.subject.id)
                    || !header.is_narrowed_to_applications && has_all(Evidence::ServicePrincipals)
            }
            ObjectKind::Vault => {
                is_there(&known.subject.id) || !header.is_narrowed_to_vaults && has_all(Evidence::Vaults)
            }
            ObjectKind::Certificate => {
                let vault = known.subject.id.split('/').next().unwrap_or_default();
                let is_whole = has_all(Evidence::Certificates) && has_all(Evidence::CertificateVersions);
                is_whole && (is_there(vault) || !header.is_narrowed_to_vaults && has_all(Evidence::Vaults))
            }
            ObjectKind::Tenant | ObjectKind::Audit => true,
        }
    }
}

/// Evidence for the next run. Births are only taken over: a run sees what is, not how it began.
fn history(inventory: &Inventory, manifest: &Manifest, before: Option<&History>) -> History {
    let mut history = before.cloned().unwrap_or_default();
    let managed = inventory.applications.iter().filter(|app| manifest.entries.contains_key(&app.app_id));
    let credentials = managed.map(|app| {
        let keys = app.keys.iter().map(|key| key.key_id);
        (app.app_id, keys.chain(app.passwords.iter().map(|password| password.key_id)).collect())
    });
    let credentials: Vec<(AppId, BTreeSet<CredentialId>)> = credentials.collect();
    history.credentials.extend(credentials);
    for vault in &inventory.vaults {
        for certificate in vault.certificates.read().into_iter().flat_map(Records::iter) {
            let path = format!("{}/{}", vault.name, certificate.name);
            let policy = certificate.policy.read();
            if policy.is_some_and(|policy| policy.is_hardened()) {
                history.hardened.insert(path);
            }
        }
    }
    history
}
