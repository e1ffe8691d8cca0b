//! The automatic choice: the first source that has an identity, and then always the same.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Credential, Setup, Source};
use crate::domain::Chain as Causes;
use crate::entra::error::Error;
use crate::entra::token::Token;
use crate::http::TokenRequest;

/// Asks the sources in order until one answers. A source that is configured and then refused ends
/// the search: falling through would use an identity that nobody meant.
#[derive(Debug)]
pub(super) struct Chain {
    setup: Setup,
    chosen: OnceLock<Arc<dyn Credential>>,
    choosing: Mutex<()>,
}

impl Chain {
    pub(super) fn new(setup: Setup) -> Self {
        Self { setup, chosen: OnceLock::new(), choosing: Mutex::new(()) }
    }

    async fn choose(&self, request: &TokenRequest) -> Result<Token, Error> {
        let mut tried = Vec::new();
        for source in Source::ALL {
            let ended = match source.build(&self.setup) {
                Ok(credential) => credential.token(request).await.map(|token| (credential, token)),
                Err(error) => Err(error),
            };
            match ended {
                Ok((credential, token)) => {
                    // The lock of the caller makes this the only writer.
                    let _ = self.chosen.set(credential);
                    return Ok(token);
                }
                Err(error) if error.is_unavailable() => {
                    tracing::debug!(credential = source.info().name, "passed over: {error}");
                    tried.push((source.info().name, reason(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::NoIdentity { tried })
    }
}

/// What a source said, without its name in front.
fn reason(error: &Error) -> String {
    match error {
        Error::NotConfigured { missing, .. } => missing.clone(),
        Error::NotAvailable { reason, .. } => reason.clone(),
        other => Causes(other).to_string(),
    }
}

#[async_trait]
impl Credential for Chain {
    fn name(&self) -> &'static str {
        self.chosen.get().map_or("auto", |chosen| chosen.name())
    }

    fn description(&self) -> String {
        self.chosen.get().map_or_else(|| "the automatic choice".to_owned(), |chosen| chosen.description())
    }

    async fn token(&self, request: &TokenRequest) -> Result<Token, Error> {
        if let Some(chosen) = self.chosen.get() {
            return chosen.token(request).await;
        }
        let _guard = self.choosing.lock().await;
        match self.chosen.get() {
            Some(chosen) => chosen.token(request).await,
            None => self.choose(request).await,
        }
    }
}
