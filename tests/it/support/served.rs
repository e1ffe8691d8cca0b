//! The proxy in this process, by the lab's clock, and callers of it.

use std::sync::Arc;
use std::time::Duration;

use kvops::domain::AppId;
use kvops::domain::Clock;
use kvops::domain::Environment;
use kvops::domain::Vault;
use kvops::entra::Choice;
use kvops::entra::Setup;
use kvops::entra::Tokens;
use kvops::entra::credential::ToolExecutor;
use kvops::entra::credential::credential;
use kvops::http;
use kvops::http::RetryPolicy;
use kvops::ledger::Actor;
use kvops::ledger::Ledger;
use kvops::ledger::Run;
use kvops::proxy;
use kvops::proxy::Allowed;
use kvops::proxy::DOORS;
use kvops::proxy::Engine;
use kvops::proxy::Parts;
use kvops::proxy::Profile;
use kvops::proxy::Stores;
use kvops::serve::Address;
use kvops::serve::Limits;
use kvops::serve::Listen;
use kvops::serve::Meters;
use kvops::serve::Options;
use kvops::serve::RunKey;
use kvops::serve::Server;
use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use super::App;
use super::Bench;
use super::VAULT;

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) port: u16,
    pub(crate) key: String,
    pub(crate) engine: Arc<Engine>,
    _server: Server,
    client: reqwest::Client,
    pub(crate) runtime: tokio::runtime::Runtime,
}

/// How a proxy differs from the usual one.
#[derive(Debug)]
pub(crate) struct Manners {
    pub(crate) allowed: Allowed,
    pub(crate) limits: Limits,
    pub(crate) stores: Stores,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) is_open: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            allowed: Allowed::Everything,
            limits: Limits::default(),
            stores: Stores::default(),
            clock: None,
            is_open: false,
        }
    }
}

impl Manners {
    /// One application with the certificate `billing`, for any scope.
    pub(crate) fn for_billing(bench: &Bench, app: &App) -> Self {
        let profile = Profile {
            name: "billing".to_owned(),
            app: app.app_id.parse::<AppId>().unwrap(),
            tenant: bench.variable("LAB_TENANT").parse().unwrap(),
            certificate: Some((Vault::parse(VAULT, &bench.lab().cloud()).unwrap(), "billing".parse().unwrap())),
            local: None,
            scopes: vec!["*".to_owned()],
        };
        Self { allowed: Allowed::Profiles(vec![profile]), ..Self::default() }
    }
}

impl Answer {
    /// The header that says how a token was come by.
    pub(crate) fn cache(&self) -> &str {
        self.headers["x-kvops-cache"].to_str().unwrap()
    }

    /// Fails the test, with what was said, unless the status is this.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.body);
        self
    }
}

impl Bench {
    /// The scope of the lab's Graph.
    pub(crate) fn graph_scope(&self) -> String {
        format!("https://localhost:{}/.default", self.lab().port())
    }

    /// The scope of the lab's vaults.
    pub(crate) fn vault_scope(&self) -> String {
        format!("https://vault.localhost:{}/.default", self.lab().port())
    }

    /// Starts a proxy in the operator's name.
    pub(crate) fn serve(&self, manners: Manners) -> Served {
        let clock = manners.clock.unwrap_or_else(|| Arc::new(self.lab().clock()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // The transport's connections belong to this runtime.
        let _entered = runtime.enter();
        let options = http::Options { clock: Arc::clone(&clock), ..http::Options::default() };
        let http = http::Client::new(&self.lab().cloud(), options).unwrap();
        let environment: Environment = [
            ("AZURE_TENANT_ID", "LAB_TENANT"),
            ("AZURE_CLIENT_ID", "LAB_CLIENT_ID"),
            ("AZURE_CLIENT_SECRET", "LAB_CLIENT_SECRET"),
        ]
        .map(|(name, variable)| (name.to_owned(), self.variable(variable)))
        .into_iter()
        .collect();
        let executor = Arc::new(ToolExecutor);
        let setup = Setup { http: http.clone(), environment, tenant: None, managed_identity: None, executor };
        let tokens = Tokens::new(credential(Choice::Auto, &setup).unwrap(), clock);
        let ledger = Ledger::open(&self.file("ledger.jsonl")).unwrap();
        let told = http.clone();
        let patience = RetryPolicy { max_attempts: 2, max_connects: 2, ..RetryPolicy::default() };
        let parts = Parts {
            http: http.patient(patience),
            vault_tokens: tokens.clone(),
            own: tokens,
            may_forward: false,
            allowed: manners.allowed,
            stores: manners.stores,
            ledger: Run::new(ledger, Uuid::from_u128(1), Actor::default(), move || told.service_now()),
        };
        let (engine, meters, key) = (Engine::new(parts), Meters::new().unwrap(), RunKey::from_bytes([9; 32]));
        let options = Options {
            listen: Listen::Loopback { port: 0 },
            hosts: Vec::new(),
            key: (!manners.is_open).then(|| key.clone()),
            doors: DOORS,
            limits: manners.limits,
            meters: meters.clone(),
        };
        let server = runtime.block_on(Server::start(proxy::routes(&engine, &meters), options)).unwrap();
        let Address::Loopback(port) = *server.address() else { panic!("{}", server.address()) };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        drop(_entered);
        Served { port, key: key.text().expose().clone(), engine, _server: server, client, runtime }
    }
}

impl Served {
    /// A request with the key, not sent.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.stranger(method, path).header("x-kvops-key", &self.key)
    }

    /// A request without the key, not sent.
    pub(crate) fn stranger(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://localhost:{}{path}", self.port);
        self.client.request(method.parse().unwrap(), url)
    }

    /// Sends a request.
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.runtime.block_on(sent(request))
    }

    /// Posts to a token endpoint, with the key.
    pub(crate) fn post(&self, endpoint: &str, body: &Value) -> Answer {
        self.send(self.request("POST", &format!("/api/Token/{endpoint}")).json(body))
    }

    /// The same many times at once.
    pub(crate) fn post_at_once(&self, endpoint: &str, body: &Value, times: usize) -> Vec<Answer> {
        let path = format!("/api/Token/{endpoint}");
        let requests = (0..times).map(|_| sent(self.request("POST", &path).json(body)));
        self.runtime.block_on(futures::future::join_all(requests))
    }
}

async fn sent(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_else(|_| text()) }
}

/// What `kv-certificate` is sent for the certificate `billing`.
pub(crate) fn for_certificate(bench: &Bench, app: &App) -> Value {
    json!({
        "clientId": app.app_id,
        "tenantId": bench.variable("LAB_TENANT"),
        "scopes": [bench.graph_scope()],
        "keyVaultUri": bench.place(VAULT).url().as_str(),
        "certificateName": "billing",
    })
}
