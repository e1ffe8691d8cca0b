//! A team's own file: which profile, which limits, limits of single applications, severities.

use std::collections::BTreeMap;

use time::Date;

use super::file::{File, Problems, Reader, Table, Value, meant};
use super::limit::overlay;
use super::profile::Profile;
use crate::audit::day;
use crate::audit::params::Params;
use crate::audit::rule::{Check, Rule};
use crate::audit::rules::{RULES, rule};
use crate::audit::severity::Severity;
use crate::domain::AppId;

/// What a team's file says.
#[derive(Debug)]
pub(super) struct Team {
    pub(super) profile: Profile,
    pub(super) params: Params,
    pub(super) overrides: BTreeMap<AppId, Params>,
    pub(super) severities: BTreeMap<&'static str, Severity>,
    /// What no longer holds.
    pub(super) warnings: Vec<String>,
}

/// Who answers for an exception, and until when.
#[derive(Debug)]
struct Answer {
    expires: Date,
}

const ANSWERS: [&str; 3] = ["reason", "owner", "expires"];

impl Team {
    /// Reads a team's file; `profile` was asked for in another way, and wins.
    pub(super) fn read(file: &File, profile: Option<Profile>, today: Date) -> Result<Self, Problems> {
        Reader::read(file, |table| {
            table.only(&["profile", "params", "severity"]);
            let own = table.get("profile").and_then(named_profile);
            let mut team = Self::of(profile.or(own).unwrap_or_default());
            if let Some(params) = table.get("params").and_then(Value::table) {
                team.read_params(params, today);
            }
            for value in table.get("severity").and_then(Value::table).map(Table::values).unwrap_or_default() {
                team.read_severity(value, today);
            }
            team
        })
    }

    fn of(profile: Profile) -> Self {
        let params = profile.params.clone();
        Self { profile, params, overrides: BTreeMap::new(), severities: BTreeMap::new(), warnings: Vec::new() }
    }

    fn read_params(&mut self, table: Table<'_>, today: Date) {
        let (overrides, values): (Vec<_>, Vec<_>) =
            table.values().into_iter().partition(|value| value.key == "override");
        self.params = overlay(&self.params, &values);
        for value in overrides.into_iter().filter_map(Value::table).flat_map(Table::values) {
            let Some(table) = value.table() else { continue };
            let Some(app) = value.key.strip_prefix("app:").and_then(|id| id.trim().parse::<AppId>().ok()) else {
                value.key_problem("a limit of one application stands under \"app:CLIENT-ID\"");
                continue;
            };
            let (_, values): (Vec<_>, Vec<_>) = table.values().into_iter().partition(|v| ANSWERS.contains(&v.key));
            for value in values.iter().filter(|value| !is_of_applications(value.key)) {
                value.key_problem(format!("`{}` is not a limit of single applications", value.key));
            }
            let params = overlay(&self.params, &values);
            let Some(answer) = Answer::read(table) else { continue };
            if answer.expires < today {
                let since = day::text(answer.expires);
                self.warnings.push(format!(
                    "{}:{}: the limits of application {app} held until {since}, and hold no longer",
                    table.file(),
                    value.line()
                ));
            } else {
                self.overrides.insert(app, params);
            }
        }
    }

    fn read_severity(&mut self, value: Value<'_>, today: Date) {
        let Some(rule) = known_rule(value) else { return };
        let table = if value.is_table() { value.table() } else { None };
        if let Some(table) = table {
            table.only(&["level", "reason", "owner", "expires"]);
        }
        let level = match table {
            Some(table) => table.need("level", "info, low, medium, high or critical"),
            None => Some(value),
        };
        let Some((severity, level)) = level.and_then(|level| Some((parsed(level)?, level))) else { return };
        let is_far = severity < rule.severity.lowered();
        match table {
            None if is_far => level.problem(format!(
                "{} is {}: more than one step less needs a table with level, reason, owner and expires",
                rule.id, rule.severity
            )),
            None => {
                self.severities.insert(rule.id, severity);
            }
            Some(table) => {
                let Some(answer) = Answer::read(table) else { return };
                if answer.expires < today {
                    let since = day::text(answer.expires);
                    let place = format!("{}:{}", table.file(), value.line());
                    self.warnings.push(format!(
                        "{place}: {} was {severity} until {since}, and is {} again",
                        rule.id, rule.severity
                    ));
                } else {
                    self.severities.insert(rule.id, severity);
                }
            }
        }
    }
}

impl Answer {
    fn read(table: Table<'_>) -> Option<Self> {
        let owner = table.need("owner", "who answers for it").and_then(Value::text);
        let reason = table.need("reason", "why it is so").and_then(Value::text);
        let expires = table.need("expires", "the last day on which it holds").and_then(Value::day);
        owner.zip(reason).zip(expires).map(|(_, expires)| Self { expires })
    }
}

/// Whether a limit is read by rules about applications.
fn is_of_applications(name: &str) -> bool {
    let is_identity =
        |check: &Check| matches!(check, Check::Application(_) | Check::ServicePrincipal(_) | Check::Identity(..));
    let is_about_one = |rule: &&Rule| rule.check.parts().iter().any(is_identity);
    let mut readers = RULES.iter().copied().filter(|rule| rule.params.contains(&name)).peekable();
    // A limit that does not exist is told by whoever reads it.
    readers.peek().is_none() || readers.any(|rule| is_about_one(&rule))
}

fn named_profile(value: Value<'_>) -> Option<Profile> {
    let name = value.text()?;
    let found = Profile::named(name);
    if found.is_none() {
        value.problem(format!("there is no profile `{name}`{}", meant(name, &Profile::names())));
    }
    found
}

/// The rule that a key names.
fn known_rule(value: Value<'_>) -> Option<&'static Rule> {
    let found = rule(value.key);
    if found.is_none() {
        let known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        value.key_problem(format!("there is no rule `{}`{}", value.key, meant(value.key, &known)));
    }
    found
}

fn parsed(value: Value<'_>) -> Option<Severity> {
    let severity = value.text()?.parse();
    if let Err(error) = &severity {
        value.problem(format!("{error}"));
    }
    severity.ok()
}
