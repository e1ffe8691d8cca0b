//! A clock that stands elsewhere: a lab's, so that waiting takes no time and both agree on it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::exit::Exit;
use super::failure::Failure;
use crate::domain::{Clock, SystemClock};

/// Follows the remote clock. Waiting moves that clock, and waits no longer than the call takes; in a
/// simulation it waits until everybody else waits, too.
#[derive(Debug)]
pub(crate) struct RemoteClock {
    wait: Url,
    http: reqwest::Client,
    pace: Mutex<Pace>,
}

/// How the remote clock goes, as far as it is known.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// So far before the machine's.
    Ahead(time::Duration),
    /// It stands until somebody moves it.
    Stands(OffsetDateTime),
}

#[derive(Deserialize)]
struct Reading {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    #[serde(default)]
    frozen: bool,
    /// In a simulation: so often somebody who only waits for answers has to look at the clock, in milliseconds.
    #[serde(default)]
    tick_ms: Option<u64>,
}

impl Reading {
    /// `asked_at` is from before the question, so that ours is never the slower clock: a wait that
    /// begins late by it would end early by the other.
    fn pace(&self, asked_at: OffsetDateTime) -> Pace {
        if self.frozen { Pace::Stands(self.now) } else { Pace::Ahead(self.now - asked_at) }
    }
}

/// How long a simulation may take to reach a moment, in real time.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl RemoteClock {
    /// Reads the clock at `address`, which must be plain `http` on this machine: whoever sets the
    /// time decides which certificates and tokens are valid.
    pub(crate) async fn at(address: &str) -> Result<Arc<Self>, Failure> {
        let unusable = |problem: String| Failure::new(Exit::Usage, format!("KVOPS_CLOCK={address}: {problem}"));
        let url = Url::parse(address).map_err(|error| unusable(error.to_string()))?;
        let is_loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if !is_loopback || url.scheme() != "http" {
            return Err(unusable("only http on a loopback address may set the time".to_owned()));
        }
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|error| unusable(error.to_string()))?;
        let join = |path| url.join(path).map_err(|error| unusable(error.to_string()));
        let (clock, wait) = (join("clock")?, join("clock/wait")?);
        let asked_at = SystemClock.now();
        let reading = async { http.get(clock).send().await?.error_for_status()?.json::<Reading>().await }.await;
        let reading = reading.map_err(|error| unusable(crate::domain::Chain(&error).to_string()))?;
        let clock = Arc::new(Self { wait, http, pace: Mutex::new(reading.pace(asked_at)) });
        if let Some(tick) = reading.tick_ms {
            tokio::spawn(keep_up(Arc::downgrade(&clock), tick));
        }
        Ok(clock)
    }

    /// Waits for a moment, and takes over the time at which that ends.
    async fn follow(&self, until: OffsetDateTime) -> Result<Reading, Failed> {
        let asked_at = SystemClock.now();
        let reading = self.wait_until(until).await?;
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = reading.pace(asked_at);
        Ok(reading)
    }

    async fn wait_until(&self, until: OffsetDateTime) -> Result<Reading, Failed> {
        let body = json!({ "until": until.format(&Rfc3339)? });
        let request = self.http.post(self.wait.clone()).timeout(LONGEST_WAIT).json(&body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

/// Its lab is gone, or the moment is none.
type Failed = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl Clock for RemoteClock {
    fn now(&self) -> OffsetDateTime {
        match *self.pace.lock().unwrap_or_else(PoisonError::into_inner) {
            Pace::Ahead(ahead) => SystemClock.now().saturating_add(ahead),
            Pace::Stands(now) => now,
        }
    }

    async fn sleep(&self, duration: Duration) {
        // A moment, not a span: what begins to wait together ends together.
        let span = time::Duration::try_from(duration).unwrap_or(time::Duration::MAX);
        if self.follow(self.now().saturating_add(span)).await.is_err() {
            // Its lab is gone; the machine's clock still passes.
            SystemClock.sleep(duration).await;
        }
    }
}

/// Looks at the clock of a simulation every so many milliseconds, until it ends.
async fn keep_up(clock: Weak<RemoteClock>, mut tick: u64) {
    while let Some(clock) = clock.upgrade() {
        let until = clock.now() + Duration::from_millis(tick);
        match clock.follow(until).await {
            Ok(Reading { tick_ms: Some(next), .. }) => tick = next,
            _ => return,
        }
    }
}
