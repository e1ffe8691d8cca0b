//! Counts what matched, and holds what did not against the list of what is left out.

use std::io::Write as _;

use serde::Deserialize;

/// The counters of one service.
#[derive(Debug)]
pub(crate) struct Tally {
    service: &'static str,
    left_out: Vec<LeftOut>,
    matched: u32,
    excused: u32,
    wrong: Vec<String>,
}

/// Exchanges of a file that the lab does not answer as recorded, and why it need not.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    file: String,
    exchanges: Vec<u32>,
    reason: String,
    /// Those that were met and did differ.
    #[serde(skip)]
    met: Vec<u32>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    left_out: Vec<LeftOut>,
}

impl Tally {
    /// Starts to count; `list` is the TOML of what is left out.
    pub(crate) fn new(service: &'static str, list: &str) -> Self {
        let List { left_out } = toml::from_str(list).unwrap();
        Self { service, left_out, matched: 0, excused: 0, wrong: Vec::new() }
    }

    /// Says that the recordings are not there.
    pub(crate) fn skip(service: &str) {
        say(&format!("conformance {service}: skipped, no recordings in ../shared/fixtures or $KVOPS_FIXTURES"));
    }

    /// Takes one exchange with what is different in it.
    pub(crate) fn count(&mut self, file: &str, number: u32, differences: &[String]) {
        let entry = self.left_out.iter_mut().find(|entry| entry.file == file && entry.exchanges.contains(&number));
        match (entry, differences) {
            (Some(entry), []) => {
                self.wrong.push(format!("{file} #{number} matches: strike it from the list ({})", entry.reason));
            }
            (Some(entry), _) => {
                entry.met.push(number);
                self.excused += 1;
            }
            (None, []) => self.matched += 1,
            (None, differences) => {
                self.wrong.push(format!("{file} #{number}\n    {}", differences.join("\n    ")));
            }
        }
    }

    /// Prints the count and fails on whatever is unexplained.
    pub(crate) fn finish(mut self) {
        for entry in &self.left_out {
            for number in entry.exchanges.iter().filter(|number| !entry.met.contains(number)) {
                self.wrong.push(format!("{} #{number} is left out and does not exist or matches", entry.file));
            }
            assert!(!entry.reason.trim().is_empty(), "{} is left out without a reason", entry.file);
        }
        let Self { service, matched, excused, .. } = self;
        let failed = self.wrong.iter().filter(|wrong| wrong.contains('\n')).count();
        let total = matched as usize + excused as usize + failed;
        say(&format!("conformance {service}: matched {matched} of {total}, left out {excused}"));
        for entry in &self.left_out {
            say(&format!("  left out: {} {:?}: {}", entry.file, entry.exchanges, entry.reason));
        }
        assert!(self.wrong.is_empty(), "{} unexplained:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// Past the test harness, which swallows what passing tests print.
#[expect(clippy::explicit_write, reason = "`eprintln!` is what the harness swallows")]
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
