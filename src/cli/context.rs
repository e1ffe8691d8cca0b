//! Configuration made into what commands work with: cloud, clock, clients, console.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::clock::RemoteClock;
use super::config;
use super::console::{Console, Format, Progress};
use super::convert;
use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use super::interrupt::Interrupt;
use crate::config::{Setting, Settings, env};
use crate::domain::{AppId, Application, Clock, Environment, SystemClock, TenantId, Vault, printable};
use crate::entra::credential::{Choice, Setup, ToolExecutor, credential};
use crate::entra::{self, Tokens};
use crate::graph;
use crate::http::{self, TokenRequest, TokenSource};
use crate::keyvault;
use crate::ledger::{self, Actor, Ledger};
use crate::pki::{Certificate, DecodedToken};
use crate::provision::Watcher;

/// What a command is handed.
#[derive(Debug)]
pub(crate) struct Context {
    settings: Settings,
    environment: Environment,
    console: Console,
    http: http::Client,
    vault_tokens: Arc<dyn TokenSource>,
    graph_tokens: Arc<dyn TokenSource>,
    tenant: Option<TenantId>,
    interrupt: Interrupt,
}

impl Context {
    /// Reads the configuration and makes the clients. Nothing is sent yet.
    pub(crate) async fn new(
        global: &Global,
        environment: &Environment,
        format: Option<Format>,
    ) -> Result<Self, Failure> {
        let settings = config::load(global, environment)?;
        let tenant = settings.tenant.as_ref().map(|tenant| tenant.value.clone());
        Self::with_home(global, environment, format, settings, tenant).await
    }

    /// The same, with `home` as the tenant that kvops itself signs in to.
    pub(crate) async fn with_home(
        global: &Global,
        environment: &Environment,
        format: Option<Format>,
        settings: Settings,
        home: Option<TenantId>,
    ) -> Result<Self, Failure> {
        let format = match format {
            Some(format) => Some(format),
            None => settings.output.as_ref().map(Format::try_from).transpose()?,
        };
        let console = Console::new(format, global.no_color, global.quiet, environment);
        let clock: Arc<dyn Clock> = match environment.get(env::CLOCK) {
            Some(address) => RemoteClock::at(address).await?,
            None => Arc::new(SystemClock),
        };
        let cloud = settings.cloud().map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        if let Some((name, path)) = settings.found_cloud() {
            console.warn(&format!("cloud {name} with {} comes from {}", cloud.authority(), path.display()));
        }
        let options = http::Options { clock, more_roots: settings.extra_roots().to_vec(), ..http::Options::default() };
        let http = http::Client::new(&cloud, options).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let setup = Setup {
            http: http.clone(),
            environment: environment.clone(),
            tenant: home,
            managed_identity: global.managed_identity()?,
            executor: Arc::new(ToolExecutor),
        };
        let vault_tokens = tokens(&settings.vault_credential, &setup)?;
        let graph_tokens = if settings.graph_credential.value == settings.vault_credential.value {
            Arc::clone(&vault_tokens)
        } else {
            tokens(&settings.graph_credential, &setup)?
        };
        let tenant = settings.tenant.as_ref().map(|tenant| tenant.value.clone());
        let tenant = tenant.or_else(|| environment.get("AZURE_TENANT_ID")?.parse().ok());
        Ok(Self {
            settings,
            environment: environment.clone(),
            console,
            http,
            vault_tokens,
            graph_tokens,
            tenant,
            interrupt: Interrupt::listen(),
        })
    }

    /// Where and how to write.
    pub(crate) fn console(&self) -> Console {
        self.console
    }

