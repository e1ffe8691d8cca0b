//! Compares answers: members, types, and values as far as they can be the same twice.

use serde_json::Value;

/// How much of a leaf has to be the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf {
    /// All of it.
    Exact,
    /// Its type, and for texts whether there is something in them.
    Kind,
    /// A moment in Unix seconds, give or take so many.
    Moment(i64),
    /// A text, after this was done to it on both sides.
    Text(fn(&str) -> String),
}

/// Lists what is different. `recorded` is translated already; `rule` decides by the member's name.
pub(crate) fn differences(recorded: &Value, answered: &Value, rule: &dyn Fn(&str) -> Leaf) -> Vec<String> {
    let mut found = Vec::new();
    walk(recorded, answered, "", "", rule, &mut found);
    found
}

fn walk(
    recorded: &Value,
    answered: &Value,
    path: &str,
    member: &str,
    rule: &dyn Fn(&str) -> Leaf,
    found: &mut Vec<String>,
) {
    match (recorded, answered) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                let path = format!("{path}/{name}");
                match actual.get(name) {
                    Some(other) => walk(value, other, &path, name, rule, found),
                    None => found.push(format!("{path}: missing")),
                }
            }
            for name in actual.keys().filter(|name| !expected.contains_key(*name)) {
                found.push(format!("{path}/{name}: not recorded"));
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            if expected.len() != actual.len() {
                found.push(format!("{path}: {} items, recorded {}", actual.len(), expected.len()));
            }
            for (index, (value, other)) in expected.iter().zip(actual).enumerate() {
                walk(value, other, &format!("{path}/{index}"), member, rule, found);
            }
        }
        _ if same(recorded, answered, rule(member)) => {}
        _ => found.push(format!("{path}: {answered}, recorded {recorded}")),
    }
}

fn same(recorded: &Value, answered: &Value, rule: Leaf) -> bool {
    match (rule, recorded, answered) {
        // What the recorder has taken out.
        (_, Value::String(text), other) if text.starts_with('<') => other.is_string(),
        (Leaf::Kind, Value::String(text), Value::String(other)) => text.is_empty() == other.is_empty(),
        (Leaf::Kind, Value::Number(_), Value::Number(_)) | (Leaf::Kind, Value::Bool(_), Value::Bool(_)) => true,
        (Leaf::Text(wording), Value::String(text), Value::String(other)) => wording(text) == wording(other),
        (Leaf::Moment(slack), Value::Number(at), Value::Number(other)) => {
            at.as_i64().zip(other.as_i64()).is_some_and(|(at, other)| (at - other).abs() <= slack)
        }
        _ => recorded == answered,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(recorded: Value, answered: Value) -> usize {
        let rule = |member: &str| match member {
            "at" => Leaf::Moment(2),
            "id" => Leaf::Kind,
            _ => Leaf::Exact,
        };
        differences(&recorded, &answered, &rule).len()
    }

    #[test]
    fn members_types_lengths_and_values_are_compared() {
        let recorded = json!({"a": 1, "at": 100, "id": "x", "list": [{"b": true}]});
        assert_eq!(count(recorded.clone(), json!({"a": 1, "at": 102, "id": "y", "list": [{"b": true}]})), 0);
        for wrong in [
            json!({"a": 2, "at": 100, "id": "x", "list": [{"b": true}]}),
            json!({"a": 1, "at": 103, "id": "x", "list": [{"b": true}]}),
            json!({"a": 1, "at": 100, "id": 7, "list": [{"b": true}]}),
            json!({"a": 1, "at": 100, "id": "", "list": [{"b": true}]}),
            json!({"a": 1, "at": 100, "id": "x", "list": []}),
            json!({"a": 1, "at": 100, "id": "x"}),
            json!({"a": 1, "at": 100, "id": "x", "list": [{"b": true}], "more": null}),
            json!({"a": "1", "at": 100, "id": "x", "list": [{"b": true}]}),
        ] {
            assert_eq!(count(recorded.clone(), wrong.clone()), 1, "{wrong}");
        }
    }
}
