//! `$filter`: its grammar, and whether an object matches.

mod parse;

use std::cmp::Ordering;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::lab::directory::Hint;

pub(super) use parse::{parse, parse_search};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Vec<String>, Operator, Value),
    In(Vec<String>, Vec<Value>),
    /// `startswith`, `endswith` and `contains`.
    Text(Vec<String>, TextTest, String),
    /// `collection/any(x:condition)`; the variable is the first name of its paths.
    Any(Vec<String>, String, Option<Box<Self>>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Expr {
    /// Whether the members of an object satisfy it. Text is compared without case, as the
    /// directory does.
    pub(super) fn matches(&self, members: &Value) -> bool {
        self.holds(members, &[])
    }

    /// What only the eventually consistent index can answer.
    pub(super) fn is_advanced(&self) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.is_advanced() || right.is_advanced(),
            Self::Not(_) => true,
            Self::Compare(path, operator, _) => *operator == Operator::Ne || counted(path).is_some(),
            Self::In(..) => false,
            Self::Text(_, test, _) => *test != TextTest::StartsWith,
            Self::Any(_, _, inner) => inner.as_ref().is_some_and(|inner| inner.is_advanced()),
        }
    }

    /// The first member that the filter names and a kind of object does not have.
    pub(super) fn unknown_member<'a>(&'a self, is_known: &impl Fn(&str) -> bool) -> Option<&'a str> {
        let of = |path: &'a [String]| path.first().map(String::as_str).filter(|name| !is_known(name));
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.unknown_member(is_known).or_else(|| right.unknown_member(is_known))
            }
            Self::Not(inner) => inner.unknown_member(is_known),
            // What stands inside `any` begins with its variable, which nobody else may be called.
            Self::Compare(path, ..) | Self::In(path, _) | Self::Text(path, ..) | Self::Any(path, ..) => of(path),
        }
    }

    /// Whether the filter looks at a member, so that it need not be made for those that do not.
    pub(super) fn looks_at(&self, name: &str) -> bool {
        let of = |path: &[String]| path.first().is_some_and(|first| first == name);
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.looks_at(name) || right.looks_at(name),
            Self::Not(inner) => inner.looks_at(name),
            Self::Compare(path, ..) | Self::In(path, _) | Self::Text(path, ..) | Self::Any(path, ..) => of(path),
        }
    }

    /// What every match has in common, for the directory to look only there.
    pub(super) fn hint(&self) -> Hint {
        match self {
            Self::And(left, right) => {
                let (left, right) = (left.hint(), right.hint());
                Hint {
                    created_from: left.created_from.max(right.created_from),
                    created_to: match (left.created_to, right.created_to) {
                        (Some(left), Some(right)) => Some(left.min(right)),
                        (left, right) => left.or(right),
                    },
                    display_name: left.display_name.or(right.display_name),
                    name_prefix: left.name_prefix.or(right.name_prefix),
                    id: left.id.or(right.id),
                    app_id: left.app_id.or(right.app_id),
                }
            }
            Self::Compare(path, operator, value) if path.len() == 1 => {
                let text = value.as_str().unwrap_or_default();
                let mut hint = Hint::default();
                match (path[0].as_str(), operator) {
                    ("createdDateTime", Operator::Ge | Operator::Gt) => hint.created_from = moment(text),
                    ("createdDateTime", Operator::Le | Operator::Lt) => hint.created_to = moment(text),
                    ("displayName", Operator::Eq) => hint.display_name = Some(text.to_owned()),
                    ("id", Operator::Eq) => hint.id = Some(text.to_owned()),
                    ("appId", Operator::Eq) => hint.app_id = Some(text.to_owned()),
                    _ => {}
                }
                hint
            }
            Self::Text(path, TextTest::StartsWith, prefix) if path == &["displayName"] => {
                Hint { name_prefix: Some(prefix.to_lowercase()), ..Hint::default() }
            }
            Self::Any(path, _, Some(inner)) if path == &["servicePrincipalNames"] => match inner.as_ref() {
                // A client id among the names belongs to one object; a URI has to be searched for.
                Self::Compare(_, Operator::Eq, Value::String(text)) if uuid::Uuid::try_parse(text).is_ok() => {
                    Hint { app_id: Some(text.clone()), ..Hint::default() }
                }
                _ => Hint::default(),
            },
            _ => Hint::default(),
        }
    }

    fn holds(&self, members: &Value, bound: &[(&str, &Value)]) -> bool {
        match self {
            Self::And(left, right) => left.holds(members, bound) && right.holds(members, bound),
            Self::Or(left, right) => left.holds(members, bound) || right.holds(members, bound),
            Self::Not(inner) => !inner.holds(members, bound),
            Self::Compare(path, operator, literal) => match counted(path) {
                Some(collection) => {
                    let count = look_up(members, bound, collection).as_array().map_or(0, Vec::len);
                    compare(&Value::from(count), *operator, literal)
                }
                None => compare(look_up(members, bound, path), *operator, literal),
            },
            Self::In(path, literals) => {
                let value = look_up(members, bound, path);
                literals.iter().any(|literal| compare(value, Operator::Eq, literal))
            }
            Self::Text(path, test, text) => look_up(members, bound, path).as_str().is_some_and(|value| {
                let (value, text) = (value.to_lowercase(), text.to_lowercase());
                match test {
                    TextTest::StartsWith => value.starts_with(&text),
                    TextTest::EndsWith => value.ends_with(&text),
                    TextTest::Contains => value.contains(&text),
                }
            }),
            Self::Any(path, variable, inner) => {
                look_up(members, bound, path).as_array().into_iter().flatten().any(|element| {
                    inner.as_ref().is_none_or(|inner| {
                        let mut bound = bound.to_vec();
                        bound.push((variable, element));
                        inner.holds(members, &bound)
                    })
                })
            }
        }
    }
}

