//! What a rule says of an object.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::Date;
use uuid::Uuid;

use super::day;
use super::severity::Severity;
use crate::domain::{AppId, ObjectId, TenantId, sha256_of_hex, write_hex};
use crate::inventory::{Evidence, Reason};

/// A fault of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// `KVO101`, or the id of a rule that somebody added.
    pub rule: &'static str,
    /// How bad, after adjustments.
    pub severity: Severity,
    /// What has the fault.
    pub subject: Subject,
    /// The same for the same fault in every run.
    pub fingerprint: Fingerprint,
    /// How it stands to what is known and accepted.
    pub state: State,
    /// What it says.
    pub details: Details,
}

/// What a finding says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Details {
    /// Why the severity is not the one that the rule states.
    pub adjustments: Vec<Adjustment>,
    /// The fact, with its numbers and without names of directory objects. May hold hostile text all
    /// the same: every format escapes it.
    pub message: Box<str>,
    /// Where the fact was seen.
    pub evidence: Box<[Fact]>,
    /// What to do next, as a command where there is one, with the rule's placeholders: see [`Details::fix`].
    pub remedy: String,
}

/// One step of severity, with its reason.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Adjustment {
    /// From.
    pub from: Severity,
    /// To.
    pub to: Severity,
    /// Why.
    pub why: String,
}

/// Something that a rule could not decide.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Unknown {
    /// The rule.
    pub rule: Box<str>,
    /// What it could not be decided for.
    pub subject: Subject,
    /// What was missing.
    pub evidence: Evidence,
    /// Why it was missing.
    pub reason: Reason,
    /// What would have to be known.
    pub why: String,
}

/// An object that findings are about.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Subject {
    /// What it is.
    pub kind: ObjectKind,
    /// Object id of an application or service principal; `vault` or `vault/certificate`; the tenant's id.
    pub id: Box<str>,
    /// Which part of it: a keyId, a version, a URI, an issuer. Findings about different parts are different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Box<str>>,
    /// Client id, of applications and service principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
    /// What people call it. Hostile text; no part of its identity.
    #[serde(default)]
    pub name: Box<str>,
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// An application registration.
    Application,
    /// A service principal.
    ServicePrincipal,
    /// A certificate in a vault.
    Certificate,
    /// A vault.
    Vault,
    /// The tenant.
    Tenant,
    /// The audit itself: its waivers, its baseline, its inventory.
    Audit,
}

/// One fact behind a finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Fact {
    /// Which kind of evidence it is from.
    pub evidence: Evidence,
    /// Which field of what: `keyCredentials[KEYID].endDateTime`.
    pub field: Box<str>,
    /// What stood there. Hostile text.
    pub value: Box<str>,
}

/// How a finding stands to what is known and accepted.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// Nothing is known of it.
    #[default]
    New,
    /// It is in the baseline.
    Existing {
        /// Since when.
        #[serde(with = "day")]
        first_seen: Date,
    },
    /// Somebody answers for it until a day.
    Waived {
        /// Who.
        owner: Box<str>,
        /// Why.
        reason: Box<str>,
        /// Until when.
        #[serde(with = "day")]
        expires: Date,
        /// Where that is discussed.
        #[serde(skip_serializing_if = "Option::is_none")]
        ticket: Option<Box<str>>,
    },
}

/// SHA-256 over rule, tenant, kind, id and part; nothing that people may rename or reword.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a rule's finding about a subject.
    pub fn of(rule: &str, tenant: &TenantId, subject: &Subject) -> Self {
        let parts = [rule, tenant.as_str(), subject.kind.name(), &subject.id, subject.part.as_deref().unwrap_or("")];
        let mut hash = Sha256::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                hash.update([0]);
            }
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a fingerprint, which is 64 hex digits");
        sha256_of_hex(&text).map(Self).ok_or_else(invalid)
    }
}

impl Subject {
    /// A subject without part.
    pub fn new(kind: ObjectKind, id: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self { kind, id: id.into(), part: None, app_id: None, name: name.into() }
    }

