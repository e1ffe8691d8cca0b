//! From a request to the service that answers it, by host and path, with faults on the way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Notify;

use super::arm;
use super::clock::LabClock;
use super::entra;
use super::exchange::Reply;
use super::exchange::Request;
use super::fault::Drop;
use super::fault::Faults;
use super::fault::Outcome;
use super::graph;
use super::keyvault;
use super::log;
use super::log::Entry;
use super::log::Log;
use super::log::Service;
use super::throttle;
use super::throttle::Verdict;
use super::world::World;

/// The time that an answer took on the lab's clock, in milliseconds.
const VIRTUAL_MS: &str = "x-lab-virtual-ms";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    log: Mutex<Log>,
    faults: Mutex<Faults>,
    latency_ms: AtomicU64,
    /// The world's clock, readable without its lock.
    pub(crate) clock: LabClock,
    /// Somebody asked over the control endpoint for the end.
    pub(crate) stop: Notify,
}

/// A request that knows its service and its fate.
#[derive(Debug)]
pub(crate) struct Routed {
    service: Service,
    /// The first label of a vault's host, or the name in `/vaults/NAME/`.
    vault: Option<String>,
    request: Request,
    raw_path: String,
    raw_query: String,
    fault: Option<(u64, Outcome)>,
}

/// What goes back to the client.
#[derive(Debug)]
pub(crate) enum Fate {
    Reply(Reply),
    /// Half of the reply's body, then the end of the connection.
    Torn(Reply),
    /// The end of the connection, without a word.
    Dropped,
}

impl Shared {
    /// A lab around `world`, with an empty log and no faults.
    pub(crate) fn new(world: World) -> Self {
        Self {
            clock: world.clock.clone(),
            world: Mutex::new(world),
            log: Mutex::default(),
            faults: Mutex::default(),
            latency_ms: AtomicU64::new(0),
            stop: Notify::new(),
        }
    }

    /// The world. A handler that panicked leaves it as it was, which a lab can live with.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request log.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults in force.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every request of the data plane waits, in real time.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// Sets the wait of every request of the data plane.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_ms.store(latency.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Finds the service for a request of the data plane and draws its fault.
    pub(crate) fn route(&self, request: Request, raw_path: &str, raw_query: &str) -> Result<Routed, Box<Reply>> {
        let (service, vault, request) = destination(request)?;
        Ok(self.routed(service, vault, request, raw_path, raw_query))
    }

    /// The same for the port of the identity endpoints, which has one service only.
    pub(crate) fn route_identity(&self, request: Request, raw_path: &str, raw_query: &str) -> Routed {
        self.routed(Service::Identity, None, request, raw_path, raw_query)
    }

    /// Reads the keys of the issuer whose token a request presents, as far as that is needed.
    pub(crate) async fn ask_issuer(&self, routed: &Routed) {
        if routed.service != Service::Entra {
            return;
        }
        // Bound here, so that the world is free while the issuer is asked.
        let wanted = entra::wanted(&self.world(), &routed.request);
        if let Some(wanted) = wanted {
            let keys = wanted.read().await;
            let mut world = self.world();
            let now = world.now();
            world.entra.learn(wanted.issuer, keys, now);
        }
    }

    fn routed(
        &self,
        service: Service,
        vault: Option<String>,
        request: Request,
        raw_path: &str,
        raw_query: &str,
    ) -> Routed {
        let fault = self.faults().strike(service, &request);
        Routed { service, vault, request, raw_path: raw_path.to_owned(), raw_query: raw_query.to_owned(), fault }
    }

    /// Lets the service answer, unless the fault does, and writes the log. May compute signatures.
    pub(crate) fn answer(&self, routed: &Routed) -> Fate {
        let outcome = routed.fault.as_ref().map(|(_, outcome)| outcome);
        let drop = outcome.and_then(|outcome| outcome.drop);
        // Bound here, so that the world is free again when the service is asked.
        let prescribed = outcome.and_then(|outcome| outcome.reply(&mut self.world(), routed.service, &routed.request));
        let reply = match prescribed {
            _ if drop == Some(Drop::Before) => None,
            Some(reply) => Some(reply),
            None => Some(self.ask(routed)),
        };
        let answered = reply.as_ref().filter(|_| drop.is_none());
        self.record(routed, answered.map(|reply| reply.status.as_u16()));
        match reply {
            Some(reply) if drop.is_none() => {
                if outcome.is_some_and(|outcome| outcome.torn) {
                    Fate::Torn(reply)
                } else {
                    Fate::Reply(reply)
                }
            }
            _ => Fate::Dropped,
        }
    }

    /// The service's answer, unless it turns the request away.
    fn ask(&self, routed: &Routed) -> Reply {
        let mut world = self.world();
        let Routed { service, vault, request, .. } = routed;
        let reply = match throttle::weigh(&mut world, *service, vault.as_deref(), request) {
            Verdict::Refused(reply) => reply,
            Verdict::Passed(headers) => {
                let reply = routed.ask(&mut world);
                headers.iter().fold(reply, |reply, (name, value)| reply.header(*name, value))
            }
        };
        match world.settings.virtual_latency {
            Some(latency) => {
                let took = latency.of(*service, request).whole_milliseconds();
                reply.header(VIRTUAL_MS, &took.to_string())
            }
            None => reply,
        }
    }