/// The collection whose length a path means: `federatedIdentityCredentials/$count`.
fn counted(path: &[String]) -> Option<&[String]> {
    path.split_last().filter(|(last, rest)| *last == "$count" && !rest.is_empty()).map(|(_, rest)| rest)
}

fn look_up<'a>(members: &'a Value, bound: &[(&str, &'a Value)], path: &[String]) -> &'a Value {
    static NULL: Value = Value::Null;
    let Some((first, rest)) = path.split_first() else { return &NULL };
    let variable = bound.iter().rev().find(|(name, _)| name == first).map(|(_, value)| *value);
    let start = variable.unwrap_or_else(|| members.get(first).unwrap_or(&NULL));
    rest.iter().fold(start, |value, name| value.get(name).unwrap_or(&NULL))
}

fn compare(value: &Value, operator: Operator, literal: &Value) -> bool {
    let ordering = match (value, literal) {
        (Value::String(value), Value::String(literal)) => Some(match (moment(value), moment(literal)) {
            (Some(value), Some(literal)) => value.cmp(&literal),
            _ => value.to_lowercase().cmp(&literal.to_lowercase()),
        }),
        (Value::Number(value), Value::Number(literal)) => {
            value.as_f64().zip(literal.as_f64()).and_then(|(value, literal)| value.partial_cmp(&literal))
        }
        (value, literal) if value == literal => Some(Ordering::Equal),
        _ => None,
    };
    match operator {
        Operator::Eq => ordering == Some(Ordering::Equal),
        Operator::Ne => ordering != Some(Ordering::Equal),
        Operator::Gt => ordering == Some(Ordering::Greater),
        Operator::Ge => ordering.is_some_and(Ordering::is_ge),
        Operator::Lt => ordering == Some(Ordering::Less),
        Operator::Le => ordering.is_some_and(Ordering::is_le),
    }
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app() -> Value {
        json!({
            "id": "1", "appId": "aa", "displayName": "Billing's app", "createdDateTime": "2025-03-01T10:00:00Z",
            "identifierUris": ["api://billing"], "tags": [], "publisherDomain": null,
            "passwordCredentials": [{ "endDateTime": "2026-01-01T00:00:00Z" }],
            "web": { "implicitGrantSettings": { "enableIdTokenIssuance": true } },
        })
    }

    #[test]
    fn each_form_matches_what_it_says_and_not_its_neighbour() {
        for (text, expected) in [
            ("appId eq 'AA'", true),
            ("appId eq 'ab'", false),
            ("displayName eq 'billing''s app'", true),
            ("startswith(displayName,'Bill')", true),
            ("startswith(displayName, 'ill')", false),
            ("endswith(displayName,'APP')", true),
            ("identifierUris/any(s:s eq 'api://billing')", true),
            ("identifierUris/any(s:s eq 'api://other')", false),
            ("tags/any()", false),
            ("passwordCredentials/any(c:c/endDateTime le 2026-01-01T00:00:00Z)", true),
            ("passwordCredentials/any(c:c/endDateTime lt 2026-01-01T00:00:00Z)", false),
            ("createdDateTime ge 2025-01-01T00:00:00Z and createdDateTime lt 2025-03-01T10:00:00Z", false),
            ("createdDateTime ge 2025-01-01T00:00:00Z and createdDateTime le 2025-03-01T10:00:00Z", true),
            ("publisherDomain eq null", true),
            ("web/implicitGrantSettings/enableIdTokenIssuance eq true", true),
            ("appId eq 'x' or (displayName ne 'x' and not (id eq '2'))", true),
            ("appId in ('x','aa')", true),
            ("identifierUris/$count ne 0", true),
            ("tags/$count eq 0", true),
            ("nothing/$count gt 0", false),
        ] {
            assert_eq!(parse(text).unwrap().matches(&app()), expected, "{text}");
        }
    }

    #[test]
    fn broken_filters_are_refused() {
        for text in ["", "appId", "appId eq", "appId eq 'x", "(appId eq 'x'", "appId eq 'x' and", "foo(appId,'x')"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_some_need_the_index() {
        assert!(!parse("startswith(displayName,'a') and appId eq 'x'").unwrap().is_advanced());
        assert!(parse("displayName ne 'a'").unwrap().is_advanced());
        assert!(parse("federatedIdentityCredentials/$count eq 0").unwrap().is_advanced());
        assert!(parse("not startswith(displayName,'a')").unwrap().is_advanced());
    }
}
