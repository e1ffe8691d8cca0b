//! The budgets of the services, and how many requests are under way at once.
//!
//! Sources: Graph's and Key Vault's pages on throttling limits. The rates here stay a little below,
//! because nobody says whether a window slides or is fixed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use url::Url;

use super::bucket::Bucket;
use super::window::Window;
use crate::domain::Clock;
use crate::http::{Operation, Pace, Permit, Scarce, Seen, Service, StatusCode};

/// Resource units of Graph: 8,000 in ten seconds for a large tenant, and 3,500 for a small one,
/// which has little to read. What the service answers pulls the brake where this is too much.
const GRAPH: Bucket = Bucket::new(700.0, 700.0);
/// 150 in a minute, of the whole tenant: a few are left for others.
const KEY_CREDENTIALS: Window = Window::new(147, Duration::from_secs(60));
/// 5 in ten seconds.
const REPORTS: Window = Window::new(5, Duration::from_secs(10));
/// 15 in five seconds.
const RESOURCE_GRAPH: Window = Window::new(15, Duration::from_secs(5));
/// 250 in a subscription, and 25 more each second.
const RESOURCE_MANAGER: Bucket = Bucket::new(24.5, 240.0);
/// 4,000 in ten seconds for a vault.
const VAULT: Bucket = Bucket::new(340.0, 500.0);
/// Five times that for all vaults of a subscription in a region.
const REGION: Bucket = Bucket::new(1_750.0, 2_000.0);

/// Requests under way at once, by service.
const GRAPH_AT_ONCE: usize = 96;
/// Pages of megabytes: half of one waits in each connection until somebody reads it.
const LARGE_AT_ONCE: usize = 24;
const VAULTS_AT_ONCE: usize = 256;
const MANAGEMENT_AT_ONCE: usize = 32;

/// What is left of a budget from which on Graph says so in each answer.
const USE_HEADER: &str = "x-ms-throttle-limit-percentage";

/// One budget that refills with time.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Budget {
    Graph,
    /// Of one subscription, or of the tenant.
    ResourceManager(String),
    Vault(String),
    Region(Arc<str>),
}

/// Budgets whose requests are counted one by one.
type Windows = Arc<Mutex<HashMap<Scarce, Window>>>;

/// All budgets of a run.
#[derive(Debug)]
pub(super) struct Limits {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<Budget, Bucket>>,
    windows: Windows,
    /// Subscription and region of a vault, by its host.
    regions: Mutex<HashMap<String, Arc<str>>>,
    graph: Arc<Semaphore>,
    large: Arc<Semaphore>,
    vaults: Arc<Semaphore>,
    management: Arc<Semaphore>,
}

impl Limits {
    /// Budgets that nobody has used yet.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            buckets: Mutex::default(),
            windows: Windows::default(),
            regions: Mutex::default(),
            graph: Arc::new(Semaphore::new(GRAPH_AT_ONCE)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            vaults: Arc::new(Semaphore::new(VAULTS_AT_ONCE)),
            management: Arc::new(Semaphore::new(MANAGEMENT_AT_ONCE)),
        }
    }

    /// Tells with which others a vault shares a budget. Until then it is taken for one of a single
    /// subscription and region.
    pub(super) fn place(&self, vault: &Url, subscription: &str, region: &str) {
        let Some(host) = vault.host_str() else { return };
        let place = format!("{subscription}/{region}").to_ascii_lowercase();
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), place.into());
    }

    fn budgets(&self, operation: &Operation, url: &Url) -> Vec<Budget> {
        match (operation.service, operation.cost.scarce) {
            (Service::Graph, _) => vec![Budget::Graph],
            (Service::ResourceManager, None) => vec![Budget::ResourceManager(subscription(url))],
            (Service::KeyVault, _) => {
                let host = url.host_str().unwrap_or_default();
                let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
                let region = regions.get(host).cloned().unwrap_or_else(|| "".into());
                vec![Budget::Vault(host.to_owned()), Budget::Region(region)]
            }
            _ => Vec::new(),
        }
    }

    /// What takes from a scarce budget waits long, and must not stand in the way of the rest.
    fn places(&self, operation: &Operation) -> Option<&Arc<Semaphore>> {
        match (operation.service, operation.cost.scarce) {
            (_, Some(_)) | (Service::Entra | Service::Identity, _) => None,
            (Service::Graph, None) => Some(&self.graph),
            (Service::KeyVault, None) => Some(&self.vaults),
            (Service::ResourceManager, None) => Some(&self.management),
        }
    }

    async fn admit_to(&self, places: Option<&Arc<Semaphore>>, operation: &Operation, url: &Url) -> Permit {
        let counted = match operation.cost.scarce {
            Some(scarce) => Some(Counted::enter(self, scarce).await),
            None => None,
        };
        // A place first, then the time: whoever had both in the other order would leave late, with others.
        let place = match places {
            // Nobody closes it.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        };
        let permit = Permit::holding((counted, place));
        let now = self.clock.now();
        let units = f64::from(operation.cost.units);
        let budgets = self.budgets(operation, url).into_iter();
        let wait = budgets.map(|budget| self.with(budget, |bucket| bucket.take(units, now))).max().unwrap_or_default();
        if wait > Duration::ZERO {
            self.clock.sleep(wait).await;
        }
        permit
    }

    fn with<R>(&self, budget: Budget, act: impl FnOnce(&mut Bucket) -> R) -> R {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = budget.fresh();
        act(buckets.entry(budget).or_insert(fresh))
    }
}