    /// The transport.
    pub(crate) fn http(&self) -> &http::Client {
        &self.http
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The company in certificate subjects.
    pub(crate) fn company(&self) -> &str {
        &self.settings.company.value
    }

    /// The tenant, which applications sign in to.
    pub(crate) fn tenant(&self) -> Result<TenantId, Failure> {
        self.tenant.clone().ok_or_else(|| {
            Failure::new(Exit::Usage, "no tenant is known").hint(
                "give --tenant, set KVOPS_TENANT or AZURE_TENANT_ID, or write tenant under [defaults] in kvops.toml",
            )
        })
    }

    /// The tenant, or any: for work in which no application signs in.
    pub(crate) fn any_tenant(&self) -> TenantId {
        let unused = || {
            #[expect(clippy::expect_used, reason = "a literal domain name parses as a tenant")]
            "organizations.invalid".parse().expect("a literal domain name")
        };
        self.tenant.clone().unwrap_or_else(unused)
    }

    /// A vault by name or URL.
    pub(crate) fn vault(&self, text: &str) -> Result<Vault, Failure> {
        Vault::parse(text, self.http.cloud()).map_err(|error| Failure::from_error(Exit::Usage, &error))
    }

    /// A client for a vault, as the identity for vaults.
    pub(crate) fn vault_client(&self, vault: &Vault) -> keyvault::Client {
        keyvault::Client::new(&self.http, &self.vault_tokens, vault.clone())
    }

    /// A client for Graph, as the identity for Graph.
    pub(crate) fn graph_client(&self) -> graph::Client {
        graph::Client::new(&self.http, &self.graph_tokens)
    }

    /// What signs in to Graph.
    pub(crate) fn graph_tokens(&self) -> &Arc<dyn TokenSource> {
        &self.graph_tokens
    }

    /// What signs in to vaults.
    pub(crate) fn vault_tokens(&self) -> &Arc<dyn TokenSource> {
        &self.vault_tokens
    }

    /// Client id of the identity for Graph, if it is an application that may write applications.
    pub(crate) async fn graph_writer(&self) -> Option<AppId> {
        let decoded = self.graph_token().await?;
        decoded.list("roles").iter().any(|role| role.starts_with("Application.ReadWrite.")).then_some(())?;
        decoded.text("appid").or_else(|| decoded.text("azp"))?.parse().ok()
    }

    /// What the token of the identity for Graph says; `None` when that cannot be seen.
    pub(crate) async fn graph_token(&self) -> Option<DecodedToken> {
        self.graph_identity().await.ok()
    }

    /// The same, or why nobody is signed in.
    pub(crate) async fn graph_identity(&self) -> Result<DecodedToken, Failure> {
        let resource = self.http.cloud().graph().as_str().trim_end_matches('/').to_owned();
        decoded(&self.graph_tokens, resource).await
    }

    /// The same of the identity for vaults.
    pub(crate) async fn vault_token(&self) -> Option<DecodedToken> {
        self.vault_identity().await.ok()
    }

    /// The same, or why nobody is signed in.
    pub(crate) async fn vault_identity(&self) -> Result<DecodedToken, Failure> {
        decoded(&self.vault_tokens, self.http.cloud().vault_resource()).await
    }

    /// The credential for vaults, for use as a federated credential.
    pub(crate) fn credential(&self, global: &Global) -> Result<Arc<dyn entra::Credential>, Failure> {
        let setup = Setup {
            http: self.http.clone(),
            environment: self.environment.clone(),
            tenant: None,
            managed_identity: global.managed_identity()?,
            executor: Arc::new(ToolExecutor),
        };
        let choice = choice(&self.settings.credential)?;
        credential(choice, &setup).map_err(Failure::from)
    }

    /// The ledger, opened for a run that changes something. It fails before anything is changed.
    pub(crate) async fn ledger(&self) -> Result<ledger::Run, Failure> {
        let ledger = self.open_ledger()?;
        let (vault, graph) = futures::join!(self.vault_token(), self.graph_token());
        let sources = (&self.settings.vault_credential.value, &self.settings.graph_credential.value);
        let both = |vault: &str, graph: &str| {
            if vault == graph { vault.to_owned() } else { format!("vault: {vault}; graph: {graph}") }
        };
        let actor = Actor {
            principal: both(&somebody(vault.as_ref()), &somebody(graph.as_ref())),
            source: both(sources.0, sources.1),
        };
        Ok(self.run(ledger, actor))
    }

    /// The ledger for a run that asks vaults alone, and in whose name it does.
    pub(crate) async fn ledger_of_vaults(&self) -> Result<(ledger::Run, Actor), Failure> {
        let ledger = self.open_ledger()?;
        let principal = somebody(self.vault_token().await.as_ref());
        let actor = Actor { principal, source: self.settings.vault_credential.value.clone() };
        Ok((self.run(ledger, actor.clone()), actor))
    }

    fn open_ledger(&self) -> Result<Ledger, Failure> {
        Ledger::open(self.ledger_path()?).map_err(|error| {
            Failure::from_error(Exit::Usage, &error)
                .hint("nothing was changed: what cannot be recorded is not done; name another file with --ledger PATH or KVOPS_LEDGER")
        })
    }

    fn run(&self, ledger: Ledger, actor: Actor) -> ledger::Run {
        let http = self.http.clone();
        ledger::Run::new(ledger, self.http.new_guid(), actor, move || http.service_now())
    }

    /// Where the ledger is, and whether it is there already. It fails if nothing could be added; nothing is.
    pub(crate) fn writable_ledger(&self) -> Result<(&Path, bool), Failure> {
        let path = self.ledger_path()?;
        let tried = if path.exists() {
            std::fs::OpenOptions::new().append(true).open(path).map(|_| true)
        } else {
            let folder = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
            tempfile::tempfile_in(folder).map(|_| false)
        };
        let unusable = |error| Failure::new(Exit::Usage, format!("{} cannot be written: {error}", path.display()));
        let is_there =
            tried.map_err(|error| unusable(error).hint("name another file with --ledger PATH or KVOPS_LEDGER"))?;
        Ok((path, is_there))
    }

    /// Where the ledger is.
    pub(crate) fn ledger_path(&self) -> Result<&Path, Failure> {
        let setting = self.settings.ledger.as_ref().ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no home folder to keep the ledger in")
                .hint("name a file with --ledger PATH or KVOPS_LEDGER")
        })?;
        Ok(&setting.value)
    }

    /// An application by object id, client id, `[app.NAME]` of the configuration, or display name.
    pub(crate) async fn application(&self, graph: &graph::Client, text: &str) -> Result<Application, Failure> {
        let reference = self.settings.app(text).map_or_else(|| text.to_owned(), |entry| entry.app.to_string());
        Ok(graph.find_application(&reference).await?.application)
    }

    /// A client id, taken as it is: whoever may only sign need not read the directory. Other names of an
    /// application are looked up.
    pub(crate) async fn app_id(&self, text: &str) -> Result<AppId, Failure> {
        if let Some(entry) = self.settings.app(text) {
            return Ok(entry.app);
        }
        match text.parse() {
            Ok(app_id) => Ok(app_id),
            Err(_) => Ok(self.application(&self.graph_client(), text).await?.app_id),
        }
    }

    /// Certificates in a file: one in DER, or several in PEM, leaf first.
    pub(crate) fn certificates(&self, path: &Path) -> Result<Vec<Certificate>, Failure> {
        let unusable = |problem: String| Failure::new(Exit::Usage, format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        Certificate::chain_from_file(&bytes).map_err(|error| unusable(error.to_string()))
    }

    /// Writes a result.
    pub(crate) fn print(&self, machine: &impl Serialize, people: impl FnOnce() -> String) -> Result<(), Failure> {
        self.console.result(machine, people).map_err(|error| Failure::from_error(Exit::Upstream, &error))
    }

    /// Shows progress on standard error.
    pub(crate) fn watcher(&self) -> Onlooker {
        Onlooker { progress: self.console.progress(), interrupt: self.interrupt.clone() }
    }

    /// Does what changes nothing, and leaves it where it is as soon as the user wants to stop.
    pub(crate) async fn reading<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let work = Box::pin(work);
        tokio::select! {
            biased;
            () = self.interrupt.pressed() => Err(Failure::new(Exit::Interrupted, "interrupted").hint("nothing was changed: run the same command again")),
            outcome = work => outcome.map_err(Into::into),
        }
    }
}

