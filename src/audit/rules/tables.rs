//! Every rule against tenants written by hand: `tests/rules/KVONNN/*.json`, at least one with the
//! fault, one that nearly has it, and one where the evidence is missing, if the rule can miss any.
//!
//! A file holds an inventory (whatever is left out is absent or unread), and beside it `expect`:
//! what this rule, and only this rule, must say of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::RULES;
use crate::audit::engine::judge;
use crate::audit::finding::{Details, Finding};
use crate::audit::history::History;
use crate::audit::manifest::{Manifest, ManifestEntry};
use crate::audit::params::Params;
use crate::audit::policy::Policy;
use crate::audit::report::Report;
use crate::audit::rule::Rule;
use crate::audit::severity::Severity;
use crate::domain::AppId;
use crate::inventory::{Count, Coverage, Evidence, Inventory, Seen};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// What makes this tenant what it is, in one sentence.
    #[expect(dead_code, reason = "it is there for the reader of the file")]
    about: String,
    inventory: Inventory,
    /// Left out: every kind of evidence was read.
    coverage: Option<Coverage>,
    #[serde(default)]
    params: Params,
    #[serde(default)]
    history: Option<History>,
    #[serde(default)]
    manifest: Vec<Entry>,
    #[serde(default)]
    manifest_is_complete: bool,
    /// Ids of rules that run beside this one, whose verdicts are not compared.
    #[serde(default)]
    beside: Vec<String>,
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    app: Option<AppId>,
    name: String,
    vault: Option<String>,
    certificate: Option<String>,
    owner: Option<String>,
    kind: Option<String>,
    environment: Option<String>,
    notify: Option<String>,
    host: Option<String>,
    custody: Option<String>,
    tenant: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    findings: Vec<ExpectedFinding>,
    unknown: Vec<ExpectedUnknown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFinding {
    subject: String,
    #[serde(default)]
    part: Option<String>,
    severity: Severity,
    /// A piece of the message, with the numbers that matter.
    says: String,
    /// A piece of its evidence, of why it is so severe, or of what to do about it.
    #[serde(default)]
    shows: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedUnknown {
    subject: String,
    #[serde(default)]
    part: Option<String>,
    evidence: Evidence,
}

#[test]
fn every_rule_says_what_its_tenants_expect() {
    let mut wrong = Vec::new();
    for rule in RULES.iter().copied() {
        for path in tables(rule) {
            let text = fs::read_to_string(&path).unwrap();
            match serde_json::from_str::<Table>(&text) {
                Ok(table) => {
                    wrong.extend(differences(rule, table).into_iter().map(|w| format!("{}: {w}", shown(&path))))
                }
                Err(error) => wrong.push(format!("{}: {error}", shown(&path))),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_page_and_its_tenants() {
    let mut missing = Vec::new();
    for rule in RULES.iter().copied() {
        let names: Vec<String> = tables(rule).iter().map(|path| stem(path)).collect();
        let has = |word: &str| names.iter().any(|name| name.starts_with(word));
        for word in ["fault", "near-miss"] {
            if !has(word) && !is_engine(rule) {
                missing.push(format!("tests/rules/{}/{word}.json", rule.id));
            }
        }
        // A rule that only reads what must be there for the object to exist cannot miss anything.
        let can_miss = rule.needs.iter().any(|evidence| {
            !matches!(evidence, Evidence::Applications | Evidence::ServicePrincipals | Evidence::Vaults)
        });
        if can_miss && !has("unknown") && !is_engine(rule) {
            missing.push(format!("tests/rules/{}/unknown.json", rule.id));
        }
        if !rule.page.starts_with(&format!("# {}", rule.id)) {
            missing.push(format!("docs/rules/{}.md does not begin with its id", rule.id));
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

#[test]
fn the_tenants_that_lie_in_the_folder_belong_to_rules() {
    for folder in fs::read_dir(root()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        // What other tools get wrong is about several rules each, and judged by all of them.
        let is_known = name == "differential" || super::rule(&name).is_some();
        assert!(is_known, "tests/rules/{name} belongs to no rule");
    }
}

fn is_engine(rule: &Rule) -> bool {
    matches!(rule.check, crate::audit::rule::Check::Engine)
}

fn shows(finding: &Finding, details: &Details, piece: &str) -> bool {
    let mut evidence = details.evidence.iter().flat_map(|fact| [&*fact.field, &*fact.value]);
    let mut steps = details.adjustments.iter().map(|step| step.why.as_str());
    let is_shown = evidence.any(|text| text.contains(piece)) || steps.any(|why| why.contains(piece));
    is_shown || details.fix(&finding.subject).contains(piece)
}

fn differences(rule: &'static Rule, table: Table) -> Vec<String> {
    let (report, expect) = judged(rule, table);
    let mut wrong = Vec::new();
    for expected in &expect.findings {
        let found = report.findings.iter().any(|finding| {
            let details = &finding.details;
            *finding.subject.id == *expected.subject
                && finding.subject.part.as_deref() == expected.part.as_deref()
                && finding.severity == expected.severity
                && details.message.contains(&expected.says)
                && shows(&finding, details, &expected.shows)
        });
        if !found {
            wrong.push(format!(
                "no {} finding about {} {:?} that says `{}` and shows `{}`",
                expected.severity, expected.subject, expected.part, expected.says, expected.shows
            ));
        }
    }
    for expected in &expect.unknown {
        let found = report.unknowns.iter().any(|unknown| {
            *unknown.subject.id == *expected.subject
                && unknown.subject.part.as_deref() == expected.part.as_deref()
                && unknown.evidence == expected.evidence
        });
        if !found {
            wrong.push(format!(
                "not unknown for {} {:?} for want of {}",
                expected.subject, expected.part, expected.evidence
            ));
        }
    }
    if report.findings.len() != expect.findings.len() || report.unknowns.len() != expect.unknown.len() {
        wrong.push(format!("it says {:#?} {:#?}", report.findings, report.unknowns));
    }
    wrong
}

fn judged(rule: &'static Rule, table: Table) -> (Report, Expected) {
    let mut inventory = table.inventory;
    inventory.coverage = table.coverage.unwrap_or_else(|| {
        let all = Count { expected: 1, read: 1, ..Count::default() };
        Coverage { counts: [(Evidence::Vaults, all)].into(), gaps: Vec::new() }
    });
    let beside = table.beside.iter().map(|id| super::rule(id).unwrap());
    let rules = std::iter::once(rule).chain(beside).collect();
    let policy = Policy { rules, params: table.params, ..Policy::default() };
    let entries = table.manifest.into_iter().map(|entry| (entry.app.unwrap(), entry.into())).collect();
    let manifest = Manifest { entries, is_complete: table.manifest_is_complete, file: None };
    let history = table.history.map_or_else(Seen::default, Seen::Read);
    let mut report = judge(&inventory, &policy, &manifest, &history);
    report.findings.retain_rule(rule.id);
    report.unknowns.retain(|unknown| *unknown.rule == *rule.id);
    (report, table.expect)
}

impl From<Entry> for ManifestEntry {
    fn from(entry: Entry) -> Self {
        Self {
            name: entry.name,
            file: PathBuf::from("kvops.toml"),
            line: 1,
            vault: entry.vault,
            certificate: entry.certificate,
            owner: entry.owner,
            kind: entry.kind,
            environment: entry.environment,
            notify: entry.notify,
            host: entry.host,
            custody: entry.custody,
            tenant: entry.tenant,
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules")
}

fn tables(rule: &Rule) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(rule.id)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
