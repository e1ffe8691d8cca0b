//! Requests that the services turn away: by their budgets, or by chance.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use rand::Rng as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::exchange::Reply;
use super::exchange::Request;
use super::fault::Outcome;
use super::graph;
use super::keys::KeyKind;
use super::log::Service;
use super::world::World;

/// So much within so long, counted in windows that begin with the first request.
#[derive(Clone, Copy, Debug)]
struct Budget {
    limit: u32,
    window: Duration,
}

const fn per_ten_seconds(limit: u32) -> Budget {
    Budget { limit, window: Duration::seconds(10) }
}

/// Key Vault: transactions of one vault.
const VAULT: Budget = per_ten_seconds(4000);

/// Key Vault: transactions of all vaults of a subscription in a region.
const REGION: Budget = per_ten_seconds(20_000);

/// Key Vault: keys made, with or without a certificate.
const VAULT_CREATES: Budget = per_ten_seconds(20);

/// Key Vault: signatures by the key's material, in software; hardware has half of it.
const fn signatures(kind: KeyKind) -> u32 {
    match kind {
        KeyKind::Rsa(..=2048) | KeyKind::Ec(_) => 4000,
        KeyKind::Rsa(..=3072) => 1000,
        KeyKind::Rsa(_) => 500,
    }
}

/// Graph: resource units of one application in a tenant of size L.
const GRAPH: Budget = per_ten_seconds(8000);

/// Graph: requests for reports of sign-ins, of one application.
const REPORTS: Budget = per_ten_seconds(5);

/// Resource Graph: queries of one principal.
const QUERIES: Budget = Budget { limit: 15, window: Duration::seconds(5) };

/// Resource Manager: reads of one principal in one subscription; a bucket that fills by so many a second.
const READS: f64 = 250.0;
const READS_A_SECOND: f64 = 25.0;

/// From this share of a budget on, Graph says how much of it is spent.
const TOLD_FROM: f64 = 0.8;

/// What has been spent, by whom, in the lab's time.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    spent: BTreeMap<String, Spent>,
    /// By principal and subscription.
    buckets: BTreeMap<(Uuid, String), Bucket>,
}

#[derive(Debug)]
struct Spent {
    since: OffsetDateTime,
    units: u32,
}

#[derive(Debug)]
struct Bucket {
    at: OffsetDateTime,
    left: f64,
}

impl Budgets {
    /// Takes `units` out of a budget, and tells what share of it is spent. Refused: how long until there
    /// is more. What is refused costs nothing.
    fn spend(&mut self, who: String, units: u32, budget: Budget, now: OffsetDateTime) -> Result<f64, Duration> {
        let Budget { limit, window } = budget;
        let spent = self.spent.entry(who).or_insert(Spent { since: now, units: 0 });
        // A clock that was set back begins anew, too.
        if now < spent.since || now - spent.since >= window {
            *spent = Spent { since: now, units: 0 };
        }
        if spent.units + units > limit {
            return Err(window - (now - spent.since));
        }
        spent.units += units;
        Ok(f64::from(spent.units) / f64::from(limit))
    }

    /// Takes a read out of a principal's bucket for a subscription, and tells what is left.
    fn read(&mut self, who: (Uuid, String), now: OffsetDateTime) -> Result<f64, Duration> {
        let bucket = self.buckets.entry(who).or_insert(Bucket { at: now, left: READS });
        let passed = (now - bucket.at).as_seconds_f64().max(0.0);
        bucket.left = (bucket.left + passed * READS_A_SECOND).min(READS);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::seconds_f64((1.0 - bucket.left) / READS_A_SECOND));
        }
        bucket.left -= 1.0;
        Ok(bucket.left)
    }
}

