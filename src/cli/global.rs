//! The flags that every command takes.

use std::path::PathBuf;

use super::console::Format;
use super::exit::Exit;
use super::failure::Failure;
use super::logging::LogFormat;
use crate::config::Flags;
use crate::entra::credential::UserAssigned;

/// Flags that stand before or after any command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// public, usgov, china, or one of a [cloud.NAME] table in kvops.toml
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    cloud: Option<String>,
    /// Tenant, by GUID or domain name; `kvops token` takes several
    #[arg(long, global = true, value_name = "TENANT", help_heading = "Global options")]
    pub(crate) tenant: Vec<String>,
    /// Where kvops's own identity comes from: auto, cli, azd, env, mi, wif, pipelines, github
    #[arg(long, global = true, value_name = "SOURCE", help_heading = "Global options")]
    credential: Option<String>,
    /// The same, for vaults alone
    #[arg(long, global = true, value_name = "SOURCE", help_heading = "Global options")]
    vault_credential: Option<String>,
    /// The same, for Microsoft Graph alone
    #[arg(long, global = true, value_name = "SOURCE", help_heading = "Global options")]
    graph_credential: Option<String>,
    /// Which managed identity: `client:GUID`, `object:GUID` or `resource:/subscriptions/…`
    #[arg(long, global = true, value_name = "ID", help_heading = "Global options")]
    managed_identity: Option<String>,
    /// Configuration file, in place of the nearest kvops.toml
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// The record of what kvops did [default: kvops/ledger.jsonl in the folder for state]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    ledger: Option<PathBuf>,
    /// Use the running lab (its variables, from `kvops lab serve`)
    #[cfg(feature = "lab")]
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) lab: bool,
    /// Say nothing but the result and errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Say more: -v which identity and which steps, -vv each request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// One line for each request: method, host, path, status, ids; never a body
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) trace: bool,
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub(crate) log_format: LogFormat,
    /// No colour
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_color: bool,
}

impl Global {
    /// `--managed-identity`, parsed.
    pub(crate) fn managed_identity(&self) -> Result<Option<UserAssigned>, Failure> {
        let parse = |text: &String| text.parse().map_err(|problem: String| Failure::new(Exit::Usage, problem));
        self.managed_identity.as_ref().map(parse).transpose()
    }

    /// The same flags, with `--tenant` given in another way.
    pub(crate) fn with_tenants(&self, tenant: Vec<String>) -> Self {
        Self { tenant, ..self.clone() }
    }

    /// What the configuration merges; `--output` is each command's own, because formats differ.
    pub(crate) fn flags(&self, output: Option<String>) -> Flags {
        Flags {
            cloud: self.cloud.clone(),
            tenant: self.tenant.first().cloned(),
            credential: self.credential.clone(),
            vault_credential: self.vault_credential.clone(),
            graph_credential: self.graph_credential.clone(),
            output,
            ledger: self.ledger.clone(),
            config: self.config.clone(),
        }
    }
}

/// `--output` of the commands whose result is a table or JSON.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Output {
    /// How the result is written [default: table on a terminal, json when piped]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}
