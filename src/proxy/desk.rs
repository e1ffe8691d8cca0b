//! What the routes share.

use std::sync::Arc;

use super::engine::{Engine, Granted};
use super::wanted::Wanted;
use crate::domain::{Chain, Cloud, printable};
use crate::serve::{Meters, Problem};

/// The engine, and the counters.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) engine: Arc<Engine>,
    pub(super) meters: Meters,
}

impl Desk {
    /// The cloud that the engine works in.
    pub(super) fn cloud(&self) -> &Cloud {
        self.engine.http().cloud()
    }

    /// A token, counted.
    pub(super) async fn token(&self, wanted: &Wanted) -> Result<Granted, Problem> {
        let ended = self.engine.token(wanted).await;
        let outcome = ended.as_ref().map_or("refused", |granted| granted.cache.name());
        self.meters.count("kvops_tokens_total", &[("outcome", outcome)]);
        ended.map_err(|refusal| {
            let problem = refusal.problem();
            let reason = printable(&Chain(refusal.as_ref()).to_string());
            tracing::warn!(status = problem.status().as_u16(), "no token for application {}: {reason}", wanted.app);
            problem
        })
    }

    /// All counters, as Prometheus reads them.
    pub(super) fn metrics(&self) -> String {
        self.meters.gauge("kvops_tokens_remembered", self.engine.remembered() as f64);
        self.meters.render()
    }
}
