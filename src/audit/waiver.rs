//! Waivers: findings that somebody accepts for a while, and answers for.
//!
//! A waiver names one rule and exact ids, has an owner, a reason and a last day, and what it waives
//! stays in every report.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use time::Date;

use super::day;
use super::finding::{Finding, ObjectKind, State, Subject};
use super::params::Params;
use super::policy::{File, Problems, Reader, Table, Value, meant};
use super::report::{Report, WaiverState, WaiverUse};
use crate::domain::AppId;

/// The waivers of a file.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    file: String,
    entries: Vec<Waiver>,
}

/// One waiver.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Waiver {
    pub(super) rule: Box<str>,
    subjects: Vec<Target>,
    owner: Box<str>,
    reason: Box<str>,
    ticket: Option<Box<str>>,
    #[serde(with = "day")]
    pub(super) expires: Date,
    #[serde(skip)]
    line: usize,
}

/// What a waiver is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
struct Target {
    object: Object,
    part: Part,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
enum Object {
    /// An application or service principal, by object id or client id.
    App(Box<str>),
    Vault(Box<str>),
    /// `vault/certificate`.
    Certificate(Box<str>),
    Tenant,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
enum Part {
    /// The object as a whole.
    Whole,
    /// Any part, and the whole.
    Any,
    /// Only this one.
    One(Box<str>),
}

impl Waivers {
    /// Reads a file of waivers; `known` are the rules that may be named, `today` is the day of the audit.
    pub fn read(file: &File, params: &Params, known: &[&str], today: Date) -> Result<Self, Problems> {
        let entries = Reader::read(file, |table| {
            table.only(&["waiver"]);
            let tables = table.get("waiver").map(Value::tables).unwrap_or_default();
            let mut entries: Vec<Waiver> = Vec::new();
            for table in tables {
                let Some(waiver) = Waiver::read(table, params, known, today) else { continue };
                let same = entries.iter().find(|other| other.overlaps(&waiver));
                if let Some(other) = same {
                    table.problem(format!("the same is waived in line {}: keep one of the two", other.line));
                }
                entries.push(waiver);
            }
            entries
        })?;
        Ok(Self { file: file.name.clone(), entries })
    }

    /// What they say, for the hash of the policy: order and place do not matter.
    pub(super) fn canonical(&self) -> Vec<&Waiver> {
        let mut entries: Vec<&Waiver> = self.entries.iter().collect();
        entries.sort_by(|a, b| (&a.rule, &a.subjects, a.expires).cmp(&(&b.rule, &b.subjects, b.expires)));
        entries
    }

    /// Waives what they are about in a report, and writes down what each did.
    pub(super) fn apply(&self, report: &mut Report, today: Date) {
        let seen: BTreeSet<&str> = report.tallies.iter().map(|tally| tally.rule.id).collect();
        let mut uses = Vec::new();
        for waiver in &self.entries {
            let has_expired = waiver.expires < today;
            let mut count = 0;
            for finding in report.findings.iter_mut().filter(|finding| waiver.is_about(&finding.rule, &finding.subject))
            {
                count += 1;
                if !has_expired {
                    finding.state = waiver.state();
                }
            }
            let is_open = |rule: &str, subject: &Subject| {
                rule == &*waiver.rule && waiver.subjects.iter().any(|target| target.object.is(subject))
            };
            let is_undecided = !seen.contains(&*waiver.rule)
                || report.unknowns.iter().any(|unknown| is_open(&unknown.rule, &unknown.subject))
                || report.header.is_narrowed_to_applications
                || report.header.is_narrowed_to_vaults;
            let state = match (count, has_expired) {
                (_, true) => WaiverState::Expired,
                (0, false) if is_undecided => WaiverState::Undecided,
                (0, false) => WaiverState::Dead,
                (_, false) => WaiverState::Active,
            };
            uses.push(waiver.used(&self.file, count, state, today));
        }
        uses.sort_by(|a, b| (a.state, a.expires, a.line).cmp(&(b.state, b.expires, b.line)));
        report.waivers = uses;
    }

    /// The findings that a waiver covered once, each with the last day of that waiver.
    pub(super) fn expired<'r>(&'r self, findings: &'r [Finding], today: Date) -> Vec<(&'r Finding, Date)> {
        let is_over = |waiver: &&Waiver| waiver.expires < today;
        let of = |waiver: &'r Waiver| {
            findings
                .iter()
                .filter(|finding| waiver.is_about(&finding.rule, &finding.subject))
                .map(|finding| (finding, waiver.expires))
        };
        self.entries.iter().filter(is_over).flat_map(of).collect()
    }
}

