//! A tenant read by the library, without the program around it.

use std::sync::Arc;

use kvops::domain::Environment;
use kvops::domain::ObjectId;
use kvops::domain::Vault;
use kvops::entra::Choice;
use kvops::entra::Setup;
use kvops::entra::Tokens;
use kvops::entra::credential::ToolExecutor;
use kvops::entra::credential::credential;
use kvops::http;
use kvops::http::Options;
use kvops::http::TokenSource;
use kvops::inventory;
use kvops::inventory::Clients;
use kvops::inventory::Error;
use kvops::inventory::Inventory;
use kvops::inventory::Plan;
use kvops::inventory::State;
use kvops::inventory::Unwatched;
use serde_json::Value;

use super::App;
use super::Bench;
use super::Identity;

impl Bench {
    /// Reads everything, in the operator's name.
    pub(crate) fn collect(&self) -> Inventory {
        self.try_collect(None, &self.plan(), &mut State::none()).unwrap()
    }

    /// Everything.
    pub(crate) fn plan(&self) -> Plan {
        Plan::all(self.variable("LAB_TENANT").parse().unwrap())
    }

    /// A vault of the lab.
    pub(crate) fn place(&self, name: &str) -> Vault {
        Vault::parse(name, &self.lab().cloud()).unwrap()
    }

    /// Reads what a plan names, in whosever name.
    pub(crate) fn try_collect(
        &self,
        identity: Option<&Identity>,
        plan: &Plan,
        state: &mut State,
    ) -> Result<Inventory, Error> {
        let clock = Arc::new(self.lab().clock());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let http = http::Client::new(&self.lab().cloud(), options).unwrap();
        let (id, secret) = match identity {
            Some(identity) => (identity.app_id.clone(), identity.secret.clone()),
            None => (self.variable("LAB_CLIENT_ID"), self.variable("LAB_CLIENT_SECRET")),
        };
        let environment: Environment = [
            ("AZURE_TENANT_ID", self.variable("LAB_TENANT")),
            ("AZURE_CLIENT_ID", id),
            ("AZURE_CLIENT_SECRET", secret),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let executor = Arc::new(ToolExecutor);
        let setup = Setup { http: http.clone(), environment, tenant: None, managed_identity: None, executor };
        let tokens: Arc<dyn TokenSource> = Tokens::new(credential(Choice::Auto, &setup).unwrap(), clock);
        let clients = Clients { http, graph: tokens.clone(), vaults: tokens };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(inventory::collect(&clients, plan, state, &Unwatched))
    }
}

impl App {
    /// Its object id.
    pub(crate) fn object(&self) -> ObjectId {
        self.id.parse().unwrap()
    }
}

/// An inventory as it is written, without what moves from run to run: when it was read, how much work
/// that was, and when whoever reads last signed in.
pub(crate) fn shown(inventory: &Inventory) -> Value {
    let mut value = serde_json::to_value(inventory).unwrap();
    value["header"]["collectedAt"] = Value::Null;
    value["coverage"]["counts"] = Value::Null;
    forget(&mut value, &["lastUsed", "lastSignIn"]);
    value
}

fn forget(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|value| forget(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| forget(value, names)),
        _ => {}
    }
}

/// Fails with the places at which two values differ, and not with all of both.
#[track_caller]
pub(crate) fn assert_same(one: &Value, other: &Value) {
    let mut differences = Vec::new();
    compare("", one, other, &mut differences);
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn compare(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            left.iter().for_each(|(name, value)| compare(&format!("{path}/{name}"), value, &right[name], found));
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).enumerate().for_each(|(at, (one, other))| {
                compare(&format!("{path}/{at}"), one, other, found);
            });
        }
        _ if one == other => {}
        _ => found.push(format!("{path}: {one} or {other}")),
    }
}
