//! Rules of a team's own, in Rego: what they deny becomes findings like any other.
//!
//! A rule is a package `kvops.rules.ID` with a set `deny`, and `unknown` where it reads what may be
//! missing. Its input is the document of the whole inventory, as `kvops audit --export` writes it line
//! by line. There is no built-in that reaches the network, a failing built-in is an error and not
//! silence, and an evaluation that takes too long, or too much memory, is ended.

mod budget;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use regorus::Engine;
use regorus::utils::limits::ExecutionTimerConfig;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use self::budget::Budget;
use super::document::whole;
use super::facts::Joined;
use super::finding::{ObjectKind, Subject};
use super::findings::Findings;
use super::omitted::Unknowns;
use super::policy::{File, Policy};
use super::report::{Report, Tally};
use super::rule::{Check, Group, Rule};
use super::severity::Severity;
use super::verdict::Verdicts;
use crate::inventory::{Evidence, Inventory, Reason};

const PREFIX: &str = "data.kvops.rules.";

/// What each rule may take.
const LIMITS: Limits = Limits { time: Duration::from_secs(120), memory: 1 << 30 };

/// What the evaluation of a rule may take before it is ended.
#[derive(Clone, Copy, Debug)]
struct Limits {
    time: Duration,
    /// In bytes, beside the inventory.
    memory: u64,
}

/// Rules in Rego, understood and ready.
#[derive(Debug)]
pub struct OwnRules {
    engine: Engine,
    limits: Limits,
    rules: Vec<&'static Rule>,
    tests: Vec<(String, BTreeSet<String>)>,
}

/// Rules in Rego that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegoError {
    /// A file that is not understood; the text has file, line and caret.
    #[error("{0}")]
    Syntax(String),
    /// A rule that fails while it runs.
    #[error("rule {rule} failed\n{problem}")]
    Evaluation {
        /// The rule.
        rule: String,
        /// What the engine says, with file, line and caret.
        problem: String,
    },
    /// A rule that says something that is no finding.
    #[error("rule {rule}: {problem}")]
    Shape {
        /// The rule.
        rule: String,
        /// What is wrong.
        problem: String,
    },
    /// A rule that takes the place of another.
    #[error("{file}: there is a rule {rule} already")]
    Taken {
        /// The file.
        file: String,
        /// The rule.
        rule: String,
    },
}

/// What a test came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tested {
    /// `package.test_name`.
    pub name: String,
    /// Whether it holds; a test that is undefined does not.
    pub is_good: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Denied {
    Text(String),
    Object(Details),
}

/// What `deny` and `unknown` hold: the members that conftest knows, and some more.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    msg: String,
    why: String,
    severity: Option<Severity>,
    subject: Option<String>,
    part: Option<String>,
    fix: Option<String>,
    evidence: Option<Evidence>,
    reason: Option<Reason>,
}

impl OwnRules {
    /// Reads the rules of some files. The limits in force are theirs to read under `data.kvops.params`.
    pub fn load(files: &[File]) -> Result<Self, RegoError> {
        Self::within(LIMITS, files)
    }

