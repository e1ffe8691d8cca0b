//! The findings as data for the page's script: columns and tables instead of objects, since the same
//! rule, object, sentence and remedy stand in thousands of them.

use std::collections::HashMap;
use std::io;

use serde::Serialize;
use time::OffsetDateTime;

use super::text::{InPage, shown};
use crate::audit::summary::{Credential, Hands, HeldCertificate, Points, Ranked};
use crate::audit::{Finding, ObjectKind, Report, Rule, Severity, State, Subject};
use crate::report::subject::kind as subject_kind;

/// Findings that the page holds, worst first. A browser could take more; no reader could.
const FINDINGS: usize = 200_000;

/// Stand for parts of the subject within sentences, so that these are the same for many findings.
/// Control characters never occur in shown text, so nothing of others can pose as one.
pub(super) const PART: &str = "\u{1}p";
pub(super) const APP: &str = "\u{1}a";
pub(super) const ID: &str = "\u{1}i";

/// Writes the data.
pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, InPage);
    Data::of(report).serialize(&mut serializer).map_err(io::Error::from)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    tenant: &'a str,
    now: i64,
    /// All findings; the page may hold fewer.
    total: usize,
    rules: Vec<RuleRow<'a>>,
    texts: Vec<String>,
    /// Kind, id, client id, name.
    subjects: Vec<(&'static str, String, String, String)>,
    states: Vec<StateRow>,
    /// Each a list of: from, to, why.
    adjustments: Vec<Vec<(u8, u8, String)>>,
    /// Rows of the columns belong together.
    findings: Columns,
    ranked: Vec<RankedRow<'a>>,
    unranked: u64,
}

#[derive(Serialize)]
struct RuleRow<'a> {
    id: &'a str,
    title: &'a str,
    group: String,
    page: &'a str,
    mitre: &'a [&'a str],
    controls: &'a [&'a str],
    references: &'a [&'a str],
}

#[derive(Default, Serialize)]
struct Columns {
    rule: Vec<usize>,
    severity: Vec<u8>,
    subject: Vec<usize>,
    part: Vec<String>,
    message: Vec<usize>,
    fix: Vec<usize>,
    state: Vec<usize>,
    adjustments: Vec<usize>,
    /// Triples of texts: kind, field, value.
    evidence: Vec<Vec<usize>>,
}

#[derive(Clone, Default, Eq, Hash, PartialEq, Serialize)]
struct StateRow {
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    day: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    owner: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ticket: String,
}

#[derive(Serialize)]
struct RankedRow<'a> {
    subject: usize,
    score: u32,
    points: &'a [Points],
    credentials: Vec<CredentialRow>,
    left: u64,
    certificates: Vec<CertificateRow>,
}

#[derive(Serialize)]
struct CredentialRow {
    id: String,
    kind: serde_json::Value,
    name: String,
    start: Option<i64>,
    end: Option<i64>,
    active: bool,
    custody: Option<&'static str>,
    why: String,
    held: Vec<HeldRow>,
}

#[derive(Serialize)]
struct HeldRow {
    certificate: Option<usize>,
    path: String,
    proven: bool,
    other: bool,
    deleted: bool,
}

#[derive(Serialize)]
struct CertificateRow {
    vault: String,
    name: String,
    versions: Vec<VersionRow>,
    left: u64,
    signers: HandsRow,
    readers: HandsRow,
}