/// Whether a request is served.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is, and its answer carries these headers.
    Passed(Vec<(&'static str, String)>),
    /// It is one too many, or unlucky.
    Refused(Reply),
}

impl Verdict {
    const PASSED: Self = Self::Passed(Vec::new());
}

/// Weighs a request against the budgets, and against chance.
pub(crate) fn weigh(world: &mut World, service: Service, vault: Option<&str>, request: &Request) -> Verdict {
    let percent = world.settings.throttle_percent;
    if percent > 0 && service != Service::Identity && world.random.random_range(0..100) < percent {
        return Verdict::Refused(unlucky(world, service, request));
    }
    // A request without a token is answered with a challenge before anything is counted.
    let Some(token) = request.bearer().filter(|_| world.settings.budgets) else { return Verdict::PASSED };
    match (service, vault) {
        (Service::KeyVault, Some(vault)) => of_vault(world, vault, request),
        (Service::Graph, _) => match super::entra::speaker(world, token) {
            // The parts of a batch are weighed one by one.
            Some((who, _)) if request.path.last().is_none_or(|last| last != "$batch") => of_graph(world, who, request),
            _ => Verdict::PASSED,
        },
        (Service::Arm, _) => match super::entra::speaker(world, token) {
            Some((_, who)) => of_arm(world, who, request),
            None => Verdict::PASSED,
        },
        _ => Verdict::PASSED,
    }
}

fn of_vault(world: &mut World, name: &str, request: &Request) -> Verdict {
    let now = world.now();
    let key = (request.path.last().map(String::as_str) == Some("sign")).then(|| request.path.get(1)).flatten();
    let vault = world.keyvault.vault(name);
    let region =
        vault.map_or_else(String::new, |vault| format!("region/{}/{}", vault.subscription(), vault.location()));
    let material = key.and_then(|key| vault?.key_material(key));
    let is_create = request.path.last().is_some_and(|last| last == "create" || last == "import");
    let name = name.to_ascii_lowercase();
    let mut wanted = vec![(name.clone(), VAULT), (region, REGION)];
    if is_create {
        wanted.push((format!("{name}/create"), VAULT_CREATES));
    }
    if let Some((kind, is_hardware)) = material {
        let limit = if is_hardware { signatures(kind) / 2 } else { signatures(kind) };
        wanted.push((format!("{name}/{}/{is_hardware}", kind.label()), per_ten_seconds(limit)));
    }
    let spent = wanted.into_iter().try_for_each(|(who, budget)| world.budgets.spend(who, 1, budget, now).map(drop));
    match spent {
        Ok(()) => Verdict::PASSED,
        Err(_) => Verdict::Refused(vault_throttled(world, request)),
    }
}

/// Weighs one request to Graph of an application, by itself or in a batch.
pub(crate) fn of_graph(world: &mut World, who: Uuid, request: &Request) -> Verdict {
    if !world.settings.budgets {
        return Verdict::PASSED;
    }
    let now = world.now();
    let is_report = request.path.iter().any(|segment| segment.eq_ignore_ascii_case("reports"));
    if is_report && let Err(wait) = world.budgets.spend(format!("{who}/reports"), 1, REPORTS, now) {
        return Verdict::Refused(graph_throttled(world, request, wait));
    }
    match world.budgets.spend(who.to_string(), graph::resource_units(request), GRAPH, now) {
        Ok(share) if share >= TOLD_FROM => {
            Verdict::Passed(vec![("x-ms-throttle-limit-percentage", format!("{share:.2}"))])
        }
        Ok(_) => Verdict::PASSED,
        Err(wait) => Verdict::Refused(graph_throttled(world, request, wait)),
    }
}

fn of_arm(world: &mut World, who: Uuid, request: &Request) -> Verdict {
    let now = world.now();
    let is_query = request.path.iter().any(|segment| segment.eq_ignore_ascii_case("Microsoft.ResourceGraph"));
    if is_query {
        return match world.budgets.spend(format!("{who}/queries"), 1, QUERIES, now) {
            Ok(share) => {
                let left = f64::from(QUERIES.limit) * (1.0 - share);
                Verdict::Passed(vec![("x-ms-user-quota-remaining", format!("{left:.0}"))])
            }
            Err(wait) => Verdict::Refused(queries_throttled(world, request, wait)),
        };
    }
    if request.method != Method::GET {
        return Verdict::PASSED;
    }
    let subscription = match request.segments().as_slice() {
        [first, subscription, ..] if first.eq_ignore_ascii_case("subscriptions") => subscription.to_ascii_lowercase(),
        _ => String::new(),
    };
    match world.budgets.read((who, subscription.clone()), now) {
        Ok(left) => Verdict::Passed(vec![("x-ms-ratelimit-remaining-subscription-reads", format!("{left:.0}"))]),
        Err(wait) => {
            let seconds = wait.whole_seconds() + 1;
            let message = format!(
                "Number of 'read' requests for subscription '{subscription}' actor '{who}' exceeded. Please try again after \
                 '{seconds}' seconds after additional tokens are available."
            );
            let headers = [("Retry-After".to_owned(), seconds.to_string())].into();
            Verdict::Refused(refused(world, Service::Arm, request, "SubscriptionRequestsThrottled", &message, headers))
        }
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
    refused(world, Service::KeyVault, request, "Throttled", message, BTreeMap::new())
}

fn graph_throttled(world: &mut World, request: &Request, wait: Duration) -> Reply {
    // Whole seconds, and never none: the window has to be over when the client comes back.
    let seconds = wait.whole_seconds() + 1;
    let headers = [
        ("Retry-After".to_owned(), seconds.to_string()),
        ("x-ms-throttle-scope".to_owned(), "Tenant_Application/ReadWrite".to_owned()),
        ("x-ms-throttle-information".to_owned(), "ResourceUnitLimitExceeded".to_owned()),
        ("x-ms-throttle-limit-percentage".to_owned(), "1.0".to_owned()),
    ];
    refused(world, Service::Graph, request, "TooManyRequests", "Too many requests.", headers.into())
}

fn queries_throttled(world: &mut World, request: &Request, wait: Duration) -> Reply {
    let seconds = wait.whole_seconds() + 1;
    let message = "Client application has been throttled and should not continue to repeat the request until an amount \
                   of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.";
    let headers = [
        ("Retry-After".to_owned(), seconds.to_string()),
        ("x-ms-user-quota-remaining".to_owned(), "0".to_owned()),
        ("x-ms-user-quota-resets-after".to_owned(), format!("00:00:{seconds:02}")),
    ];
    refused(world, Service::Arm, request, "RateLimiting", message, headers.into())
}

fn refused(
    world: &mut World,
    service: Service,
    request: &Request,
    code: &str,
    message: &str,
    headers: BTreeMap<String, String>,
) -> Reply {
    let outcome = Outcome {
        status: Some(429),
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        headers,
        ..Outcome::default()
    };
    outcome.reply(world, service, request).unwrap_or_else(|| Reply::empty(StatusCode::TOO_MANY_REQUESTS))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    #[test]
    fn a_larger_key_signs_less_often() {
        let sizes = [2048, 3072, 4096].map(|bits| signatures(KeyKind::Rsa(bits)));
        assert_eq!(sizes, [4000, 1000, 500]);
    }

    #[test]
    fn a_budget_refills_when_its_window_is_over_and_refusals_cost_nothing() {
        let mut budgets = Budgets::default();
        let ten = per_ten_seconds(10);
        let mut spend = |units, at| budgets.spend("app".to_owned(), units, ten, START + Duration::seconds(at));
        assert_eq!(spend(8, 0), Ok(0.8));
        assert_eq!(spend(3, 4), Err(Duration::seconds(6)));
        assert_eq!(spend(2, 9), Ok(1.0));
        assert_eq!(spend(1, 9), Err(Duration::SECOND));
        assert_eq!(spend(10, 10), Ok(1.0));
        assert_eq!(spend(10, -50), Ok(1.0), "a clock that went back does not lock anybody out");
        assert_eq!(budgets.spend("other".to_owned(), 10, ten, START), Ok(1.0));
    }

    #[test]
    fn the_bucket_of_reads_empties_at_once_and_fills_slowly() {
        let mut budgets = Budgets::default();
        let who = || (Uuid::from_u128(1), "a".to_owned());
        assert!((0..250).all(|_| budgets.read(who(), START).is_ok()));
        assert_eq!(budgets.read(who(), START), Err(Duration::milliseconds(40)));
        let later = START + Duration::SECOND;
        assert_eq!((0..30).filter(|_| budgets.read(who(), later).is_ok()).count(), 25);
        assert!(budgets.read((Uuid::from_u128(2), "a".to_owned()), START).is_ok(), "each principal has its own");
        assert!(budgets.read((who().0, "b".to_owned()), START).is_ok(), "in each subscription");
    }
}