    /// An application.
    pub fn application(id: ObjectId, app_id: AppId, name: &str) -> Self {
        Self { app_id: Some(app_id), ..Self::new(ObjectKind::Application, spelled(id), name) }
    }

    /// A service principal.
    pub fn service_principal(id: ObjectId, app_id: AppId, name: &str) -> Self {
        Self { app_id: Some(app_id), ..Self::new(ObjectKind::ServicePrincipal, spelled(id), name) }
    }

    /// The same object, one part of it.
    #[must_use]
    pub fn part(self, part: impl fmt::Display) -> Self {
        Self { part: Some(part.to_string().into()), ..self }
    }
}

/// As it is displayed, without the detour: one is made for each finding.
fn spelled(id: ObjectId) -> Box<str> {
    (&*id.uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer())).into()
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Application, Self::ServicePrincipal, Self::Certificate, Self::Vault, Self::Tenant, Self::Audit];

    /// As in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ServicePrincipal => "service-principal",
            Self::Certificate => "certificate",
            Self::Vault => "vault",
            Self::Tenant => "tenant",
            Self::Audit => "audit",
        }
    }
}

impl Finding {
    /// A finding by itself, for tests of what is done with findings.
    #[cfg(test)]
    pub(crate) fn alone(
        rule: &'static str,
        severity: Severity,
        tenant: &TenantId,
        subject: Subject,
        details: Details,
    ) -> Self {
        let fingerprint = Fingerprint::of(rule, tenant, &subject);
        Self { rule, severity, subject, fingerprint, state: State::New, details }
    }

    /// Whether somebody accepted it for now.
    pub fn is_waived(&self) -> bool {
        matches!(self.state, State::Waived { .. })
    }
}

impl Details {
    /// What to do next, for this very subject. Ids stand in it and no names: those could hold anything, and
    /// this is for pasting.
    pub fn fix(&self, subject: &Subject) -> String {
        let (vault, certificate) = subject.id.split_once('/').unwrap_or((&subject.id, ""));
        let app = subject.app_id.map(|app| app.to_string());
        let value = |name: &str| match name {
            "app" => Some(app.as_deref().unwrap_or(&subject.id)),
            "kind" => Some(if subject.kind == ObjectKind::ServicePrincipal { "sp" } else { "app" }),
            "principal" => Some(&*subject.id),
            "vault" => Some(vault),
            "certificate" => Some(certificate),
            "part" => Some(subject.part.as_deref().unwrap_or("ID")),
            _ => None,
        };
        let mut fix = String::with_capacity(self.remedy.len() + 64);
        let mut pieces = self.remedy.split('{');
        fix.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            match piece.split_once('}').and_then(|(name, rest)| Some((value(name)?, rest))) {
                Some((value, rest)) => fix.extend([value, rest]),
                None => fix.extend(["{", piece]),
            }
        }
        fix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_what_looks_like_one_in_an_id_or_elsewhere_is_not() {
        let remedy = "do {principal} {vault}|{certificate}|{part} {kind} {app} '[{\"a\":{}}]' {other} {".to_owned();
        let details = Details { adjustments: Vec::new(), message: "".into(), evidence: Box::default(), remedy };
        let subject = Subject::new(ObjectKind::Certificate, "contoso-kv/{part}", "").part("{app}");
        assert_eq!(
            details.fix(&subject),
            "do contoso-kv/{part} contoso-kv|{part}|{app} app contoso-kv/{part} '[{\"a\":{}}]' {other} {"
        );
        let id = "7b0f0000-0000-4000-8000-000000000001";
        let subject = Subject::service_principal(id.parse().unwrap(), id.parse().unwrap(), "");
        let remedy = "az ad {kind} show {app}, {part}".to_owned();
        assert_eq!(Details { remedy, ..details }.fix(&subject), format!("az ad sp show {id}, ID"));
    }

    #[test]
    fn kinds_are_called_as_they_are_in_files() {
        for kind in ObjectKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