#[derive(Serialize)]
struct HandsRow {
    total: u64,
    /// Name or object id, what it is, what lets it, where, whether through a group, whether that is doubtful.
    hands: Vec<(String, String, String, String, bool, bool)>,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct VersionRow {
    version: String,
    created: Option<i64>,
    expires: Option<i64>,
    enabled: Option<bool>,
    export: serde_json::Value,
    why: String,
    trusted: bool,
}

/// Values with a number each, in the order in which they came.
struct Table<T> {
    rows: Vec<T>,
    known: HashMap<T, usize>,
}

/// What is being put together.
struct Builder<'a> {
    rules: Vec<RuleRow<'a>>,
    by_rule: HashMap<&'a str, usize>,
    texts: Table<String>,
    subjects: Vec<(&'static str, String, String, String)>,
    by_subject: HashMap<(ObjectKind, Box<str>), usize>,
    states: Table<StateRow>,
    adjustments: Table<Vec<(u8, u8, String)>>,
}

impl<'a> Data<'a> {
    fn of(report: &'a Report) -> Self {
        let mut builder = Builder::new(report);
        let mut findings = Columns::default();
        for finding in report.findings.iter().take(FINDINGS) {
            builder.finding(&finding, &mut findings);
        }
        let ranked = report.summary.ranked.iter().map(|ranked| RankedRow::of(ranked, &mut builder)).collect();
        Self {
            tenant: report.header.tenant.as_str(),
            now: report.header.collected_at.unix_timestamp(),
            total: report.findings.len(),
            findings,
            ranked,
            unranked: report.summary.unranked,
            rules: builder.rules,
            texts: builder.texts.rows,
            subjects: builder.subjects,
            states: builder.states.rows,
            adjustments: builder.adjustments.rows,
        }
    }
}

impl<'a> Builder<'a> {
    fn new(report: &'a Report) -> Self {
        let rules: Vec<_> = report.tallies.iter().map(|tally| RuleRow::of(tally.rule)).collect();
        let by_rule = rules.iter().enumerate().map(|(index, rule)| (rule.id, index)).collect();
        Self {
            rules,
            by_rule,
            texts: Table::default(),
            subjects: Vec::new(),
            by_subject: HashMap::new(),
            states: Table::default(),
            adjustments: Table::default(),
        }
    }

    fn finding(&mut self, finding: &Finding, columns: &mut Columns) {
        let subject = &finding.subject;
        columns.rule.push(self.rule(finding.rule));
        columns.severity.push(rank(finding.severity));
        columns.subject.push(self.subject(subject));
        columns.part.push(subject.part.as_deref().map(shown).unwrap_or_default());
        let details = &finding.details;
        columns.message.push(self.texts.number(templated(&details.message, subject)));
        columns.fix.push(self.texts.number(templated(&details.fix(subject), subject)));
        columns.state.push(self.states.number(StateRow::of(&finding.state)));
        let steps = details.adjustments.iter();
        let steps = steps.map(|step| (rank(step.from), rank(step.to), shown(&step.why))).collect();
        columns.adjustments.push(self.adjustments.number(steps));
        let facts = details
            .evidence
            .iter()
            .flat_map(|fact| [fact.evidence.name(), templated(&fact.field, subject), templated(&fact.value, subject)]);
        columns.evidence.push(facts.map(|text| self.texts.number(text)).collect());
    }

    /// A rule that somebody added has no metadata but what its findings say.
    fn rule(&mut self, id: &'a str) -> usize {
        if let Some(index) = self.by_rule.get(id) {
            return *index;
        }
        let group = "own".to_owned();
        self.rules.push(RuleRow { id, title: "", group, page: "", mitre: &[], controls: &[], references: &[] });
        self.by_rule.insert(id, self.rules.len() - 1);
        self.rules.len() - 1
    }

    fn subject(&mut self, subject: &Subject) -> usize {
        let subjects = &mut self.subjects;
        *self.by_subject.entry((subject.kind, subject.id.clone())).or_insert_with(|| {
            let app = subject.app_id.map(|app| app.to_string()).unwrap_or_default();
            subjects.push((subject_kind(subject.kind), shown(&subject.id), app, shown(&subject.name)));
            subjects.len() - 1
        })
    }
}

/// A sentence with the subject's own ids taken out. The script puts them back.
fn templated(text: &str, subject: &Subject) -> String {
    let mut text = shown(text);
    let mut take_out = |id: &str, sign: &str| {
        // Short ones occur by chance, and save nothing.
        if id.len() >= 12 && text.contains(id) {
            text = text.replace(id, sign);
        }
    };
    if let Some(part) = &subject.part {
        take_out(&shown(part), PART);
    }
    if let Some(app) = subject.app_id {
        take_out(&app.to_string(), APP);
    }
    take_out(&shown(&subject.id), ID);
    text
}

/// From 0, the worst.
fn rank(severity: Severity) -> u8 {
    Severity::ALL.iter().position(|known| *known == severity).unwrap_or_default() as u8
}

/// A name as files have it: `service-principals`.
pub(super) fn name_of(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

impl<'a> RuleRow<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self {
            id: rule.id,
            title: rule.title,
            group: name_of(rule.group),
            page: rule.page,
            mitre: rule.mitre,
            controls: rule.controls,
            references: rule.references,
        }
    }
}

