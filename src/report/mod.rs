//! Writes down what came of an audit, in the forms that people and pipelines read.
//!
//! Each format is a file with structs of its own, so that no change to the audit changes an
//! interface unseen. All of them say first how much was read; none takes unknown for passed; the
//! same report gives the same bytes. Every name, URI and value comes from a directory and may be
//! hostile: each format escapes it in its own way.

mod action_plan;
mod azure_devops;
mod csv;
mod diff;
mod exit;
mod github;
mod gitlab;
mod gitlab_sast;
mod html;
mod json;
mod junit;
mod markdown;
mod ndjson;
mod ocsf;
mod options;
mod output;
mod overview;
#[cfg(test)]
mod sample;
mod sarif;
mod subject;
mod table;
mod visible;

use std::fmt;
use std::io;
use std::str::FromStr;

pub use diff::{Diff, InvalidReport, OtherTenant, Snapshot};
pub use exit::{FailOn, InvalidFailOn, Outcome, Thresholds, Verdict, verdict};
pub use options::{Location, Locations, OcsfClass, Options};
pub use output::{Conflict, InvalidOutput, Output};

use crate::audit::Report;

/// The formats: their names, the files that they are usually written to, and who writes them.
/// Flag values, help and the tests over all formats follow from this list.
macro_rules! formats {
    ($($variant:ident = $name:literal, $file:literal, $module:path, $about:literal;)*) => {
        /// A form of the report.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Format {
            $(#[doc = $about] $variant,)*
        }

        impl Format {
            /// All of them, those for people first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As in `--format`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The name of the file that it is usually written to.
            pub const fn default_file(self) -> &'static str {
                match self { $(Self::$variant => $file,)* }
            }

            /// What it is for, in one line.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            fn write(self, report: &Report, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
                match self { $(Self::$variant => {
                        use $module as form;
                        form::write(report, options, out)
                    },)* }
            }
        }
    };
}

formats! {
    Table = "table", "kvops-audit.txt", table, "For people: what is wrong with each object, and what to do next.";
    Html = "html", "kvops-audit.html", html, "One page for a browser, with charts, filters and no need of a network.";
    Json = "json", "kvops-audit.json", json, "Everything, as one versioned JSON document.";
    Ndjson = "ndjson", "kvops-audit.ndjson", ndjson, "A line of JSON for each finding, for log stores.";
    Csv = "csv", "kvops-findings.csv", csv, "Rows for a spreadsheet.";
    ActionPlan = "action-plan", "kvops-action-plan.csv", action_plan, "Rows for a spreadsheet in which people plan who mends what.";
    Markdown = "markdown", "kvops-audit.md", markdown, "A page for the summary of a pipeline.";
    MarkdownComment = "markdown-comment", "kvops-comment.md", markdown::comment, "A page that fits a comment on a change.";
    Sarif = "sarif", "kvops-audit.sarif", sarif, "SARIF 2.1.0, for code scanning.";
    Junit = "junit", "kvops-junit.xml", junit, "JUnit XML, a suite for each rule.";
    Github = "github", "kvops-annotations.txt", github, "Annotations of GitHub Actions.";
    AzureDevops = "azuredevops", "kvops-logging-commands.txt", azure_devops, "Logging commands of Azure Pipelines.";
    Gitlab = "gitlab", "gl-code-quality-report.json", gitlab, "GitLab's Code Quality report.";
    GitlabSast = "gitlab-sast", "gl-sast-report.json", gitlab_sast, "GitLab's security report, for its vulnerability list.";
    Ocsf = "ocsf", "kvops-audit.ocsf.json", ocsf, "OCSF Compliance Findings, for security lakes.";
}

impl Format {
    /// Whether it says of each finding in which file and line its object stands.
    pub const fn has_locations(self) -> bool {
        matches!(self, Self::Sarif | Self::Github | Self::AzureDevops | Self::Gitlab | Self::GitlabSast)
    }
}

/// Writes a report in a format.
///
/// # Errors
///
/// What `out` says.
pub fn write(format: Format, report: &Report, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    format.write(report, options, &mut out)?;
    io::Write::flush(&mut out)
}

/// Text that is no format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a format: {known}", known = names().join(", "))]
pub struct InvalidFormat(String);

impl FromStr for Format {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let found = Self::ALL.iter().find(|format| format.name() == text);
        found.copied().ok_or_else(|| InvalidFormat(text.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn names() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name_and_has_a_file_of_its_own() {
        let mut files = std::collections::BTreeSet::new();
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(*format));
            assert!(files.insert(format.default_file()), "{format}");
        }
        let error = "yaml".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("`yaml` is not a format: "), "{error}");
    }

    #[test]
    fn the_same_report_gives_the_same_bytes() {
        for format in Format::ALL {
            assert_eq!(sample::written(*format), sample::written(*format), "{format}");
        }
    }
}
