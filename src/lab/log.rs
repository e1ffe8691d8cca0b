//! What the lab was asked: the last requests one by one, and counts of all of them.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use uuid::Uuid;

/// How many requests are remembered one by one. Counts go on for ever.
const REMEMBERED: usize = 20_000;

/// A part of the lab, as faults and counts name it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The authority: metadata, keys, tokens.
    Entra,
    /// Microsoft Graph.
    Graph,
    /// The data plane of Key Vault.
    KeyVault,
    /// Azure Resource Manager and Resource Graph.
    Arm,
    /// Endpoints that only a machine in the cloud can reach: IMDS, App Service.
    Identity,
}

/// One answered request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Counts from 1.
    pub n: u64,
    /// The lab's time, RFC 3339.
    pub at: String,
    /// Who answered.
    pub service: Service,
    /// `GET`, `POST` …
    pub method: String,
    /// `Host`, with port.
    pub host: String,
    /// As it came in.
    pub path: String,
    /// As it came in, without the question mark.
    pub query: String,
    /// The path with names and ids replaced: `/certificates/{name}/pending`.
    pub route: String,
    /// The answer's status; absent when the connection was dropped instead.
    pub status: Option<u16>,
    /// `appid` of the bearer token, if the lab has signed it.
    pub app_id: Option<Uuid>,
    /// `oid` of the bearer token, if the lab has signed it.
    pub oid: Option<Uuid>,
    /// The fault that was applied, by its number.
    pub fault: Option<u64>,
}

/// Totals since the start, or since the log was cleared.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// All requests.
    pub total: u64,
    /// By service.
    pub services: BTreeMap<Service, u64>,
    /// By `METHOD route`.
    pub routes: BTreeMap<String, u64>,
    /// By status, of those that were answered.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that changed a vault or the directory and were not refused. Signing and token
    /// requests are no changes.
    pub writes: u64,
    /// Requests for `/secrets`.
    pub secrets: u64,
    /// Requests for `…/sign`.
    pub sign: u64,
}

/// The request log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    last: u64,
    entries: VecDeque<Entry>,
    counts: Counts,
}

impl Log {
    /// Remembers a request; its number is given here.
    pub(crate) fn record(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.n = self.last;
        self.counts.add(&entry);
        if self.entries.len() == REMEMBERED {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Requests after number `n`, oldest first.
    pub(crate) fn since(&self, n: u64, service: Option<Service>) -> Vec<Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.n > n && service.is_none_or(|service| entry.service == service))
            .cloned()
            .collect()
    }

    /// The totals.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Forgets requests and totals. Numbers go on.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.counts = Counts::default();
    }
}

impl Counts {
    fn add(&mut self, entry: &Entry) {
        self.total += 1;
        *self.services.entry(entry.service).or_default() += 1;
        *self.routes.entry(format!("{} {}", entry.method, entry.route)).or_default() += 1;
        if let Some(status) = entry.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        let segments: Vec<_> = entry.route.split('/').collect();
        let is_vault = entry.service == Service::KeyVault;
        self.secrets += u64::from(is_vault && matches!(segments.get(1), Some(&("secrets" | "deletedsecrets"))));
        self.sign += u64::from(is_vault && segments.last() == Some(&"sign"));
        self.writes += u64::from(entry.is_write());
    }
}

impl Entry {
    fn is_write(&self) -> bool {
        let is_refused = self.status.is_some_and(|status| status >= 400);
        let is_computation = ["sign", "verify", "$batch", "resources", "getByIds", "backup"]
            .iter()
            .any(|last| self.route.ends_with(&format!("/{last}")));
        matches!(self.service, Service::Graph | Service::KeyVault)
            && !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
            && !is_refused
            && !is_computation
    }
}

