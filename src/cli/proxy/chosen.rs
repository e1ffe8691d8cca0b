//! Which tokens a proxy hands out: profiles of the configuration, or one application by flags.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::config;
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::interrupt::Interrupt;
use crate::cli::manifest::Manifest;
use crate::config::{ProfileEntry, Settings};
use crate::domain::{AppId, CertificateName, Environment, TenantId, Thumbprint};
use crate::entra::Tokens;
use crate::http::RetryPolicy;
use crate::ledger::Actor;
use crate::proxy::{Allowed, DOTNET_USER_STORE, Engine, Parts, Profile, Stores};

/// Whoever asks the proxy waits for an answer, and is told to come again rather than kept.
const PATIENCE: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    max_connects: 2,
    max_elapsed: Duration::from_secs(10),
    base_delay: Duration::from_millis(500),
    max_delay: Duration::from_secs(4),
};

/// Flags that say which tokens.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Chosen {
    /// A [proxy.profiles.NAME] table of kvops.toml; repeatable [default: all of them]
    #[arg(long, value_name = "NAME", conflicts_with = "app")]
    profile: Vec<String>,
    /// One application in place of profiles: client id, object id, display name, or [app.NAME]
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Vault: name or URL
    #[arg(long, value_name = "VAULT", requires = "app")]
    vault: Option<String>,
    /// Name of the certificate in the vault
    #[arg(long, value_name = "NAME", requires = "app")]
    name: Option<CertificateName>,
    /// A scope, or a resource, that tokens may be for; repeatable [default: any]
    #[arg(long, value_name = "SCOPE", requires = "app")]
    scope: Vec<String>,
}

/// Everything that is needed before a server can be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) engine: Arc<Engine>,
    /// In whose name vaults are asked.
    pub(crate) actor: Actor,
    /// Ctrl-C, which a command that is run may want for itself.
    pub(crate) interrupt: Interrupt,
}

impl Prepared {
    /// What may be asked for; nothing where that is anything.
    pub(crate) fn profiles(&self) -> &[Profile] {
        self.engine.allowed().profiles()
    }
}

impl Chosen {
    /// Makes the engine. `may_be_anything` lets it do without profiles.
    pub(crate) async fn prepare(
        &self,
        global: &Global,
        environment: &Environment,
        console: Console,
        may_be_anything: bool,
    ) -> Result<Prepared, Failure> {
        let manifest = Manifest::of(self.app.as_deref(), global, environment)?;
        let settings = config::load(manifest.global(), environment)?;
        // A flag names the tenant that applications sign in to; our own identity stays at home.
        let at_home = config::load(&global.with_tenants(Vec::new()), environment)?;
        let home = at_home.tenant.map(|tenant| tenant.value);
        let context = Context::with_home(global, environment, None, settings, home).await?;
        let allowed = self.allowed(&context, &manifest, console, may_be_anything).await?;
        let (ledger, actor) = context.ledger_of_vaults().await?;
        let settings = context.settings();
        let dotnet = || Some(std::path::Path::new(environment.get("HOME")?).join(DOTNET_USER_STORE));
        let stores =
            Stores { user: settings.user_certificates().or_else(dotnet), machine: settings.machine_certificates() };
        let own = Tokens::new(context.credential(global)?, Arc::clone(context.http().clock()));
        let parts = Parts {
            http: context.http().patient(PATIENCE),
            vault_tokens: Arc::clone(context.vault_tokens()),
            own,
            may_forward: settings.may_forward(),
            allowed,
            stores,
            ledger,
        };
        Ok(Prepared { engine: Engine::new(parts), actor, interrupt: context.interrupt() })
    }

    async fn allowed(
        &self,
        context: &Context,
        manifest: &Manifest,
        console: Console,
        may_be_anything: bool,
    ) -> Result<Allowed, Failure> {
        if let Some(app) = &self.app {
            return Ok(Allowed::Profiles(vec![self.by_flags(app, context, manifest).await?]));
        }
        let known = context.settings().profiles();
        let chosen: Vec<_> = if self.profile.is_empty() {
            known.keys().copied().collect()
        } else {
            self.profile.iter().map(String::as_str).collect()
        };
        if may_be_anything && self.profile.is_empty() {
            return Ok(Allowed::Everything);
        }
        if chosen.is_empty() {
            return Err(Failure::new(Exit::Usage, "nothing says which tokens may be handed out")
                .hint("give --app, --vault and --name, or write a [proxy.profiles.NAME] table with app, tenant, vault, certificate and scopes into kvops.toml")
                .hint("to hand out any token to anybody on this machine, give --compat-open"));
        }
        let mut profiles = Vec::new();
        for name in chosen {
            let Some((entry, path)) = known.get(name) else {
                let names: Vec<_> = known.keys().copied().collect();
                return Err(Failure::new(
                    Exit::Usage,
                    format!("there is no [proxy.profiles.{name}] table; known are {}", names.join(", ")),
                ));
            };
            console.note(&format!("profile {name} is that of {}", path.display()));
            profiles.push(by_entry(name, entry, context).await?);
        }
        Ok(Allowed::Profiles(profiles))
    }

    async fn by_flags(&self, app: &str, context: &Context, manifest: &Manifest) -> Result<Profile, Failure> {
        let (vault, name) = manifest.certificate(self.vault.as_ref(), self.name.as_ref())?;
        Ok(Profile {
            name: app.to_owned(),
            app: context.app_id(app).await?,
            tenant: context.tenant()?,
            certificate: Some((context.vault(&vault)?, name)),
            local: None,
            scopes: if self.scope.is_empty() { vec!["*".to_owned()] } else { self.scope.clone() },
        })
    }
}

/// A profile of the configuration; what it does not say, the table of its application does.
async fn by_entry(name: &str, entry: &ProfileEntry, context: &Context) -> Result<Profile, Failure> {
    let wrong = |problem: String| Failure::new(Exit::Usage, format!("[proxy.profiles.{name}]: {problem}"));
    let settings: &Settings = context.settings();
    let table = settings.app(&entry.app);
    let app: AppId = context.app_id(&entry.app).await?;
    let tenant: TenantId = match entry.tenant.clone().or_else(|| table?.tenant.clone()) {
        Some(tenant) => tenant,
        None => context.tenant()?,
    };
    let vault = entry.vault.as_ref().or_else(|| table?.vault.as_ref());
    let certificate = entry.certificate.as_ref().or_else(|| table?.certificate.as_ref());
    let certificate = match (vault, certificate) {
        (Some(vault), Some(certificate)) => {
            let parsed = certificate.parse().map_err(|error| wrong(format!("certificate: {error}")))?;
            Some((context.vault(vault)?, parsed))
        }
        (None, None) => None,
        _ => return Err(wrong("vault and certificate belong together".to_owned())),
    };
    let local: Option<Thumbprint> = entry
        .thumbprint
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| wrong(format!("thumbprint: {error}")))?;
    if certificate.is_none() && local.is_none() {
        return Err(wrong("give vault and certificate, or the thumbprint of a certificate on this machine".to_owned()));
    }
    if entry.scopes.is_empty() {
        return Err(wrong("scopes is empty, so that no token could be asked for".to_owned()));
    }
    Ok(Profile { name: name.to_owned(), app, tenant, certificate, local, scopes: entry.scopes.clone() })
}
