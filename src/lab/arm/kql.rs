//! The one kind of Kusto query that the lab understands: vaults, and which of their columns.

use serde_json::{Map, Value};

/// `Resources | where type =~ 'microsoft.keyvault/vaults' | project … | order by … | limit …`.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct VaultQuery {
    /// Name of the result's column and the path of its value. Empty: the whole row.
    columns: Vec<(String, Vec<String>)>,
    /// Path, and whether the largest comes first: Kusto's default.
    order: Option<(Vec<String>, bool)>,
    limit: Option<usize>,
}

impl VaultQuery {
    /// Reads a query. The error says what is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|').map(str::trim);
        if !parts.next().is_some_and(|table| table.eq_ignore_ascii_case("resources")) {
            return Err("the query does not begin with the table Resources".to_owned());
        }
        let (mut query, mut is_about_vaults) = (Self::default(), false);
        for part in parts {
            let (verb, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            match verb.to_ascii_lowercase().as_str() {
                "where" if is_type_test(rest) => is_about_vaults = true,
                "project" => query.columns = columns(rest)?,
                "order" | "sort" => query.order = Some(order(rest)?),
                "limit" | "take" => {
                    query.limit = Some(rest.trim().parse().map_err(|_| format!("no number of rows: {rest}"))?);
                }
                _ => return Err(format!("no operator that is understood: {part}")),
            }
        }
        if is_about_vaults { Ok(query) } else { Err("the query is not about microsoft.keyvault/vaults".to_owned()) }
    }

    /// The result rows.
    pub(super) fn run(&self, mut rows: Vec<Value>) -> Vec<Value> {
        if let Some((path, descending)) = &self.order {
            rows.sort_by_key(|row| look_up(row, path).to_string());
            if *descending {
                rows.reverse();
            }
        }
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        if self.columns.is_empty() {
            return rows;
        }
        let project = |row: Value| {
            self.columns.iter().map(|(name, path)| (name.clone(), look_up(&row, path))).collect::<Map<_, _>>().into()
        };
        rows.into_iter().map(project).collect()
    }
}

fn is_type_test(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace('"', "'");
    let exact = compact == "type=='microsoft.keyvault/vaults'";
    exact || compact.eq_ignore_ascii_case("type=~'microsoft.keyvault/vaults'")
}

fn columns(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let column = |text: &str| {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (Some(name.trim()), value.trim()),
            None => (None, text.trim()),
        };
        let path = path(value)?;
        // Kusto names a column after its path with the dots made underscores.
        let name = name.map_or_else(|| path.join("_"), str::to_owned);
        Ok((name, path))
    };
    text.split(',').map(column).collect()
}

fn order(text: &str) -> Result<(Vec<String>, bool), String> {
    let mut words = text.split_whitespace();
    if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("by")) {
        return Err(format!("no order: {text}"));
    }
    let by = path(words.next().unwrap_or_default())?;
    Ok((by, words.next().is_none_or(|word| !word.eq_ignore_ascii_case("asc"))))
}

/// `properties.vaultUri`, perhaps within `tostring(…)`.
fn path(text: &str) -> Result<Vec<String>, String> {
    let inner = ["tostring(", "tobool(", "toint("].iter().find_map(|function| text.strip_prefix(function));
    let text = inner.and_then(|inner| inner.strip_suffix(')')).unwrap_or(text);
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if text.split('.').all(is_name) {
        Ok(text.split('.').map(str::to_owned).collect())
    } else {
        Err(format!("no column: {text}"))
    }
}

fn look_up(row: &Value, path: &[String]) -> Value {
    path.iter().fold(row, |value, name| value.get(name).unwrap_or(&Value::Null)).clone()
}
