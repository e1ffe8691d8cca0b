//! `kvops config`: the settings in force.

use std::path::Path;

use serde::Serialize;
use tabled::Table;
use tabled::Tabled;
use tabled::settings::Style;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use crate::config::{Setting, Settings, VARIABLES};
use crate::domain::Environment;

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Each setting with its value and its origin
    Show(Output),
    /// Each environment variable that kvops reads
    Variables(Output),
}

#[derive(Serialize, Tabled)]
struct Row {
    setting: &'static str,
    value: String,
    origin: String,
}

#[derive(Serialize, Tabled)]
struct VariableRow {
    name: &'static str,
    meaning: &'static str,
}

/// Runs `kvops config`.
pub(crate) fn run(command: &Command, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let (Command::Show(output) | Command::Variables(output)) = command;
    let console = Console::new(output.output, global.no_color, global.quiet, environment);
    let written = match command {
        Command::Show(_) => {
            let rows = rows(&load(global, environment)?);
            console.result(&rows, || Table::new(&rows).with(Style::sharp()).to_string())
        }
        Command::Variables(_) => {
            let rows: Vec<_> = VARIABLES.iter().map(|v| VariableRow { name: v.name, meaning: v.meaning }).collect();
            console.result(&rows, || Table::new(&rows).with(Style::sharp()).to_string())
        }
    };
    written.map(|()| Exit::Ok).map_err(|error| Failure::from_error(Exit::Upstream, &error))
}

/// The settings of this process.
pub(crate) fn load(global: &Global, environment: &Environment) -> Result<Settings, Failure> {
    let folder = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    Settings::load(&global.flags(None), environment, &folder).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn rows(settings: &Settings) -> Vec<Row> {
    fn row<T: ToString>(setting: &'static str, value: &Setting<T>) -> Row {
        Row { setting, value: value.value.to_string(), origin: value.origin.to_string() }
    }
    let unset = |setting| Row { setting, value: "(not set)".to_owned(), origin: "default".to_owned() };
    vec![
        row("cloud", &settings.cloud),
        settings.tenant.as_ref().map_or_else(|| unset("tenant"), |tenant| row("tenant", tenant)),
        row("credential", &settings.credential),
        row("vault_credential", &settings.vault_credential),
        row("graph_credential", &settings.graph_credential),
        settings.output.as_ref().map_or_else(|| unset("output"), |output| row("output", output)),
        row("company", &settings.company),
    ]
}
