//! The data plane as a client meets it: requests in, replies out, on a clock that stands.

mod deletion;
mod import;
mod kinds;
mod lifecycle;
mod listing;
mod rights;
mod secret;

use bytes::Bytes;
use http::{HeaderMap, Method};
use rand::SeedableRng as _;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::lab::clock::LabClock;
use crate::lab::directory::Directory;
use crate::lab::entra::Entra;
use crate::lab::keys::KeyPool;
use crate::lab::world::{Settings, Site};

/// A lab with the vault `contoso`, in which one caller may do everything.
struct Lab {
    world: World,
    caller: Caller,
    vault: String,
}

impl Lab {
    fn new() -> Self {
        Self::with(VaultOptions::default())
    }

    fn with(options: VaultOptions) -> Self {
        let mut world = World {
            tenant: Uuid::from_u128(1),
            site: Site { port: 8443 },
            clock: LabClock::frozen(datetime!(2026-01-01 00:00 UTC)),
            settings: Settings::default(),
            directory: Directory::default(),
            entra: Entra::default(),
            keyvault: KeyVault::default(),
            azure: Default::default(),
            budgets: Default::default(),
            keys: KeyPool::with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into()),
            random: rand_chacha::ChaCha20Rng::seed_from_u64(7),
        };
        create_vault(&mut world, "contoso", options);
        let caller = caller(2);
        let body = json!({"vault": "contoso", "principal": caller.object_id, "role": "Key Vault Administrator"});
        grant(&mut world, &body).unwrap();
        Self { world, caller, vault: "contoso".to_owned() }
    }

    fn send(&mut self, method: Method, path: &str, body: Value) -> Reply {
        let caller = self.caller.clone();
        self.send_as(&caller, method, path, body)
    }

    fn send_as(&mut self, caller: &Caller, method: Method, path: &str, body: Value) -> Reply {
        authorised(&mut self.world, &self.vault, caller, &request(method, path, &body))
    }

    fn get(&mut self, path: &str) -> Value {
        let reply = self.send(Method::GET, path, Value::Null);
        assert_eq!(reply.status, 200, "{path}: {}", reply.value());
        reply.value()
    }

    /// Status, code and inner code of an error.
    fn fails(&mut self, method: Method, path: &str, body: Value) -> (u16, String, Option<String>) {
        error(&self.send(method, path, body))
    }

    fn wait(&self, seconds: i64) {
        self.world.clock.advance(time::Duration::seconds(seconds));
    }

    /// Creates a certificate with a policy over the least one, and waits for it.
    fn create(&mut self, name: &str, policy: Value) -> Value {
        let mut sent = json!({"x509_props": {"subject": format!("CN={name}")}, "issuer": {"name": "Self"}});
        merge(&mut sent, policy);
        let reply = self.send(Method::POST, &format!("certificates/{name}/create"), json!({ "policy": sent }));
        assert_eq!(reply.status, 202, "{}", reply.value());
        self.wait(3);
        self.get(&format!("certificates/{name}"))
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from,
    }
}

fn caller(id: u128) -> Caller {
    Caller {
        app_id: Uuid::from_u128(id << 64),
        object_id: Uuid::from_u128(id),
        tenant: Uuid::from_u128(1),
        roles: Vec::new(),
        scopes: Vec::new(),
        groups: std::collections::BTreeSet::new(),
    }
}

fn request(method: Method, path: &str, body: &Value) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if !query.iter().any(|(name, _)| name == "api-version") {
        query.push(("api-version".to_owned(), "7.6".to_owned()));
    }
    Request {
        method,
        host: "contoso.vault.localhost:8443".to_owned(),
        path: path.split('/').map(str::to_owned).collect(),
        query,
        headers: HeaderMap::new(),
        body: if body.is_null() { Bytes::new() } else { body.to_string().into() },
    }
}

fn error(reply: &Reply) -> (u16, String, Option<String>) {
    let body = reply.value();
    let error = &body["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (reply.status.as_u16(), text(&error["code"]).unwrap_or_default(), text(&error["innererror"]["code"]))
}
