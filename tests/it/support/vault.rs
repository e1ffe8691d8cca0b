//! Certificates that other people made, faults, settings, and what the lab has seen.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvops::lab::Entry;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use super::Bench;

/// The vault that every seed has.
pub(crate) const VAULT: &str = "contoso-kv";

impl Bench {
    /// A request to a vault in the operator's name, without the program.
    pub(crate) fn vault(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_vault(VAULT, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// The same for any vault, whatever comes of it.
    pub(crate) fn try_vault(&self, vault: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let suffix = format!("vault.localhost:{}", self.lab().port());
        let token = self.token_for(&format!("https://{suffix}"));
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://{vault}.{suffix}{path}?api-version=7.6"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = self.lab().call(request.body(body).unwrap()).unwrap();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    /// Has the vault make a certificate and waits, in the lab's time, until it is there.
    pub(crate) fn certificate(&self, name: &str, policy: &Value, tags: &Value) {
        self.vault("POST", &format!("/certificates/{name}/create"), &json!({ "policy": policy, "tags": tags }));
        self.lab().clock().advance(time::Duration::minutes(1));
        let made = self.vault("GET", &format!("/certificates/{name}"), &Value::Null);
        assert!(made["cer"].is_string(), "{made}");
    }

    /// The versions of a certificate, by their ids.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        let listed = self.vault("GET", &format!("/certificates/{name}/versions"), &Value::Null);
        listed["value"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Deletes a certificate and waits, in the lab's time, until its name is in soft-delete.
    pub(crate) fn delete(&self, name: &str) {
        self.vault("DELETE", &format!("/certificates/{name}"), &Value::Null);
        self.lab().clock().advance(time::Duration::minutes(2));
        assert_eq!(self.try_vault(VAULT, "GET", &format!("/deletedcertificates/{name}"), &Value::Null).0, 200);
    }

    /// Puts a fault in force and gives its number.
    pub(crate) fn fault(&self, fault: &Value) -> u64 {
        self.lab().control("POST", "/faults", fault).unwrap()["id"].as_u64().unwrap()
    }

    /// How many requests a fault has hit.
    pub(crate) fn hits(&self, id: u64) -> u64 {
        let faults = self.lab().control("GET", "/faults", &Value::Null).unwrap();
        faults.as_array().unwrap().iter().find(|fault| fault["id"] == id).unwrap()["hits"].as_u64().unwrap()
    }

    /// Lifts all faults.
    pub(crate) fn no_faults(&self) {
        self.lab().control("DELETE", "/faults", &Value::Null).unwrap();
    }

    /// Changes settings of the lab.
    pub(crate) fn settings(&self, settings: &Value) {
        self.lab().control("PATCH", "/settings", settings).unwrap();
    }

    /// The number of the last request so far.
    pub(crate) fn mark(&self) -> u64 {
        self.lab().requests_since(0).last().map_or(0, |entry| entry.n)
    }

    /// What a service was asked since `mark`, oldest first.
    pub(crate) fn asked(&self, mark: u64, service: Service) -> Vec<Entry> {
        self.lab().requests_since(mark).into_iter().filter(|entry| entry.service == service).collect()
    }

    /// How often each route was asked since `mark`, as `METHOD route`.
    pub(crate) fn routes(&self, mark: u64) -> BTreeMap<String, usize> {
        let mut routes = BTreeMap::new();
        for entry in self.lab().requests_since(mark) {
            *routes.entry(format!("{} {}", entry.method, entry.route)).or_default() += 1;
        }
        routes
    }
}

/// A policy that passes every rule.
pub(crate) fn hardened(subject: &str) -> Value {
    json!({
        "issuer": { "name": "Self" },
        "key_props": { "exportable": false, "kty": "RSA", "key_size": 2048, "reuse_key": false },
        "secret_props": { "contentType": "application/x-pkcs12" },
        "x509_props": {
            "subject": subject, "ekus": ["1.3.6.1.5.5.7.3.2"], "key_usage": ["digitalSignature"], "validity_months": 12,
        },
        "lifetime_actions": [{ "trigger": { "days_before_expiry": 30 }, "action": { "action_type": "EmailContacts" } }],
    })
}