impl StateRow {
    fn of(state: &State) -> Self {
        match state {
            State::New => Self { state: "new", ..Self::default() },
            State::Existing { first_seen } => {
                Self { state: "existing", day: first_seen.to_string(), ..Self::default() }
            }
            State::Waived { owner, reason, expires, ticket } => Self {
                state: "waived",
                day: expires.to_string(),
                owner: shown(owner),
                reason: shown(reason),
                ticket: ticket.as_deref().map(shown).unwrap_or_default(),
            },
        }
    }
}

impl<'a> RankedRow<'a> {
    fn of(ranked: &'a Ranked, builder: &mut Builder<'a>) -> Self {
        Self {
            subject: builder.subject(&ranked.subject),
            score: ranked.score,
            points: &ranked.points,
            credentials: ranked.credentials.iter().map(CredentialRow::of).collect(),
            left: ranked.credentials_left_out,
            certificates: ranked.certificates.iter().map(CertificateRow::of).collect(),
        }
    }
}

fn seconds(moment: Option<OffsetDateTime>) -> Option<i64> {
    moment.map(OffsetDateTime::unix_timestamp)
}

impl CredentialRow {
    fn of(credential: &Credential) -> Self {
        let held = credential.held.iter().map(|held| HeldRow {
            certificate: held.certificate,
            path: shown(&held.path),
            proven: held.is_proven,
            other: held.is_other_certificate,
            deleted: held.is_deleted,
        });
        Self {
            id: shown(&credential.id),
            kind: serde_json::to_value(credential.kind).unwrap_or_default(),
            name: shown(&credential.name),
            start: seconds(credential.start),
            end: seconds(credential.end),
            active: credential.is_active,
            custody: credential.custody.map(crate::audit::facts::Custody::name),
            why: shown(&credential.why),
            held: held.collect(),
        }
    }
}

impl CertificateRow {
    fn of(certificate: &HeldCertificate) -> Self {
        let versions = certificate.versions.iter().map(|version| VersionRow {
            version: shown(&version.version),
            created: seconds(version.created),
            expires: seconds(version.expires),
            enabled: version.enabled,
            export: serde_json::to_value(version.export).unwrap_or_default(),
            why: shown(&version.why),
            trusted: version.is_trusted,
        });
        Self {
            vault: certificate.vault.to_string(),
            name: certificate.name.to_string(),
            versions: versions.collect(),
            left: certificate.versions_left_out,
            signers: HandsRow::of(&certificate.signers),
            readers: HandsRow::of(&certificate.readers),
        }
    }
}

impl HandsRow {
    fn of(hands: &Hands) -> Self {
        let rows = hands.hands.iter().map(|hand| {
            let name = if hand.name.is_empty() { shown(&hand.id) } else { shown(&hand.name) };
            let kind = name_of(hand.kind).replace('-', " ");
            (name, kind, shown(&hand.by), shown(&hand.scope), hand.is_by_group, hand.is_doubtful)
        });
        Self { total: hands.total, hands: rows.collect(), missing: hands.missing.clone() }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), known: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn number(&mut self, value: T) -> usize {
        if let Some(number) = self.known.get(&value) {
            return *number;
        }
        self.rows.push(value.clone());
        self.known.insert(value, self.rows.len() - 1);
        self.rows.len() - 1
    }
}
