//! The report's forms, each to its file or to standard output.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::super::console;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::Args;
use crate::audit::{Manifest, Report};
use crate::inventory::atomically;
use crate::report::{self, Format, Locations, Options, Output};

/// Columns where nobody says how many there are.
const USUAL_WIDTH: usize = 100;

/// `--help` of `--format`: each form with what it is for.
pub(super) fn help() -> String {
    let width = Format::ALL.iter().map(|format| format.name().len()).max().unwrap_or(0);
    let mut text = "A form of the report, and its file; can be repeated\n\n".to_owned();
    for format in Format::ALL {
        let _ = writeln!(text, "  {:width$}  {}", format.name(), format.about());
    }
    text.push_str("\n[default: table on a terminal, json when piped]");
    text
}

/// The form of errors, where a form of the report goes to standard output.
pub(super) fn console_format(outputs: &[Output]) -> Option<console::Format> {
    let first = outputs.iter().find(|output| output.file.is_none())?;
    Some(if first.format == Format::Json { console::Format::Json } else { console::Format::Table })
}

/// Writes every form that was asked for; a file appears whole or not at all.
pub(super) fn write(report: &Report, args: &Args, manifest: &Manifest, context: &Context) -> Result<(), Failure> {
    let mut outputs = args.report.format.clone();
    if outputs.is_empty() {
        let format = if context.console().is_for_people() { Format::Table } else { Format::Json };
        outputs.push(Output { format, file: None });
    }
    let options = options(args, &outputs, manifest, context);
    for output in &outputs {
        match &output.file {
            None => to_stdout(output.format, report, &options)?,
            Some(path) => to_file(output.format, path, report, &options)?,
        }
    }
    Ok(())
}

fn options(args: &Args, outputs: &[Output], manifest: &Manifest, context: &Context) -> Options {
    let here = std::env::current_dir().unwrap_or_default();
    let mut locations = Locations::new(located(manifest), repository(&here));
    let has_locations = outputs.iter().any(|output| output.format.has_locations());
    if let Some(file) = args.scope.input.as_ref().or(args.scope.export.as_ref()).filter(|_| has_locations) {
        // Locations are a help: without them findings stand at the first line of kvops.toml.
        let read =
            fs::File::open(file).and_then(|lines| locations.add_inventory(&resolved(file), io::BufReader::new(lines)));
        if let Err(error) = read {
            context.console().warn(&format!("{} has no lines for findings: {error}", file.display()));
        }
    }
    Options {
        width: width(),
        has_colour: context.console().has_colour(),
        locations,
        manifest: manifest.clone(),
        sarif_include_suppressed: args.report.sarif_include_suppressed,
        markdown_file: args
            .report
            .format
            .iter()
            .find(|output| output.format == Format::Markdown)
            .and_then(|output| output.file.as_ref())
            // Pipelines run their uploads elsewhere.
            .map(|file| here.join(file)),
        ocsf_class: args.report.ocsf_class,
    }
}

/// The folder that paths in reports begin at: that of the repository, wherever in it this runs.
fn repository(here: &Path) -> PathBuf {
    let here = resolved(here);
    here.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned).unwrap_or(here)
}

/// The manifest with the files that it really stands in.
fn located(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.file = manifest.file.as_deref().map(resolved);
    for entry in manifest.entries.values_mut() {
        entry.file = resolved(&entry.file);
    }
    manifest
}

fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Columns of the terminal.
pub(in crate::cli) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return USUAL_WIDTH;
    }
    terminal_size::terminal_size().map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0))
}

fn to_stdout(format: Format, report: &Report, options: &Options) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    unless_gone(report::write(format, report, options, &mut out))
}

/// A reader that has gone away is not an error.
pub(super) fn unless_gone(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended.map_err(|error| Failure::from_error(Exit::Upstream, &error)),
    }
}

fn to_file(format: Format, path: &Path, report: &Report, options: &Options) -> Result<(), Failure> {
    whole(path, |out| report::write(format, report, options, out))
}

/// Writes a file that is there whole or not at all.
pub(in crate::cli) fn whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    // A link stays a link, and a pipe or a device is written to and not replaced.
    let resolved = fs::canonicalize(path);
    let path = resolved.as_deref().unwrap_or(path);
    if fs::metadata(path).is_ok_and(|known| !known.is_file() && !known.is_dir()) {
        let written = fs::OpenOptions::new().write(true).open(path).and_then(|mut file| {
            write(&mut file)?;
            file.flush()
        });
        return unless_gone(written);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| atomically(path, |out| write(out)));
    written.map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
}
