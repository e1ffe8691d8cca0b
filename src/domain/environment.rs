//! The environment as a value, so that the library never reads the process's own.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables by name. `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable; an empty one counts as unset, as in the Azure SDKs.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of the first variable of `names` that is set.
    pub fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Adds variables; those given here win.
    pub fn extend(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        self.0.extend(variables);
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown_and_empty_is_unset() {
        let environment: Environment =
            [("A".to_owned(), "hunter2".to_owned()), ("B".to_owned(), String::new())].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"A", "B"}"#);
        assert_eq!((environment.get("A"), environment.get("B")), (Some("hunter2"), None));
    }
}
