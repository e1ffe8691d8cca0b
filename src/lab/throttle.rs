//! Requests that the services turn away: by their budgets, or by chance.

use std::collections::BTreeMap;

use http::StatusCode;
use rand::Rng as _;
use time::{Duration, OffsetDateTime};

use super::exchange::Reply;
use super::exchange::Request;
use super::fault::Outcome;
use super::graph;
use super::keys::KeyKind;
use super::log::Service;
use super::world::World;

/// The services count in windows of this length.
const WINDOW: Duration = Duration::seconds(10);

/// Key Vault: transactions of one vault in a window.
const VAULT: u32 = 4000;

/// Key Vault: keys made in a window, with or without a certificate.
const VAULT_CREATES: u32 = 20;

/// Key Vault: signatures in a window by the key's material, in software; hardware has half of it.
const fn signatures(kind: KeyKind) -> u32 {
    match kind {
        KeyKind::Rsa(..=2048) | KeyKind::Ec(_) => 4000,
        KeyKind::Rsa(..=3072) => 1000,
        KeyKind::Rsa(_) => 500,
    }
}

/// Graph: resource units of one application in a tenant of size L in a window.
const GRAPH: u32 = 8000;

/// What has been spent, by whom, in windows of the lab's time.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    spent: BTreeMap<String, Spent>,
}

#[derive(Debug)]
struct Spent {
    since: OffsetDateTime,
    units: u32,
}

impl Budgets {
    /// Takes `units` out of a budget of `limit`. Refused: how long until there is more. What is
    /// refused costs nothing.
    fn spend(&mut self, who: String, units: u32, limit: u32, now: OffsetDateTime) -> Result<(), Duration> {
        let spent = self.spent.entry(who).or_insert(Spent { since: now, units: 0 });
        // A clock that was set back begins anew, too.
        if now < spent.since || now - spent.since >= WINDOW {
            *spent = Spent { since: now, units: 0 };
        }
        if spent.units + units > limit {
            return Err(WINDOW - (now - spent.since));
        }
        spent.units += units;
        Ok(())
    }
}

/// The refusal of a request that is one too many, or unlucky.
pub(crate) fn turn_away(
    world: &mut World,
    budgets: &mut Budgets,
    service: Service,
    vault: Option<&str>,
    request: &Request,
) -> Option<Reply> {
    let percent = world.settings.throttle_percent;
    if percent > 0 && service != Service::Identity && world.random.random_range(0..100) < percent {
        return Some(unlucky(world, service, request));
    }
    // A request without a token is answered with a challenge before anything is counted.
    if !world.settings.budgets || request.bearer().is_none() {
        return None;
    }
    let now = world.now();
    match (service, vault) {
        (Service::KeyVault, Some(vault)) => {
            let key = (request.path.last().map(String::as_str) == Some("sign")).then(|| request.path.get(1)).flatten();
            let material = key.and_then(|key| world.keyvault.vault(vault)?.key_material(key));
            let is_create = request.path.last().is_some_and(|last| last == "create" || last == "import");
            let spent = budgets.spend(vault.to_ascii_lowercase(), 1, VAULT, now).and_then(|()| {
                let who = format!("{vault}/create");
                if is_create { budgets.spend(who, 1, VAULT_CREATES, now) } else { Ok(()) }
            });
            let spent = spent.and_then(|()| match material {
                None => Ok(()),
                Some((kind, is_hardware)) => {
                    let limit = if is_hardware { signatures(kind) / 2 } else { signatures(kind) };
                    budgets.spend(format!("{vault}/{}/{is_hardware}", kind.label()), 1, limit, now)
                }
            });
            spent.err().map(|_| vault_throttled(world, request))
        }
        (Service::Graph, _) => {
            let (who, _) = super::entra::speaker(world, request.bearer()?)?;
            let units = graph::resource_units(request);
            budgets.spend(who.to_string(), units, GRAPH, now).err().map(|wait| graph_throttled(world, request, wait))
        }
        _ => None,
    }
}

fn unlucky(world: &mut World, service: Service, request: &Request) -> Reply {
    match service {
        Service::KeyVault => vault_throttled(world, request),
        Service::Graph => graph_throttled(world, request, Duration::SECOND),
        Service::Entra | Service::Arm | Service::Identity => {
            let status = if world.random.random() { 429 } else { 503 };
            let outcome = Outcome {
                status: Some(status),
                message: Some("The service is temporarily unavailable. Please retry later.".to_owned()),
                headers: [("Retry-After".to_owned(), "1".to_owned())].into(),
                ..Outcome::default()
            };
            outcome.reply(world, service, request).unwrap_or_else(|| Reply::empty(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

/// Key Vault sends no `Retry-After`: clients have to back off by themselves.
fn vault_throttled(world: &mut World, request: &Request) -> Reply {
    let message =
        "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached";
    let outcome = Outcome { status: Some(429), message: Some(message.to_owned()), ..Outcome::default() };
    outcome.reply(world, Service::KeyVault, request).unwrap_or_else(|| Reply::empty(StatusCode::TOO_MANY_REQUESTS))
}

fn graph_throttled(world: &mut World, request: &Request, wait: Duration) -> Reply {
    // Whole seconds, and never none: the window has to be over when the client comes back.
    let seconds = wait.whole_seconds() + 1;
    let outcome = Outcome {
        status: Some(429),
        code: Some("TooManyRequests".to_owned()),
        message: Some("Too many requests.".to_owned()),
        headers: [
            ("Retry-After".to_owned(), seconds.to_string()),
            ("x-ms-throttle-scope".to_owned(), "Tenant_Application/ReadWrite".to_owned()),
            ("x-ms-throttle-information".to_owned(), "ResourceUnitLimitExceeded".to_owned()),
            ("x-ms-throttle-limit-percentage".to_owned(), "1.0".to_owned()),
        ]
        .into(),
        ..Outcome::default()
    };
    outcome.reply(world, Service::Graph, request).unwrap_or_else(|| Reply::empty(StatusCode::TOO_MANY_REQUESTS))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_larger_key_signs_less_often() {
        let sizes = [2048, 3072, 4096].map(|bits| signatures(KeyKind::Rsa(bits)));
        assert_eq!(sizes, [4000, 1000, 500]);
    }

    #[test]
    fn a_budget_refills_when_its_window_is_over_and_refusals_cost_nothing() {
        let start = datetime!(2026-01-01 00:00 UTC);
        let mut budgets = Budgets::default();
        let mut spend = |units, at| budgets.spend("app".to_owned(), units, 10, start + Duration::seconds(at));
        assert_eq!(spend(8, 0), Ok(()));
        assert_eq!(spend(3, 4), Err(Duration::seconds(6)));
        assert_eq!(spend(2, 9), Ok(()));
        assert_eq!(spend(1, 9), Err(Duration::SECOND));
        assert_eq!(spend(10, 10), Ok(()));
        assert_eq!(spend(10, -50), Ok(()), "a clock that went back does not lock anybody out");
        assert_eq!(budgets.spend("other".to_owned(), 10, 10, start), Ok(()));
    }
}
