//! Waivers: findings that somebody accepts for a while, and answers for.
//!
//! A waiver names one rule and exact ids, has an owner, a reason and a last day, and what it waives
//! stays in every report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use time::Date;
use uuid::Uuid;

use super::day;
use super::finding::{Finding, ObjectKind, State, Subject};
use super::findings::Findings;
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
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
        let counts = self.waive(&mut report.findings, today);
        let mut uses = Vec::new();
        for (waiver, count) in self.entries.iter().zip(counts) {
            let has_expired = waiver.expires < today;
            let is_open = |rule: &str, subject: &Subject| {
                rule == &*waiver.rule && waiver.subjects.iter().any(|target| target.object.is(subject))
            };
            let is_undecided = !seen.contains(&*waiver.rule)
                || report.omitted.has_rule(&waiver.rule)
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
        uses.sort_by_key(|used| (used.state, used.expires, used.line));
        report.waivers = uses;
    }

    /// Waives findings, and says of how many each waiver is about.
    fn waive(&self, findings: &mut Findings, today: Date) -> Vec<u64> {
        let mut by_rule: BTreeMap<&str, Vec<(usize, &Waiver)>> = BTreeMap::new();
        for (index, waiver) in self.entries.iter().enumerate() {
            by_rule.entry(&waiver.rule).or_default().push((index, waiver));
        }
        let mut counts = vec![0; self.entries.len()];
        findings.restate(|finding| {
            let waivers = by_rule.get(finding.rule())?;
            let (subject, mut state) = (finding.subject(), None);
            for (index, waiver) in waivers.iter().filter(|(_, waiver)| waiver.is_about(&subject)) {
                counts[*index] += 1;
                if waiver.expires >= today {
                    state = Some(waiver.state());
                }
            }
            state
        });
        counts
    }

    /// The findings that a waiver covered once, each with the last day of that waiver.
    pub(super) fn expired(&self, findings: &Findings, today: Date) -> Vec<(Finding, Date)> {
        let is_over = |waiver: &&Waiver| waiver.expires < today;
        let of = |waiver: &Waiver| {
            let (rule, expires) = (waiver.rule.clone(), waiver.expires);
            let waiver = waiver.clone();
            findings
                .entries()
                .filter(move |finding| *finding.rule() == *rule && waiver.is_about(&finding.subject()))
                .map(move |finding| (finding.finding(), expires))
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
        if let Some(value) = subject.filter(|value| value.is_empty_list()) {
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

    /// Whether it is about a finding of its rule.
    fn is_about(&self, subject: &Subject) -> bool {
        self.subjects.iter().any(|target| target.is(subject))
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
            (None, None, Some(tenant)) if tenant.is_true() => Object::Tenant,
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
                return is_identity && (*subject.id == **id || subject.app_id.is_some_and(|app| is_spelled(app, id)));
            }
            Self::Vault(id) => (ObjectKind::Vault, id),
            Self::Certificate(id) => (ObjectKind::Certificate, id),
            Self::Tenant => return subject.kind == ObjectKind::Tenant,
        };
        subject.kind == kind && subject.id.eq_ignore_ascii_case(id)
    }
}