impl Waiver {
    fn read(table: Table<'_>, params: &Params, known: &[&str], today: Date) -> Option<Self> {
        table.only(&["rule", "subject", "owner", "reason", "ticket", "created", "expires"]);
        let rule = table.need("rule", "the id of the rule, such as KVO101");
        let rule = rule.and_then(|value| Some((value.text()?, value)));
        if let Some((rule, value)) = rule.filter(|(rule, _)| !known.contains(rule)) {
            value.problem(format!("there is no rule `{rule}`{}", meant(rule, known)));
        }
        let owner = table.need("owner", "who answers for it").and_then(Value::text);
        let reason = table.need("reason", "why it is accepted").and_then(Value::text);
        let ticket = table.get("ticket").and_then(Value::text);
        let created = table.get("created").and_then(Value::day);
        let expires = table.need("expires", "the last day on which it holds");
        let expires = expires.and_then(|value| Some((value.day()?, value)));
        if let Some((day, value)) = expires {
            let days = (day - created.unwrap_or(today).min(today)).whole_days();
            let most = i64::from(params.max_waiver_days);
            if days > most {
                value.problem(format!("it would hold for {days} days; the most is {most} (max_waiver_days)"));
            }
        }
        let subject = table.need("subject", "whose finding it is, such as { app = \"CLIENT-ID\", key = \"*\" }");
        let tables = subject.map(Value::tables).unwrap_or_default();
        if let Some(value) = subject.filter(|_| tables.len() > params.max_waiver_objects as usize) {
            let most = params.max_waiver_objects;
            value.problem(format!("it is about {} objects; the most is {most} (max_waiver_objects)", tables.len()));
        }
        let mut subjects: Vec<Target> = tables.into_iter().filter_map(Target::read).collect();
        if let Some(value) = subject.filter(|_| subjects.is_empty()) {
            value.problem("it is about nothing");
        }
        subjects.sort();
        Some(Self {
            rule: rule?.0.into(),
            subjects,
            owner: owner?.into(),
            reason: reason?.into(),
            ticket: ticket.map(Into::into),
            expires: expires?.0,
            line: table.line(),
        })
    }

    fn is_about(&self, rule: &str, subject: &Subject) -> bool {
        rule == &*self.rule && self.subjects.iter().any(|target| target.is(subject))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.rule == other.rule && self.subjects.iter().any(|target| other.subjects.contains(target))
    }

    fn state(&self) -> State {
        State::Waived {
            owner: self.owner.clone(),
            reason: self.reason.clone(),
            expires: self.expires,
            ticket: self.ticket.clone(),
        }
    }

    fn used(&self, file: &str, findings: u64, state: WaiverState, today: Date) -> WaiverUse {
        let subjects: Vec<String> = self.subjects.iter().map(ToString::to_string).collect();
        WaiverUse {
            rule: self.rule.clone(),
            subject: subjects.join("; "),
            owner: self.owner.clone(),
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            expires: self.expires,
            days_left: (self.expires - today).whole_days(),
            findings,
            state,
            file: file.to_owned(),
            line: self.line,
        }
    }
}

impl Target {
    fn read(table: Table<'_>) -> Option<Self> {
        table.only(&["app", "vault", "certificate", "tenant", "key", "version", "part"]);
        let text = |key: &str| table.get(key).and_then(Value::text);
        let object = match (table.get("app"), table.get("vault"), table.get("tenant")) {
            (Some(app), None, None) => {
                // Object ids and client ids look alike, and a display name looks like neither.
                let Ok(id) = app.text()?.parse::<AppId>() else {
                    app.problem("must be an object id or a client id: anybody can take a display name");
                    return None;
                };
                Object::App(id.to_string().into())
            }
            (None, Some(vault), None) => match table.get("certificate") {
                Some(certificate) => Object::Certificate(format!("{}/{}", vault.text()?, certificate.text()?).into()),
                None => Object::Vault(vault.text()?.into()),
            },
            (None, None, Some(_)) => Object::Tenant,
            _ => {
                table.problem("name one object: app, or vault (and certificate), or tenant = true");
                return None;
            }
        };
        let parts: Vec<&str> = ["key", "version", "part"].into_iter().filter_map(text).collect();
        let part = match parts.as_slice() {
            [] => Part::Whole,
            ["*"] => Part::Any,
            [part] => Part::One((*part).into()),
            _ => {
                table.problem("name one of key, version and part");
                return None;
            }
        };
        if let Part::One(part) = &part
            && part.contains('*')
        {
            table.problem("ids are exact: only \"*\" alone stands for every part");
        }
        Some(Self { object, part })
    }

    fn is(&self, subject: &Subject) -> bool {
        let is_part = match &self.part {
            Part::Whole => subject.part.is_none(),
            Part::Any => true,
            Part::One(part) => subject.part.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(part)),
        };
        is_part && self.object.is(subject)
    }
}

impl Object {
    fn is(&self, subject: &Subject) -> bool {
        let (kind, id) = match self {
            Self::App(id) => {
                let is_identity = matches!(subject.kind, ObjectKind::Application | ObjectKind::ServicePrincipal);
                return is_identity
                    && (*subject.id == **id || subject.app_id.is_some_and(|app| app.to_string() == **id));
            }
            Self::Vault(id) => (ObjectKind::Vault, id),
            Self::Certificate(id) => (ObjectKind::Certificate, id),
            Self::Tenant => return subject.kind == ObjectKind::Tenant,
        };
        subject.kind == kind && subject.id.eq_ignore_ascii_case(id)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Object::App(id) => write!(f, "app {id}")?,
            Object::Vault(id) => write!(f, "vault {id}")?,
            Object::Certificate(id) => write!(f, "certificate {id}")?,
            Object::Tenant => f.write_str("tenant")?,
        }
        match &self.part {
            Part::Whole => Ok(()),
            Part::Any => f.write_str(", every part"),
            Part::One(part) => write!(f, ", {part}"),
        }
    }
}