    /// How long the answer takes on the lab's clock.
    pub(crate) fn virtual_latency(&self, routed: &Routed) -> Option<time::Duration> {
        Some(self.world().settings.virtual_latency?.of(routed.service, &routed.request))
    }

    fn record(&self, routed: &Routed, status: Option<u16>) {
        let request = &routed.request;
        let speaker = request.bearer().and_then(|token| entra::speaker(&self.world(), token));
        self.log().record(Entry {
            n: 0,
            at: self.now_text(),
            service: routed.service,
            method: request.method.to_string(),
            host: request.host.clone(),
            path: routed.raw_path.clone(),
            query: routed.raw_query.clone(),
            route: log::route(routed.service, &request.segments()),
            status,
            app_id: speaker.map(|(app_id, _)| app_id),
            oid: speaker.map(|(_, oid)| oid),
            fault: routed.fault.as_ref().map(|(id, _)| *id),
        });
    }

    fn now_text(&self) -> String {
        use crate::domain::Clock as _;

        self.clock.now().format(&Rfc3339).unwrap_or_default()
    }
}

impl Routed {
    /// How long the fault holds the request back, in real time.
    pub(crate) fn stall(&self) -> Duration {
        Duration::from_millis(self.fault.as_ref().map_or(0, |(_, outcome)| outcome.stall_ms))
    }

    /// How long the fault keeps the answer back once the service has acted, in real time.
    pub(crate) fn lateness(&self) -> Duration {
        Duration::from_millis(self.fault.as_ref().map_or(0, |(_, outcome)| outcome.late_ms))
    }

    fn ask(&self, world: &mut World) -> Reply {
        match (self.service, self.vault.as_deref()) {
            (Service::KeyVault, Some(vault)) => keyvault::answer(world, vault, &self.request),
            (Service::Graph, _) => graph::answer(world, &self.request),
            (Service::Arm, _) => arm::answer(world, &self.request),
            (Service::Identity, _) => entra::answer_identity(world, &self.request),
            (Service::Entra | Service::KeyVault, _) => entra::answer(world, &self.request),
        }
    }
}

/// The service behind a host and a path, the vault's name, and the request as that service sees it.
fn destination(mut request: Request) -> Result<(Service, Option<String>, Request), Box<Reply>> {
    let name = host_name(&request.host);
    if let Some(vault) = name.strip_suffix(".vault.localhost").filter(|vault| !vault.contains('.')) {
        let vault = vault.to_owned();
        return Ok((Service::KeyVault, Some(vault), request));
    }
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        let problem =
            json!({ "error": { "code": "MisdirectedRequest", "message": format!("The lab does not serve {name}.") } });
        return Err(Reply::json(StatusCode::MISDIRECTED_REQUEST, &problem).into());
    }
    // Clients that glue a base URL with a slash to a path with one.
    let first = request.path.iter().find(|segment| !segment.is_empty()).map(|segment| segment.to_ascii_lowercase());
    match first.as_deref() {
        Some("v1.0" | "beta") => Ok((Service::Graph, None, request)),
        Some("subscriptions" | "providers" | "tenants" | "metadata") => Ok((Service::Arm, None, request)),
        Some("vaults") if request.path.len() > 2 && request.path[0] == "vaults" => {
            let vault = request.path[1].to_ascii_lowercase();
            request.path.drain(..2);
            Ok((Service::KeyVault, Some(vault), request))
        }
        _ => Ok((Service::Entra, None, request)),
    }
}

fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;

    fn sent_to(host: &str, path: &str) -> Option<(Service, Option<String>, Vec<String>)> {
        let request = Request {
            method: Method::GET,
            host: host.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        destination(request).ok().map(|(service, vault, request)| (service, vault, request.path))
    }

    #[test]
    fn host_and_path_name_the_service() {
        let service = |host, path| sent_to(host, path).map(|(service, vault, _)| (service, vault));
        let kv = Some((Service::KeyVault, Some("contoso-kv".to_owned())));
        assert_eq!(service("contoso-kv.vault.localhost:8443", "keys/a//sign"), kv);
        assert_eq!(service("localhost:8443", "vaults/contoso-kv/keys"), kv);
        assert_eq!(service("localhost:8443", "v1.0//applications"), Some((Service::Graph, None)));
        assert_eq!(service("[::1]:8443", "/metadata/endpoints"), Some((Service::Arm, None)));
        assert_eq!(service("127.0.0.1:8443", "common/discovery/instance"), Some((Service::Entra, None)));
        assert_eq!(sent_to("localhost:1", "vaults/a/keys/b/").unwrap().2, ["keys", "b", ""]);
    }

    #[test]
    fn a_foreign_host_is_served_by_nobody() {
        for host in ["evil.example", "a.b.vault.localhost:1", "localhost.evil.example:1", "vault.localhost"] {
            assert!(sent_to(host, "v1.0/applications").is_none(), "{host}");
        }
    }
}
