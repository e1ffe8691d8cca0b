//! `--policy DIR`: rules of a team's own, if this kvops was built to run them.

use std::fs;
use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use crate::audit::facts::Joined;
use crate::audit::{File, Own, Policy, Report};

/// Rules of a team's own; none without `--policy`.
#[derive(Debug, Default)]
pub(crate) struct OwnFiles {
    files: Vec<File>,
    ids: Vec<&'static str>,
    #[cfg(feature = "rego")]
    rules: Option<crate::audit::OwnRules>,
}

impl OwnFiles {
    /// Reads every `.rego` file of a folder, by name.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, Failure> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let unreadable = |error: std::io::Error| Failure::new(Exit::Usage, format!("{}: {error}", folder.display()));
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "rego") {
                let text = fs::read_to_string(&path).map_err(unreadable)?;
                files.push(File::new(path.display().to_string(), text));
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        if files.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("{}: there is no .rego file in it", folder.display())));
        }
        Self::understood(files)
    }

    /// What the policy has to know of them.
    pub(crate) fn known(&self) -> Own<'_> {
        Own { ids: &self.ids, files: &self.files }
    }

    #[cfg(feature = "rego")]
    fn understood(files: Vec<File>) -> Result<Self, Failure> {
        let rules = crate::audit::OwnRules::load(&files).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let ids = rules.rules().iter().map(|rule| rule.id).collect();
        Ok(Self { files, ids, rules: Some(rules) })
    }

    #[cfg(not(feature = "rego"))]
    fn understood(_: Vec<File>) -> Result<Self, Failure> {
        Err(Failure::new(Exit::Usage, "this kvops was built without Rego").hint(
            "take a release build, which carries it, or build with `cargo build --release --locked --features rego`",
        ))
    }

    /// Judges by them, and adds what they find to the report.
    #[cfg(feature = "rego")]
    pub(crate) fn judge(&self, joined: &Joined<'_>, policy: &Policy, report: &mut Report) -> Result<(), Failure> {
        let judged = self.rules.as_ref().map_or(Ok(()), |rules| rules.judge(joined, policy, report));
        judged.map_err(|error| Failure::from_error(Exit::Usage, &error))
    }

    /// There are none to judge by.
    #[cfg(not(feature = "rego"))]
    pub(crate) fn judge(&self, _: &Joined<'_>, _: &Policy, _: &mut Report) -> Result<(), Failure> {
        Ok(())
    }

    /// Runs their tests: how many hold, and the names of those that do not.
    #[cfg(feature = "rego")]
    pub(crate) fn test(&self) -> Result<(usize, Vec<String>), Failure> {
        let tested = self.rules.as_ref().map_or(Ok(Vec::new()), crate::audit::OwnRules::test);
        let tested = tested.map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let number = tested.len();
        let bad: Vec<String> = tested.into_iter().filter(|test| !test.is_good).map(|test| test.name).collect();
        Ok((number - bad.len(), bad))
    }

    /// There are none to test.
    #[cfg(not(feature = "rego"))]
    pub(crate) fn test(&self) -> Result<(usize, Vec<String>), Failure> {
        Ok((0, Vec::new()))
    }
}
