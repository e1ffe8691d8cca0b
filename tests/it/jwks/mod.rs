//! `kvops jwks`: keys of an issuer over pages of versions, their rollover, and who verifies its tokens.

mod command;
mod example;
mod federation;
mod follow;
mod promote;
mod rollover;
mod serving;
mod verify;

use std::io::BufRead as _;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;

use kvops::domain::Environment;
use kvops::entra::Choice;
use kvops::entra::Setup;
use kvops::entra::Tokens;
use kvops::entra::credential::ToolExecutor;
use kvops::entra::credential::credential;
use kvops::http;
use kvops::http::TokenSource;
use kvops::jwks::SetOptions;
use kvops::jwks::SigningKeySet;
use kvops::keyvault;
use kvops::pki::Issuer;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;

pub(super) const ISSUER: &str = "https://tokens.contoso.example";

/// The issuer of the tests, as every command takes it.
pub(super) const WHICH: [&str; 6] = ["--vault", VAULT, "--name", "signer", "--issuer", ISSUER];

/// A command of `kvops jwks` on the issuer of the tests.
pub(super) fn jwks<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["jwks", command][..], &WHICH, more].concat()
}

/// Makes a version of the issuer's certificate and gives it back.
pub(super) fn version(bench: &Bench) -> String {
    version_of(bench, &hardened("CN=signer"))
}

/// The same with a policy.
pub(super) fn version_of(bench: &Bench, policy: &Value) -> String {
    bench.vault("POST", "/certificates/signer/create", &json!({ "policy": policy }));
    bench.lab().clock().advance(time::Duration::seconds(30));
    let made = bench.vault("GET", "/certificates/signer", &Value::Null);
    assert!(made["cer"].is_string(), "{made}");
    made["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// A policy for keys on a curve, which take no time to make.
pub(super) fn curve(name: &str) -> Value {
    let mut policy = hardened("CN=signer");
    policy["key_props"] = json!({ "exportable": false, "kty": "EC", "crv": name, "reuse_key": false });
    policy
}

pub(super) fn later(bench: &Bench, by: time::Duration) {
    bench.lab().clock().advance(by);
}

/// The issuer's keys by the library, on the lab's clock.
pub(super) fn key_set(bench: &Bench, options: SetOptions) -> SigningKeySet {
    let clock = Arc::new(bench.lab().clock());
    let http_options = http::Options { clock: clock.clone(), ..http::Options::default() };
    let http = http::Client::new(&bench.lab().cloud(), http_options).unwrap();
    let environment: Environment = [
        ("AZURE_TENANT_ID", bench.variable("LAB_TENANT")),
        ("AZURE_CLIENT_ID", bench.variable("LAB_CLIENT_ID")),
        ("AZURE_CLIENT_SECRET", bench.variable("LAB_CLIENT_SECRET")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let executor = Arc::new(ToolExecutor);
    let setup = Setup { http: http.clone(), environment, tenant: None, managed_identity: None, executor };
    let tokens: Arc<dyn TokenSource> = Tokens::new(credential(Choice::Auto, &setup).unwrap(), clock);
    let vault = keyvault::Client::new(&http, &tokens, bench.place(VAULT));
    SigningKeySet::new(&vault, "signer".parse().unwrap(), Issuer::parse(ISSUER).unwrap(), options)
}

/// Runs something of the library.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A `kvops jwks serve`, which ends with the test.
pub(super) struct Publisher {
    child: Option<Child>,
    pub(super) url: String,
    pub(super) key: String,
}

impl Publisher {
    /// One of the issuer of the tests, on a port of its own.
    pub(super) fn start(bench: &Bench, more: &[&str]) -> Self {
        Self::of(bench, &jwks("serve", &[&["--port", "0"], more].concat()))
    }

    /// One by all its arguments.
    pub(super) fn of(bench: &Bench, arguments: &[&str]) -> Self {
        let mut command = bench.command(&[arguments, &["-o", "json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { child: Some(child), url: text("listening"), key: text("key") }
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stopped(mut self) -> Output {
        self.signal("TERM");
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A caller that trusts one root, or none.
pub(super) struct Caller {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Caller {
    pub(super) fn trusting(pem: Option<&str>) -> Self {
        let roots = pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
        let http = reqwest::Client::builder().no_proxy().tls_certs_only(roots).build().unwrap();
        Self { http, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() }
    }

    /// Status, headers and JSON of an answer; none where there is no connection.
    pub(super) fn send(
        &self,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Option<(u16, reqwest::header::HeaderMap, Value)> {
        self.runtime.block_on(async {
            let answer = request(&self.http).send().await.ok()?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Some((status, headers, answer.json().await.unwrap_or_default()))
        })
    }

    /// Has a token made by `POST /sign`.
    pub(super) fn signed(&self, url: &str, key: &str, order: &Value) -> Value {
        let (status, _, answer) =
            self.send(|http| http.post(format!("{url}/sign")).bearer_auth(key).json(order)).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }
}