    fn within(limits: Limits, files: &[File]) -> Result<Self, RegoError> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        let check_interval = NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: limits.time, check_interval });
        let mut own = Self { engine, limits, rules: Vec::new(), tests: Vec::new() };
        for file in files {
            own.add(file)?;
        }
        own.rules.sort_by_key(|rule| rule.id);
        Ok(own)
    }

    /// The rules, to be reported like any other.
    pub fn rules(&self) -> &[&'static Rule] {
        &self.rules
    }

    fn add(&mut self, file: &File) -> Result<(), RegoError> {
        let package = self.engine.add_policy(file.name.clone(), file.text.clone());
        let package = package.map_err(|error| RegoError::Syntax(format!("{error:#}")))?;
        let Some(id) = package.strip_prefix(PREFIX) else {
            // A library, or tests beside it.
            if package.ends_with("_test") {
                self.tests.push((package, tests_of(&file.text)));
            }
            return Ok(());
        };
        if id.ends_with("_test") {
            self.tests.push((package.clone(), tests_of(&file.text)));
            return Ok(());
        }
        let is_shipped = super::rules::rule(id).is_some();
        if is_shipped || self.rules.iter().any(|rule| rule.id.eq_ignore_ascii_case(id)) {
            return Err(RegoError::Taken { file: file.name.clone(), rule: id.to_owned() });
        }
        self.rules.push(described(id, file)?);
        Ok(())
    }

    /// Judges an inventory, and adds what is found to the report. Do it before waivers are applied.
    pub fn judge(&self, joined: &Joined<'_>, policy: &Policy, report: &mut Report) -> Result<(), RegoError> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let mut engine = self.engine.clone();
        let data = json!({ "kvops": { "params": policy.params, "waivers": [] } });
        engine.add_data(data.into()).map_err(|error| RegoError::Syntax(format!("{error:#}")))?;
        engine.set_input(whole(joined).into());
        for rule in &self.rules {
            let said = self.evaluated(&mut engine, rule.id, &format!("{PREFIX}{}", rule.id))?;
            self.report(rule, &said, joined.inventory(), policy, report)?;
        }
        report.sort();
        Ok(())
    }

    fn report(
        &self,
        rule: &'static Rule,
        said: &Json,
        inventory: &Inventory,
        policy: &Policy,
        report: &mut Report,
    ) -> Result<(), RegoError> {
        let (mut findings, mut unknowns) = (Findings::new(report.header.tenant.clone()), Unknowns::default());
        let mut out = Verdicts {
            rule,
            severity: policy.severity_of(rule),
            steps: &[],
            certificate: None,
            findings: &mut findings,
            unknowns: &mut unknowns,
        };
        for denied in members(rule, said, "deny")? {
            let details = denied.details();
            if details.msg.is_empty() {
                return Err(shape(rule, "deny holds something without `msg`"));
            }
            let mut draft = out.finding(details.subject(rule, inventory)?, details.msg.clone());
            if let Some(severity) = details.severity {
                draft = draft.severity(severity, "the rule says so");
            }
            if let Some(fix) = details.fix {
                draft = draft.fix(fix);
            }
            draft.report();
        }
        for denied in members(rule, said, "unknown")? {
            let details = denied.details();
            let (evidence, reason) =
                (details.evidence.unwrap_or(Evidence::Applications), details.reason.unwrap_or_default());
            let why = if details.why.is_empty() { details.msg.clone() } else { details.why.clone() };
            out.unknown(details.subject(rule, inventory)?, evidence, reason, why);
        }
        let (found, unknown) = (findings.len() as u64, unknowns.number());
        let (mut unknowns, omitted) = unknowns.finish();
        let of_findings = findings.entries().map(|found| found.subject());
        let objects: BTreeSet<Subject> =
            of_findings.chain(unknowns.iter().map(|found| found.subject.clone())).collect();
        // How many objects a rule of somebody else looked at is its own affair.
        let objects = objects.len() as u64;
        report.tallies.push(Tally { rule, objects, passed: 0, findings: found, unknown });
        report.findings.append(&findings);
        report.unknowns.append(&mut unknowns);
        report.omitted.add(omitted);
        Ok(())
    }

    /// Runs the tests in packages that end in `_test`: rules that begin with `test_` must be true.
    pub fn test(&self) -> Result<Vec<Tested>, RegoError> {
        let mut tested = Vec::new();
        for (package, names) in &self.tests {
            let mut engine = self.engine.clone();
            engine.set_input(json!({}).into());
            let said = self.evaluated(&mut engine, package, package)?;
            tested.extend(names.iter().map(|name| Tested {
                name: format!("{}.{name}", package.trim_start_matches("data.")),
                is_good: said.get(name) == Some(&Json::Bool(true)),
            }));
        }
        Ok(tested)
    }

    /// Everything that a package says.
    fn evaluated(&self, engine: &mut Engine, rule: &str, package: &str) -> Result<Json, RegoError> {
        let failed = |problem: String| RegoError::Evaluation { rule: rule.to_owned(), problem };
        let budget = Budget::beyond_now(self.limits.memory);
        let results = engine.eval_query(package.to_owned(), false).map_err(|error| failed(format!("{error:#}")))?;
        drop(budget);
        let value =
            results.result.first().and_then(|result| result.expressions.first()).map(|expression| &expression.value);
        value.map_or(Ok(Json::Null), |value| serde_json::to_value(value).map_err(|error| failed(error.to_string())))
    }
}

impl Denied {
    fn details(self) -> Details {
        match self {
            Self::Text(msg) => Details { msg, ..Details::default() },
            Self::Object(details) => details,
        }
    }
}

impl Details {
    /// What it is about: an object of the inventory by its id, or the tenant.
    fn subject(&self, rule: &Rule, inventory: &Inventory) -> Result<Subject, RegoError> {
        let tenant = || Subject::new(ObjectKind::Tenant, inventory.header.tenant.as_str(), "");
        let found = match self.subject.as_deref() {
            None => Some(tenant()),
            Some(id) if id.eq_ignore_ascii_case(inventory.header.tenant.as_str()) => Some(tenant()),
            Some(id) => named(id, inventory),
        };
        let found = found.ok_or_else(|| {
            let id = self.subject.as_deref().unwrap_or_default();
            shape(rule, &format!("`{id}` is no application, service principal, vault or certificate of the inventory"))
        })?;
        Ok(match &self.part {
            Some(part) => found.part(part),
            None => found,
        })
    }
}