/// A request that counts in a window, until it is dropped.
#[derive(Debug)]
struct Counted {
    scarce: Scarce,
    windows: Windows,
    clock: Arc<dyn Clock>,
}

impl Counted {
    /// Waits for room in a window.
    async fn enter(Limits { windows, clock, .. }: &Limits, scarce: Scarce) -> Self {
        loop {
            let now = clock.now();
            match within(windows, scarce, |window| window.enter(now)) {
                Ok(()) => return Self { scarce, windows: Arc::clone(windows), clock: Arc::clone(clock) },
                Err(wait) => clock.sleep(wait).await,
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let now = self.clock.now();
        within(&self.windows, self.scarce, |window| window.leave(now));
    }
}

fn within<R>(windows: &Windows, scarce: Scarce, act: impl FnOnce(&mut Window) -> R) -> R {
    let mut windows = windows.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = || match scarce {
        Scarce::KeyCredentials => KEY_CREDENTIALS,
        Scarce::Reports => REPORTS,
        Scarce::ResourceGraph => RESOURCE_GRAPH,
    };
    act(windows.entry(scarce).or_insert_with(fresh))
}

#[async_trait]
impl Pace for Limits {
    async fn admit(&self, operation: &Operation, url: &Url) -> Permit {
        self.admit_to(self.places(operation), operation, url).await
    }

    fn seen(&self, operation: &Operation, url: &Url, seen: &Seen<'_>) {
        let now = self.clock.now();
        let is_refused = seen.status == StatusCode::TOO_MANY_REQUESTS
            || (seen.status == StatusCode::SERVICE_UNAVAILABLE && seen.retry_after.is_some());
        // Which of the budgets it was is not always said, but the narrowest is the likeliest.
        if let Some(scarce) = operation.cost.scarce {
            // Of these all that there is may be spent, and a warning says no more than that it is.
            return within(&self.windows, scarce, |window| match is_refused {
                true => window.refused(seen.retry_after, now),
                false => window.served(),
            });
        }
        if is_refused {
            if let Some(budget) = self.budgets(operation, url).pop().map(|budget| match budget {
                Budget::Region(_) => Budget::Vault(url.host_str().unwrap_or_default().to_owned()),
                other => other,
            }) {
                self.with(budget, |bucket| bucket.refused(seen.retry_after, now));
            }
            return;
        }
        let used = seen.headers.get(USE_HEADER).and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
        if used.is_some_and(|used| used >= 0.8) {
            self.with(Budget::Graph, |bucket| bucket.warned(now));
        }
    }
}

/// The same budgets for large pages, which have places of their own: they do not stand in line behind
/// many small ones.
#[derive(Debug)]
pub(super) struct Large(pub(super) Arc<Limits>);

#[async_trait]
impl Pace for Large {
    async fn admit(&self, operation: &Operation, url: &Url) -> Permit {
        self.0.admit_to(Some(&self.0.large), operation, url).await
    }

    fn seen(&self, operation: &Operation, url: &Url, seen: &Seen<'_>) {
        self.0.seen(operation, url, seen);
    }
}

impl Budget {
    fn fresh(&self) -> Bucket {
        match self {
            Self::Graph => GRAPH,
            Self::ResourceManager(_) => RESOURCE_MANAGER,
            Self::Vault(_) => VAULT,
            Self::Region(_) => REGION,
        }
    }
}

/// The subscription that a request to Resource Manager is about; empty if it is about the tenant.
fn subscription(url: &Url) -> String {
    let mut path = url.path_segments().into_iter().flatten();
    let is_named = path.next().is_some_and(|first| first.eq_ignore_ascii_case("subscriptions"));
    path.next().filter(|_| is_named).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;
    use crate::http::header::{HeaderMap, HeaderValue};

    /// Waiting moves it, as in a simulation.
    #[derive(Debug)]
    struct Moving(Mutex<OffsetDateTime>);

    #[async_trait]
    impl Clock for Moving {
        fn now(&self) -> OffsetDateTime {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
            tokio::task::yield_now().await;
        }
    }

    fn limits() -> (Limits, Arc<dyn Clock>, OffsetDateTime) {
        let start = datetime!(2026-11-21 12:00 UTC);
        let clock: Arc<dyn Clock> = Arc::new(Moving(Mutex::new(start)));
        (Limits::new(&clock), clock, start)
    }

    const KEYS: Operation = Operation::safe(Service::Graph, "x", "y").taking(Scarce::KeyCredentials);
    const LIST: Operation = Operation::safe(Service::Graph, "x", "y").costing(2);

    #[tokio::test]
    async fn a_minute_has_no_more_than_150_readings_of_key_bytes() {
        let (limits, clock, start) = limits();
        let url: Url = "https://graph.microsoft.com/v1.0/applications".parse().unwrap();
        for _ in 0..300 {
            drop(limits.admit(&KEYS, &url).await);
        }
        let took = clock.now() - start;
        assert!(took >= time::Duration::seconds(119) && took < time::Duration::seconds(127), "{took}");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_for_a_scarce_budget_makes_no_room_in_it() {
        let (limits, ..) = limits();
        let url: Url = "https://graph.microsoft.com/beta/reports".parse().unwrap();
        let report = Operation::safe(Service::Graph, "x", "y").taking(Scarce::Reports);
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(limits.admit(&report, &url).await);
        }
        for _ in 0..3 {
            let mut waiting = std::pin::pin!(limits.admit(&report, &url));
            assert!(futures::poll!(waiting.as_mut()).is_pending());
        }
        held.pop();
        held.push(limits.admit(&report, &url).await);
        let mut another = std::pin::pin!(limits.admit(&report, &url));
        for _ in 0..200 {
            assert!(futures::poll!(another.as_mut()).is_pending(), "one was over, and one has left");
        }
    }

    #[tokio::test]
    async fn each_subscription_has_its_own_bucket_of_reads() {
        let read = Operation::safe(Service::ResourceManager, "x", "y");
        let seconds = async |subscriptions: usize| {
            let (limits, clock, start) = limits();
            for index in 0..1_000 {
                let url = format!("https://management.azure.com/subscriptions/S{}/x", index % subscriptions);
                limits.admit(&read, &url.parse().unwrap()).await;
            }
            (clock.now() - start).whole_seconds()
        };
        assert!((30..33).contains(&seconds(1).await));
        assert_eq!(seconds(5).await, 0);
    }

    #[tokio::test]
    async fn a_refusal_holds_back_the_budget_and_no_other() {
        let (limits, clock, start) = limits();
        let url: Url = "https://graph.microsoft.com/v1.0/applications".parse().unwrap();
        let headers = HeaderMap::new();
        let refused = Seen {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: &headers,
            retry_after: Some(Duration::from_secs(17)),
        };
        limits.seen(&KEYS, &url, &refused);
        drop(limits.admit(&LIST, &url).await);
        assert_eq!(clock.now(), start);
        drop(limits.admit(&KEYS, &url).await);
        assert!(clock.now() - start >= time::Duration::seconds(17));
    }

    #[tokio::test]
    async fn graphs_warning_slows_us_down() {
        let (limits, clock, start) = limits();
        let url: Url = "https://graph.microsoft.com/v1.0/applications".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(USE_HEADER, HeaderValue::from_static("0.9"));
        limits.seen(&LIST, &url, &Seen { status: StatusCode::OK, headers: &headers, retry_after: None });
        for _ in 0..525 {
            limits.admit(&LIST, &url).await;
        }
        let took = clock.now() - start;
        assert!(took > time::Duration::milliseconds(1_500), "{took}");
    }

    #[tokio::test]
    async fn a_scarce_budget_that_is_nearly_spent_slows_down_nothing_else() {
        let (limits, clock, start) = limits();
        let url: Url = "https://graph.microsoft.com/v1.0/applications".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(USE_HEADER, HeaderValue::from_static("0.99"));
        limits.seen(&KEYS, &url, &Seen { status: StatusCode::OK, headers: &headers, retry_after: None });
        for _ in 0..350 {
            drop(limits.admit(&LIST, &url).await);
        }
        assert_eq!(clock.now(), start);
    }

    #[tokio::test]
    async fn vaults_of_one_region_share_a_budget_and_others_do_not() {
        let (limits, ..) = limits();
        let read = Operation::safe(Service::KeyVault, "x", "y");
        let vault = |name: &str| format!("https://{name}.vault.azure.net/").parse::<Url>().unwrap();
        limits.place(&vault("one"), "s", "westeurope");
        limits.place(&vault("two"), "S", "WestEurope");
        limits.place(&vault("three"), "s", "northeurope");
        let region = |name: &str| limits.budgets(&read, &vault(name)).pop();
        assert_eq!(region("one"), region("two"));
        assert_ne!(region("one"), region("three"));
        assert_ne!(region("one"), region("unknown"));
    }
}
