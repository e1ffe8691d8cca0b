//! Numbers about the server, in the text form of Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// So many observations are kept apart before they are summed up.
const UPKEEP: u64 = 1_000;

/// Bounds of the classes that durations are counted in, in seconds.
const CLASSES: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

const METADATA: Metadata<'static> = Metadata::new("kvops", Level::INFO, None);

/// Counters of one server. Cheap to clone; nothing about them is global.
#[derive(Clone)]
pub struct Meters {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    observed: Arc<AtomicU64>,
}

impl Meters {
    /// Nothing counted yet.
    pub fn new() -> Result<Self, BuildError> {
        let durations = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &CLASSES)?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        Ok(Self { recorder: Arc::new(recorder), handle, observed: Arc::default() })
    }

    /// Counts one more. Names and labels are ours: nothing that a caller chooses may become one.
    pub fn count(&self, name: &'static str, labels: &[(&'static str, &str)]) {
        self.recorder.register_counter(&key(name, labels), &METADATA).increment(1);
    }

    /// Sets a number that goes up and down.
    pub fn gauge(&self, name: &'static str, value: f64) {
        self.recorder.register_gauge(&key(name, &[]), &METADATA).set(value);
    }

    /// All of it, as Prometheus reads it.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let status = status.to_string();
        // The method is the caller's word, so only those that there are become a label.
        let method =
            if matches!(method, "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "DELETE") { method } else { "other" };
        self.count("kvops_requests_total", &[("method", method), ("route", route), ("status", &status)]);
        let duration = key("kvops_request_duration_seconds", &[("route", route)]);
        self.recorder.register_histogram(&duration, &METADATA).record(took.as_secs_f64());
        if self.observed.fetch_add(1, Ordering::Relaxed) % UPKEEP == UPKEEP - 1 {
            self.handle.run_upkeep();
        }
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    Key::from_parts(name, labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect::<Vec<_>>())
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        let meters = Meters::new().unwrap();
        meters.count("kvops_refused_total", &[("rule", "host")]);
        meters.request("BREW", "/healthz", 200, Duration::from_millis(3));
        let text = meters.render();
        assert!(text.contains("kvops_refused_total{rule=\"host\"} 1"), "{text}");
        assert!(text.contains("kvops_requests_total{method=\"other\",route=\"/healthz\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("kvops_request_duration_seconds_bucket{route=\"/healthz\",le=\"0.005\"} 1"), "{text}");
    }

    #[test]
    fn two_servers_count_apart() {
        let (one, other) = (Meters::new().unwrap(), Meters::new().unwrap());
        one.count("kvops_refused_total", &[]);
        assert!(!other.render().contains("kvops_refused_total"));
    }
}
