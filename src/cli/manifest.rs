//! What an `[app.NAME]` table says, in place of flags that were not given.

use super::config;
use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use crate::config::AppEntry;
use crate::domain::{CertificateName, Environment};

/// The table of the application that `--app` names, if there is one.
#[derive(Debug)]
pub(crate) struct Manifest {
    global: Global,
    entry: Option<AppEntry>,
}

impl Manifest {
    /// Looks `app` up, and says where its table is if nobody named that file.
    pub(crate) fn of(app: Option<&str>, global: &Global, environment: &Environment) -> Result<Self, Failure> {
        let settings = config::load(global, environment)?;
        let entry = app.and_then(|app| settings.app(app)).cloned();
        if let (Some(app), Some(entry)) = (app, &entry)
            && let Some(path) = settings.found_app(app)
        {
            let console = Console::new(None, global.no_color, global.quiet, environment);
            console.note(&format!("application {app} is {} by {}", entry.app, path.display()));
        }
        let tenant = entry.as_ref().and_then(|entry| entry.tenant.as_ref()).map(ToString::to_string);
        let global = match tenant {
            Some(tenant) if global.tenant.is_empty() => global.with_tenants(vec![tenant]),
            _ => global.clone(),
        };
        Ok(Self { global, entry })
    }

    /// The flags, with the application's tenant as `--tenant`.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    /// The certificate of the table, if it names one.
    pub(crate) fn entry_certificate(&self) -> Option<(String, CertificateName)> {
        let entry = self.entry.as_ref()?;
        entry.vault.clone().zip(entry.certificate.as_ref()?.parse().ok())
    }

    /// `--vault` and `--name`, each from the table where it was not given.
    pub(crate) fn certificate(
        &self,
        vault: Option<&String>,
        name: Option<&CertificateName>,
    ) -> Result<(String, CertificateName), Failure> {
        let (vault, name) = self.certificate_if_named(vault, name)?;
        vault.zip(name).ok_or_else(|| {
            Failure::new(Exit::Usage, "no certificate is named")
                .hint("give --vault and --name, or write vault and certificate into an [app.NAME] table of kvops.toml")
        })
    }

    /// The same where a command can do without.
    pub(crate) fn certificate_if_named(
        &self,
        vault: Option<&String>,
        name: Option<&CertificateName>,
    ) -> Result<(Option<String>, Option<CertificateName>), Failure> {
        let vault = vault.or_else(|| self.entry.as_ref()?.vault.as_ref());
        let in_table = || self.entry.as_ref()?.certificate.as_ref().map(|name| name.parse());
        let name = match name {
            Some(name) => Some(name.clone()),
            None => in_table().transpose().map_err(|error: <CertificateName as std::str::FromStr>::Err| {
                Failure::from_error(Exit::Usage, &error)
            })?,
        };
        Ok((vault.cloned(), name))
    }
}
