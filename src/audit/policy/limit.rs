//! The legal values of every limit: `policies/params.toml`, compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::file::{Value, meant};
use crate::audit::params::Params;

/// One limit: what it is for, and what it may be.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What it limits, and which rules read it.
    pub about: String,
    /// `days`, `bits`, `switch`, `choice`, `ids` …
    pub unit: String,
    /// Its value when nobody says otherwise.
    pub default: Json,
    /// The least that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The most that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Its possible values, when they are words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Every limit, by its name in files.
pub static LIMITS: LazyLock<BTreeMap<String, Limit>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    toml::from_str(include_str!("../../../policies/params.toml")).expect("a file that a test has read")
});

impl Limit {
    /// What it may be, for people: `1 to 365 days`.
    pub fn range(&self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min} to {max} {}", self.unit),
            _ if !self.values.is_empty() => self.values.join(" or "),
            _ if self.unit == "switch" => "true or false".to_owned(),
            _ => format!("a list of {}", self.unit),
        }
    }

    /// Whether a value is one that it may be.
    fn allows(&self, value: &Json) -> bool {
        match value {
            Json::Number(number) => {
                let number = number.as_i64();
                number.is_some_and(|number| {
                    self.min.is_some_and(|min| number >= min) && self.max.is_some_and(|max| number <= max)
                })
            }
            Json::Bool(_) => self.unit == "switch",
            Json::String(word) => self.values.contains(word),
            Json::Array(_) => self.default.is_array(),
            _ => false,
        }
    }
}

/// Puts the values of a file over `params`; whatever is unknown or out of range is a problem there.
pub(super) fn overlay(params: &Params, values: &[Value<'_>]) -> Params {
    let Ok(Json::Object(mut table)) = serde_json::to_value(params) else { return params.clone() };
    let names: Vec<&str> = LIMITS.keys().map(String::as_str).collect();
    for value in values {
        let Some(limit) = LIMITS.get(value.key) else {
            value.key_problem(format!("there is no parameter `{}`{}", value.key, meant(value.key, &names)));
            continue;
        };
        let Some(plain) = value.plain() else { continue };
        let is_legal = limit.allows(&plain);
        let before = table.insert(value.key.to_owned(), plain);
        // A list may hold what is no id: the type of the limit knows.
        if !is_legal || serde_json::from_value::<Params>(Json::Object(table.clone())).is_err() {
            value.problem(format!("`{}` must be {}", value.key, limit.range()));
            table.extend(before.map(|before| (value.key.to_owned(), before)));
        }
    }
    serde_json::from_value(Json::Object(table)).unwrap_or_else(|_| params.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_the_program_know_the_same_limits_with_the_same_defaults() {
        let Json::Object(params) = serde_json::to_value(Params::default()).unwrap() else { panic!() };
        let in_program: BTreeMap<_, _> = params.into_iter().collect();
        let in_file: BTreeMap<_, _> =
            LIMITS.iter().map(|(name, limit)| (name.clone(), limit.default.clone())).collect();
        assert_eq!(in_file, in_program);
    }

    #[test]
    fn every_default_is_legal_and_every_number_has_a_range() {
        for (name, limit) in LIMITS.iter() {
            assert!(limit.allows(&limit.default), "{name}: {}", limit.default);
            assert_eq!(limit.default.is_number(), limit.min.is_some() && limit.max.is_some(), "{name}");
            assert!(limit.min <= limit.max, "{name}");
        }
    }

    #[test]
    fn every_rule_names_parameters_that_there_are() {
        for rule in crate::audit::rules::RULES.iter() {
            for name in rule.params {
                assert!(LIMITS.contains_key(*name), "{} names {name}", rule.id);
            }
        }
    }

    #[test]
    fn the_schema_for_editors_knows_the_same_limits_and_ranges() {
        let schema: Json = serde_json::from_str(include_str!("../../../policies/schemas/params.schema.json")).unwrap();
        let params = schema["properties"]["params"]["properties"].as_object().unwrap();
        assert_eq!(params.len(), LIMITS.len() + 1, "all of them, and `override`");
        for (name, limit) in LIMITS.iter() {
            let known = &params[name];
            assert_eq!((known["minimum"].as_i64(), known["maximum"].as_i64()), (limit.min, limit.max), "{name}");
            assert_eq!(known["default"], limit.default, "{name}");
        }
    }
}
