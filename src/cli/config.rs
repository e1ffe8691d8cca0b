//! `kvops config`: the settings in force.

use std::path::Path;

use serde::Serialize;
use tabled::Table;
use tabled::Tabled;
use tabled::settings::Style;

use super::console::{Console, Format};
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
    setting: String,
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
    let console = |format| Console::new(format, global.no_color, global.quiet, environment);
    let written = match command {
        Command::Show(output) => {
            let settings = load(global, environment)?;
            let format = output.output.map_or_else(
                || settings.output.as_ref().map(Format::try_from).transpose(),
                |format| Ok(Some(format)),
            )?;
            let rows = rows(&settings);
            console(format).result(&rows, || Table::new(&rows).with(Style::sharp()).to_string())
        }
        Command::Variables(output) => {
            let format = output.output.or_else(|| self::format(global, environment));
            let rows: Vec<_> = VARIABLES.iter().map(|v| VariableRow { name: v.name, meaning: v.meaning }).collect();
            console(format).result(&rows, || Table::new(&rows).with(Style::sharp()).to_string())
        }
    };
    written.map(|()| Exit::Ok).map_err(|error| Failure::from_error(Exit::Upstream, &error))
}

/// The settings of this process.
pub(crate) fn load(global: &Global, environment: &Environment) -> Result<Settings, Failure> {
    let folder = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    Settings::load(&global.flags(None), environment, &folder).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

/// The form of results that the environment or a file asks for, as far as they can be read: for
/// what is written even when they cannot.
pub(crate) fn format(global: &Global, environment: &Environment) -> Option<Format> {
    load(global, environment).ok()?.output.as_ref().and_then(|setting| Format::try_from(setting).ok())
}

impl TryFrom<&Setting<String>> for Format {
    type Error = Failure;

    fn try_from(setting: &Setting<String>) -> Result<Self, Failure> {
        match setting.value.as_str() {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            other => Err(Failure::new(Exit::Usage, format!("{}: `{other}` is not table or json", setting.origin))),
        }
    }
}

fn rows(settings: &Settings) -> Vec<Row> {
    fn row<T: ToString>(setting: &'static str, value: &Setting<T>) -> Row {
        Row { setting: setting.to_owned(), value: value.value.to_string(), origin: value.origin.to_string() }
    }
    let unset = |setting: &str| Row {
        setting: setting.to_owned(),
        value: "(not set)".to_owned(),
        origin: "default".to_owned(),
    };
    let mut rows = vec![
        row("cloud", &settings.cloud),
        settings.tenant.as_ref().map_or_else(|| unset("tenant"), |tenant| row("tenant", tenant)),
        row("credential", &settings.credential),
        row("vault_credential", &settings.vault_credential),
        row("graph_credential", &settings.graph_credential),
        settings.output.as_ref().map_or_else(|| unset("output"), |output| row("output", output)),
        row("company", &settings.company),
        settings.ledger.as_ref().map_or_else(
            || unset("ledger"),
            |ledger| Row {
                setting: "ledger".to_owned(),
                value: ledger.value.display().to_string(),
                origin: ledger.origin.to_string(),
            },
        ),
    ];
    for (name, entry, path) in settings.apps() {
        let members = [
            ("app", Some(entry.app.to_string())),
            ("vault", entry.vault.clone()),
            ("certificate", entry.certificate.clone()),
            ("tenant", entry.tenant.as_ref().map(ToString::to_string)),
            ("owner", entry.owner.clone()),
            ("type", entry.kind.clone()),
        ];
        rows.extend(members.into_iter().filter_map(|(member, value)| {
            let setting = format!("app.{name}.{member}");
            Some(Row { setting, value: value?, origin: path.display().to_string() })
        }));
    }
    rows
}
