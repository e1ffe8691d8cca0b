//! Holding requests back before a service has to turn them away.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::operation::Operation;

/// Decides when a request may leave, and learns from what came of it. Commands that send a handful
/// of requests need none.
#[async_trait]
pub trait Pace: Debug + Send + Sync {
    /// Waits until the request may leave. Asked for each attempt, repeats included.
    async fn admit(&self, operation: &Operation, url: &Url) -> Permit;

    /// Tells what came of an attempt.
    fn seen(&self, operation: &Operation, url: &Url, seen: &Seen<'_>);
}

/// A place among the requests under way; given back when it is dropped.
#[derive(Debug, Default)]
pub struct Permit {
    _held: Option<Box<dyn Debug + Send + Sync>>,
}

impl Permit {
    /// A permit that gives `held` back.
    pub fn holding(held: impl Debug + Send + Sync + 'static) -> Self {
        Self { _held: Some(Box::new(held)) }
    }
}

/// The answer to an attempt, as far as it tells about budgets.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// How long the service asked us to wait.
    pub retry_after: Option<Duration>,
}