/// An object by object id, client id, vault name or `vault/certificate`.
fn named(id: &str, inventory: &Inventory) -> Option<Subject> {
    let is = |other: String| other.eq_ignore_ascii_case(id);
    let app = inventory.applications.iter().find(|app| is(app.id.to_string()) || is(app.app_id.to_string()));
    let principals = &inventory.service_principals;
    let principal = || principals.iter().find(|found| is(found.id.to_string()) || is(found.app_id.to_string()));
    if let Some(app) = app {
        return Some(Subject::application(app.id, app.app_id, &app.display_name));
    }
    if let Some(principal) = principal() {
        return Some(Subject::service_principal(principal.id, principal.app_id, &principal.display_name));
    }
    let vault = inventory
        .vaults
        .iter()
        .find(|vault| is(vault.name.to_string()))
        .map(|vault| Subject::new(ObjectKind::Vault, vault.name.as_str(), vault.name.as_str()));
    let certificate = || {
        let (vault, name) = id.split_once('/')?;
        let vault = inventory.vaults.iter().find(|found| found.name.as_str().eq_ignore_ascii_case(vault))?;
        let certificate =
            vault.certificates.read()?.iter().find(|found| found.name.as_str().eq_ignore_ascii_case(name))?;
        let id = format!("{}/{}", vault.name, certificate.name);
        Some(Subject::new(ObjectKind::Certificate, id.clone(), id))
    };
    vault.or_else(certificate)
}

fn members(rule: &Rule, said: &Json, name: &str) -> Result<Vec<Denied>, RegoError> {
    let Some(set) = said.get(name) else { return Ok(Vec::new()) };
    let set = set.as_array().ok_or_else(|| shape(rule, &format!("`{name}` must be a set")))?;
    let read = |member: &Json| {
        serde_json::from_value(member.clone())
            .map_err(|_| shape(rule, &format!("`{name}` holds {member}, which is no finding")))
    };
    set.iter().map(read).collect()
}

fn shape(rule: &Rule, problem: &str) -> RegoError {
    RegoError::Shape { rule: rule.id.to_owned(), problem: problem.to_owned() }
}

/// The names of a file's tests: one that is undefined is in no answer, and has failed.
fn tests_of(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter(|line| line.starts_with("test_"));
    names
        .map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned())
        .collect()
}

/// What the annotations say of a rule (`# METADATA`). Rules live as long as the process: they are read once.
fn described(id: &str, file: &File) -> Result<&'static Rule, RegoError> {
    let facts = annotations(&file.text);
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
    let syntax = |problem: String| RegoError::Syntax(format!("{}: {problem}", file.name));
    let severity = match facts.get("severity") {
        Some(text) => text.parse().map_err(|error| syntax(format!("custom.{error}")))?,
        None => Severity::Medium,
    };
    if fact("title").is_empty() {
        return Err(syntax(format!("rule {id} has no title: begin the file with `# METADATA` and `# title: …`")));
    }
    let kept = |text: String| -> &'static str { text.leak() };
    let page = format!("# {id}: {}\n\n{}\n", fact("title"), fact("description"));
    Ok(Box::leak(Box::new(Rule {
        id: kept(id.to_owned()),
        name: kept(id.to_owned()),
        title: kept(fact("title")),
        group: Group::Applications,
        severity,
        since: "",
        needs: &[],
        params: &[],
        fix: kept(fact("fix")),
        mitre: &[],
        controls: &[],
        references: &[],
        page: kept(page),
        check: Check::Engine,
    })))
}

/// `key: value` of the first block of annotations, whatever its depth; text that goes on is joined.
fn annotations(text: &str) -> BTreeMap<String, String> {
    let block = text.lines().skip_while(|line| line.trim() != "# METADATA").skip(1);
    let block = block.map_while(|line| line.strip_prefix('#'));
    let mut facts: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in block {
        let pair = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")));
        match pair.map(|(key, value)| (key.trim().trim_start_matches("- "), value.trim())) {
            Some((key, value)) if !key.contains(' ') => {
                key.clone_into(&mut last);
                let value = value.trim_start_matches(">-").trim().trim_matches('"');
                facts.insert(last.clone(), value.to_owned());
            }
            _ => {
                let so_far = facts.entry(last.clone()).or_default();
                *so_far = format!("{so_far} {}", line.trim()).trim().to_owned();
            }
        }
    }
    facts
}

#[cfg(test)]
mod scuba;
#[cfg(test)]
mod tests;
