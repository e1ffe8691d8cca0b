//! A clock that stands elsewhere: a lab's, so that waiting takes no time and both agree on it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::exit::Exit;
use super::failure::Failure;
use crate::domain::{Clock, SystemClock};

/// Keeps the difference to the remote clock. Waiting moves that clock, and waits no longer than
/// the call takes.
#[derive(Debug)]
pub(crate) struct RemoteClock {
    advance: Url,
    http: reqwest::Client,
    ahead: Mutex<time::Duration>,
}

#[derive(Deserialize)]
struct Reading {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
}

impl RemoteClock {
    /// Reads the clock at `address`, which must be plain `http` on this machine: whoever sets the
    /// time decides which certificates and tokens are valid.
    pub(crate) async fn at(address: &str) -> Result<Self, Failure> {
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
        let (clock, advance) = (join("clock")?, join("clock/advance")?);
        let reading = async { http.get(clock).send().await?.error_for_status()?.json::<Reading>().await }.await;
        let reading = reading.map_err(|error| unusable(crate::domain::Chain(&error).to_string()))?;
        Ok(Self { advance, http, ahead: Mutex::new(reading.now - SystemClock.now()) })
    }

    async fn advance(&self, duration: Duration) -> Result<Reading, reqwest::Error> {
        let body: Value = json!({ "seconds": duration.as_secs_f64() });
        self.http.post(self.advance.clone()).json(&body).send().await?.error_for_status()?.json().await
    }
}

#[async_trait]
impl Clock for RemoteClock {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now().saturating_add(*self.ahead.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn sleep(&self, duration: Duration) {
        match self.advance(duration).await {
            Ok(reading) => *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = reading.now - SystemClock.now(),
            // Its lab is gone; the machine's clock still passes.
            Err(_) => SystemClock.sleep(duration).await,
        }
    }
}
