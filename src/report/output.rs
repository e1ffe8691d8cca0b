//! What `--format` asks for: a format, and where it goes.

use std::path::PathBuf;
use std::str::FromStr;

use super::{Format, InvalidFormat};

/// A format, and the file that it goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The file; none is standard output.
    pub file: Option<PathBuf>,
}

/// Text that asks for no output.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidOutput {
    /// There is no such format.
    #[error(transparent)]
    Format(#[from] InvalidFormat),
    /// `sarif=`, with nothing after it.
    #[error("`{0}=` names no file: write `{0}={file}`, or `{0}` for standard output", file = .0.default_file())]
    NoFile(Format),
}

/// Two outputs that would end up in each other.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Conflict {
    /// Both to standard output.
    #[error(
        "`{0}` and `{1}` would both go to standard output: write one to a file, as `--format {1}={file}`",
        file = .1.default_file()
    )]
    StandardOutput(Format, Format),
    /// Both to one file.
    #[error("`{0}` and `{1}` would both go to {2}")]
    File(Format, Format, PathBuf),
}

impl Output {
    /// Refuses outputs that would end up in each other.
    ///
    /// # Errors
    ///
    /// The first two that do.
    pub fn check(outputs: &[Self]) -> Result<(), Conflict> {
        for (index, second) in outputs.iter().enumerate() {
            let Some(first) = outputs.iter().take(index).find(|first| first.file == second.file) else { continue };
            return Err(match &second.file {
                Some(file) => Conflict::File(first.format, second.format, file.clone()),
                None => Conflict::StandardOutput(first.format, second.format),
            });
        }
        Ok(())
    }
}

impl FromStr for Output {
    type Err = InvalidOutput;

    fn from_str(text: &str) -> Result<Self, InvalidOutput> {
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format.parse::<Format>()?, Some(file)),
            None => (text.parse()?, None),
        };
        match file {
            Some("") => Err(InvalidOutput::NoFile(format)),
            Some("-") | None => Ok(Self { format, file: None }),
            Some(file) => Ok(Self { format, file: Some(file.into()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        text.parse().unwrap()
    }

    #[test]
    fn a_format_goes_to_standard_output_or_to_the_file_after_the_first_equals_sign() {
        assert_eq!(output("json"), Output { format: Format::Json, file: None });
        assert_eq!(output("json=-"), Output { format: Format::Json, file: None });
        assert_eq!(output("json=a=b.json"), Output { format: Format::Json, file: Some("a=b.json".into()) });
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let said = |text: &str| text.parse::<Output>().unwrap_err().to_string();
        assert!(said("sarfi=a.sarif").starts_with("`sarfi` is not a format: "), "{}", said("sarfi=a.sarif"));
        assert_eq!(
            said("json="),
            "`json=` names no file: write `json=kvops-audit.json`, or `json` for standard output"
        );
    }

    #[test]
    fn two_outputs_never_end_up_in_each_other() {
        let said = |texts: &[&str]| {
            let outputs: Vec<_> = texts.iter().map(|text| output(text)).collect();
            Output::check(&outputs).err().map(|conflict| conflict.to_string())
        };
        assert_eq!(said(&["json", "sarif=a.sarif", "junit=b.xml"]), None);
        assert_eq!(
            said(&["json", "sarif"]).unwrap(),
            "`json` and `sarif` would both go to standard output: write one to a file, as `--format sarif=kvops-audit.sarif`"
        );
        assert_eq!(said(&["json=a", "table", "csv=a"]).unwrap(), "`json` and `csv` would both go to a");
    }
}