/// Whether an id is written so; asked of millions of findings.
fn is_spelled(app: AppId, id: &str) -> bool {
    app.uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer()) == id
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

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::audit::conclude::Ground;
    use crate::audit::engine::judge;
    use crate::audit::manifest::Manifest;
    use crate::audit::policy::Policy;
    use crate::audit::rules::rule;
    use crate::inventory::{Inventory, Seen};

    const APP: &str = "00000000-0000-4000-8000-0000000000a1";
    const OBJECT: &str = "00000000-0000-4000-8000-00000000000a";

    fn read(text: &str) -> Result<Waivers, String> {
        let file = File::new("waivers.toml", text);
        let known = ["KVO101", "KVO102", "KVO201", "KVO902"];
        Waivers::read(&file, &Params::default(), &known, date!(2026 - 11 - 21)).map_err(|problems| problems.to_string())
    }

    fn waiver(rule: &str, subject: &str, expires: &str) -> String {
        format!(
            "[[waiver]]\nrule = \"{rule}\"\nsubject = {subject}\nowner = \"jane\"\nreason = \"vendor\"\nexpires = {expires}\n"
        )
    }

    /// One application with one secret, judged by KVO101 and the rules about waivers.
    fn judged(waivers: &str) -> Report {
        let inventory: Inventory = serde_json::from_value(serde_json::json!({
            "header": { "schemaVersion": "1.0", "tenant": "9d6a1f5e-0000-4000-8000-000000000001", "cloud": "public",
                        "collectedAt": "2026-11-21T08:00:00Z" },
            "applications": [{ "id": OBJECT, "appId": APP, "displayName": "billing",
                "passwords": [{ "keyId": "00000000-0000-4000-8000-000000000201", "start": "2026-11-01T00:00:00Z", "end": "2027-01-01T00:00:00Z" }] }],
        }))
        .unwrap();
        let rules = ["KVO101", "KVO902", "KVO903"].map(|id| rule(id).unwrap()).to_vec();
        let policy = Policy { rules, waivers: read(waivers).unwrap(), ..Policy::default() };
        let mut report = judge(&inventory, &policy, &Manifest::default(), &Seen::default());
        let now = inventory.header.collected_at;
        report.conclude(&Ground { policy: &policy, baseline: None, input: None, now }, &inventory);
        report
    }

    fn rules_of(report: &Report) -> Vec<&str> {
        report.findings.iter().map(|finding| finding.rule).collect()
    }

    /// The state of the first finding.
    fn state(report: &Report) -> State {
        report.findings.iter().next().unwrap().state
    }

    #[test]
    fn a_waived_finding_stays_in_the_report_with_who_answers_for_it() {
        for id in [APP, OBJECT] {
            let report = judged(&waiver("KVO101", &format!("{{ app = \"{id}\" }}"), "2026-11-21"));
            assert_eq!(rules_of(&report), ["KVO101"]);
            assert!(matches!(state(&report), State::Waived { owner, .. } if &*owner == "jane"));
            let used = &report.waivers[0];
            assert_eq!((used.state, used.findings, used.days_left, used.line), (WaiverState::Active, 1, 0, 1));
        }
    }

    #[test]
    fn a_waiver_that_ended_yesterday_waives_nothing_and_says_since_when() {
        let report = judged(&waiver("KVO101", &format!("{{ app = \"{APP}\" }}"), "2026-11-20"));
        assert_eq!(rules_of(&report), ["KVO101", "KVO902"]);
        assert!(report.findings.iter().all(|finding| !finding.is_waived()));
        let findings: Vec<_> = report.findings.iter().collect();
        let expired = &findings[1];
        assert_eq!(expired.severity, findings[0].severity);
        let message = &expired.details.message;
        assert!(message.contains("until 2026-11-20, 1 day ago"), "{message}");
        assert_eq!(report.waivers[0].state, WaiverState::Expired);
    }

    #[test]
    fn a_waiver_for_another_object_rule_or_part_waives_nothing_and_is_dead() {
        let other = "{ app = \"00000000-0000-4000-8000-0000000000a2\" }";
        let one_key = format!("{{ app = \"{APP}\", key = \"00000000-0000-4000-8000-000000000201\" }}");
        for subject in [other, &one_key, "{ vault = \"billing\" }", "{ tenant = true }"] {
            let report = judged(&waiver("KVO101", subject, "2027-01-01"));
            assert_eq!(rules_of(&report), ["KVO101", "KVO903"], "{subject}");
            assert!(!matches!(state(&report), State::Waived { .. }), "{subject}");
            assert_eq!(report.waivers[0].state, WaiverState::Dead);
        }
    }

    #[test]
    fn a_waiver_of_a_rule_that_did_not_run_is_neither_alive_nor_dead() {
        let report = judged(&waiver("KVO201", &format!("{{ app = \"{APP}\", key = \"*\" }}"), "2027-01-01"));
        assert_eq!(rules_of(&report), ["KVO101"]);
        assert_eq!(report.waivers[0].state, WaiverState::Undecided);
    }

    #[test]
    fn owner_reason_and_last_day_are_not_optional_and_names_are_no_ids() {
        let said = read("[[waiver]]\nrule = \"KVO101\"\nsubject = { app = \"billing\" }\nowner = \" \"\n").unwrap_err();
        for part in [
            "`owner` must not be empty",
            "`reason` is missing",
            "`expires` is missing",
            "anybody can take a display name",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(said.contains("waivers.toml:3:19:") && !said.contains("about nothing"), "{said}");
        assert!(read("waiver = 3\n").is_err() && read("[[waivers]]\n").is_err());
    }

    #[test]
    fn what_is_unknown_inexact_or_twice_is_refused() {
        let app = format!("{{ app = \"{APP}\" }}");
        assert!(read(&waiver("KVO103", &app, "2027-01-01")).unwrap_err().contains("no rule `KVO103`"));
        let some = format!("{{ app = \"{APP}\", key = \"1*\" }}");
        assert!(read(&waiver("KVO101", &some, "2027-01-01")).unwrap_err().contains("ids are exact"));
        let two = format!("{{ app = \"{APP}\", vault = \"v\" }}");
        assert!(read(&waiver("KVO101", &two, "2027-01-01")).unwrap_err().contains("name one object"));
        for subject in ["{ tenant = false }", "{ tenant = \"9d6a1f5e\" }", "{}"] {
            let said = read(&waiver("KVO101", subject, "2027-01-01")).unwrap_err();
            assert!(said.contains("name one object"), "{subject}: {said}");
        }
        assert!(read(&waiver("KVO101", "[]", "2027-01-01")).unwrap_err().contains("it is about nothing"));
        let twice = waiver("KVO101", &app, "2026-01-01") + &waiver("KVO101", &app, "2027-01-01");
        assert!(read(&twice).unwrap_err().contains("the same is waived in line 1"));
    }

    #[test]
    fn the_longest_waiver_and_the_most_objects_are_limits_that_are_themselves_allowed() {
        let app = format!("{{ app = \"{APP}\" }}");
        assert!(read(&waiver("KVO101", &app, "2027-05-20")).is_ok(), "180 days");
        assert!(read(&waiver("KVO101", &app, "2027-05-21")).unwrap_err().contains("181 days"));
        let created = waiver("KVO101", &app, "2027-05-20") + "created = 2026-11-20\n";
        assert!(read(&created).unwrap_err().contains("181 days"), "it counts from the day it was made");
        let future = waiver("KVO101", &app, "2027-05-21") + "created = 2026-12-20\n";
        assert!(read(&future).is_err(), "a day to come makes it no longer");
        let many = |number: usize| {
            let subjects: Vec<String> =
                (0..number).map(|n| format!("{{ app = \"00000000-0000-4000-8000-{n:012}\" }}")).collect();
            format!("[{}]", subjects.join(", "))
        };
        assert!(read(&waiver("KVO101", &many(20), "2027-01-01")).is_ok());
        assert!(read(&waiver("KVO101", &many(21), "2027-01-01")).unwrap_err().contains("21 objects"));
    }
}
