//! Profiles: lists of rules with limits, for a purpose. Compiled in from `policies/profiles`.

use super::file::{File, Problems, Reader, Table, meant};
use super::limit::overlay;
use crate::audit::params::Params;
use crate::audit::rule::{Group, Rule};
use crate::audit::rules::{RULES, rule};

/// A profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: String,
    /// Its rules, in the order of their numbers; those about the audit itself are in every one.
    pub rules: Vec<&'static Rule>,
    /// Its limits.
    pub params: Params,
}

macro_rules! profiles {
    ($($name:literal),*) => {
        const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../policies/profiles/", $name, ".toml")))),*];
    };
}

profiles!("default", "seed", "strict", "cis", "scuba", "ci-pr");

impl Profile {
    /// The names of all profiles, the default one first.
    pub fn names() -> Vec<&'static str> {
        SHIPPED.iter().map(|(name, _)| *name).collect()
    }

    /// The profile with a name.
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Some(Self::shipped(name, text))
    }

    fn shipped(name: &'static str, text: &str) -> Self {
        let file = File::new(format!("policies/profiles/{name}.toml"), text);
        #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
        Self::read(name, &file).expect("a file that a test has read")
    }

    fn read(name: &'static str, file: &File) -> Result<Self, Problems> {
        Reader::read(file, |table| {
            table.only(&["about", "rules", "except", "params"]);
            let about = table.need("about", "say what the profile is for").and_then(|value| value.text());
            let named = table.get("rules").map(|_| ids(table, "rules"));
            let except = ids(table, "except");
            let is_in = |rule: &&'static Rule| {
                let is_listed = named.as_ref().is_none_or(|named| named.contains(&rule.id));
                rule.group == Group::Audit || is_listed && !except.contains(&rule.id)
            };
            let values = table.get("params").and_then(|value| value.table()).map(Table::values).unwrap_or_default();
            Self {
                name,
                about: about.unwrap_or_default().to_owned(),
                rules: RULES.iter().copied().filter(is_in).collect(),
                params: overlay(&Params::default(), &values),
            }
        })
    }
}

impl Default for Profile {
    fn default() -> Self {
        let (name, text) = SHIPPED[0];
        Self::shipped(name, text)
    }
}

/// The rules of a list, by their ids.
fn ids(table: Table<'_>, key: &str) -> Vec<&'static str> {
    let texts = table.get(key).map(|value| value.texts()).unwrap_or_default();
    let found = texts.into_iter().filter_map(|(id, value)| {
        let found = rule(id).map(|rule| rule.id);
        if found.is_none() {
            let known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
            value.problem(format!("there is no rule `{id}`{}", meant(id, &known)));
        }
        found
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_read_names_rules_that_there_are_and_judges_the_audit_itself() {
        for (name, text) in SHIPPED {
            let profile = Profile::read(name, &File::new(format!("{name}.toml"), *text));
            let profile = profile.unwrap_or_else(|problems| panic!("{problems}"));
            assert!(!profile.about.is_empty(), "{name}");
            let of_audit = |rules: &[&Rule]| rules.iter().filter(|rule| rule.group == Group::Audit).count();
            assert_eq!(of_audit(&profile.rules), of_audit(&RULES), "{name}");
        }
    }

    #[test]
    fn strict_runs_every_rule() {
        assert_eq!(Profile::named("strict").unwrap().rules.len(), RULES.len());
        assert!(Profile::named("Strict").is_none(), "names are exact");
    }
}