/// Replaces what is a name or an id in a path by a placeholder.
pub(crate) fn route(service: Service, segments: &[&str]) -> String {
    let mut out = String::new();
    for (at, segment) in segments.iter().enumerate() {
        out.push('/');
        let before = at.checked_sub(1).map(|before| segments[before]);
        out.push_str(&match service {
            Service::KeyVault => vault_segment(at, before, segment),
            Service::Entra if at == 0 => "{tenant}".to_owned(),
            _ => directory_segment(segment),
        });
    }
    out
}

fn vault_segment(at: usize, before: Option<&str>, segment: &str) -> String {
    let is_verb = matches!(
        segment,
        "" | "create"
            | "import"
            | "pending"
            | "merge"
            | "policy"
            | "versions"
            | "sign"
            | "verify"
            | "recover"
            | "backup"
            | "restore"
            | "contacts"
            | "issuers"
            | "rotationpolicy"
            | "rotate"
            | "encrypt"
            | "decrypt"
            | "wrapkey"
            | "unwrapkey"
            | "release"
    );
    match at {
        0 => segment.to_owned(),
        // `contacts` and `issuers` are reserved names, `restore` a verb; a key may be called `sign`.
        1 if !matches!(segment, "" | "contacts" | "issuers" | "restore") => "{name}".to_owned(),
        _ if before == Some("issuers") => "{issuer}".to_owned(),
        _ if is_verb => segment.to_owned(),
        _ => "{version}".to_owned(),
    }
}

fn directory_segment(segment: &str) -> String {
    if Uuid::try_parse(segment).is_ok() {
        return "{id}".to_owned();
    }
    // `applications(appId='…')` and functions: keep the parameter's name.
    match segment.split_once("='") {
        Some((name, _)) => format!("{name}={{value}})"),
        None => segment.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_holds_no_name_and_no_id() {
        let vault = |path: &str| route(Service::KeyVault, &path.split('/').collect::<Vec<_>>());
        assert_eq!(vault("certificates/billing/pending"), "/certificates/{name}/pending");
        assert_eq!(vault("keys/sign/0a1b/sign"), "/keys/{name}/{version}/sign");
        assert_eq!(vault("keys/billing//sign"), "/keys/{name}//sign");
        assert_eq!(vault("certificates/contacts"), "/certificates/contacts");
        assert_eq!(vault("certificates/issuers/acme"), "/certificates/issuers/{issuer}");
        let graph = |path: &str| route(Service::Graph, &path.split('/').collect::<Vec<_>>());
        assert_eq!(
            graph("v1.0/applications/7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10/addKey"),
            "/v1.0/applications/{id}/addKey"
        );
        assert_eq!(graph("v1.0/applications(appId='x')"), "/v1.0/applications(appId={value})");
    }

    #[test]
    fn signing_is_no_write_and_a_refused_write_is_none() {
        let entry = |service, method: &str, path: &str, status| Entry {
            n: 0,
            at: String::new(),
            service,
            method: method.to_owned(),
            host: String::new(),
            path: format!("/{path}"),
            query: String::new(),
            route: route(service, &path.split('/').collect::<Vec<_>>()),
            status,
            app_id: None,
            oid: None,
            fault: None,
        };
        let mut log = Log::default();
        log.record(entry(Service::KeyVault, "POST", "keys/a/1/sign", Some(200)));
        log.record(entry(Service::Entra, "POST", "t/oauth2/v2.0/token", Some(200)));
        log.record(entry(Service::Graph, "PATCH", "v1.0/applications/x", Some(403)));
        assert_eq!(log.counts().writes, 0);
        log.record(entry(Service::Graph, "PATCH", "v1.0/applications/x", Some(204)));
        // Nobody knows whether a dropped write took place, so it counts.
        log.record(entry(Service::KeyVault, "POST", "certificates/a/create", None));
        assert_eq!((log.counts().writes, log.counts().sign, log.counts().secrets), (2, 1, 0));
        assert_eq!(log.since(3, Some(Service::Graph)).len(), 1);
    }
}