/// Shows a run on standard error, and passes Ctrl-C on to it.
#[derive(Debug)]
pub(crate) struct Onlooker {
    progress: Progress,
    interrupt: Interrupt,
}

impl Onlooker {
    /// Takes the changing line away, before the result is written.
    pub(crate) fn clear(&self) {
        self.progress.clear();
    }
}

impl Watcher for Onlooker {
    fn doing(&self, what: &str) {
        self.progress.set(what);
    }

    fn done(&self, what: &str) {
        self.progress.say(what);
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// Who it is, as far as that is known.
fn somebody(token: Option<&DecodedToken>) -> String {
    token.map_or_else(|| "unknown".to_owned(), principal)
}

/// Who a token is for: a user by name, an application by client id, both with the object id.
pub(crate) fn principal(token: &DecodedToken) -> String {
    let text = |claim| token.text(claim).map(|text| printable(&text));
    let id = text("oid").unwrap_or_else(|| "no object id".to_owned());
    let user = text("upn").or_else(|| text("preferred_username")).map(|name| format!("user {name}"));
    let app = || text("appid").or_else(|| text("azp")).map(|app| format!("application {app}"));
    format!("{} ({id})", user.or_else(app).unwrap_or_else(|| "somebody".to_owned()))
}

async fn decoded(tokens: &Arc<dyn TokenSource>, resource: String) -> Result<DecodedToken, Failure> {
    let token = tokens.token(&TokenRequest::for_resource(resource)).await;
    let token = token.map_err(|error| convert::of_identity(error.as_ref()))?;
    DecodedToken::decode(&token).map_err(Failure::from)
}

fn choice(setting: &Setting<String>) -> Result<Choice, Failure> {
    setting.value.parse().map_err(|problem: String| Failure::new(Exit::Usage, format!("{}: {problem}", setting.origin)))
}

fn tokens(setting: &Setting<String>, setup: &Setup) -> Result<Arc<dyn TokenSource>, Failure> {
    let credential = credential(choice(setting)?, setup)?;
    Ok(Tokens::new(credential, Arc::clone(setup.http.clock())))
}
