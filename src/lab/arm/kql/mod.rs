//! The part of Kusto that inventories of vaults are written in: one table, filtered and projected.
//!
//! What is not understood is refused, as a query with an error is; joins and summaries are among it.

mod expression;

use serde_json::{Map, Value};

use self::expression::Expression;

/// The tables of Resource Graph that the lab has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Table {
    Resources,
    ResourceContainers,
    AuthorizationResources,
    SecurityResources,
}

/// A query: a table, and what is done to its rows one step after the other.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) table: Table,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Where(Expression),
    /// Columns by name; those of the row are kept if the query says `extend`.
    Columns(Vec<(String, Expression)>, Keep),
    Without(Vec<String>),
    /// Whether the largest comes first: Kusto's default.
    Order(Vec<(Expression, bool)>),
    Limit(usize),
    Distinct(Vec<(String, Expression)>),
    Count,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keep {
    Row,
    Nothing,
}

impl Query {
    /// Reads a query. The error says what is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = split(text, '|').into_iter().map(str::trim);
        let table = parts.next().unwrap_or_default();
        let table = match table.to_ascii_lowercase().as_str() {
            "resources" => Table::Resources,
            "resourcecontainers" => Table::ResourceContainers,
            "authorizationresources" => Table::AuthorizationResources,
            "securityresources" => Table::SecurityResources,
            _ => return Err(format!("no table of the lab: {table}")),
        };
        Ok(Self { table, steps: parts.map(Step::parse).collect::<Result<_, _>>()? })
    }

    /// The result rows.
    pub(super) fn run(&self, rows: Vec<Value>) -> Vec<Value> {
        self.steps.iter().fold(rows, |rows, step| step.run(rows))
    }
}

impl Step {
    fn parse(text: &str) -> Result<Self, String> {
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match verb.to_ascii_lowercase().as_str() {
            "where" => Expression::parse(rest).map(Self::Where),
            "project" => columns(rest).map(|columns| Self::Columns(columns, Keep::Nothing)),
            "extend" => columns(rest).map(|columns| Self::Columns(columns, Keep::Row)),
            "project-away" => Ok(Self::Without(split(rest, ',').into_iter().map(|it| it.trim().to_owned()).collect())),
            "distinct" => columns(rest).map(Self::Distinct),
            "order" | "sort" => order(rest).map(Self::Order),
            "limit" | "take" => rest.parse().map(Self::Limit).map_err(|_| format!("no number of rows: {rest}")),
            "count" if rest.is_empty() => Ok(Self::Count),
            _ => Err(format!("no operator that is understood: {text}")),
        }
    }

    fn run(&self, mut rows: Vec<Value>) -> Vec<Value> {
        match self {
            Self::Where(condition) => rows.retain(|row| condition.of(row) == Value::Bool(true)),
            Self::Columns(columns, keep) => {
                for row in &mut rows {
                    let mut shown = match (keep, &*row) {
                        (Keep::Row, Value::Object(members)) => members.clone(),
                        _ => Map::new(),
                    };
                    shown.extend(columns.iter().map(|(name, value)| (name.clone(), value.of(row))));
                    *row = Value::Object(shown);
                }
            }
            Self::Without(names) => {
                for members in rows.iter_mut().filter_map(Value::as_object_mut) {
                    members.retain(|name, _| !names.contains(name));
                }
            }
            Self::Order(by) => {
                // The last key first: each sort keeps the order of what is equal.
                for (key, descending) in by.iter().rev() {
                    rows.sort_by_cached_key(|row| key.of(row).to_string());
                    if *descending {
                        rows.reverse();
                    }
                }
            }
            Self::Limit(most) => rows.truncate(*most),
            Self::Distinct(columns) => {
                let mut seen = std::collections::BTreeSet::new();
                let shown = rows.iter().map(|row| {
                    let members = columns.iter().map(|(name, value)| (name.clone(), value.of(row)));
                    Value::Object(members.collect())
                });
                return shown.filter(|row| seen.insert(row.to_string())).collect();
            }
            Self::Count => return vec![serde_json::json!({ "Count": rows.len() })],
        }
        rows
    }
}

/// Splits at a sign outside quotes, brackets and parentheses.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0, None);
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, c) if c == at && depth == 0 => {
                parts.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn columns(text: &str) -> Result<Vec<(String, Expression)>, String> {
    let column = |text: &str| {
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if is_name(name.trim()) && !value.starts_with(['=', '~']) => (Some(name.trim()), value),
            _ => (None, text),
        };
        let value = Expression::parse(value.trim())?;
        // Kusto names a column after its path with the dots made underscores.
        let name = name.map(str::to_owned).or_else(|| value.name()).ok_or_else(|| format!("no column: {text}"))?;
        Ok((name, value))
    };
    split(text, ',').into_iter().map(column).collect()
}

fn order(text: &str) -> Result<Vec<(Expression, bool)>, String> {
    let rest = text.get(..2).filter(|by| by.eq_ignore_ascii_case("by")).and_then(|_| text.get(2..));
    let rest = rest.ok_or_else(|| format!("no order: {text}"))?;
    let key = |text: &str| {
        let text = text.trim();
        let (value, direction) = text.rsplit_once(char::is_whitespace).unwrap_or((text, ""));
        match direction.to_ascii_lowercase().as_str() {
            "asc" => Expression::parse(value).map(|value| (value, false)),
            "desc" => Expression::parse(value).map(|value| (value, true)),
            _ => Expression::parse(text).map(|value| (value, true)),
        }
    };
    split(rest, ',').into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(query: &str) -> Vec<Value> {
        let rows = vec![
            json!({ "name": "a", "type": "microsoft.keyvault/vaults", "properties": { "sku": { "name": "premium" }, "on": true } }),
            json!({ "name": "B", "type": "microsoft.keyvault/vaults", "properties": { "tags": ["x"] } }),
            json!({ "name": "c", "type": "microsoft.compute/disks" }),
        ];
        Query::parse(query).unwrap().run(rows)
    }

    fn names(query: &str) -> Vec<String> {
        run(query).iter().map(|row| row["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn conditions_are_those_of_kusto() {
        for (condition, expected) in [
            ("type =~ 'Microsoft.KeyVault/vaults'", "a B"),
            ("type == \"Microsoft.KeyVault/vaults\"", ""),
            ("type in~ ('x', 'MICROSOFT.compute/disks')", "c"),
            ("name !in ('a')", "B c"),
            ("type has 'vaults' and not(name == 'a')", "B"),
            ("properties.sku.name == 'premium' or name contains 'C'", "a c"),
            ("properties.on == true", "a"),
            ("tobool(properties.on) != true", ""),
            ("isnotempty(properties.sku)", "a"),
            ("isnull(properties.on) and tolower(name) startswith 'b'", "B"),
            ("properties['tags'][0] == 'x'", "B"),
            ("array_length(properties.tags) > 0", "B"),
        ] {
            assert_eq!(names(&format!("resources | where {condition}")).join(" "), expected, "{condition}");
        }
    }

    #[test]
    fn steps_follow_each_other() {
        let rows = run(
            "Resources | where type endswith 'vaults' | extend s = tostring(properties.sku.name) | project name, s, properties.on | order by name asc",
        );
        assert_eq!(rows[1], json!({ "name": "a", "s": "premium", "properties_on": true }));
        assert_eq!(run("resources | distinct type | count"), [json!({ "Count": 2 })]);
        assert_eq!(names("resources | sort by name | take 2"), ["c", "a"]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            "",
            "secrets",
            "resources | join x",
            "resources | where",
            "resources | where f(x) == 1",
            "resources | where name = 'a'",
        ] {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }
}
