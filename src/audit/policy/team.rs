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

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const APP: &str = "7b0f0000-0000-4000-8000-000000000001";

    fn team(text: &str) -> Result<Team, String> {
        Team::read(&File::new("params.toml", text), None, date!(2026 - 11 - 21))
            .map_err(|problems| problems.to_string())
    }

    fn refused(text: &str) -> String {
        team(text).unwrap_err()
    }

    #[test]
    fn the_profile_gives_limits_the_file_changes_some_and_an_application_has_its_own() {
        let text = format!(
            "profile = \"strict\"\n[params]\nwarn_days = 45\n[params.override.\"app:{APP}\"]\nmax_cert_days = 730\n\
             reason = \"vendor\"\nowner = \"team-x\"\nexpires = 2027-03-31\n"
        );
        let team = team(&text).unwrap();
        assert_eq!((team.profile.name, team.params.warn_days, team.params.max_cert_days), ("strict", 45, 180));
        let own = &team.overrides[&APP.parse().unwrap()];
        assert_eq!((own.max_cert_days, own.warn_days), (730, 45));
    }

    #[test]
    fn a_profile_that_was_asked_for_wins_over_that_of_the_file() {
        let file = File::new("params.toml", "profile = \"strict\"\n");
        let team = Team::read(&file, Profile::named("seed"), date!(2026 - 11 - 21)).unwrap();
        assert_eq!(team.profile.name, "seed");
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused_with_its_place() {
        let said = refused("profile = \"strickt\"\n[params]\nwarn_dais = 30\nmax_cert_days = 0\nstrict_eku = 1\n");
        assert!(said.contains("params.toml:1:11: there is no profile `strickt`; did you mean `strict`?"), "{said}");
        assert!(
            said.contains("params.toml:3:1: there is no parameter `warn_dais`; did you mean `warn_days`?"),
            "{said}"
        );
        assert!(said.contains("params.toml:4:17: `max_cert_days` must be 1 to 3650 days"), "{said}");
        assert!(said.contains("`strict_eku` must be true or false"), "{said}");
        assert!(refused("[params]\ncertificate_scope = \"some\"\n").contains("app-credentials or all"));
        assert!(refused("[params]\nbreak_glass = [\"jane\"]\n").contains("2:15: `break_glass`"));
        assert!(refused("[param]\n").contains("`param` is not known here"));
    }

    #[test]
    fn the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not() {
        assert_eq!(team("[params]\nwarn_days = 1\n").unwrap().params.warn_days, 1);
        assert_eq!(team("[params]\nwarn_days = 365\n").unwrap().params.warn_days, 365);
        for beyond in ["0", "366", "-1", "99999999999", "30.0", "\"30\""] {
            assert!(team(&format!("[params]\nwarn_days = {beyond}\n")).is_err(), "{beyond}");
        }
    }

    #[test]
    fn a_limit_of_one_application_needs_somebody_who_answers_and_ends() {
        let table = |rest: &str| format!("[params.override.\"app:{APP}\"]\nmax_cert_days = 730\n{rest}");
        let said = refused(&table("reason = \"vendor\"\n"));
        assert!(said.contains("`owner` is missing") && said.contains("`expires` is missing"), "{said}");
        let ended = table("reason = \"vendor\"\nowner = \"x\"\nexpires = 2026-11-20\n");
        let ended = team(&ended).unwrap();
        assert!(ended.overrides.is_empty());
        assert!(ended.warnings[0].starts_with("params.toml:1: the limits of application 7b0f"), "{:?}", ended.warnings);
        assert!(ended.warnings[0].contains("2026-11-20"));
        let last_day = table("reason = \"vendor\"\nowner = \"x\"\nexpires = 2026-11-21\n");
        assert_eq!(team(&last_day).unwrap().overrides.len(), 1);
        assert!(refused("[params.override.billing]\nmax_cert_days = 1\n").contains("app:CLIENT-ID"));
    }

    #[test]
    fn a_limit_that_no_rule_about_applications_reads_is_none_of_one_application() {
        let text = format!(
            "[params.override.\"app:{APP}\"]\nmax_waiver_days = 5\nreason = \"a\"\nowner = \"b\"\nexpires = 2027-01-01\n"
        );
        assert!(refused(&text).contains("not a limit of single applications"));
    }

    #[test]
    fn a_severity_falls_one_step_freely_and_further_only_with_an_answer() {
        let set = |text: &str| team(text).unwrap().severities["KVO101"];
        assert_eq!(set("[severity]\nKVO101 = \"medium\"\n"), Severity::Medium);
        assert_eq!(set("[severity]\nkvo101 = \"critical\"\n"), Severity::Critical);
        assert!(refused("[severity]\nKVO101 = \"low\"\n").contains("more than one step less"));
        let long = "[severity.KVO101]\nlevel = \"info\"\nreason = \"a\"\nowner = \"b\"\nexpires = 2027-01-01\n";
        assert_eq!(set(long), Severity::Info);
        let ended = team(&long.replace("2027", "2026")).unwrap();
        assert!(ended.severities.is_empty());
        assert!(
            ended.warnings[0].contains("KVO101 was info until 2026-01-01, and is high again"),
            "{:?}",
            ended.warnings
        );
        assert!(refused("[severity]\nKVO999 = \"low\"\nKVO201 = \"bad\"\n").contains("`KVO999`"));
    }
}
