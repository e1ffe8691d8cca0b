//! The files that an audit is told to write: none is another one of them, and none is one that it reads.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::{Args, sign};

/// Refuses a command line that would write one file twice, or write over its own evidence.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    let Args { scope, rules, report, .. } = args;
    let formats = report.format.iter().filter_map(|output| {
        let file = output.file.as_deref()?;
        Some((format!("--format {}", output.format), file))
    });
    let mut written: Vec<(String, &Path)> = formats.collect();
    written.extend(scope.export.as_deref().map(|file| ("--export".to_owned(), file)));
    let baseline = rules.baseline.as_deref().or(rules.new_since.as_deref());
    // A baseline is brought up to date in its place; its signature is not.
    let after = rules.write_baseline.as_deref().filter(|after| baseline.is_none_or(|file| !is_same(file, after)));
    written.extend(after.map(|file| ("--write-baseline".to_owned(), file)));
    let signature = baseline.map(sign::beside);
    let read = [
        ("--input", scope.input.as_deref()),
        ("--params", rules.params.as_deref()),
        ("--waivers", rules.waivers.as_deref()),
        ("the baseline", baseline),
        ("the baseline's signature", signature.as_deref()),
        ("--baseline-certificate", rules.baseline_certificate.as_deref()),
    ];
    for (index, (what, file)) in written.iter().enumerate() {
        if let Some((other, _)) = written.iter().take(index).find(|(_, other)| is_same(other, file)) {
            return Err(refused(format!("{other} and {what} would both write {}", file.display())));
        }
        let is_read = |(_, other): &&(&str, Option<&Path>)| other.is_some_and(|other| is_same(other, file));
        if let Some((other, _)) = read.iter().find(is_read) {
            return Err(refused(format!("{what} would write over {other}, {}", file.display())));
        }
    }
    Ok(())
}

fn refused(problem: String) -> Failure {
    Failure::new(Exit::Usage, problem).hint("give each its own file")
}

/// Whether two paths are one file, which need not be there yet. Devices and pipes take what they are given.
fn is_same(one: &Path, other: &Path) -> bool {
    let (one, other) = (resolved(one), resolved(other));
    one == other && fs::metadata(&one).map_or(true, |known| known.is_file())
}

fn resolved(path: &Path) -> PathBuf {
    if let Ok(known) = fs::canonicalize(path) {
        return known;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
